//! Calls that name files by path, except opening.
//!
//! Each resolves its path beneath a directory handle by cap-std. What changes the tree asks the handle for
//! permission first ([`crate::table::OpenDir::mutable`]). Symbolic links with absolute targets can neither be made
//! nor read: they would name host paths.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, UNIX_EPOCH};

use cap_fs_ext::{DirExt, SystemTimeSpec};
use cap_std::fs::{Dir, Metadata};
use cap_std::time::SystemTime;

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::{Fail, Outcome};
use crate::memory::Memory;
use crate::metadata::{NewTime, new_times};
use crate::types::{Filestat, lookup_follows};

/// `path_create_directory`
pub(crate) fn path_create_directory(ctx: &mut WasiCtx, memory: &mut Memory<'_>, dirfd: u32, path: u32, len: u32) -> Outcome {
    let open = ctx.table.dir(dirfd)?;
    let path = memory.string(path, len)?;
    Ok(open.mutable()?.create_dir(path)?)
}

/// Whether the path can only name a directory.
fn requires_dir(path: &str) -> bool {
    path.ends_with('/') || path.ends_with("/.")
}

/// What a path names. A link before a slash is always followed; cap-std would not see the slash where a path has one component.
fn metadata(dir: &Dir, path: &str, follow: bool) -> io::Result<Metadata> {
    if follow || requires_dir(path) { dir.metadata(path) } else { dir.symlink_metadata(path) }
}

/// The core of `path_filestat_get`.
pub(crate) fn filestat(ctx: &WasiCtx, memory: &Memory<'_>, dirfd: u32, flags: u32, path: u32, len: u32) -> Result<Filestat, Fail> {
    let follow = lookup_follows(flags)?;
    let open = ctx.table.dir(dirfd)?;
    let path = memory.string(path, len)?;
    Ok(metadata(&open.dir, path, follow)?.into())
}

fn time_spec(time: NewTime) -> Option<SystemTimeSpec> {
    match time {
        NewTime::Keep => None,
        NewTime::Now => Some(SystemTimeSpec::SymbolicNow),
        NewTime::At(nanos) => {
            let time = UNIX_EPOCH + Duration::from_nanos(nanos);
            Some(SystemTimeSpec::Absolute(SystemTime::from_std(time)))
        }
    }
}

/// `path_filestat_set_times`
#[allow(clippy::too_many_arguments)]
pub(crate) fn path_filestat_set_times(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    dirfd: u32,
    flags: u32,
    path: u32,
    len: u32,
    atim: u64,
    mtim: u64,
    fst_flags: u32,
) -> Outcome {
    let follow = lookup_follows(flags)?;
    let (atim, mtim) = new_times(atim, mtim, fst_flags)?;
    let open = ctx.table.dir(dirfd)?;
    let path = memory.string(path, len)?;
    let dir = open.mutable()?;
    let (atim, mtim) = (time_spec(atim), time_spec(mtim));
    if atim.is_none() && mtim.is_none() {
        // Linux does not look at the path then.
        metadata(dir, path, follow)?;
    } else if follow {
        dir.set_times(path, atim, mtim)?
    } else {
        dir.set_symlink_times(path, atim, mtim)?
    }
    Ok(())
}

/// `path_link`: the source itself is linked; asking to follow it is `Inval`.
#[allow(clippy::too_many_arguments)]
pub(crate) fn path_link(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    old_fd: u32,
    old_flags: u32,
    old_path: u32,
    old_len: u32,
    new_fd: u32,
    new_path: u32,
    new_len: u32,
) -> Outcome {
    let follow = lookup_follows(old_flags)?;
    let (old, new) = (ctx.table.dir(old_fd)?, ctx.table.dir(new_fd)?);
    let (old_path, new_path) = (memory.string(old_path, old_len)?, memory.string(new_path, new_len)?);
    let (old, new) = (old.mutable()?, new.mutable()?);
    if follow {
        return Err(Errno::Inval.into());
    }
    Ok(old.hard_link(old_path, new, new_path)?)
}

/// `path_readlink`: a target longer than the buffer is cut.
#[allow(clippy::too_many_arguments)]
pub(crate) fn path_readlink(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    dirfd: u32,
    path: u32,
    len: u32,
    buf: u32,
    buf_len: u32,
    result: u32,
) -> Outcome {
    let open = ctx.table.dir(dirfd)?;
    let target = open.dir.read_link(memory.string(path, len)?)?;
    let target = target.as_os_str().as_bytes();
    if std::str::from_utf8(target).is_err() {
        return Err(Errno::Ilseq.into());
    }
    let target = &target[..target.len().min(buf_len as usize)];
    memory.write_bytes(buf, target)?;
    memory.write_u32(result, target.len() as u32)
}

/// `path_remove_directory`: slashes behind the name change nothing, as on Linux. cap-std would take them for `/.`, which cannot be removed.
pub(crate) fn path_remove_directory(ctx: &mut WasiCtx, memory: &mut Memory<'_>, dirfd: u32, path: u32, len: u32) -> Outcome {
    let open = ctx.table.dir(dirfd)?;
    let path = memory.string(path, len)?;
    let name = path.trim_end_matches('/');
    Ok(open.mutable()?.remove_dir(if name.is_empty() { path } else { name })?)
}

/// `path_rename`: a file does not get a name with a slash behind it, as on Linux; cap-std would leave the slash out.
#[allow(clippy::too_many_arguments)]
pub(crate) fn path_rename(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    old_fd: u32,
    old_path: u32,
    old_len: u32,
    new_fd: u32,
    new_path: u32,
    new_len: u32,
) -> Outcome {
    let (old, new) = (ctx.table.dir(old_fd)?, ctx.table.dir(new_fd)?);
    let (old_path, new_path) = (memory.string(old_path, old_len)?, memory.string(new_path, new_len)?);
    let (old, new) = (old.mutable()?, new.mutable()?);
    if new_path.ends_with('/') && metadata(old, old_path, false).is_ok_and(|meta| !meta.is_dir()) {
        return Err(Errno::Notdir.into());
    }
    Ok(old.rename(old_path, new, new_path)?)
}

/// `path_symlink`
pub(crate) fn path_symlink(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    target: u32,
    target_len: u32,
    dirfd: u32,
    path: u32,
    len: u32,
) -> Outcome {
    let open = ctx.table.dir(dirfd)?;
    let (target, path) = (memory.string(target, target_len)?, memory.string(path, len)?);
    Ok(Dir::symlink(open.mutable()?, target, path)?)
}

/// `path_unlink_file`
pub(crate) fn path_unlink_file(ctx: &mut WasiCtx, memory: &mut Memory<'_>, dirfd: u32, path: u32, len: u32) -> Outcome {
    let open = ctx.table.dir(dirfd)?;
    let path = memory.string(path, len)?;
    Ok(open.mutable()?.remove_file_or_symlink(path)?)
}
