//! Arguments and environment variables: an array of pointers and the strings they point to, each ended by a zero.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::{Outcome, WasiError};
use crate::memory::Memory;

fn write_strings(memory: &mut Memory<'_>, strings: &[Vec<u8>], mut pointers: u32, mut buffer: u32) -> Outcome {
    for string in strings {
        memory.write_u32(pointers, buffer)?;
        memory.write_bytes(buffer, string)?;
        let end = advance(buffer, string.len())?;
        memory.write_bytes(end, &[0])?;
        buffer = advance(end, 1)?;
        pointers = advance(pointers, 4)?;
    }
    Ok(())
}

fn advance(ptr: u32, by: usize) -> Result<u32, WasiError> {
    u32::try_from(ptr as usize + by).map_err(|_| WasiError::Trap(format!("pointer out of bounds: {by} bytes past {ptr:#x}")))
}

fn write_sizes(memory: &mut Memory<'_>, strings: &[Vec<u8>], count: u32, size: u32) -> Outcome {
    let bytes: usize = strings.iter().map(|s| s.len() + 1).sum();
    memory.write_u32(count, u32::try_from(strings.len()).map_err(|_| Errno::Overflow)?)?;
    memory.write_u32(size, u32::try_from(bytes).map_err(|_| Errno::Overflow)?)
}

/// `args_get`
pub(crate) fn args_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, argv: u32, buf: u32) -> Outcome {
    write_strings(memory, &ctx.args, argv, buf)
}

/// `args_sizes_get`
pub(crate) fn args_sizes_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, count: u32, size: u32) -> Outcome {
    write_sizes(memory, &ctx.args, count, size)
}

/// `environ_get`
pub(crate) fn environ_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, environ: u32, buf: u32) -> Outcome {
    write_strings(memory, &ctx.env, environ, buf)
}

/// `environ_sizes_get`
pub(crate) fn environ_sizes_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, count: u32, size: u32) -> Outcome {
    write_sizes(memory, &ctx.env, count, size)
}
