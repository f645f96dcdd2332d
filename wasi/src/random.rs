//! `random_get`: the kernel's random bytes, straight into guest memory.

use rustix::rand::{GetRandomFlags, getrandom};

use crate::ctx::WasiCtx;
use crate::error::Outcome;
use crate::memory::Memory;

/// `random_get`
pub(crate) fn random_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, buf: u32, len: u32) -> Outcome {
    let mut rest = memory.bytes_mut(buf, len)?;
    while !rest.is_empty() {
        // Long requests come in parts, which signals may end early.
        let filled = ctx.interrupt.retry(|| getrandom(&mut *rest, GetRandomFlags::empty()))?;
        rest = &mut rest[filled..];
    }
    Ok(())
}
