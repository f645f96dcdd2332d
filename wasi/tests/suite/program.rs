//! A program of the suite: a guest with an empty directory that is preopened as `/`, and the directory opened once more, through which it works.

use crate::guest::*;
use trjit_wasi::WasiCtxBuilder;

/// Rights by their bits in WASI's documents.
pub mod rights {
    pub const READ: u64 = 1 << 1;
    pub const SEEK: u64 = 1 << 2;
    pub const PATH_FILESTAT_GET: u64 = 1 << 18;
    pub const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    pub const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
}

/// File types by their numbers in WASI's documents.
pub mod filetype {
    pub const DIRECTORY: u8 = 3;
    pub const REGULAR: u8 = 4;
    pub const SYMLINK: u8 = 7;
}

pub const SET: u64 = 0;
pub const CUR: u64 = 1;
pub const END: u64 = 2;

pub const MTIM: u64 = 4;
pub const MTIM_NOW: u64 = 8;
pub const ATIM: u64 = 1;
pub const ATIM_NOW: u64 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    pub filetype: u8,
    pub nlink: u64,
    pub size: u64,
    pub atim: u64,
    pub mtim: u64,
    pub ctim: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fdstat {
    pub filetype: u8,
    pub flags: u16,
    pub base: u64,
    pub inheriting: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub next: u64,
    pub ino: u64,
    pub filetype: u8,
    pub name: String,
}

pub struct Program {
    pub root: tempfile::TempDir,
    pub g: Guest,
    /// The descriptor of the directory.
    pub dir: u64,
}

/// Runs a program with its calls made directly, then through a module.
pub fn on_both(run: impl Fn(&mut Program)) {
    for linked in [false, true] {
        run(&mut Program::new(linked));
    }
}

/// As [`on_both`], with a guest of the caller's making.
pub fn guests(build: impl Fn() -> WasiCtxBuilder, run: impl Fn(&mut Guest)) {
    run(&mut Guest::new(&mut build()));
    run(&mut Guest::linked(&mut build()));
}

impl Program {
    fn new(linked: bool) -> Program {
        let root = tempfile::tempdir().expect("a temporary directory");
        let mut builder = WasiCtxBuilder::new();
        builder.arg("program").preopened_dir(root.path(), "/", false);
        let mut g = if linked { Guest::linked(&mut builder) } else { Guest::new(&mut builder) };
        let dir = g.open_with(3, 0, ".", DIRECTORY, rights::READ, 0).expect("opened");
        assert!(dir > 3);
        Program { root, g, dir }
    }

    /// Opens without following a link.
    pub fn open(&mut self, path: &str, oflags: u64, rights: u64) -> Result<u64, u64> {
        self.g.open_with(self.dir, 0, path, oflags, rights, 0)
    }

    pub fn open_followed(&mut self, path: &str, oflags: u64) -> Result<u64, u64> {
        self.g.open_with(self.dir, FOLLOW, path, oflags, 0, 0)
    }

    /// Makes an empty file.
    pub fn touch(&mut self, path: &str) {
        let fd = self.open(path, CREAT, 0).expect("created");
        assert!(fd > 2);
        assert_eq!(self.g.close(fd), Ok(()));
    }

    pub fn mkdir(&mut self, path: &str) -> Result<(), u64> {
        self.g.at("path_create_directory", self.dir, path)
    }

    pub fn rmdir(&mut self, path: &str) -> Result<(), u64> {
        self.g.at("path_remove_directory", self.dir, path)
    }

    pub fn unlink(&mut self, path: &str) -> Result<(), u64> {
        self.g.at("path_unlink_file", self.dir, path)
    }

    pub fn symlink(&mut self, target: &str, path: &str) -> Result<(), u64> {
        let ([t, tn], [p, n]) = (self.g.bytes(target.as_bytes()), self.g.bytes(path.as_bytes()));
        self.g.done("path_symlink", &[t, tn, self.dir, p, n])
    }

    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), u64> {
        let ([o, on], [p, n]) = (self.g.bytes(old.as_bytes()), self.g.bytes(new.as_bytes()));
        self.g.done("path_rename", &[self.dir, o, on, self.dir, p, n])
    }

    pub fn link(&mut self, follow: u64, old: &str, new_dir: u64, new: &str) -> Result<(), u64> {
        let ([o, on], [p, n]) = (self.g.bytes(old.as_bytes()), self.g.bytes(new.as_bytes()));
        self.g.done("path_link", &[self.dir, follow, o, on, new_dir, p, n])
    }

    fn decode_stat(&self, at: u64) -> Stat {
        let field = |offset| self.g.u64_at(at + offset);
        Stat {
            dev: field(0),
            ino: field(8),
            filetype: self.g.memory[at as usize + 16],
            nlink: field(24),
            size: field(32),
            atim: field(40),
            mtim: field(48),
            ctim: field(56),
        }
    }

    pub fn stat_at(&mut self, dirfd: u64, follow: u64, path: &str) -> Result<Stat, u64> {
        let [p, n] = self.g.bytes(path.as_bytes());
        let at = self.g.alloc(64);
        self.g.done("path_filestat_get", &[dirfd, follow, p, n, at])?;
        Ok(self.decode_stat(at))
    }

    pub fn stat(&mut self, follow: u64, path: &str) -> Result<Stat, u64> {
        self.stat_at(self.dir, follow, path)
    }

    pub fn fstat(&mut self, fd: u64) -> Result<Stat, u64> {
        let at = self.g.alloc(64);
        self.g.done("fd_filestat_get", &[fd, at])?;
        Ok(self.decode_stat(at))
    }

    pub fn size(&mut self, fd: u64) -> u64 {
        self.fstat(fd).expect("open").size
    }

    pub fn fdstat(&mut self, fd: u64) -> Result<Fdstat, u64> {
        let at = self.g.alloc(24);
        self.g.done("fd_fdstat_get", &[fd, at])?;
        let filetype = self.g.memory[at as usize];
        Ok(Fdstat { filetype, flags: self.g.u16_at(at + 2), base: self.g.u64_at(at + 8), inheriting: self.g.u64_at(at + 16) })
    }

    pub fn set_times(&mut self, follow: u64, path: &str, atim: u64, mtim: u64, flags: u64) -> Result<(), u64> {
        let [p, n] = self.g.bytes(path.as_bytes());
        self.g.done("path_filestat_set_times", &[self.dir, follow, p, n, atim, mtim, flags])
    }

    pub fn tell(&mut self, fd: u64) -> Result<u64, u64> {
        self.g.done("fd_tell", &[fd, RESULT])?;
        Ok(self.g.u64_at(RESULT))
    }

    /// Writes `parts` at an offset, one buffer each.
    pub fn pwrite(&mut self, fd: u64, parts: &[&[u8]], offset: u64) -> Result<u32, u64> {
        let bufs: Vec<_> = parts.iter().map(|part| self.g.bytes(part)).collect();
        let [iovs, count] = self.g.iovec(&bufs);
        self.g.done("fd_pwrite", &[fd, iovs, count, offset, RESULT])?;
        Ok(self.g.u32_at(RESULT))
    }

    /// Reads at an offset into adjacent buffers of these lengths.
    pub fn pread(&mut self, fd: u64, lens: &[u64], offset: u64) -> Result<Vec<u8>, u64> {
        let start = self.g.alloc(lens.iter().sum::<u64>() as usize);
        let mut at = start;
        let mut bufs = Vec::new();
        for len in lens {
            bufs.push([at, *len]);
            at += len;
        }
        let [iovs, count] = self.g.iovec(&bufs);
        self.g.done("fd_pread", &[fd, iovs, count, offset, RESULT])?;
        Ok(self.g.slice(start, self.g.u32_at(RESULT).into()).to_vec())
    }

    /// The whole entries from a cookie on in a buffer of `room` bytes, and whether that was the rest.
    pub fn readdir(&mut self, fd: u64, room: u64, cookie: u64) -> (Vec<Entry>, bool) {
        let buf = self.g.alloc(room as usize);
        assert_eq!(self.g.done("fd_readdir", &[fd, buf, room, cookie, RESULT]), Ok(()));
        let used = u64::from(self.g.u32_at(RESULT));
        assert!(used <= room);
        let (mut at, mut entries) = (0, Vec::new());
        while at + 24 <= used {
            let len = u64::from(self.g.u32_at(buf + at + 16));
            if at + 24 + len > used {
                break;
            }
            entries.push(Entry {
                next: self.g.u64_at(buf + at),
                ino: self.g.u64_at(buf + at + 8),
                filetype: self.g.memory[(buf + at) as usize + 20],
                name: String::from_utf8(self.g.slice(buf + at + 24, len).to_vec()).expect("names are UTF-8"),
            });
            at += 24 + len;
        }
        (entries, used < room)
    }
}
