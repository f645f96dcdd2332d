//! `poll_oneoff`: waiting for the first of several clocks and descriptors.
//!
//! The layouts of subscriptions belong to the two generations; here they are values. As in wasmtime a subscription
//! that cannot be waited for fails the whole call, and readiness carries no byte count but 1.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use crate::clocks::{self, Clock};
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::{Fail, Outcome};
use crate::memory::{Memory, put};
use crate::table::Descriptor;

/// The most subscriptions of one call; wasmtime bounds them too, by the bytes a call may copy.
pub(crate) const MAX_SUBSCRIPTIONS: u32 = 1 << 16;

/// `subclockflags`: the timeout is a time, not a duration.
pub(crate) const CLOCK_ABSOLUTE: u16 = 1;

/// The event has ended the stream.
const HANGUP: u16 = 1;

/// `subscription`
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscription {
    pub(crate) userdata: u64,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// `timeout` in nanoseconds; `id` and `flags` not checked yet.
    Clock {
        id: u32,
        timeout: u64,
        flags: u16,
    },
    Read {
        fd: u32,
    },
    Write {
        fd: u32,
    },
}

/// When a subscription is ready.
enum Condition {
    /// The host's monotonic clock has reached this.
    Time(u64),
    /// The entry of the poll list with this index reports something.
    Fd(usize),
    Always,
}

/// `event`, the same in both generations:
///
/// ```text
/// 32 bytes, align 8: +0 userdata u64 | +8 error u16 | +10 type u8 | +16 nbytes u64 | +24 flags u16
/// ```
fn write_event(memory: &mut Memory<'_>, ptr: u32, userdata: u64, kind: u8, nbytes: u64, flags: u16) -> Outcome {
    let mut record = [0; 32];
    put(&mut record, 0, &userdata.to_le_bytes());
    record[10] = kind;
    put(&mut record, 16, &nbytes.to_le_bytes());
    put(&mut record, 24, &flags.to_le_bytes());
    memory.write_record(ptr, 8, &record)
}

/// The host's monotonic time at which a clock subscription is ready.
fn deadline(ctx: &WasiCtx, id: u32, timeout: u64, flags: u16) -> Result<u64, Errno> {
    let clock = Clock::from_id(id)?;
    if flags & !CLOCK_ABSOLUTE != 0 {
        return Err(Errno::Inval);
    }
    let now = clocks::host_monotonic();
    match (clock, flags == CLOCK_ABSOLUTE) {
        (Clock::Cpu, _) => Err(Errno::Inval),
        (_, false) => Ok(now.saturating_add(timeout)),
        (Clock::Monotonic, true) => Ok(ctx.clock_start.saturating_add(timeout)),
        (Clock::Realtime, true) => Ok(now.saturating_add(timeout.saturating_sub(clocks::realtime()))),
    }
}

/// The descriptor to wait for; `None` if it never blocks.
fn pollable(ctx: &WasiCtx, fd: u32, writing: bool) -> Result<Option<BorrowedFd<'_>>, Errno> {
    match ctx.table.get(fd)? {
        Descriptor::Stdin(input) if !writing => Ok(input.fd()),
        Descriptor::Output(output) if writing => Ok(output.fd()),
        Descriptor::File(open) => Ok(Some(open.file.as_fd())),
        _ => Err(Errno::Badf),
    }
}

/// The core of `poll_oneoff`: waits, writes an event for each ready subscription to `events`, and their count to
/// `result`.
pub(crate) fn poll(ctx: &WasiCtx, memory: &mut Memory<'_>, subscriptions: &[Subscription], events: u32, result: u32) -> Outcome {
    let mut fds = Vec::new();
    let mut conditions = Vec::with_capacity(subscriptions.len());
    for subscription in subscriptions {
        conditions.push(condition(ctx, subscription.kind, &mut fds)?);
    }
    wait(ctx, &conditions, &mut fds)?;
    let now = clocks::host_monotonic();
    let mut count = 0;
    for (subscription, condition) in subscriptions.iter().zip(&conditions) {
        if is_ready(condition, &fds, now) {
            let ptr = events.checked_add(count * 32).ok_or(Errno::Overflow)?;
            report(ctx, memory, ptr, subscription)?;
            count += 1;
        }
    }
    memory.write_u32(result, count)
}

fn condition<'c>(ctx: &'c WasiCtx, kind: Kind, fds: &mut Vec<PollFd<'c>>) -> Result<Condition, Errno> {
    let (fd, flags) = match kind {
        Kind::Clock { id, timeout, flags } => return Ok(Condition::Time(deadline(ctx, id, timeout, flags)?)),
        Kind::Read { fd } => (pollable(ctx, fd, false)?, PollFlags::IN),
        Kind::Write { fd } => (pollable(ctx, fd, true)?, PollFlags::OUT),
    };
    Ok(match fd {
        Some(fd) => {
            fds.push(PollFd::from_borrowed_fd(fd, flags));
            Condition::Fd(fds.len() - 1)
        }
        None => Condition::Always,
    })
}

fn is_ready(condition: &Condition, fds: &[PollFd<'_>], now: u64) -> bool {
    match condition {
        Condition::Time(deadline) => *deadline <= now,
        Condition::Fd(index) => !fds[*index].revents().is_empty(),
        Condition::Always => true,
    }
}

/// Returns when something is ready.
fn wait(ctx: &WasiCtx, conditions: &[Condition], fds: &mut [PollFd<'_>]) -> Result<(), Fail> {
    let earliest = conditions.iter().filter_map(|c| match c {
        Condition::Time(deadline) => Some(*deadline),
        Condition::Always => Some(0),
        Condition::Fd(_) => None,
    });
    let earliest = earliest.min();
    loop {
        let limit = earliest.map(|e| Duration::from_nanos(e.saturating_sub(clocks::host_monotonic())));
        let ready = ctx.interrupt.poll(fds, limit)?;
        if ready > 0 || earliest.is_some_and(|e| e <= clocks::host_monotonic()) {
            return Ok(());
        }
    }
}

/// Writes the event of a ready subscription.
fn report(ctx: &WasiCtx, memory: &mut Memory<'_>, ptr: u32, subscription: &Subscription) -> Outcome {
    let Subscription { userdata, kind } = *subscription;
    match kind {
        Kind::Clock { .. } => write_event(memory, ptr, userdata, 0, 0, 0),
        Kind::Read { fd } => write_event(memory, ptr, userdata, 1, 1, read_flags(ctx, fd)?),
        Kind::Write { .. } => write_event(memory, ptr, userdata, 2, 1, 0),
    }
}

/// A regular file read to its end hangs up.
fn read_flags(ctx: &WasiCtx, fd: u32) -> Result<u16, Fail> {
    let Descriptor::File(open) = ctx.table.get(fd)? else { return Ok(0) };
    let meta = open.file.metadata()?;
    Ok(if meta.is_file() && rustix::fs::tell(&open.file)? >= meta.len() { HANGUP } else { 0 })
}
