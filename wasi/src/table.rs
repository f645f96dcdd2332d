//! The descriptor table: what each number of the guest stands for.
//!
//! Numbers are handed out as wasmtime does: the highest closed one first, else the next never used. 0, 1 and 2 are
//! the standard streams, then the preopened directories in the order they were given.

use std::collections::BTreeSet;

use cap_std::fs::{Dir, File};

use crate::directory::Listing;
use crate::errno::Errno;
use crate::stdio::{Input, Output};

/// What a descriptor is.
#[derive(Debug)]
pub(crate) enum Descriptor {
    Stdin(Input),
    /// Standard output or error.
    Output(Output),
    File(OpenFile),
    Dir(OpenDir),
}

/// An open file that is not a directory. Its position is the host's.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: File,
    /// `fdflags` as the guest set them.
    pub(crate) flags: u16,
    pub(crate) readable: bool,
    /// The guest may write. The host's descriptor may allow more: truncating takes write access.
    pub(crate) writable: bool,
    /// It came through a read-only preopen: not even its times may change.
    pub(crate) read_only: bool,
}

/// An open directory: the capability that paths resolve beneath.
#[derive(Debug)]
pub(crate) struct OpenDir {
    pub(crate) dir: Dir,
    /// The guest's name of a preopened directory.
    pub(crate) preopen: Option<Vec<u8>>,
    /// Nothing beneath it may change; inherited by what is opened through it.
    pub(crate) read_only: bool,
    /// `fdflags` as the guest set them.
    pub(crate) flags: u16,
    /// The entries that the guest is reading.
    pub(crate) listing: Option<Listing>,
}

impl OpenDir {
    /// The directory, if what is beneath it may change; else `Perm`.
    pub(crate) fn mutable(&self) -> Result<&Dir, Errno> {
        if self.read_only { Err(Errno::Perm) } else { Ok(&self.dir) }
    }
}

/// Descriptors by number.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Option<Descriptor>>,
    /// The empty slots.
    free: BTreeSet<u32>,
    /// How many slots there may be.
    limit: u32,
}

impl Table {
    pub(crate) fn new(limit: u32) -> Table {
        Table { slots: Vec::with_capacity(8), free: BTreeSet::new(), limit }
    }

    /// Gives `descriptor` a number, or `Mfile` at the limit.
    pub(crate) fn push(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        if let Some(fd) = self.free.pop_last() {
            self.slots[fd as usize] = Some(descriptor);
            return Ok(fd);
        }
        let fd = u32::try_from(self.slots.len()).map_err(|_| Errno::Mfile)?;
        if fd >= self.limit {
            return Err(Errno::Mfile);
        }
        self.slots.push(Some(descriptor));
        Ok(fd)
    }

    /// Whether `push` would find a number.
    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < self.limit as usize
    }

    pub(crate) fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::Badf)
    }

    pub(crate) fn file(&self, fd: u32) -> Result<&OpenFile, Errno> {
        match self.get(fd)? {
            Descriptor::File(file) => Ok(file),
            _ => Err(Errno::Badf),
        }
    }

    /// A file with a position: `Spipe` for a standard stream.
    pub(crate) fn seekable(&self, fd: u32) -> Result<&OpenFile, Errno> {
        match self.get(fd)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Stdin(_) | Descriptor::Output(_) => Err(Errno::Spipe),
            Descriptor::Dir(_) => Err(Errno::Badf),
        }
    }

    pub(crate) fn dir(&self, fd: u32) -> Result<&OpenDir, Errno> {
        match self.get(fd)? {
            Descriptor::Dir(dir) => Ok(dir),
            _ => Err(Errno::Badf),
        }
    }

    pub(crate) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::Badf)?;
        self.free.insert(fd);
        Ok(())
    }

    /// Moves `from` to the number `to`, which must be open and is closed by it.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(to)?;
        self.get(from)?;
        if from != to {
            self.slots[to as usize] = self.slots[from as usize].take();
            self.free.insert(from);
        }
        Ok(())
    }
}
