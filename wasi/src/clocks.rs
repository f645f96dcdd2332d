//! Clocks: real time, and monotonic time since the context was built. CPU-time clocks are `Badf`, as in wasmtime.

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

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

/// The host's monotonic clock, in nanoseconds.
pub(crate) fn host_monotonic() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// Nanoseconds since 1970.
pub(crate) fn realtime() -> u64 {
    nanoseconds(clock_gettime(ClockId::Realtime))
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
