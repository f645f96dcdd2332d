//! Flags, enumerations and structures of WASI, with their layouts in guest memory.
//!
//! Arguments are checked as wasmtime's generated bindings do: a value is cut to the width of its type, then an
//! unknown flag or enumerator is `Inval`.

use rustix::fs::FileType;

use crate::errno::Errno;
use crate::error::Fail;
use crate::memory::{Memory, put};

/// `lookupflags`
pub(crate) const LOOKUP_SYMLINK_FOLLOW: u32 = 1;

/// `oflags`
pub(crate) mod oflags {
    pub(crate) const CREAT: u16 = 1 << 0;
    pub(crate) const DIRECTORY: u16 = 1 << 1;
    pub(crate) const EXCL: u16 = 1 << 2;
    pub(crate) const TRUNC: u16 = 1 << 3;
    pub(crate) const ALL: u16 = 0xf;
}

/// `fdflags`
pub(crate) mod fdflags {
    pub(crate) const APPEND: u16 = 1 << 0;
    pub(crate) const DSYNC: u16 = 1 << 1;
    pub(crate) const NONBLOCK: u16 = 1 << 2;
    pub(crate) const RSYNC: u16 = 1 << 3;
    pub(crate) const SYNC: u16 = 1 << 4;
    pub(crate) const ALL: u16 = 0x1f;
}

/// `fstflags`: which times to set, and to what.
pub(crate) mod fstflags {
    pub(crate) const ATIM: u16 = 1 << 0;
    pub(crate) const ATIM_NOW: u16 = 1 << 1;
    pub(crate) const MTIM: u16 = 1 << 2;
    pub(crate) const MTIM_NOW: u16 = 1 << 3;
    pub(crate) const ALL: u16 = 0xf;
}

/// `rights`: reported, and read by `path_open` to choose between reading and writing; nothing else depends on them.
pub(crate) mod rights {
    pub(crate) const FD_DATASYNC: u64 = 1 << 0;
    pub(crate) const FD_READ: u64 = 1 << 1;
    pub(crate) const FD_SEEK: u64 = 1 << 2;
    pub(crate) const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
    pub(crate) const FD_SYNC: u64 = 1 << 4;
    pub(crate) const FD_TELL: u64 = 1 << 5;
    pub(crate) const FD_WRITE: u64 = 1 << 6;
    pub(crate) const FD_ADVISE: u64 = 1 << 7;
    pub(crate) const FD_ALLOCATE: u64 = 1 << 8;
    pub(crate) const PATH_CREATE_DIRECTORY: u64 = 1 << 9;
    pub(crate) const PATH_CREATE_FILE: u64 = 1 << 10;
    pub(crate) const PATH_LINK_SOURCE: u64 = 1 << 11;
    pub(crate) const PATH_LINK_TARGET: u64 = 1 << 12;
    pub(crate) const PATH_OPEN: u64 = 1 << 13;
    pub(crate) const FD_READDIR: u64 = 1 << 14;
    pub(crate) const PATH_READLINK: u64 = 1 << 15;
    pub(crate) const PATH_RENAME_SOURCE: u64 = 1 << 16;
    pub(crate) const PATH_RENAME_TARGET: u64 = 1 << 17;
    pub(crate) const PATH_FILESTAT_GET: u64 = 1 << 18;
    pub(crate) const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    pub(crate) const PATH_FILESTAT_SET_TIMES: u64 = 1 << 20;
    pub(crate) const FD_FILESTAT_GET: u64 = 1 << 21;
    pub(crate) const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
    pub(crate) const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
    pub(crate) const PATH_SYMLINK: u64 = 1 << 24;
    pub(crate) const PATH_REMOVE_DIRECTORY: u64 = 1 << 25;
    pub(crate) const PATH_UNLINK_FILE: u64 = 1 << 26;
    pub(crate) const POLL_FD_READWRITE: u64 = 1 << 27;
    /// Bit 28 is `sock_shutdown`, bit 29 `sock_accept`, which `wasi_unstable` does not know.
    pub(crate) const ALL_UNSTABLE: u64 = (1 << 29) - 1;
    pub(crate) const ALL_PREVIEW1: u64 = (1 << 30) - 1;
}

/// A u8 flag set argument.
pub(crate) fn flags8(value: u32, all: u8) -> Result<u8, Errno> {
    let flags = value as u8;
    if flags & !all == 0 { Ok(flags) } else { Err(Errno::Inval) }
}

/// A u16 flag set argument.
pub(crate) fn flags16(value: u32, all: u16) -> Result<u16, Errno> {
    let flags = value as u16;
    if flags & !all == 0 { Ok(flags) } else { Err(Errno::Inval) }
}

/// `lookupflags`, a u32 flag set: whether symbolic links are followed.
pub(crate) fn lookup_follows(value: u32) -> Result<bool, Errno> {
    if value & !LOOKUP_SYMLINK_FOLLOW == 0 { Ok(value != 0) } else { Err(Errno::Inval) }
}

/// Checks a rights argument against the rights that exist.
pub(crate) fn check_rights(value: u64, all: u64) -> Result<u64, Errno> {
    if value & !all == 0 { Ok(value) } else { Err(Errno::Inval) }
}

/// `filetype`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Filetype {
    Unknown = 0,
    BlockDevice = 1,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SocketStream = 6,
    SymbolicLink = 7,
}

impl From<FileType> for Filetype {
    fn from(host: FileType) -> Filetype {
        match host {
            FileType::RegularFile => Filetype::RegularFile,
            FileType::Directory => Filetype::Directory,
            FileType::Symlink => Filetype::SymbolicLink,
            FileType::Socket => Filetype::SocketStream,
            FileType::CharacterDevice => Filetype::CharacterDevice,
            FileType::BlockDevice => Filetype::BlockDevice,
            // WASI has no code for a FIFO.
            FileType::Fifo | FileType::Unknown => Filetype::Unknown,
        }
    }
}

/// `fdstat`:
///
/// ```text
/// 24 bytes, align 8: +0 filetype u8 | +2 flags u16 | +8 rights_base u64 | +16 rights_inheriting u64
/// ```
pub(crate) struct Fdstat {
    pub(crate) filetype: Filetype,
    pub(crate) flags: u16,
    pub(crate) rights_base: u64,
    pub(crate) rights_inheriting: u64,
}

impl Fdstat {
    /// Writes it with no more than the rights in `known`.
    pub(crate) fn write(&self, memory: &mut Memory<'_>, ptr: u32, known: u64) -> Result<(), Fail> {
        let mut record = [0; 24];
        record[0] = self.filetype as u8;
        put(&mut record, 2, &self.flags.to_le_bytes());
        put(&mut record, 8, &(self.rights_base & known).to_le_bytes());
        put(&mut record, 16, &(self.rights_inheriting & known).to_le_bytes());
        memory.write_record(ptr, 8, &record)
    }
}

/// `filestat`, whose two layouts differ in the link count:
///
/// ```text
/// preview 1, 64 bytes, align 8: +0 dev u64 | +8 ino u64 | +16 filetype u8 | +24 nlink u64 | +32 size u64
///                               | +40 atim u64 | +48 mtim u64 | +56 ctim u64
/// unstable,  56 bytes, align 8: +0 dev u64 | +8 ino u64 | +16 filetype u8 | +20 nlink u32 | +24 size u64
///                               | +32 atim u64 | +40 mtim u64 | +48 ctim u64
/// ```
///
/// Times are nanoseconds since 1970.
#[derive(Debug)]
pub(crate) struct Filestat {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) filetype: Filetype,
    pub(crate) nlink: u64,
    pub(crate) size: u64,
    pub(crate) atim: u64,
    pub(crate) mtim: u64,
    pub(crate) ctim: u64,
}

impl Filestat {
    pub(crate) fn write_preview1(&self, memory: &mut Memory<'_>, ptr: u32) -> Result<(), Fail> {
        let mut record = [0; 64];
        put(&mut record, 24, &self.nlink.to_le_bytes());
        self.fill(&mut record, 32);
        memory.write_record(ptr, 8, &record)
    }

    pub(crate) fn write_unstable(&self, memory: &mut Memory<'_>, ptr: u32) -> Result<(), Fail> {
        let mut record = [0; 56];
        let nlink = u32::try_from(self.nlink).unwrap_or(u32::MAX);
        put(&mut record, 20, &nlink.to_le_bytes());
        self.fill(&mut record, 24);
        memory.write_record(ptr, 8, &record)
    }

    /// The fields that both layouts have, from `size` on at `tail`.
    fn fill(&self, record: &mut [u8], tail: usize) {
        put(record, 0, &self.dev.to_le_bytes());
        put(record, 8, &self.ino.to_le_bytes());
        record[16] = self.filetype as u8;
        for (i, field) in [self.size, self.atim, self.mtim, self.ctim].into_iter().enumerate() {
            put(record, tail + i * 8, &field.to_le_bytes());
        }
    }
}
