//! Clocks: real time, and monotonic time since the context was built. CPU-time clocks are `Badf`, as in wasmtime.

use rustix::time::{ClockId, Timespec, clock_getres};
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::Outcome;
use crate::memory::Memory;

/// `clockid`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    Realtime,
    Monotonic,
    /// Of the process or the thread; not served.
    Cpu,
}

impl Clock {
    pub(crate) fn from_id(id: u32) -> Result<Clock, Errno> {
        match id {
            0 => Ok(Clock::Realtime),
            1 => Ok(Clock::Monotonic),
            2 | 3 => Ok(Clock::Cpu),
            _ => Err(Errno::Inval),
        }
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// The host's monotonic clock, in nanoseconds from the first call on. By the C library, which found the kernel's page for it when the process began; rustix
/// would look for it again.
pub(crate) fn host_monotonic() -> u64 {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(ORIGIN.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds since 1970.
pub(crate) fn realtime() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// `clock_res_get`
pub(crate) fn clock_res_get(_: &mut WasiCtx, memory: &mut Memory<'_>, id: u32, result: u32) -> Outcome {
    let resolution = match Clock::from_id(id)? {
        Clock::Realtime => clock_getres(ClockId::Realtime),
        Clock::Monotonic => clock_getres(ClockId::Monotonic),
        Clock::Cpu => return Err(Errno::Badf.into()),
    };
    memory.write_u64(result, nanoseconds(resolution))
}

/// `clock_time_get`: always as precise as the host is.
pub(crate) fn clock_time_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, id: u32, _precision: u64, result: u32) -> Outcome {
    let now = match Clock::from_id(id)? {
        Clock::Realtime => realtime(),
        // Never 0: some runtimes take that for a clock that does not work.
        Clock::Monotonic => host_monotonic().saturating_sub(ctx.clock_start).max(1),
        Clock::Cpu => return Err(Errno::Badf.into()),
    };
    memory.write_u64(result, now)
}
