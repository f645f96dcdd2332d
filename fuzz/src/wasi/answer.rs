//! What calls answer: by the guest as it was found, by the model as far as it knows.

use std::fmt;
use trjit_wasi::Errno;

/// The kinds of files that a directory of a test holds, by WASI's numbers.
pub const STREAM: u8 = 0;
pub const DIRECTORY: u8 = 3;
pub const REGULAR: u8 = 4;
pub const SYMLINK: u8 = 7;

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub next: u64,
    pub ino: u64,
    pub filetype: u8,
    pub name: String,
}

/// A value beside the error number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Nothing,
    Number(u64),
    Bytes(Vec<u8>),
    Fdstat {
        filetype: u8,
        flags: u16,
        readable: bool,
        writable: bool,
    },
    Stat {
        ino: u64,
        filetype: u8,
        nlink: u64,
        size: u64,
        atim: u64,
        mtim: u64,
    },
    /// The whole entries, and whether the buffer was filled.
    Entries(Vec<Entry>, bool),
}

/// What the guest got.
pub type Found = Result<Value, u64>;

/// The model's number of a file.
pub type Ino = usize;

/// What the model says; `None` is what it does not know.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Exactly this.
    Value(Value),
    /// A file's metadata.
    Stat { ino: Ino, filetype: u8, nlink: Option<u64>, size: Option<u64>, atim: Option<u64>, mtim: Option<u64> },
    /// Entries of the listing that this descriptor holds.
    Entries { fd: u32, room: u32, cookie: u64 },
    /// One of these.
    Errno(Errnos),
}

/// Error numbers of which any may come.
#[derive(Clone)]
pub struct Errnos(pub Vec<Errno>);

impl From<Errno> for Errnos {
    fn from(errno: Errno) -> Errnos {
        Errnos(vec![errno])
    }
}

impl fmt::Debug for Errnos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|errno| format!("{errno:?} ({})", *errno as u16)).collect();
        write!(f, "{}", names.join(" or "))
    }
}

impl Expected {
    pub const NOTHING: Expected = Expected::Value(Value::Nothing);

    pub fn number(number: u64) -> Expected {
        Expected::Value(Value::Number(number))
    }
}
