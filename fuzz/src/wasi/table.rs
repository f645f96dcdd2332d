//! The model's descriptors: numbers, positions, modes, listings.

use super::answer::{Entry, Ino};
use super::fs::Fs;
use super::guest::MAX_DESCRIPTORS;
use std::collections::{BTreeMap, BTreeSet};
use trjit_wasi::Errno;

/// An open file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    pub ino: Ino,
    pub position: u64,
    pub readable: bool,
    pub writable: bool,
    /// `fdflags`
    pub flags: u16,
    /// It came through the read-only view.
    pub read_only: bool,
}

/// An open directory.
#[derive(Clone, Debug)]
pub struct Directory {
    pub ino: Ino,
    /// The guest's name of a preopened one.
    pub name: Option<&'static str>,
    pub read_only: bool,
    pub flags: u16,
    pub listing: Option<Listing>,
}

#[derive(Clone, Debug)]
pub enum Descriptor {
    Input,
    Output,
    File(File),
    Directory(Directory),
}

/// The entries of a directory at one moment. Their order is the host's: it is learned as it shows.
#[derive(Clone, Debug)]
pub struct Listing {
    own: Ino,
    entries: BTreeMap<String, (u8, Ino)>,
    order: BTreeMap<u64, String>,
}

impl Listing {
    pub fn take(fs: &Fs, dir: Ino) -> Listing {
        let entries = fs.entries(dir).iter().map(|(name, ino)| (name.clone(), (fs.node(*ino).filetype(), *ino)));
        Listing { own: dir, entries: entries.collect(), order: [(0, ".".to_string()), (1, "..".to_string())].into() }
    }

    fn len(&self) -> u64 {
        self.entries.len() as u64 + 2
    }

    /// Checks one entry at a position; gives the file that it names.
    fn entry(&mut self, position: u64, entry: &Entry) -> Result<Ino, String> {
        if entry.next != position + 1 {
            return Err(format!("{entry:?} at position {position}"));
        }
        let known = self.order.entry(position).or_insert_with(|| entry.name.clone());
        if *known != entry.name {
            return Err(format!("{entry:?} at position {position}, where {known:?} was"));
        }
        let (filetype, ino) = match entry.name.as_str() {
            "." | ".." => (super::answer::DIRECTORY, self.own),
            name => *self.entries.get(name).ok_or_else(|| format!("{entry:?} is not in the directory"))?,
        };
        if entry.filetype != filetype {
            return Err(format!("{entry:?}, expected type {filetype}"));
        }
        Ok(ino)
    }

    /// Checks what was read from a cookie on; gives the files with the numbers that the guest saw.
    pub fn check(&mut self, cookie: u64, room: u32, entries: &[Entry], full: bool) -> Result<Vec<(Ino, u64)>, String> {
        let mut seen = Vec::new();
        for (position, entry) in (cookie..).zip(entries) {
            seen.push((self.entry(position, entry)?, entry.ino));
        }
        let names: BTreeSet<_> = self.order.values().collect();
        if names.len() != self.order.len() {
            return Err(format!("a name comes twice: {:?}", self.order));
        }
        let left = self.len().saturating_sub(cookie);
        let complete = entries.len() as u64 == left;
        // An entry of one byte's name needs 25; the buffer is full exactly if something was cut off, or all just fits.
        let used: usize = entries.iter().map(|entry| 24 + entry.name.len()).sum();
        let fits = complete && (full == (used == room as usize));
        if fits || (full && !complete) { Ok(seen) } else { Err(format!("{} entries of {left}, buffer full: {full}", entries.len())) }
    }
}

/// Descriptors by number.
pub struct Table {
    slots: Vec<Option<Descriptor>>,
    free: BTreeSet<u32>,
}

impl Table {
    /// The standard streams and these directories.
    pub fn new(directories: impl IntoIterator<Item = Directory>) -> Table {
        let streams = [Descriptor::Input, Descriptor::Output, Descriptor::Output];
        let slots = streams.into_iter().chain(directories.into_iter().map(Descriptor::Directory)).map(Some);
        Table { slots: slots.collect(), free: BTreeSet::new() }
    }

    /// Open descriptors of a kind.
    pub fn open(&self, is: impl Fn(&Descriptor) -> bool) -> Vec<u32> {
        (0..).zip(&self.slots).filter(|(_, slot)| slot.as_ref().is_some_and(&is)).map(|(fd, _)| fd).collect()
    }

    pub fn has_room(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < MAX_DESCRIPTORS as usize
    }

    /// The highest closed number, else the next.
    pub fn push(&mut self, descriptor: Descriptor) -> u32 {
        let fd = self.free.pop_last().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.slots[fd as usize] = Some(descriptor);
        fd
    }

    pub fn get(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::Badf)
    }

    pub fn file(&mut self, fd: u32) -> Result<&mut File, Errno> {
        match self.get(fd)? {
            Descriptor::File(file) => Ok(file),
            _ => Err(Errno::Badf),
        }
    }

    /// A file with a position.
    pub fn seekable(&mut self, fd: u32) -> Result<&mut File, Errno> {
        match self.get(fd)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Directory(_) => Err(Errno::Badf),
            Descriptor::Input | Descriptor::Output => Err(Errno::Spipe),
        }
    }

    pub fn directory(&mut self, fd: u32) -> Result<&mut Directory, Errno> {
        match self.get(fd)? {
            Descriptor::Directory(directory) => Ok(directory),
            _ => Err(Errno::Badf),
        }
    }

    pub fn close(&mut self, fd: u32) -> Result<(), Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::Badf)?;
        self.free.insert(fd);
        Ok(())
    }

    pub fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(to)?;
        self.get(from)?;
        if from != to {
            self.slots[to as usize] = self.slots[from as usize].take();
            self.free.insert(from);
        }
        Ok(())
    }
}
