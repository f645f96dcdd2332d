//! Sockets of preview 1. A guest cannot get one, as in wasmtime: every open descriptor is `Notsock`.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::Outcome;
use crate::memory::Memory;
use crate::types::{fdflags, flags8, flags16};

/// `riflags`: peek, wait for all.
const RIFLAGS_ALL: u16 = 3;
/// `sdflags`: receiving, sending.
const SDFLAGS_ALL: u8 = 3;

fn not_a_socket(ctx: &WasiCtx, fd: u32) -> Outcome {
    ctx.table.get(fd)?;
    Err(Errno::Notsock.into())
}

/// `sock_accept`
pub(crate) fn sock_accept(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32, flags: u32, _result: u32) -> Outcome {
    flags16(flags, fdflags::ALL)?;
    not_a_socket(ctx, fd)
}

/// `sock_recv`
#[allow(clippy::too_many_arguments)]
pub(crate) fn sock_recv(
    ctx: &mut WasiCtx,
    _: &mut Memory<'_>,
    fd: u32,
    _iovs: u32,
    _count: u32,
    flags: u32,
    _result: u32,
    _result_flags: u32,
) -> Outcome {
    flags16(flags, RIFLAGS_ALL)?;
    not_a_socket(ctx, fd)
}

/// `sock_send`
pub(crate) fn sock_send(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32, _iovs: u32, _count: u32, _flags: u32, _result: u32) -> Outcome {
    not_a_socket(ctx, fd)
}

/// `sock_shutdown`
pub(crate) fn sock_shutdown(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32, how: u32) -> Outcome {
    flags8(how, SDFLAGS_ALL)?;
    not_a_socket(ctx, fd)
}
