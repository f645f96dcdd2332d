//! What each call must answer: arguments checked as WASI does, then the table of descriptors and the file system.

use super::answer::{Errnos, Expected, Found, Ino, REGULAR, STREAM, Value};
use super::call::Call;
use super::fs::{Fs, Node, Opening};
use super::table::{Descriptor, Directory, File, Listing, Table};
use super::world::CONTENT;
use std::collections::HashMap;
use trjit_wasi::Errno;

const CREAT: u32 = 1;
const DIRECTORY: u32 = 2;
const EXCL: u32 = 4;
const TRUNC: u32 = 8;
const APPEND: u16 = 1;
/// `fdflags` that can change while a file is open.
const CHANGEABLE: u32 = 0b101;
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 6;
const ALL_RIGHTS: u64 = (1 << 30) - 1;

type Result<T> = std::result::Result<T, Errnos>;
/// Of a comparison: the error says what differs.
type Outcome = std::result::Result<(), String>;

impl From<Errno> for Expected {
    fn from(errno: Errno) -> Expected {
        Expected::Errno(errno.into())
    }
}

pub struct Model {
    pub fs: Fs,
    table: Table,
    /// The guest's numbers of files, as they were seen.
    numbers: HashMap<Ino, u64>,
}

fn error<T>(errno: Errno) -> Result<T> {
    Err(errno.into())
}

/// The time to set, if any: `Some(None)` is the present, which the model does not know.
fn new_times(atim: u64, mtim: u64, flags: u32) -> Result<[Option<Option<u64>>; 2]> {
    if flags > 15 {
        return error(Errno::Inval);
    }
    let one = |bits: u32, time| match bits & 3 {
        0 => Ok(None),
        1 => Ok(Some(Some(time))),
        2 => Ok(Some(None)),
        _ => error(Errno::Inval),
    };
    Ok([one(flags, atim)?, one(flags >> 2, mtim)?])
}

fn follows(lookup: u32) -> Result<bool> {
    if lookup > 1 { error(Errno::Inval) } else { Ok(lookup == 1) }
}

impl Model {
    /// A guest at the start, in a directory with these links.
    pub fn new(links: Vec<(&'static str, String)>) -> Model {
        let mut fs = Fs::new();
        fs.host_file(Fs::ROOT, "file", CONTENT);
        let sub = fs.host_directory(Fs::ROOT, "sub");
        fs.host_file(sub, "file", CONTENT);
        for (name, target) in links {
            fs.host_symlink(Fs::ROOT, name, target);
        }
        let preopened = |name, read_only| Directory { ino: Fs::ROOT, name: Some(name), read_only, flags: 0, listing: None };
        Model { fs, table: Table::new([preopened("/", false), preopened("/view", true)]), numbers: HashMap::new() }
    }

    /// Descriptors of open files, and of directories with that of the whole one.
    pub fn open_descriptors(&self) -> (Vec<u32>, Vec<u32>) {
        let is_file = |descriptor: &Descriptor| matches!(descriptor, Descriptor::File(_));
        let is_directory = |descriptor: &Descriptor| matches!(descriptor, Descriptor::Directory(_));
        (self.table.open(is_file), self.table.open(is_directory).into_iter().chain([3]).collect())
    }

    /// Does a call; what it must answer.
    pub fn call(&mut self, call: &Call) -> Expected {
        self.answer(call).unwrap_or_else(Expected::Errno)
    }

    fn answer(&mut self, call: &Call) -> Result<Expected> {
        match call {
            Call::Open { .. } => return self.open(call),
            Call::Close { fd } => self.table.close(*fd)?,
            Call::Renumber { from, to } => self.table.renumber(*from, *to)?,
            Call::Read { fd, parts } => return self.read(*fd, parts),
            Call::Write { fd, parts, fill } => return self.write(*fd, parts, *fill),
            Call::Pread { fd, parts, offset } => return self.pread(*fd, parts, *offset),
            Call::Pwrite { fd, parts, fill, offset } => return self.pwrite(*fd, parts, *fill, *offset),
            Call::Seek { fd, offset, whence } => return self.seek(*fd, *offset, *whence),
            Call::Tell { fd } => return Ok(Expected::number(self.table.seekable(*fd)?.position)),
            Call::Advise { advice: 6.., .. } => return error(Errno::Inval),
            Call::Advise { fd, .. } | Call::Sync { fd, .. } => drop(*self.table.file(*fd)?),
            Call::Allocate { fd, .. } => {
                self.table.file(*fd)?;
                return error(Errno::Notsup);
            }
            Call::SetSize { fd, size } => return self.set_size(*fd, *size),
            Call::SetFlags { fd, flags } => return self.set_flags(*fd, *flags),
            Call::Fdstat { fd } => return self.fdstat(*fd),
            Call::Fstat { fd } => return self.fstat(*fd),
            Call::FsetTimes { fd, atim, mtim, flags } => return self.fset_times(*fd, *atim, *mtim, *flags),
            Call::Prestat { fd } => {
                let name = self.table.directory(*fd)?.name.ok_or(Errno::Badf)?;
                return Ok(Expected::number(name.len() as u64));
            }
            Call::Readdir { fd, room, cookie } => return self.readdir(*fd, *room, *cookie),
            _ => return self.on_path(call),
        }
        Ok(Expected::NOTHING)
    }

    fn on_path(&mut self, call: &Call) -> Result<Expected> {
        match call {
            Call::Stat { dir, lookup, path } => {
                let follow = follows(*lookup)?;
                let base = self.table.directory(*dir)?.ino;
                return Ok(self.stat(self.fs.find(base, path, follow)?));
            }
            Call::SetTimes { dir, lookup, path, atim, mtim, flags } => {
                let follow = follows(*lookup)?;
                let times = new_times(*atim, *mtim, *flags)?;
                let base = self.mutable(*dir)?;
                // Times to keep are none to set: then the path is looked up as for its metadata.
                let find = follow || times == [None, None];
                let ino = if find { self.fs.find(base, path, follow)? } else { self.fs.find_itself(base, path)? };
                self.set_times(ino, times);
            }
            Call::CreateDirectory { dir, path } => {
                let base = self.mutable(*dir)?;
                self.fs.create_directory(base, path)?;
            }
            Call::RemoveDirectory { dir, path } => {
                let base = self.mutable(*dir)?;
                self.fs.remove_directory(base, path)?;
            }
            Call::UnlinkFile { dir, path } => {
                let base = self.mutable(*dir)?;
                self.fs.unlink(base, path)?;
            }
            Call::Link { old_dir, lookup, old, new_dir, new } => {
                let follow = follows(*lookup)?;
                let (old_base, new_base) = self.mutable_pair(*old_dir, *new_dir)?;
                if follow {
                    return error(Errno::Inval);
                }
                self.fs.link(old_base, old, new_base, new)?;
            }
            Call::Rename { old_dir, old, new_dir, new } => {
                let (old_base, new_base) = self.mutable_pair(*old_dir, *new_dir)?;
                self.fs.rename(old_base, old, new_base, new)?;
            }
            Call::Symlink { target, dir, path } => {
                let base = self.mutable(*dir)?;
                self.fs.symlink(target, base, path)?;
            }
            Call::Readlink { dir, path, room } => {
                let base = self.table.directory(*dir)?.ino;
                let target = self.fs.readlink(base, path)?.as_bytes();
                return Ok(Expected::Value(Value::Bytes(target[..target.len().min(*room as usize)].to_vec())));
            }
            other => unreachable!("{other:?} has no path"),
        }
        Ok(Expected::NOTHING)
    }

    /// A directory beneath which things may change.
    fn mutable(&mut self, fd: u32) -> Result<Ino> {
        let directory = self.table.directory(fd)?;
        if directory.read_only { error(Errno::Perm) } else { Ok(directory.ino) }
    }

    fn mutable_pair(&mut self, old: u32, new: u32) -> Result<(Ino, Ino)> {
        // That both are directories is found before either is refused.
        self.table.directory(old)?;
        self.table.directory(new)?;
        Ok((self.mutable(old)?, self.mutable(new)?))
    }

    fn open(&mut self, call: &Call) -> Result<Expected> {
        let Call::Open { dir, lookup, path, oflags, rights, fdflags } = call else { unreachable!("the caller matched it") };
        if *rights > ALL_RIGHTS || *oflags > 15 || *fdflags > 31 {
            return error(Errno::Inval);
        }
        let follow = follows(*lookup)?;
        let (base, read_only) = match self.table.get(*dir)? {
            Descriptor::Directory(directory) => (directory.ino, directory.read_only),
            Descriptor::File(_) => return error(Errno::Notdir),
            Descriptor::Input | Descriptor::Output => return error(Errno::Badf),
        };
        let has = |flags| oflags & flags != 0;
        if !self.table.has_room() {
            return error(Errno::Mfile);
        }
        if read_only && (has(CREAT | TRUNC) || rights & WRITE != 0) {
            return error(Errno::Perm);
        }
        if has(DIRECTORY) && has(CREAT | EXCL | TRUNC) {
            return error(Errno::Inval);
        }
        let writable = has(CREAT) || rights & WRITE != 0;
        let how =
            Opening { follow, create: has(CREAT), exclusive: has(CREAT) && has(EXCL), truncate: has(TRUNC), write: writable || has(TRUNC) };
        let ino = self.fs.open(base, path, how)?;
        let flags = *fdflags as u16;
        let descriptor = if self.fs.is_directory(ino) {
            Descriptor::Directory(Directory { ino, name: None, read_only, flags, listing: None })
        } else if has(DIRECTORY) {
            return error(Errno::Notdir);
        } else {
            let readable = rights & (READ | WRITE) != WRITE;
            Descriptor::File(File { ino, position: 0, readable, writable, flags, read_only })
        };
        Ok(Expected::number(self.table.push(descriptor).into()))
    }

    fn content(&mut self, ino: Ino) -> &mut Vec<u8> {
        match &mut self.fs.node_mut(ino).kind {
            Node::File(bytes) => bytes,
            other => unreachable!("{other:?} was opened as a file"),
        }
    }

    fn bytes_at(&mut self, file: File, parts: &[u32], offset: u64) -> Vec<u8> {
        let len: u32 = parts.iter().sum();
        self.fs.node_mut(file.ino).atim = None;
        let bytes = self.content(file.ino);
        let start = bytes.len().min(offset as usize);
        bytes[start..bytes.len().min(start + len as usize)].to_vec()
    }

    fn read(&mut self, fd: u32, parts: &[u32]) -> Result<Expected> {
        let file = match self.table.get(fd)? {
            Descriptor::Input => return Ok(Expected::Value(Value::Bytes(Vec::new()))),
            Descriptor::File(file) if file.readable => *file,
            _ => return error(Errno::Badf),
        };
        let bytes = self.bytes_at(file, parts, file.position);
        self.table.file(fd)?.position += bytes.len() as u64;
        Ok(Expected::Value(Value::Bytes(bytes)))
    }

    fn pread(&mut self, fd: u32, parts: &[u32], offset: u64) -> Result<Expected> {
        let file = match self.table.get(fd)? {
            Descriptor::Input => return error(Errno::Spipe),
            Descriptor::File(file) => *file,
            _ => return error(Errno::Badf),
        };
        check_position(file.readable, offset)?;
        Ok(Expected::Value(Value::Bytes(self.bytes_at(file, parts, offset))))
    }

    /// Writes, at the end in append mode; gives the position behind what was written.
    fn put(&mut self, file: File, parts: &[u32], fill: u8, offset: u64) -> u64 {
        let len = parts.iter().sum::<u32>() as usize;
        if len == 0 {
            return offset;
        }
        self.fs.touch(file.ino);
        let bytes = self.content(file.ino);
        let start = if file.flags & APPEND != 0 { bytes.len() } else { offset as usize };
        if bytes.len() < start + len {
            bytes.resize(start + len, 0);
        }
        bytes[start..start + len].fill(fill);
        (start + len) as u64
    }

    fn write(&mut self, fd: u32, parts: &[u32], fill: u8) -> Result<Expected> {
        let written = Expected::number(parts.iter().sum::<u32>().into());
        let file = match self.table.get(fd)? {
            Descriptor::Output => return Ok(written),
            Descriptor::File(file) if file.writable => *file,
            _ => return error(Errno::Badf),
        };
        let position = self.put(file, parts, fill, file.position);
        self.table.file(fd)?.position = position;
        Ok(written)
    }

    fn pwrite(&mut self, fd: u32, parts: &[u32], fill: u8, offset: u64) -> Result<Expected> {
        let file = match self.table.get(fd)? {
            Descriptor::Output => return error(Errno::Spipe),
            Descriptor::File(file) => *file,
            _ => return error(Errno::Badf),
        };
        check_position(file.writable, offset)?;
        self.put(file, parts, fill, offset);
        Ok(Expected::number(parts.iter().sum::<u32>().into()))
    }

    fn seek(&mut self, fd: u32, offset: i64, whence: u32) -> Result<Expected> {
        if whence > 2 {
            return error(Errno::Inval);
        }
        let file = *self.table.seekable(fd)?;
        let from = match whence {
            0 => 0,
            1 => file.position,
            _ => self.content(file.ino).len() as u64,
        };
        let position = u64::try_from(from as i64 + offset).map_err(|_| Errno::Inval)?;
        self.table.file(fd)?.position = position;
        Ok(Expected::number(position))
    }

    fn set_size(&mut self, fd: u32, size: u64) -> Result<Expected> {
        let file = *self.table.file(fd)?;
        if file.read_only {
            return error(Errno::Perm);
        }
        if !file.writable || i64::try_from(size).is_err() {
            return error(Errno::Inval);
        }
        self.content(file.ino).resize(size as usize, 0);
        self.fs.touch(file.ino);
        Ok(Expected::NOTHING)
    }

    fn set_flags(&mut self, fd: u32, flags: u32) -> Result<Expected> {
        if flags > 31 {
            return error(Errno::Inval);
        }
        let file = self.table.file(fd)?;
        if flags & !CHANGEABLE != 0 {
            return error(Errno::Inval);
        }
        file.flags = flags as u16;
        Ok(Expected::NOTHING)
    }

    fn fdstat(&mut self, fd: u32) -> Result<Expected> {
        let (filetype, flags, readable, writable) = match self.table.get(fd)? {
            Descriptor::Input => (STREAM, 0, true, false),
            Descriptor::Output => (STREAM, 0, false, true),
            Descriptor::File(file) => (REGULAR, file.flags, file.readable, file.writable),
            Descriptor::Directory(directory) => (super::answer::DIRECTORY, directory.flags, directory.name.is_none(), false),
        };
        Ok(Expected::Value(Value::Fdstat { filetype, flags, readable, writable }))
    }

    fn stat(&self, ino: Ino) -> Expected {
        let node = self.fs.node(ino);
        let (size, nlink) = match &node.kind {
            Node::File(bytes) => (Some(bytes.len() as u64), Some(node.nlink)),
            Node::Symlink(target) => (Some(target.len() as u64), Some(node.nlink)),
            Node::Directory { .. } => (None, None),
        };
        Expected::Stat { ino, filetype: node.filetype(), nlink, size, atim: node.atim, mtim: node.mtim }
    }

    fn fstat(&mut self, fd: u32) -> Result<Expected> {
        let ino = match self.table.get(fd)? {
            Descriptor::Input | Descriptor::Output => {
                return Ok(Expected::Value(Value::Stat { ino: 0, filetype: STREAM, nlink: 0, size: 0, atim: 0, mtim: 0 }));
            }
            Descriptor::File(file) => file.ino,
            Descriptor::Directory(directory) => directory.ino,
        };
        Ok(self.stat(ino))
    }

    fn set_times(&mut self, ino: Ino, [atim, mtim]: [Option<Option<u64>>; 2]) {
        let node = self.fs.node_mut(ino);
        node.atim = atim.unwrap_or(node.atim);
        node.mtim = mtim.unwrap_or(node.mtim);
        // Following a link reads it.
        if matches!(node.kind, Node::Symlink(_)) {
            node.atim = None;
        }
    }

    fn fset_times(&mut self, fd: u32, atim: u64, mtim: u64, flags: u32) -> Result<Expected> {
        let times = new_times(atim, mtim, flags)?;
        let (ino, read_only) = match self.table.get(fd)? {
            Descriptor::Input | Descriptor::Output => return error(Errno::Badf),
            Descriptor::File(file) => (file.ino, file.read_only),
            Descriptor::Directory(directory) => (directory.ino, directory.read_only),
        };
        if read_only {
            return error(Errno::Perm);
        }
        self.set_times(ino, times);
        Ok(Expected::NOTHING)
    }

    fn readdir(&mut self, fd: u32, room: u32, cookie: u64) -> Result<Expected> {
        let directory = self.table.directory(fd)?;
        if cookie == 0 || directory.listing.is_none() {
            directory.listing = Some(Listing::take(&self.fs, directory.ino));
            self.fs.node_mut(directory.ino).atim = None;
        }
        Ok(Expected::Entries { fd, room, cookie })
    }

    /// A file has one number as long as it can be reached, and no other file has it.
    fn same_file(&mut self, ino: Ino, number: u64) -> Outcome {
        match self.numbers.insert(ino, number) {
            Some(known) if known != number => Err(format!("file number {number}, which was {known}")),
            Some(_) => Ok(()),
            None => match self.numbers.iter().find(|(other, known)| **other != ino && **known == number && self.fs.is_linked(**other)) {
                Some(_) => Err(format!("file number {number} of another file")),
                None => Ok(()),
            },
        }
    }

    /// Compares an answer.
    pub fn compare(&mut self, expected: &Expected, found: &Found) -> Outcome {
        let same = match (expected, found) {
            (Expected::Errno(errnos), Err(found)) => errnos.0.iter().any(|errno| u64::from(*errno as u16) == *found),
            (Expected::Value(value), Ok(found)) => value == found,
            (Expected::Stat { ino, .. }, Ok(Value::Stat { ino: number, .. })) => {
                self.same_file(*ino, *number)?;
                stats_agree(expected, found)
            }
            (Expected::Entries { fd, room, cookie }, Ok(Value::Entries(entries, full))) => {
                return self.compare_entries(*fd, *room, *cookie, entries, *full);
            }
            _ => false,
        };
        if same { Ok(()) } else { Err(format!("expected {expected:?}, found {found:?}")) }
    }

    fn compare_entries(&mut self, fd: u32, room: u32, cookie: u64, entries: &[super::answer::Entry], full: bool) -> Outcome {
        let directory = self.table.directory(fd).map_err(|errno| format!("{errno:?}"))?;
        let Some(listing) = &mut directory.listing else { return Err("the model holds no listing".to_string()) };
        for (ino, number) in listing.check(cookie, room, entries, full)? {
            // The number of a file that was removed since may be another's by now.
            if self.fs.is_linked(ino) {
                self.same_file(ino, number)?;
            }
        }
        Ok(())
    }
}

fn check_position(allowed: bool, offset: u64) -> Result<()> {
    match (i64::try_from(offset).is_ok(), allowed) {
        (true, true) => Ok(()),
        (true, false) => error(Errno::Badf),
        (false, true) => error(Errno::Inval),
        (false, false) => Err(Errnos(vec![Errno::Inval, Errno::Badf])),
    }
}

fn stats_agree(expected: &Expected, found: &Found) -> bool {
    let Expected::Stat { filetype, nlink, size, atim, mtim, .. } = expected else { return false };
    let Ok(Value::Stat { filetype: found_type, nlink: found_nlink, size: found_size, atim: found_atim, mtim: found_mtim, .. }) = found
    else {
        return false;
    };
    let known = [(nlink, found_nlink), (size, found_size), (atim, found_atim), (mtim, found_mtim)];
    filetype == found_type && known.iter().all(|(expected, found)| expected.is_none_or(|expected| expected == **found))
}
