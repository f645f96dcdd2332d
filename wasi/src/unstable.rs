//! What `wasi_unstable`, the generation before preview 1, has in its own form: the order of `whence`, the layouts of
//! `filestat` and of clock subscriptions, one right fewer, and socket calls that trap, as in wasmtime.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::{Outcome, WasiError};
use crate::files::{self, Whence};
use crate::memory::{Memory, get_u16, get_u32, get_u64};
use crate::poll::{self, Kind};
use crate::preview1::{open_path, read_subscriptions};
use crate::types::{check_rights, rights};
use crate::{metadata, paths};

/// `fd_fdstat_get`
pub(crate) fn fd_fdstat_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, result: u32) -> Outcome {
    metadata::fdstat(ctx, fd)?.write(memory, result, rights::ALL_UNSTABLE)
}

/// `fd_fdstat_set_rights`
pub(crate) fn fd_fdstat_set_rights(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32, base: u64, inheriting: u64) -> Outcome {
    check_rights(base | inheriting, rights::ALL_UNSTABLE)?;
    metadata::refuse_rights(ctx, fd)
}

/// `fd_filestat_get`
pub(crate) fn fd_filestat_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, result: u32) -> Outcome {
    metadata::filestat(ctx, fd)?.write_unstable(memory, result)
}

/// `path_filestat_get`
pub(crate) fn path_filestat_get(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    dirfd: u32,
    flags: u32,
    path: u32,
    len: u32,
    result: u32,
) -> Outcome {
    paths::filestat(ctx, memory, dirfd, flags, path, len)?.write_unstable(memory, result)
}

/// `fd_seek`: whence is current, end, set.
pub(crate) fn fd_seek(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, offset: u64, whence: u32, result: u32) -> Outcome {
    let whence = match whence as u8 {
        0 => Whence::Cur,
        1 => Whence::End,
        2 => Whence::Set,
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
    check_rights(base | inheriting, rights::ALL_UNSTABLE)?;
    open_path(ctx, memory, dirfd, dirflags, path, len, oflags, base, fdflags, result)
}

/// `poll_oneoff`
pub(crate) fn poll_oneoff(ctx: &mut WasiCtx, memory: &mut Memory<'_>, subscriptions: u32, events: u32, count: u32, result: u32) -> Outcome {
    let subscriptions = read_subscriptions::<56>(memory, subscriptions, count, |record| Kind::Clock {
        id: get_u32(record, 24),
        timeout: get_u64(record, 32),
        flags: get_u16(record, 48),
    })?;
    poll::poll(ctx, memory, &subscriptions, events, result)
}

fn unsupported(name: &str) -> Outcome {
    Err(WasiError::Trap(format!("{name} unsupported")).into())
}

/// `sock_recv`
#[allow(clippy::too_many_arguments)]
pub(crate) fn sock_recv(
    _: &mut WasiCtx,
    _: &mut Memory<'_>,
    _fd: u32,
    _iovs: u32,
    _count: u32,
    _flags: u32,
    _result: u32,
    _result_flags: u32,
) -> Outcome {
    unsupported("sock_recv")
}

/// `sock_send`
pub(crate) fn sock_send(_: &mut WasiCtx, _: &mut Memory<'_>, _fd: u32, _iovs: u32, _count: u32, _flags: u32, _result: u32) -> Outcome {
    unsupported("sock_send")
}

/// `sock_shutdown`
pub(crate) fn sock_shutdown(_: &mut WasiCtx, _: &mut Memory<'_>, _fd: u32, _how: u32) -> Outcome {
    unsupported("sock_shutdown")
}
