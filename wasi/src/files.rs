//! Calls on open files and streams: reading, writing, seeking, syncing, closing.
//!
//! One call of the guest is one `readv`/`writev` (or their positioned forms) on the guest's own bytes. The position
//! of a file is the host descriptor's, so that nothing needs to be tracked here.

use std::num::NonZeroU64;

use rustix::fs::{Advice, SeekFrom};

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::{Fail, Outcome};
use crate::memory::Memory;
use crate::table::Descriptor;

/// `fd_read`
pub(crate) fn fd_read(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, iovs: u32, count: u32, result: u32) -> Outcome {
    let WasiCtx { table, interrupt, .. } = ctx;
    let descriptor = table.get_mut(fd)?;
    let read = memory.scatter(iovs, count, |bufs| match descriptor {
        Descriptor::File(open) => interrupt.retry(|| rustix::io::readv(&open.file, bufs)),
        Descriptor::Stdin(input) => input.read(interrupt, bufs),
        Descriptor::Output(_) | Descriptor::Dir(_) => Err(Errno::Badf.into()),
    })?;
    write_count(memory, result, read)
}

/// `fd_pread`
pub(crate) fn fd_pread(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, iovs: u32, count: u32, offset: u64, result: u32) -> Outcome {
    let WasiCtx { table, interrupt, .. } = ctx;
    let descriptor = table.get(fd)?;
    let read = memory.scatter(iovs, count, |bufs| match descriptor {
        Descriptor::File(open) => interrupt.retry(|| rustix::io::preadv(&open.file, bufs, offset)),
        Descriptor::Stdin(_) => Err(Errno::Spipe.into()),
        Descriptor::Output(_) | Descriptor::Dir(_) => Err(Errno::Badf.into()),
    })?;
    write_count(memory, result, read)
}

/// `fd_write`
pub(crate) fn fd_write(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, iovs: u32, count: u32, result: u32) -> Outcome {
    let WasiCtx { table, interrupt, .. } = ctx;
    let descriptor = table.get(fd)?;
    let written = memory.gather(iovs, count, |bufs| match descriptor {
        Descriptor::File(open) if open.writable => interrupt.retry(|| rustix::io::writev(&open.file, bufs)),
        Descriptor::Output(output) => output.write(interrupt, bufs),
        Descriptor::File(_) | Descriptor::Stdin(_) | Descriptor::Dir(_) => Err(Errno::Badf.into()),
    })?;
    write_count(memory, result, written)
}

/// `fd_pwrite`: as on Linux, a file in append mode is written at its end whatever the offset.
pub(crate) fn fd_pwrite(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, iovs: u32, count: u32, offset: u64, result: u32) -> Outcome {
    let WasiCtx { table, interrupt, .. } = ctx;
    let descriptor = table.get(fd)?;
    let written = memory.gather(iovs, count, |bufs| match descriptor {
        Descriptor::File(open) if open.writable => interrupt.retry(|| rustix::io::pwritev(&open.file, bufs, offset)),
        Descriptor::Output(_) => Err(Errno::Spipe.into()),
        Descriptor::File(_) | Descriptor::Stdin(_) | Descriptor::Dir(_) => Err(Errno::Badf.into()),
    })?;
    write_count(memory, result, written)
}

fn write_count(memory: &mut Memory<'_>, result: u32, count: usize) -> Outcome {
    memory.write_u32(result, u32::try_from(count).map_err(|_| Errno::Overflow)?)
}

/// From where `fd_seek` counts; the two generations number them differently.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whence {
    Set,
    Cur,
    End,
}

/// The core of `fd_seek`: the new position.
pub(crate) fn seek(ctx: &WasiCtx, fd: u32, offset: u64, whence: Whence) -> Result<u64, Fail> {
    let open = ctx.table.seekable(fd)?;
    let offset = offset as i64;
    let position = match whence {
        Whence::Set => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?),
        Whence::Cur => SeekFrom::Current(offset),
        Whence::End => SeekFrom::End(offset),
    };
    Ok(rustix::fs::seek(&open.file, position)?)
}

/// `fd_tell`
pub(crate) fn fd_tell(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, result: u32) -> Outcome {
    let open = ctx.table.seekable(fd)?;
    memory.write_u64(result, rustix::fs::tell(&open.file)?)
}

/// `fd_advise`
pub(crate) fn fd_advise(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32, offset: u64, len: u64, advice: u32) -> Outcome {
    let advice = match advice as u8 {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval.into()),
    };
    let open = ctx.table.file(fd)?;
    Ok(rustix::fs::fadvise(&open.file, offset, NonZeroU64::new(len), advice)?)
}

/// `fd_allocate`: not supported, as in wasmtime, since not every host can do it.
pub(crate) fn fd_allocate(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32, _offset: u64, _len: u64) -> Outcome {
    ctx.table.file(fd)?;
    Err(Errno::Notsup.into())
}

/// `fd_sync`
pub(crate) fn fd_sync(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32) -> Outcome {
    let open = ctx.table.file(fd)?;
    ctx.interrupt.retry(|| rustix::fs::fsync(&open.file))
}

/// `fd_datasync`
pub(crate) fn fd_datasync(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32) -> Outcome {
    let open = ctx.table.file(fd)?;
    ctx.interrupt.retry(|| rustix::fs::fdatasync(&open.file))
}

/// `fd_close`
pub(crate) fn fd_close(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32) -> Outcome {
    Ok(ctx.table.close(fd)?)
}

/// `fd_renumber`
pub(crate) fn fd_renumber(ctx: &mut WasiCtx, _: &mut Memory<'_>, from: u32, to: u32) -> Outcome {
    Ok(ctx.table.renumber(from, to)?)
}
