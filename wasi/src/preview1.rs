//! What `wasi_snapshot_preview1` has in its own form; all else is in [`crate::functions`].

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::{Fail, Outcome};
use crate::files::{self, Whence};
use crate::memory::{Memory, get_u16, get_u32, get_u64};
use crate::open::{self, Request};
use crate::poll::{self, Kind, Subscription};
use crate::types::{check_rights, fdflags, flags16, lookup_follows, oflags, rights};
use crate::{metadata, paths};

pub(crate) use crate::sock::{sock_recv, sock_send, sock_shutdown};

/// `fd_fdstat_get`
pub(crate) fn fd_fdstat_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, result: u32) -> Outcome {
    metadata::fdstat(ctx, fd)?.write(memory, result, rights::ALL_PREVIEW1)
}

/// `fd_fdstat_set_rights`
pub(crate) fn fd_fdstat_set_rights(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32, base: u64, inheriting: u64) -> Outcome {
    check_rights(base | inheriting, rights::ALL_PREVIEW1)?;
    metadata::refuse_rights(ctx, fd)
}

/// `fd_filestat_get`
pub(crate) fn fd_filestat_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, result: u32) -> Outcome {
    metadata::filestat(ctx, fd)?.write_preview1(memory, result)
}

/// `path_filestat_get`
#[allow(clippy::too_many_arguments)]
pub(crate) fn path_filestat_get(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    dirfd: u32,
    flags: u32,
    path: u32,
    len: u32,
    result: u32,
) -> Outcome {
    paths::filestat(ctx, memory, dirfd, flags, path, len)?.write_preview1(memory, result)
}

/// `fd_seek`: whence is set, current, end.
pub(crate) fn fd_seek(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, offset: u64, whence: u32, result: u32) -> Outcome {
    let whence = match whence as u8 {
        0 => Whence::Set,
        1 => Whence::Cur,
        2 => Whence::End,
        _ => return Err(Errno::Inval.into()),
    };
    memory.write_u64(result, files::seek(ctx, fd, offset, whence)?)
}

/// `path_open`
#[allow(clippy::too_many_arguments)]
pub(crate) fn path_open(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    dirfd: u32,
    dirflags: u32,
    path: u32,
    len: u32,
    oflags: u32,
    base: u64,
    inheriting: u64,
    fdflags: u32,
    result: u32,
) -> Outcome {
    check_rights(base | inheriting, rights::ALL_PREVIEW1)?;
    open_path(ctx, memory, dirfd, dirflags, path, len, oflags, base, fdflags, result)
}

/// `path_open` of both generations, the rights checked.
#[allow(clippy::too_many_arguments)]
pub(crate) fn open_path(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    dirfd: u32,
    dirflags: u32,
    path: u32,
    len: u32,
    oflags: u32,
    rights: u64,
    fdflags: u32,
    result: u32,
) -> Outcome {
    let request = Request {
        follow: lookup_follows(dirflags)?,
        oflags: flags16(oflags, oflags::ALL)?,
        fdflags: flags16(fdflags, fdflags::ALL)?,
        path: memory.string(path, len)?,
        rights,
    };
    let fd = open::open(ctx, dirfd, &request)?;
    memory.write_u32(result, fd)
}

/// `poll_oneoff`
pub(crate) fn poll_oneoff(ctx: &mut WasiCtx, memory: &mut Memory<'_>, subscriptions: u32, events: u32, count: u32, result: u32) -> Outcome {
    let subscriptions = read_subscriptions::<48>(memory, subscriptions, count, |record| Kind::Clock {
        id: get_u32(record, 16),
        timeout: get_u64(record, 24),
        flags: get_u16(record, 40),
    })?;
    poll::poll(ctx, memory, &subscriptions, events, result)
}

/// Reads an array of subscriptions of `N` bytes each, whose clock part `clock` reads:
///
/// ```text
/// both:      align 8: +0 userdata u64 | +8 tag u8 (0 clock, 1 read, 2 write) | +16 clock, or fd u32
/// preview 1, 48 bytes: +16 clock id u32 | +24 timeout u64 | +32 precision u64 | +40 flags u16
/// unstable,  56 bytes: +16 identifier u64 | +24 clock id u32 | +32 timeout u64 | +40 precision u64 | +48 flags u16
/// ```
pub(crate) fn read_subscriptions<const N: usize>(
    memory: &Memory<'_>,
    array: u32,
    count: u32,
    clock: impl Fn(&[u8; N]) -> Kind,
) -> Result<Vec<Subscription>, Fail> {
    match count {
        // To sleep for ever is not possible.
        0 => return Err(Errno::Inval.into()),
        1..=poll::MAX_SUBSCRIPTIONS => {}
        _ => return Err(Errno::Nomem.into()),
    }
    let mut subscriptions = Vec::with_capacity(count as usize);
    for index in 0..count {
        let ptr = array.checked_add(index * N as u32).ok_or(Errno::Overflow)?;
        let record = memory.record::<N>(ptr, 8)?;
        let kind = match record[8] {
            0 => clock(record),
            1 => Kind::Read { fd: get_u32(record, 16) },
            2 => Kind::Write { fd: get_u32(record, 16) },
            _ => return Err(Errno::Inval.into()),
        };
        subscriptions.push(Subscription { userdata: get_u64(record, 0), kind });
    }
    Ok(subscriptions)
}
