//! What descriptors are: `fd_fdstat_*`, `fd_filestat_*`, and the times and numbers that they share with paths.
//!
//! Device numbers of the host stay hidden: every file is on device 1, and its number is made of the host's device
//! and inode, so that two files are the same exactly if both agree.

use cap_std::fs::{Metadata, MetadataExt};
use rustix::fs::{FileType, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::ctx::WasiCtx;
use crate::directory::reopen;
use crate::errno::Errno;
use crate::error::{Fail, Outcome};
use crate::memory::Memory;
use crate::table::{Descriptor, OpenFile};
use crate::types::{Fdstat, Filestat, Filetype, fdflags, flags16, fstflags, rights};

/// The only device a guest sees.
const GUEST_DEVICE: u64 = 1;

/// The guest's number of the file `ino` on the host's device `dev`.
pub(crate) fn inode_number(dev: u64, ino: u64) -> u64 {
    dev.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ino
}

/// Nanoseconds since 1970; what u64 cannot hold becomes its nearest end.
fn nanoseconds(seconds: i64, nanos: i64) -> u64 {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    total.clamp(0, i128::from(u64::MAX)) as u64
}

impl From<Metadata> for Filestat {
    fn from(meta: Metadata) -> Filestat {
        Filestat {
            dev: GUEST_DEVICE,
            ino: inode_number(meta.dev(), meta.ino()),
            filetype: FileType::from_raw_mode(meta.mode()).into(),
            nlink: meta.nlink(),
            size: meta.len(),
            atim: nanoseconds(meta.atime(), meta.atime_nsec()),
            mtim: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            ctim: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        }
    }
}

fn stream_filetype(is_terminal: bool) -> Filetype {
    if is_terminal { Filetype::CharacterDevice } else { Filetype::Unknown }
}

fn stream_filestat(is_terminal: bool) -> Filestat {
    let filetype = stream_filetype(is_terminal);
    Filestat { dev: 0, ino: 0, filetype, nlink: 0, size: 0, atim: 0, mtim: 0, ctim: 0 }
}

pub(crate) fn filestat(ctx: &WasiCtx, fd: u32) -> Result<Filestat, Fail> {
    match ctx.table.get(fd)? {
        Descriptor::Stdin(input) => Ok(stream_filestat(input.is_terminal())),
        Descriptor::Output(output) => Ok(stream_filestat(output.is_terminal())),
        Descriptor::File(open) => Ok(open.file.metadata()?.into()),
        Descriptor::Dir(open) => Ok(open.dir.dir_metadata()?.into()),
    }
}

/// What a preopened directory offers.
const PREOPEN_BASE: u64 = rights::PATH_CREATE_DIRECTORY
    | rights::PATH_CREATE_FILE
    | rights::PATH_LINK_SOURCE
    | rights::PATH_LINK_TARGET
    | rights::PATH_OPEN
    | rights::FD_READDIR
    | rights::PATH_READLINK
    | rights::PATH_RENAME_SOURCE
    | rights::PATH_RENAME_TARGET
    | rights::PATH_SYMLINK
    | rights::PATH_REMOVE_DIRECTORY
    | rights::PATH_UNLINK_FILE
    | rights::PATH_FILESTAT_GET
    | rights::PATH_FILESTAT_SET_TIMES
    | rights::FD_FILESTAT_GET
    | rights::FD_FILESTAT_SET_TIMES;

/// What files opened through it may offer.
const PREOPEN_INHERITING: u64 = PREOPEN_BASE
    | rights::FD_DATASYNC
    | rights::FD_READ
    | rights::FD_SEEK
    | rights::FD_FDSTAT_SET_FLAGS
    | rights::FD_SYNC
    | rights::FD_TELL
    | rights::FD_WRITE
    | rights::FD_ADVISE
    | rights::FD_ALLOCATE
    | rights::FD_FILESTAT_SET_SIZE
    | rights::POLL_FD_READWRITE;

/// What a directory never offers.
const NOT_FOR_DIRECTORIES: u64 = rights::FD_SEEK | rights::FD_FILESTAT_SET_SIZE | rights::PATH_FILESTAT_SET_SIZE | rights::FD_WRITE;

fn file_rights(open: &OpenFile) -> u64 {
    let mut all = rights::ALL_PREVIEW1;
    if !open.readable {
        all &= !(rights::FD_READ | rights::FD_READDIR);
    }
    if !open.writable {
        all &= !rights::FD_WRITE;
    }
    all
}

/// The core of `fd_fdstat_get`.
pub(crate) fn fdstat(ctx: &WasiCtx, fd: u32) -> Result<Fdstat, Fail> {
    let (filetype, flags, rights_base, rights_inheriting) = match ctx.table.get(fd)? {
        Descriptor::Stdin(input) => (stream_filetype(input.is_terminal()), 0, rights::FD_READ, rights::FD_READ),
        Descriptor::Output(output) => (stream_filetype(output.is_terminal()), 0, rights::FD_WRITE, rights::FD_WRITE),
        Descriptor::Dir(open) if open.preopen.is_some() => (Filetype::Directory, 0, PREOPEN_BASE, PREOPEN_INHERITING),
        Descriptor::Dir(open) => {
            let all = rights::ALL_PREVIEW1 & !NOT_FOR_DIRECTORIES;
            (Filetype::Directory, open.flags, all, all)
        }
        Descriptor::File(open) => {
            let mode = rustix::fs::fstat(&open.file)?.st_mode;
            let all = file_rights(open);
            (FileType::from_raw_mode(mode).into(), open.flags, all, all)
        }
    };
    Ok(Fdstat { filetype, flags, rights_base, rights_inheriting })
}

/// `fd_fdstat_set_flags`: only `APPEND` and `NONBLOCK` can change.
pub(crate) fn fd_fdstat_set_flags(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32, flags: u32) -> Outcome {
    let flags = flags16(flags, fdflags::ALL)?;
    let Descriptor::File(open) = ctx.table.get_mut(fd)? else { return Err(Errno::Badf.into()) };
    if flags & (fdflags::DSYNC | fdflags::SYNC | fdflags::RSYNC) != 0 {
        return Err(Errno::Inval.into());
    }
    apply_flags(open, flags)
}

/// Tells the host about `APPEND` and `NONBLOCK`, then records `flags`.
pub(crate) fn apply_flags(open: &mut OpenFile, flags: u16) -> Outcome {
    let mut host = rustix::fs::fcntl_getfl(&open.file)?;
    host.set(OFlags::APPEND, flags & fdflags::APPEND != 0);
    host.set(OFlags::NONBLOCK, flags & fdflags::NONBLOCK != 0);
    rustix::fs::fcntl_setfl(&open.file, host)?;
    open.flags = flags;
    Ok(())
}

/// The core of `fd_fdstat_set_rights`, which wasmtime has not either.
pub(crate) fn refuse_rights(ctx: &WasiCtx, fd: u32) -> Outcome {
    match ctx.table.get(fd)? {
        Descriptor::File(_) | Descriptor::Dir(_) => Err(Errno::Notsup.into()),
        Descriptor::Stdin(_) | Descriptor::Output(_) => Err(Errno::Badf.into()),
    }
}

/// `fd_filestat_set_size`
pub(crate) fn fd_filestat_set_size(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32, size: u64) -> Outcome {
    let open = ctx.table.file(fd)?;
    if open.read_only {
        return Err(Errno::Perm.into());
    }
    if !open.writable {
        return Err(Errno::Inval.into());
    }
    ctx.interrupt.retry(|| rustix::fs::ftruncate(&open.file, size))
}

/// One time to set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NewTime {
    Keep,
    Now,
    /// Nanoseconds since 1970.
    At(u64),
}

impl NewTime {
    fn new(set: bool, now: bool, nanos: u64) -> Result<NewTime, Errno> {
        match (set, now) {
            (true, true) => Err(Errno::Inval),
            (true, false) => Ok(NewTime::At(nanos)),
            (false, true) => Ok(NewTime::Now),
            (false, false) => Ok(NewTime::Keep),
        }
    }

    fn timespec(self) -> Timespec {
        match self {
            NewTime::Keep => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            NewTime::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
            NewTime::At(nanos) => Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as _ },
        }
    }
}

/// The access and modification times of a `set_times` call.
pub(crate) fn new_times(atim: u64, mtim: u64, flags: u32) -> Result<(NewTime, NewTime), Errno> {
    let flags = flags16(flags, fstflags::ALL)?;
    let has = |flag| flags & flag != 0;
    Ok((
        NewTime::new(has(fstflags::ATIM), has(fstflags::ATIM_NOW), atim)?,
        NewTime::new(has(fstflags::MTIM), has(fstflags::MTIM_NOW), mtim)?,
    ))
}

/// `fd_filestat_set_times`
pub(crate) fn fd_filestat_set_times(ctx: &mut WasiCtx, _: &mut Memory<'_>, fd: u32, atim: u64, mtim: u64, flags: u32) -> Outcome {
    let (atim, mtim) = new_times(atim, mtim, flags)?;
    let times = Timestamps { last_access: atim.timespec(), last_modification: mtim.timespec() };
    match ctx.table.get(fd)? {
        Descriptor::File(open) if !open.read_only => Ok(rustix::fs::futimens(&open.file, &times)?),
        Descriptor::Dir(open) => Ok(rustix::fs::futimens(reopen(open.mutable()?)?, &times)?),
        Descriptor::File(_) => Err(Errno::Perm.into()),
        Descriptor::Stdin(_) | Descriptor::Output(_) => Err(Errno::Badf.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_the_range_are_clamped() {
        assert_eq!(nanoseconds(-1, 5), 0);
        assert_eq!(nanoseconds(1, 5), 1_000_000_005);
        assert_eq!(nanoseconds(i64::MAX, 0), u64::MAX);
    }

    #[test]
    fn inodes_of_one_device_stay_apart() {
        assert_ne!(inode_number(7, 1), inode_number(7, 2));
        assert_ne!(inode_number(7, 1), inode_number(8, 1));
    }
}
