//! Ending, signalling and yielding.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::{Outcome, WasiError};
use crate::memory::Memory;

/// The last of the 31 signals.
const SIGNAL_SYS: u8 = 30;

/// `proc_exit`: the code goes to the embedder as it is.
pub(crate) fn proc_exit(_: &mut WasiCtx, _: &mut Memory<'_>, code: u32) -> Outcome {
    Err(WasiError::Exit(code as i32).into())
}

/// `proc_raise`: not supported, as in wasmtime.
pub(crate) fn proc_raise(_: &mut WasiCtx, _: &mut Memory<'_>, signal: u32) -> Outcome {
    let known = signal as u8 <= SIGNAL_SYS;
    Err(if known { Errno::Notsup } else { Errno::Inval }.into())
}

/// `sched_yield`
pub(crate) fn sched_yield(_: &mut WasiCtx, _: &mut Memory<'_>) -> Outcome {
    std::thread::yield_now();
    Ok(())
}
