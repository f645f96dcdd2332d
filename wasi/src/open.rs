//! `path_open`: from a path beneath a directory to a descriptor.
//!
//! Rights choose the mode: `fd_write` opens for writing, `fd_read` for reading; without `fd_write` a file is always
//! opened for reading, so that it can be opened at all. Creating implies writing.

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsMaybeDirExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, OpenOptions};

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::Fail;
use crate::metadata::apply_flags;
use crate::table::{Descriptor, OpenDir, OpenFile};
use crate::types::{fdflags, oflags, rights};

/// What to open and how, checked.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) path: &'a str,
    pub(crate) follow: bool,
    pub(crate) oflags: u16,
    pub(crate) rights: u64,
    pub(crate) fdflags: u16,
}

/// How the host is asked.
struct Mode {
    options: OpenOptions,
    readable: bool,
    writable: bool,
}

impl Request<'_> {
    fn has(&self, oflag: u16) -> bool {
        self.oflags & oflag != 0
    }

    /// Combinations that no directory permits, and changes that a read-only one refuses.
    fn check(&self, read_only: bool) -> Result<(), Errno> {
        let changes = self.has(oflags::CREAT | oflags::TRUNC) || self.rights & rights::FD_WRITE != 0;
        if read_only && changes {
            return Err(Errno::Perm);
        }
        if self.has(oflags::DIRECTORY) && self.has(oflags::CREAT | oflags::EXCL | oflags::TRUNC) {
            return Err(Errno::Inval);
        }
        Ok(())
    }

    fn mode(&self) -> Mode {
        let mut mode = Mode { options: OpenOptions::new(), readable: false, writable: false };
        let options = &mut mode.options;
        if self.has(oflags::CREAT) {
            if self.has(oflags::EXCL) {
                options.create_new(true);
            } else {
                options.create(true);
            }
            mode.writable = true;
        }
        mode.writable |= self.rights & rights::FD_WRITE != 0;
        mode.readable = self.rights & (rights::FD_READ | rights::FD_WRITE) != rights::FD_WRITE;
        options.truncate(self.has(oflags::TRUNC));
        options.write(mode.writable || self.has(oflags::TRUNC)).read(mode.readable);
        options.sync(self.fdflags & fdflags::SYNC != 0);
        options.dsync(self.fdflags & fdflags::DSYNC != 0);
        options.rsync(self.fdflags & fdflags::RSYNC != 0);
        options.nonblock(self.fdflags & fdflags::NONBLOCK != 0);
        options.maybe_dir(true);
        options.follow(if self.follow { FollowSymlinks::Yes } else { FollowSymlinks::No });
        mode
    }
}

/// The core of `path_open`: the new descriptor.
pub(crate) fn open(ctx: &mut WasiCtx, dirfd: u32, request: &Request<'_>) -> Result<u32, Fail> {
    let base = match ctx.table.get(dirfd)? {
        Descriptor::Dir(dir) => dir,
        Descriptor::File(_) => return Err(Errno::Notdir.into()),
        Descriptor::Stdin(_) | Descriptor::Output(_) => return Err(Errno::Badf.into()),
    };
    if !ctx.table.has_room() {
        return Err(Errno::Mfile.into());
    }
    let read_only = base.read_only;
    request.check(read_only)?;
    let mode = request.mode();
    let file = ctx.interrupt.retry_io(|| base.dir.open_with(request.path, &mode.options))?;
    let descriptor = if file.metadata()?.is_dir() {
        let dir = Dir::from_std_file(file.into_std());
        Descriptor::Dir(OpenDir { dir, preopen: None, read_only, flags: request.fdflags, listing: None })
    } else if request.has(oflags::DIRECTORY) {
        return Err(Errno::Notdir.into());
    } else {
        let Mode { readable, writable, .. } = mode;
        let mut open = OpenFile { file, flags: request.fdflags, readable, writable, read_only };
        if request.fdflags & fdflags::APPEND != 0 {
            apply_flags(&mut open, request.fdflags)?;
        }
        Descriptor::File(open)
    };
    Ok(ctx.table.push(descriptor)?)
}
