//! A guest: a linear memory and calls by name, without an engine or as a module that the runtime interprets. Each test file uses a part of it.
#![allow(dead_code)]

mod linked;

use linked::Linked;
use std::path::Path;

use trjit_wasi::{WasiCtx, WasiCtxBuilder, WasiError, WasiFunction, functions};

pub const PREVIEW1: &str = "wasi_snapshot_preview1";
pub const UNSTABLE: &str = "wasi_unstable";

/// Where results are written, below the scratch space.
pub const RESULT: u64 = 16;
const SCRATCH: usize = 1024;
const MEMORY: usize = 1 << 18;

pub const CREAT: u64 = 1;
pub const DIRECTORY: u64 = 2;
pub const EXCL: u64 = 4;
pub const TRUNC: u64 = 8;
pub const READ: u64 = 2;
pub const WRITE: u64 = 64;
pub const APPEND: u64 = 1;
pub const FOLLOW: u64 = 1;

/// Error numbers by their names in WASI's documents.
pub mod errno {
    pub const ACCES: u64 = 2;
    pub const BADF: u64 = 8;
    pub const EXIST: u64 = 20;
    pub const ILSEQ: u64 = 25;
    pub const INVAL: u64 = 28;
    pub const ISDIR: u64 = 31;
    pub const LOOP: u64 = 32;
    pub const MFILE: u64 = 33;
    pub const NAMETOOLONG: u64 = 37;
    pub const NOENT: u64 = 44;
    pub const NOTDIR: u64 = 54;
    pub const NOTEMPTY: u64 = 55;
    pub const NOTSOCK: u64 = 57;
    pub const NOTSUP: u64 = 58;
    pub const PERM: u64 = 63;
    pub const PIPE: u64 = 64;
    pub const SPIPE: u64 = 70;
}

/// Who makes the calls.
enum Host {
    /// The test itself, from the table of functions.
    Direct(Box<WasiCtx>),
    /// A module whose exports pass each call on.
    Linked(Box<Linked>),
}

pub struct Guest {
    host: Host,
    pub memory: Vec<u8>,
    pub module: &'static str,
    top: usize,
}

pub fn function(module: &str, name: &str) -> &'static WasiFunction {
    functions().iter().find(|f| f.module == module && f.name == name).unwrap_or_else(|| panic!("no {module}.{name}"))
}

impl Guest {
    pub fn new(builder: &mut WasiCtxBuilder) -> Guest {
        let ctx = builder.build().expect("the context builds");
        Guest { host: Host::Direct(Box::new(ctx)), memory: vec![0; MEMORY], module: PREVIEW1, top: SCRATCH }
    }

    /// A guest whose calls pass through a module on the runtime's interpreter.
    pub fn linked(builder: &mut WasiCtxBuilder) -> Guest {
        let linked = Linked::new(builder.build().expect("the context builds"), MEMORY);
        Guest { host: Host::Linked(Box::new(linked)), memory: vec![0; MEMORY], module: PREVIEW1, top: SCRATCH }
    }

    /// A guest with `dir` as descriptor 3.
    pub fn with_dir(dir: &Path) -> Guest {
        Guest::new(WasiCtxBuilder::new().preopened_dir(dir, "/dir", false))
    }

    pub fn try_call(&mut self, name: &str, args: &[u64]) -> Result<u64, WasiError> {
        match &mut self.host {
            Host::Direct(ctx) => (function(self.module, name).call)(ctx, &mut self.memory, args),
            Host::Linked(linked) => linked.call(self.module, name, &mut self.memory, args),
        }
    }

    /// Calls; the errno.
    pub fn call(&mut self, name: &str, args: &[u64]) -> u64 {
        self.try_call(name, args).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Calls; success or the errno.
    pub fn done(&mut self, name: &str, args: &[u64]) -> Result<(), u64> {
        match self.call(name, args) {
            0 => Ok(()),
            errno => Err(errno),
        }
    }

    /// Room for `len` bytes, aligned to 8.
    pub fn alloc(&mut self, len: usize) -> u64 {
        if self.top + len > self.memory.len() {
            self.top = SCRATCH;
        }
        let at = self.top;
        self.top = (at + len).next_multiple_of(8);
        at as u64
    }

    /// Copies bytes in: pointer and length.
    pub fn bytes(&mut self, bytes: &[u8]) -> [u64; 2] {
        let at = self.alloc(bytes.len());
        self.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        [at, bytes.len() as u64]
    }

    pub fn u16_at(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.memory[at as usize..][..2].try_into().expect("two bytes"))
    }

    pub fn u32_at(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.memory[at as usize..][..4].try_into().expect("four bytes"))
    }

    pub fn u64_at(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.memory[at as usize..][..8].try_into().expect("eight bytes"))
    }

    pub fn set(&mut self, at: u64, bytes: &[u8]) {
        self.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    pub fn slice(&self, at: u64, len: u64) -> &[u8] {
        &self.memory[at as usize..(at + len) as usize]
    }

    /// Calls `name(dirfd, path, path_len)`.
    pub fn at(&mut self, name: &str, dirfd: u64, path: &str) -> Result<(), u64> {
        let [p, n] = self.bytes(path.as_bytes());
        self.done(name, &[dirfd, p, n])
    }

    pub fn open_with(&mut self, dirfd: u64, follow: u64, path: &str, oflags: u64, rights: u64, fdflags: u64) -> Result<u64, u64> {
        let [p, n] = self.bytes(path.as_bytes());
        self.done("path_open", &[dirfd, follow, p, n, oflags, rights, rights, fdflags, RESULT])?;
        Ok(self.u32_at(RESULT).into())
    }

    /// Opens beneath descriptor 3, following links.
    pub fn open(&mut self, path: &str, oflags: u64, rights: u64) -> Result<u64, u64> {
        self.open_with(3, FOLLOW, path, oflags, rights, 0)
    }

    pub fn iovec(&mut self, bufs: &[[u64; 2]]) -> [u64; 2] {
        let at = self.alloc(bufs.len() * 8);
        for (i, [buf, len]) in bufs.iter().enumerate() {
            self.set(at + i as u64 * 8, &(*buf as u32).to_le_bytes());
            self.set(at + i as u64 * 8 + 4, &(*len as u32).to_le_bytes());
        }
        [at, bufs.len() as u64]
    }

    pub fn write(&mut self, fd: u64, bytes: &[u8]) -> Result<u32, u64> {
        let buf = self.bytes(bytes);
        let [iovs, count] = self.iovec(&[buf]);
        self.done("fd_write", &[fd, iovs, count, RESULT])?;
        Ok(self.u32_at(RESULT))
    }

    pub fn read(&mut self, fd: u64, len: usize) -> Result<Vec<u8>, u64> {
        let buf = self.alloc(len);
        let [iovs, count] = self.iovec(&[[buf, len as u64]]);
        self.done("fd_read", &[fd, iovs, count, RESULT])?;
        Ok(self.slice(buf, self.u32_at(RESULT).into()).to_vec())
    }

    pub fn seek(&mut self, fd: u64, offset: i64, whence: u64) -> Result<u64, u64> {
        self.done("fd_seek", &[fd, offset as u64, whence, RESULT])?;
        Ok(self.u64_at(RESULT))
    }

    pub fn close(&mut self, fd: u64) -> Result<(), u64> {
        self.done("fd_close", &[fd])
    }

    /// `path_filestat_get`; the address of the filestat.
    pub fn stat(&mut self, follow: u64, path: &str) -> Result<u64, u64> {
        let [p, n] = self.bytes(path.as_bytes());
        let out = self.alloc(64);
        self.done("path_filestat_get", &[3, follow, p, n, out])?;
        Ok(out)
    }

    pub fn symlink(&mut self, target: &str, path: &str) -> Result<(), u64> {
        let ([t, tn], [p, n]) = (self.bytes(target.as_bytes()), self.bytes(path.as_bytes()));
        self.done("path_symlink", &[t, tn, 3, p, n])
    }

    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), u64> {
        let ([o, on], [p, n]) = (self.bytes(old.as_bytes()), self.bytes(new.as_bytes()));
        self.done("path_rename", &[3, o, on, 3, p, n])
    }

    pub fn link(&mut self, follow: u64, old: &str, new: &str) -> Result<(), u64> {
        let ([o, on], [p, n]) = (self.bytes(old.as_bytes()), self.bytes(new.as_bytes()));
        self.done("path_link", &[3, follow, o, on, 3, p, n])
    }

    pub fn readlink(&mut self, path: &str, room: u64) -> Result<String, u64> {
        let [p, n] = self.bytes(path.as_bytes());
        let buf = self.alloc(room as usize);
        self.done("path_readlink", &[3, p, n, buf, room, RESULT])?;
        Ok(String::from_utf8_lossy(self.slice(buf, self.u32_at(RESULT).into())).into_owned())
    }

    pub fn set_times(&mut self, follow: u64, path: &str, atim: u64, mtim: u64, flags: u64) -> Result<(), u64> {
        let [p, n] = self.bytes(path.as_bytes());
        self.done("path_filestat_set_times", &[3, follow, p, n, atim, mtim, flags])
    }
}
