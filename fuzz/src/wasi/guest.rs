//! Makes the calls: arguments into a linear memory, the function from trjit-wasi's table, results out of the memory.

use super::answer::{Entry, Found, Value};
use super::call::Call;
use super::world::World;
use std::collections::HashMap;
use trjit_wasi::{WasiCtx, WasiCtxBuilder, WasiFunction, functions};

/// Descriptors that a guest may hold.
pub const MAX_DESCRIPTORS: u32 = 14;

const MEMORY: usize = 16 << 10;
/// Where results, names and buffers lie.
const RESULT: u64 = 64;
const IOVECS: u64 = 512;
const PATHS: u64 = 1024;
const BUFFER: u64 = 8192;

pub struct Guest {
    ctx: WasiCtx,
    memory: Vec<u8>,
    functions: HashMap<&'static str, &'static WasiFunction>,
}

impl Guest {
    pub fn new(world: &World) -> Guest {
        let mut builder = WasiCtxBuilder::new();
        builder.preopened_dir(world.inside(), "/", false).preopened_dir(world.inside(), "/view", true).max_descriptors(MAX_DESCRIPTORS);
        let ctx = builder.build().expect("the directory was just made");
        let functions = functions().iter().filter(|function| function.module == "wasi_snapshot_preview1");
        Guest { ctx, memory: vec![0; MEMORY], functions: functions.map(|function| (function.name, function)).collect() }
    }

    /// Makes a call. An error is a call that did not return, which none of ours may do.
    pub fn call(&mut self, call: &Call) -> Result<Found, String> {
        let (name, args) = self.arguments(call);
        let errno = (self.functions[name].call)(&mut self.ctx, &mut self.memory, &args).map_err(|error| format!("{name}: {error}"))?;
        Ok(if errno == 0 { Ok(self.value(call)) } else { Err(errno) })
    }

    fn path(&mut self, slot: u64, path: &str) -> [u64; 2] {
        let at = PATHS + slot * 2048;
        self.memory[at as usize..at as usize + path.len()].copy_from_slice(path.as_bytes());
        [at, path.len() as u64]
    }

    /// Adjacent buffers of these lengths, filled.
    fn buffers(&mut self, parts: &[u32], fill: u8) -> [u64; 2] {
        self.memory[BUFFER as usize..].fill(fill);
        let mut at = BUFFER as u32;
        for (index, len) in parts.iter().enumerate() {
            let iovec = IOVECS as usize + index * 8;
            self.memory[iovec..iovec + 4].copy_from_slice(&at.to_le_bytes());
            self.memory[iovec + 4..iovec + 8].copy_from_slice(&len.to_le_bytes());
            at += len;
        }
        [IOVECS, parts.len() as u64]
    }

    /// The function's name and its argument slots.
    fn arguments(&mut self, call: &Call) -> (&'static str, Vec<u64>) {
        match call {
            Call::Open { dir, lookup, path, oflags, rights, fdflags } => {
                let [p, n] = self.path(0, path);
                let args = [(*dir).into(), (*lookup).into(), p, n, (*oflags).into(), *rights, *rights, (*fdflags).into(), RESULT];
                ("path_open", args.to_vec())
            }
            Call::Close { fd } => ("fd_close", vec![(*fd).into()]),
            Call::Renumber { from, to } => ("fd_renumber", vec![(*from).into(), (*to).into()]),
            Call::Read { fd, parts } => self.transfer("fd_read", *fd, parts, 0, None),
            Call::Write { fd, parts, fill } => self.transfer("fd_write", *fd, parts, *fill, None),
            Call::Pread { fd, parts, offset } => self.transfer("fd_pread", *fd, parts, 0, Some(*offset)),
            Call::Pwrite { fd, parts, fill, offset } => self.transfer("fd_pwrite", *fd, parts, *fill, Some(*offset)),
            Call::Seek { fd, offset, whence } => ("fd_seek", vec![(*fd).into(), *offset as u64, (*whence).into(), RESULT]),
            Call::Tell { fd } => ("fd_tell", vec![(*fd).into(), RESULT]),
            Call::Advise { fd, advice } => ("fd_advise", vec![(*fd).into(), 0, 100, (*advice).into()]),
            Call::Allocate { fd, len } => ("fd_allocate", vec![(*fd).into(), 0, *len]),
            Call::Sync { fd, data_only: false } => ("fd_sync", vec![(*fd).into()]),
            Call::Sync { fd, data_only: true } => ("fd_datasync", vec![(*fd).into()]),
            Call::SetSize { fd, size } => ("fd_filestat_set_size", vec![(*fd).into(), *size]),
            Call::SetFlags { fd, flags } => ("fd_fdstat_set_flags", vec![(*fd).into(), (*flags).into()]),
            Call::Fdstat { fd } => ("fd_fdstat_get", vec![(*fd).into(), RESULT]),
            Call::Fstat { fd } => ("fd_filestat_get", vec![(*fd).into(), RESULT]),
            Call::FsetTimes { fd, atim, mtim, flags } => ("fd_filestat_set_times", vec![(*fd).into(), *atim, *mtim, (*flags).into()]),
            Call::Prestat { fd } => ("fd_prestat_get", vec![(*fd).into(), RESULT]),
            Call::Readdir { fd, room, cookie } => ("fd_readdir", vec![(*fd).into(), BUFFER, (*room).into(), *cookie, RESULT]),
            _ => self.path_arguments(call),
        }
    }

    fn transfer(&mut self, name: &'static str, fd: u32, parts: &[u32], fill: u8, offset: Option<u64>) -> (&'static str, Vec<u64>) {
        let [iovecs, count] = self.buffers(parts, fill);
        let mut args = vec![fd.into(), iovecs, count];
        args.extend(offset);
        args.push(RESULT);
        (name, args)
    }

    fn path_arguments(&mut self, call: &Call) -> (&'static str, Vec<u64>) {
        match call {
            Call::Stat { dir, lookup, path } => {
                let [p, n] = self.path(0, path);
                ("path_filestat_get", vec![(*dir).into(), (*lookup).into(), p, n, RESULT])
            }
            Call::SetTimes { dir, lookup, path, atim, mtim, flags } => {
                let [p, n] = self.path(0, path);
                ("path_filestat_set_times", vec![(*dir).into(), (*lookup).into(), p, n, *atim, *mtim, (*flags).into()])
            }
            Call::CreateDirectory { dir, path } => self.named("path_create_directory", *dir, path),
            Call::RemoveDirectory { dir, path } => self.named("path_remove_directory", *dir, path),
            Call::UnlinkFile { dir, path } => self.named("path_unlink_file", *dir, path),
            Call::Link { old_dir, lookup, old, new_dir, new } => {
                let ([o, on], [p, n]) = (self.path(0, old), self.path(1, new));
                ("path_link", vec![(*old_dir).into(), (*lookup).into(), o, on, (*new_dir).into(), p, n])
            }
            Call::Rename { old_dir, old, new_dir, new } => {
                let ([o, on], [p, n]) = (self.path(0, old), self.path(1, new));
                ("path_rename", vec![(*old_dir).into(), o, on, (*new_dir).into(), p, n])
            }
            Call::Symlink { target, dir, path } => {
                let ([t, tn], [p, n]) = (self.path(0, target), self.path(1, path));
                ("path_symlink", vec![t, tn, (*dir).into(), p, n])
            }
            Call::Readlink { dir, path, room } => {
                let [p, n] = self.path(0, path);
                ("path_readlink", vec![(*dir).into(), p, n, BUFFER, (*room).into(), RESULT])
            }
            other => unreachable!("{other:?} has no path"),
        }
    }

    fn named(&mut self, name: &'static str, dir: u32, path: &str) -> (&'static str, Vec<u64>) {
        let [p, n] = self.path(0, path);
        (name, vec![dir.into(), p, n])
    }

    fn bytes<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.memory[at as usize..at as usize + N]);
        bytes
    }

    fn u32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    fn u64(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }

    /// What a call that succeeded left in memory.
    fn value(&self, call: &Call) -> Value {
        let buffer = |len: u32| Value::Bytes(self.memory[BUFFER as usize..][..len as usize].to_vec());
        match call {
            Call::Open { .. } | Call::Write { .. } | Call::Pwrite { .. } => Value::Number(self.u32(RESULT).into()),
            Call::Read { .. } | Call::Pread { .. } | Call::Readlink { .. } => buffer(self.u32(RESULT)),
            Call::Seek { .. } | Call::Tell { .. } => Value::Number(self.u64(RESULT)),
            Call::Prestat { .. } => Value::Number(self.u32(RESULT + 4).into()),
            Call::Fdstat { .. } => {
                let rights = self.u64(RESULT + 8);
                let flags = u16::from_le_bytes(self.bytes(RESULT + 2));
                Value::Fdstat { filetype: self.bytes::<1>(RESULT)[0], flags, readable: rights & 2 != 0, writable: rights & 64 != 0 }
            }
            Call::Fstat { .. } | Call::Stat { .. } => Value::Stat {
                ino: self.u64(RESULT + 8),
                filetype: self.bytes::<1>(RESULT + 16)[0],
                nlink: self.u64(RESULT + 24),
                size: self.u64(RESULT + 32),
                atim: self.u64(RESULT + 40),
                mtim: self.u64(RESULT + 48),
            },
            Call::Readdir { room, .. } => self.entries(*room),
            _ => Value::Nothing,
        }
    }

    fn entries(&self, room: u32) -> Value {
        let used = u64::from(self.u32(RESULT));
        let (mut at, mut entries) = (0, Vec::new());
        while at + 24 <= used {
            let start = BUFFER + at;
            let len = u64::from(self.u32(start + 16));
            if at + 24 + len > used {
                break;
            }
            let name = &self.memory[start as usize + 24..][..len as usize];
            entries.push(Entry {
                next: self.u64(start),
                ino: self.u64(start + 8),
                filetype: self.bytes::<1>(start + 20)[0],
                name: String::from_utf8_lossy(name).into_owned(),
            });
            at += 24 + len;
        }
        Value::Entries(entries, used == u64::from(room))
    }
}
