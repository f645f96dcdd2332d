//! The calls, and how random ones are made: few names, and mostly descriptors and paths that exist, so that calls meet.

use crate::rng::Rng;

/// A call with its arguments, as the guest makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Open {
        dir: u32,
        lookup: u32,
        path: String,
        oflags: u32,
        rights: u64,
        fdflags: u32,
    },
    Close {
        fd: u32,
    },
    Renumber {
        from: u32,
        to: u32,
    },
    /// Into buffers of these lengths.
    Read {
        fd: u32,
        parts: Vec<u32>,
    },
    /// That many bytes of this value, from one buffer each.
    Write {
        fd: u32,
        parts: Vec<u32>,
        fill: u8,
    },
    Pread {
        fd: u32,
        parts: Vec<u32>,
        offset: u64,
    },
    Pwrite {
        fd: u32,
        parts: Vec<u32>,
        fill: u8,
        offset: u64,
    },
    Seek {
        fd: u32,
        offset: i64,
        whence: u32,
    },
    Tell {
        fd: u32,
    },
    Advise {
        fd: u32,
        advice: u32,
    },
    Allocate {
        fd: u32,
        len: u64,
    },
    Sync {
        fd: u32,
        data_only: bool,
    },
    SetSize {
        fd: u32,
        size: u64,
    },
    SetFlags {
        fd: u32,
        flags: u32,
    },
    Fdstat {
        fd: u32,
    },
    Fstat {
        fd: u32,
    },
    FsetTimes {
        fd: u32,
        atim: u64,
        mtim: u64,
        flags: u32,
    },
    /// Length of a preopened directory's name.
    Prestat {
        fd: u32,
    },
    Readdir {
        fd: u32,
        room: u32,
        cookie: u64,
    },
    Stat {
        dir: u32,
        lookup: u32,
        path: String,
    },
    SetTimes {
        dir: u32,
        lookup: u32,
        path: String,
        atim: u64,
        mtim: u64,
        flags: u32,
    },
    CreateDirectory {
        dir: u32,
        path: String,
    },
    RemoveDirectory {
        dir: u32,
        path: String,
    },
    UnlinkFile {
        dir: u32,
        path: String,
    },
    Link {
        old_dir: u32,
        lookup: u32,
        old: String,
        new_dir: u32,
        new: String,
    },
    Rename {
        old_dir: u32,
        old: String,
        new_dir: u32,
        new: String,
    },
    Symlink {
        target: String,
        dir: u32,
        path: String,
    },
    Readlink {
        dir: u32,
        path: String,
        room: u32,
    },
}

/// Names that meet often, and those of what the host put into the directory and beside it.
const NAMES: &[&str] = &["a", "b", "c", "d"];
const RARE_NAMES: &[&str] = &["file", "sub", "self", "up", "up-file", "absolute", "sentinel", "secret", "ü"];

fn component(rng: &mut Rng) -> String {
    match rng.below(40) {
        0..=1 => ".".to_string(),
        2..=3 => "..".to_string(),
        4..=8 => rng.pick(RARE_NAMES).to_string(),
        12 if rng.one_in(8) => "n".repeat(if rng.one_in(2) { 255 } else { 256 }),
        _ => rng.pick(NAMES).to_string(),
    }
}

/// A path of a few names.
fn made_up(rng: &mut Rng) -> String {
    let count = match rng.below(10) {
        0..=5 => 1,
        6..=8 => 2,
        _ => rng.range(3, 4),
    };
    let parts: Vec<_> = (0..count).map(|_| component(rng)).collect();
    parts.join(if rng.one_in(20) { "//" } else { "/" })
}

/// Adds what makes a path special.
fn special(rng: &mut Rng, path: &mut String) {
    match rng.below(100) {
        0..=7 => path.push('/'),
        8 => path.push_str("//"),
        9..=10 => path.push_str("/."),
        11..=12 => path.insert(0, '/'),
        13 => path.clear(),
        14 => path.push('\0'),
        15..=18 => path.insert_str(0, "./"),
        _ => {}
    }
}

fn parts(rng: &mut Rng) -> Vec<u32> {
    (0..rng.range(0, 3)).map(|_| rng.below(40) as u32).collect()
}

fn offset(rng: &mut Rng) -> u64 {
    if rng.one_in(30) { u64::MAX - rng.below(4) } else { rng.below(200) }
}

/// A set of flags: mostly some of the valid ones, rarely one too many.
fn flags(rng: &mut Rng, valid: u32) -> u32 {
    let invalid = if rng.one_in(40) { valid + 1 } else { 0 };
    (rng.number() & rng.number()) as u32 & valid | invalid
}

fn lookup(rng: &mut Rng) -> u32 {
    if rng.one_in(60) { 2 } else { rng.below(2) as u32 }
}

/// Times that every file system keeps exactly.
fn time(rng: &mut Rng) -> u64 {
    rng.below(2_000_000_000) * 1_000_000_000 + rng.below(1_000_000_000)
}

fn rights(rng: &mut Rng) -> u64 {
    const READ: u64 = 1 << 1;
    const WRITE: u64 = 1 << 6;
    match rng.below(20) {
        0 => 0,
        1 => rng.number() & rng.number(),
        2 => u64::MAX >> 34,
        3..=6 => READ,
        7..=9 => WRITE,
        _ => READ | WRITE,
    }
}

/// Where calls come from: random numbers, and what exists.
pub struct Known<'a> {
    pub rng: &'a mut Rng,
    /// Descriptors that are open; of directories there is always one to name.
    pub files: Vec<u32>,
    pub directories: Vec<u32>,
    /// From the root.
    pub paths: Vec<String>,
}

impl Known<'_> {
    pub fn call(&mut self) -> Call {
        match self.rng.below(100) {
            0..=19 => self.open(),
            20..=59 => self.on_descriptor(),
            _ => self.on_path(),
        }
    }

    fn path(&mut self) -> String {
        let mut path = match self.paths.is_empty() || self.rng.one_in(2) {
            true => made_up(self.rng),
            false => self.rng.pick(&self.paths).clone(),
        };
        special(self.rng, &mut path);
        path
    }

    /// Targets of links: paths without zero bytes, some that lead out of the directory.
    fn target(&mut self) -> String {
        match self.rng.below(20) {
            0 => "../sentinel".to_string(),
            1 => "../sentinel/secret".to_string(),
            2 => "../..".to_string(),
            3 => ".".to_string(),
            _ => self.path().replace('\0', ""),
        }
    }

    /// Mostly an open file, sometimes a directory, rarely anything.
    fn fd(&mut self) -> u32 {
        match self.rng.below(40) {
            0 => u32::MAX,
            1..=2 => self.rng.below(16) as u32,
            3..=6 => *self.rng.pick(&self.directories),
            _ if self.files.is_empty() => 7,
            _ => *self.rng.pick(&self.files),
        }
    }

    /// A base for paths: mostly the whole directory, sometimes another one or what is none.
    fn base(&mut self) -> u32 {
        match self.rng.below(40) {
            0..=1 => self.fd(),
            2 => 4,
            3..=14 => *self.rng.pick(&self.directories),
            _ => 3,
        }
    }

    fn open(&mut self) -> Call {
        const CREAT: u32 = 1;
        const DIRECTORY: u32 = 2;
        let oflags = match self.rng.below(10) {
            0..=2 => CREAT,
            3..=4 => DIRECTORY,
            5 => 0,
            _ => flags(self.rng, 15),
        };
        // A directory is never opened for writing.
        let rights = if oflags == DIRECTORY && !self.rng.one_in(8) { 0 } else { rights(self.rng) };
        let fdflags = if self.rng.one_in(3) { flags(self.rng, 31) } else { 0 };
        Call::Open { dir: self.base(), lookup: lookup(self.rng), path: self.path(), oflags, rights, fdflags }
    }

    fn on_descriptor(&mut self) -> Call {
        let fd = self.fd();
        let other = self.fd();
        let rng = &mut *self.rng;
        match rng.below(36) {
            0..=1 => Call::Close { fd: if fd == 3 { 5 } else { fd } },
            2..=3 => Call::Renumber { from: fd, to: other },
            4..=7 => Call::Read { fd, parts: parts(rng) },
            8..=12 => Call::Write { fd, parts: parts(rng), fill: rng.below(256) as u8 },
            13..=14 => Call::Pread { fd, parts: parts(rng), offset: offset(rng) },
            15..=16 => Call::Pwrite { fd, parts: parts(rng), fill: rng.below(256) as u8, offset: offset(rng) },
            17..=19 => seek(rng, fd),
            20 => Call::Tell { fd },
            21 => Call::Advise { fd, advice: rng.below(8) as u32 },
            22 => Call::Allocate { fd, len: rng.below(100) },
            23 => Call::Sync { fd, data_only: rng.one_in(2) },
            24..=25 => Call::SetSize { fd, size: if rng.one_in(10) { u64::MAX } else { rng.below(300) } },
            26 => Call::SetFlags { fd, flags: if rng.one_in(2) { rng.below(2) as u32 } else { flags(rng, 31) } },
            27 => Call::Fdstat { fd },
            28..=29 => Call::Fstat { fd },
            30 => Call::FsetTimes { fd, atim: time(rng), mtim: time(rng), flags: flags(rng, 15) },
            31 => Call::Prestat { fd: if rng.one_in(2) { 3 } else { fd } },
            _ => {
                let room = *rng.pick(&[0, 23, 24, 30, 60, 100, 2048, 2048, 2048]);
                let cookie = if rng.one_in(2) { 0 } else { rng.below(8) };
                Call::Readdir { fd: self.base(), room, cookie }
            }
        }
    }

    fn on_path(&mut self) -> Call {
        let (dir, path) = (self.base(), self.path());
        let (new_dir, new) = (self.base(), self.path());
        let target = self.target();
        let rng = &mut *self.rng;
        match rng.below(23) {
            0..=3 => Call::Stat { dir, lookup: lookup(rng), path },
            4 => Call::SetTimes { dir, lookup: lookup(rng), path, atim: time(rng), mtim: time(rng), flags: flags(rng, 15) },
            5..=8 => Call::CreateDirectory { dir, path },
            9..=10 => Call::RemoveDirectory { dir, path },
            11..=12 => Call::UnlinkFile { dir, path },
            13..=14 => Call::Link { old_dir: dir, lookup: if rng.one_in(10) { lookup(rng) } else { 0 }, old: path, new_dir, new },
            15..=18 => Call::Rename { old_dir: dir, old: path, new_dir, new },
            19..=20 => Call::Symlink { target, dir, path },
            _ => Call::Readlink { dir, path, room: *rng.pick(&[0, 1, 3, 300]) },
        }
    }
}

fn seek(rng: &mut Rng, fd: u32) -> Call {
    let offset = if rng.one_in(20) { i64::MIN } else { rng.below(300) as i64 - 100 };
    let kinds = if rng.one_in(20) { 5 } else { 3 };
    Call::Seek { fd, offset, whence: rng.below(kinds) as u32 }
}
