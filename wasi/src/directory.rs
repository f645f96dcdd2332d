//! Reading directories, and the names of preopened ones.
//!
//! A cookie is a position in a listing: 0 is `.`, 1 is `..`, then the entries in the host's order. The listing is
//! taken when a guest reads from cookie 0 and kept with the descriptor, so that entries created or removed while the
//! guest walks it neither shift nor repeat others.

use std::os::fd::OwnedFd;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::error::{Fail, Outcome};
use crate::memory::{Memory, put};
use crate::metadata::inode_number;
use crate::table::Descriptor;
use crate::types::Filetype;

const DIRENT_SIZE: usize = 24;

/// The directory opened for reading: a preopened one is held by path only, and reading moves a position that the
/// handle's other users must not see.
pub(crate) fn reopen(dir: &Dir) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(dir, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// A directory's entries at one moment.
#[derive(Debug)]
pub(crate) struct Listing(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    ino: u64,
    filetype: Filetype,
    name: Box<[u8]>,
}

impl Listing {
    fn take(dir: &Dir) -> Result<Listing, Fail> {
        let readable = reopen(dir)?;
        let own = rustix::fs::fstat(&readable)?;
        let own_ino = inode_number(own.st_dev, own.st_ino);
        let mut entries = Vec::new();
        for name in [&b"."[..], b".."] {
            // The number of the directory above is not the guest's to know.
            entries.push(Entry { ino: own_ino, filetype: Filetype::Directory, name: name.into() });
        }
        for entry in rustix::fs::Dir::new(readable)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let mut filetype = entry.file_type();
            if filetype == FileType::Unknown {
                // Some file systems do not tell. A name from the kernel is a single component: nothing is resolved.
                filetype = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode));
            }
            let ino = inode_number(own.st_dev, entry.ino());
            entries.push(Entry { ino, filetype: filetype.into(), name: name.to_bytes().into() });
        }
        Ok(Listing(entries))
    }

    /// The entries from `cookie` on, in at most `room` bytes; the last may be cut anywhere.
    ///
    /// ```text
    /// dirent, 24 bytes: +0 next cookie u64 | +8 ino u64 | +16 name length u32 | +20 filetype u8 | +24 name
    /// ```
    fn encode(&self, cookie: u64, room: usize) -> Vec<u8> {
        let skip = usize::try_from(cookie).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        for (index, entry) in self.0.iter().enumerate().skip(skip) {
            let mut head = [0; DIRENT_SIZE];
            put(&mut head, 0, &(index as u64 + 1).to_le_bytes());
            put(&mut head, 8, &entry.ino.to_le_bytes());
            put(&mut head, 16, &(entry.name.len() as u32).to_le_bytes());
            head[20] = entry.filetype as u8;
            out.extend_from_slice(&head);
            out.extend_from_slice(&entry.name);
            if out.len() >= room {
                out.truncate(room);
                break;
            }
        }
        out
    }
}

/// `fd_readdir`: a result as long as the buffer means that there may be more.
pub(crate) fn fd_readdir(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, buf: u32, len: u32, cookie: u64, result: u32) -> Outcome {
    let Descriptor::Dir(open) = ctx.table.get_mut(fd)? else { return Err(Errno::Badf.into()) };
    if cookie == 0 {
        open.listing = None;
    }
    let listing = match &mut open.listing {
        Some(listing) => listing,
        empty => empty.insert(Listing::take(&open.dir)?),
    };
    let bytes = listing.encode(cookie, len as usize);
    memory.write_bytes(buf, &bytes)?;
    memory.write_u32(result, bytes.len() as u32)
}

/// `fd_prestat_get`:
///
/// ```text
/// prestat, 8 bytes, align 4: +0 tag u8 (0: directory) | +4 name length u32
/// ```
pub(crate) fn fd_prestat_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, result: u32) -> Outcome {
    let Descriptor::Dir(open) = ctx.table.get(fd)? else { return Err(Errno::Badf.into()) };
    let name = open.preopen.as_ref().ok_or(Errno::Badf)?;
    let mut record = [0; 8];
    put(&mut record, 4, &u32::try_from(name.len()).map_err(|_| Errno::Overflow)?.to_le_bytes());
    memory.write_record(result, 4, &record)
}

/// `fd_prestat_dir_name`: the name, not terminated.
pub(crate) fn fd_prestat_dir_name(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, path: u32, len: u32) -> Outcome {
    let Descriptor::Dir(open) = ctx.table.get(fd)? else { return Err(Errno::Notdir.into()) };
    let name = open.preopen.as_ref().ok_or(Errno::Notdir)?;
    if name.len() > len as usize {
        return Err(Errno::Nametoolong.into());
    }
    memory.write_bytes(path, name)
}
