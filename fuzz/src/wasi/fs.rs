//! Files in memory: names, links, contents, and how Linux resolves a path that may not leave its directory.
//!
//! Invariant: a call that fails changes nothing. The order of checks is the kernel's, since it decides which error comes.

use super::answer::{DIRECTORY, Ino, REGULAR, SYMLINK};
use std::collections::BTreeMap;
use trjit_wasi::Errno;

type Result<T> = std::result::Result<T, Errno>;

/// Links followed on one path.
const MAX_LINKS: usize = 40;
const MAX_NAME: usize = 255;

#[derive(Clone, Debug)]
pub enum Node {
    /// A removed directory may still be open: nothing can be made in it.
    Directory {
        entries: BTreeMap<String, Ino>,
        parent: Ino,
        removed: bool,
    },
    File(Vec<u8>),
    Symlink(String),
}

#[derive(Clone, Debug)]
pub struct Inode {
    pub kind: Node,
    /// Names of a file or link; not kept for directories.
    pub nlink: u64,
    /// Times as far as they are known: set explicitly, and nothing done since.
    pub atim: Option<u64>,
    pub mtim: Option<u64>,
}

impl Inode {
    pub fn filetype(&self) -> u8 {
        match self.kind {
            Node::Directory { .. } => DIRECTORY,
            Node::File(_) => REGULAR,
            Node::Symlink(_) => SYMLINK,
        }
    }
}

/// What `open` does beside finding a file.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    pub follow: bool,
    pub create: bool,
    pub exclusive: bool,
    pub truncate: bool,
    pub write: bool,
}

/// Where a path ends.
struct Place {
    dir: Ino,
    /// The last name; none after `.` or `..`.
    name: String,
    target: Option<Ino>,
    /// Slashes behind the name: it must be a directory's.
    slash: bool,
}

/// A directory and a name in it; no name stands for the directory itself.
type Parent = (Ino, Option<String>);

/// The file system; every call counts from a directory that it may not leave.
pub struct Fs {
    nodes: Vec<Inode>,
}

impl Fs {
    pub const ROOT: Ino = 0;

    /// An empty root.
    pub fn new() -> Fs {
        Fs { nodes: vec![directory(Fs::ROOT)] }
    }

    pub fn node(&self, ino: Ino) -> &Inode {
        &self.nodes[ino]
    }

    pub fn node_mut(&mut self, ino: Ino) -> &mut Inode {
        &mut self.nodes[ino]
    }

    pub fn is_directory(&self, ino: Ino) -> bool {
        matches!(self.nodes[ino].kind, Node::Directory { .. })
    }

    /// Entries of a directory.
    pub fn entries(&self, dir: Ino) -> &BTreeMap<String, Ino> {
        match &self.nodes[dir].kind {
            Node::Directory { entries, .. } => entries,
            other => unreachable!("{other:?} has no entries"),
        }
    }

    /// Every path beneath the root that leads to something without following a link.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        let mut rest = vec![(Fs::ROOT, String::new())];
        while let Some((dir, prefix)) = rest.pop() {
            for (name, ino) in self.entries(dir) {
                let path = format!("{prefix}{name}");
                if self.is_directory(*ino) {
                    rest.push((*ino, format!("{path}/")));
                }
                paths.push(path);
            }
        }
        paths
    }

    /// Whether a name leads to it.
    pub fn is_linked(&self, ino: Ino) -> bool {
        match self.nodes[ino].kind {
            Node::Directory { removed, .. } => !removed,
            _ => self.nodes[ino].nlink > 0,
        }
    }

    fn entries_mut(&mut self, dir: Ino) -> &mut BTreeMap<String, Ino> {
        match &mut self.nodes[dir].kind {
            Node::Directory { entries, .. } => entries,
            other => unreachable!("{other:?} has no entries"),
        }
    }

    fn parent_of(&self, dir: Ino) -> Ino {
        match self.nodes[dir].kind {
            Node::Directory { parent, .. } => parent,
            _ => unreachable!("only directories are asked for theirs"),
        }
    }

    /// Times are no longer known.
    pub fn touch(&mut self, ino: Ino) {
        (self.nodes[ino].atim, self.nodes[ino].mtim) = (None, None);
    }

    /// Somebody has read everything.
    pub fn forget_access(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.atim = None);
    }

    fn walk(&self, base: Ino, path: &str, follow: bool, create: bool) -> Result<Place> {
        if path.contains('\0') {
            return Err(Errno::Inval);
        }
        if path.is_empty() {
            return Err(Errno::Noent);
        }
        if path.starts_with('/') {
            return Err(Errno::Perm);
        }
        let (mut current, mut links) = (base, 0);
        let mut rest: Vec<String> = parts(path);
        let mut slash = path.ends_with('/');
        while let Some(name) = rest.pop() {
            let last = rest.is_empty();
            if !self.is_directory(current) {
                return Err(Errno::Notdir);
            }
            if name == "." || name == ".." {
                if name == ".." {
                    if current == base {
                        return Err(Errno::Perm);
                    }
                    current = self.parent_of(current);
                }
                continue;
            }
            if last && create && slash {
                return Err(Errno::Isdir);
            }
            match self.lookup(current, &name)? {
                None if last => return Ok(Place { dir: current, name, target: None, slash }),
                None => return Err(Errno::Noent),
                Some(ino) => match &self.nodes[ino].kind {
                    Node::Symlink(target) if !last || follow || slash => {
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(Errno::Loop);
                        }
                        if target.starts_with('/') {
                            return Err(Errno::Perm);
                        }
                        slash |= last && target.ends_with('/');
                        rest.extend(parts(target));
                    }
                    _ if last => return Ok(Place { dir: current, name, target: Some(ino), slash }),
                    _ => current = ino,
                },
            }
        }
        Ok(Place { dir: current, name: String::new(), target: Some(current), slash })
    }

    /// The file of that name, if there is one. In a removed directory no name is even looked at.
    fn lookup(&self, dir: Ino, name: &str) -> Result<Option<Ino>> {
        if self.alive(dir).is_ok() && name.len() > MAX_NAME {
            return Err(Errno::Nametoolong);
        }
        Ok(self.entries(dir).get(name).copied())
    }

    fn directory(&self, base: Ino, path: &str) -> Result<Ino> {
        let ino = self.walk(base, path, true, false)?.target.ok_or(Errno::Noent)?;
        if self.is_directory(ino) { Ok(ino) } else { Err(Errno::Notdir) }
    }

    /// The directory in which a call works, and the name there, not looked up.
    fn parent(&self, base: Ino, path: &str) -> Result<Parent> {
        if path.is_empty() {
            return Err(Errno::Noent);
        }
        let (before, name) = path.rsplit_once('/').map_or(("", path), |(before, name)| (&path[..before.len() + 1], name));
        match name {
            "." if before.is_empty() => Ok((base, None)),
            "" | "." | ".." => Ok((self.directory(base, path)?, None)),
            name if before.is_empty() => Ok((base, Some(name.to_string()))),
            name => Ok((self.directory(base, before)?, Some(name.to_string()))),
        }
    }

    /// A parent in which something is to be made: the name must be new and the directory not removed.
    fn vacancy(&self, (dir, name): Parent) -> Result<(Ino, String)> {
        let name = no_zero(name)?.ok_or(Errno::Exist)?;
        if self.lookup(dir, &name)?.is_some() {
            return Err(Errno::Exist);
        }
        self.alive(dir)?;
        Ok((dir, name))
    }

    fn alive(&self, dir: Ino) -> Result<()> {
        if matches!(self.nodes[dir].kind, Node::Directory { removed: true, .. }) { Err(Errno::Noent) } else { Ok(()) }
    }

    fn add(&mut self, dir: Ino, name: String, node: Inode) -> Ino {
        self.nodes.push(node);
        let ino = self.nodes.len() - 1;
        self.entries_mut(dir).insert(name, ino);
        self.touch(dir);
        ino
    }

    fn remove(&mut self, dir: Ino, name: &str) {
        if let Some(ino) = self.entries_mut(dir).remove(name) {
            self.touch(dir);
            self.touch(ino);
            self.nodes[ino].nlink = self.nodes[ino].nlink.saturating_sub(1);
            if let Node::Directory { removed, .. } = &mut self.nodes[ino].kind {
                *removed = true;
            }
        }
    }

    /// A file as the host makes it.
    pub fn host_file(&mut self, dir: Ino, name: &str, content: &[u8]) {
        self.add(dir, name.to_string(), plain(Node::File(content.to_vec())));
    }

    pub fn host_symlink(&mut self, dir: Ino, name: &str, target: String) {
        self.add(dir, name.to_string(), plain(Node::Symlink(target)));
    }

    pub fn host_directory(&mut self, dir: Ino, name: &str) -> Ino {
        self.add(dir, name.to_string(), directory(dir))
    }

    pub fn open(&mut self, base: Ino, path: &str, how: Opening) -> Result<Ino> {
        let place = self.walk(base, path, how.follow && !how.exclusive, how.create)?;
        let Some(ino) = place.target else {
            if !how.create {
                return Err(Errno::Noent);
            }
            self.alive(place.dir)?;
            return Ok(self.add(place.dir, place.name, plain(Node::File(Vec::new()))));
        };
        if how.exclusive {
            return Err(Errno::Exist);
        }
        match &mut self.nodes[ino].kind {
            Node::Symlink(_) => Err(Errno::Loop),
            Node::Directory { .. } if how.create || how.write => Err(Errno::Isdir),
            Node::Directory { .. } => Ok(ino),
            Node::File(_) if place.slash => Err(Errno::Notdir),
            Node::File(bytes) => {
                if how.truncate {
                    bytes.clear();
                    self.touch(ino);
                }
                Ok(ino)
            }
        }
    }

    /// What a path names.
    pub fn find(&self, base: Ino, path: &str, follow: bool) -> Result<Ino> {
        let place = self.walk(base, path, follow, false)?;
        let ino = place.target.ok_or(Errno::Noent)?;
        if place.slash && !self.is_directory(ino) { Err(Errno::Notdir) } else { Ok(ino) }
    }

    pub fn create_directory(&mut self, base: Ino, path: &str) -> Result<()> {
        let (dir, name) = self.vacancy(self.parent(base, without_slashes(path))?)?;
        self.add(dir, name, directory(dir));
        Ok(())
    }

    pub fn remove_directory(&mut self, base: Ino, path: &str) -> Result<()> {
        let (dir, name) = self.parent(base, without_slashes(path))?;
        let name = no_zero(name)?.ok_or(Errno::Inval)?;
        let ino = self.lookup(dir, &name)?.ok_or(Errno::Noent)?;
        if !self.is_directory(ino) {
            return Err(Errno::Notdir);
        }
        if !self.entries(ino).is_empty() {
            return Err(Errno::Notempty);
        }
        self.remove(dir, &name);
        Ok(())
    }

    pub fn unlink(&mut self, base: Ino, path: &str) -> Result<()> {
        let (dir, name) = self.parent(base, path)?;
        let name = no_zero(name)?.ok_or(Errno::Isdir)?;
        let ino = self.lookup(dir, &name)?.ok_or(Errno::Noent)?;
        if self.is_directory(ino) {
            return Err(Errno::Isdir);
        }
        self.remove(dir, &name);
        Ok(())
    }

    pub fn symlink(&mut self, target: &str, base: Ino, path: &str) -> Result<()> {
        if target.starts_with('/') {
            return Err(Errno::Perm);
        }
        let (dir, name) = self.parent(base, path)?;
        let name = no_zero(name)?;
        if target.is_empty() {
            return Err(Errno::Noent);
        }
        let (dir, name) = self.vacancy((dir, name))?;
        self.add(dir, name, plain(Node::Symlink(target.to_string())));
        Ok(())
    }

    pub fn readlink(&self, base: Ino, path: &str) -> Result<&str> {
        let (dir, name) = self.parent(base, path)?;
        let name = no_zero(name)?.ok_or(Errno::Inval)?;
        let ino = self.lookup(dir, &name)?.ok_or(Errno::Noent)?;
        match &self.nodes[ino].kind {
            Node::Symlink(target) if target.starts_with('/') => Err(Errno::Perm),
            Node::Symlink(target) => Ok(target),
            _ => Err(Errno::Inval),
        }
    }

    /// The file itself, where the last name is not followed.
    pub fn find_itself(&self, base: Ino, path: &str) -> Result<Ino> {
        match self.parent(base, path)? {
            (dir, None) => Ok(dir),
            (dir, name) => self.lookup(dir, &no_zero(name)?.unwrap_or_default())?.ok_or(Errno::Noent),
        }
    }

    pub fn link(&mut self, old_base: Ino, old: &str, new_base: Ino, new: &str) -> Result<()> {
        let ((old_dir, old_name), (new_dir, new_name)) = (self.parent(old_base, old)?, self.parent(new_base, new)?);
        let (old_name, new_name) = (no_zero(old_name)?, no_zero(new_name)?);
        let ino = match old_name {
            Some(name) => self.lookup(old_dir, &name)?.ok_or(Errno::Noent)?,
            None => old_dir,
        };
        let (dir, name) = self.vacancy((new_dir, new_name))?;
        if self.is_directory(ino) {
            return Err(Errno::Perm);
        }
        self.entries_mut(dir).insert(name, ino);
        self.nodes[ino].nlink += 1;
        self.touch(dir);
        Ok(())
    }

    /// Whether `dir` is `ancestor` or beneath it.
    fn is_within(&self, mut dir: Ino, ancestor: Ino) -> bool {
        loop {
            if dir == ancestor {
                return true;
            }
            if dir == Fs::ROOT {
                return false;
            }
            dir = self.parent_of(dir);
        }
    }

    pub fn rename(&mut self, old_base: Ino, old: &str, new_base: Ino, new: &str) -> Result<()> {
        // A name that demands a directory is refused to a file before anything else is looked at.
        if new.ends_with('/') && self.find(old_base, old, false).is_ok_and(|ino| !self.is_directory(ino)) {
            return Err(Errno::Notdir);
        }
        let (old_dir, old_name) = self.parent(old_base, without_slashes(old))?;
        let (new_dir, new_name) = self.parent(new_base, without_slashes(new))?;
        let (old_name, new_name) = (no_zero(old_name)?, no_zero(new_name)?);
        let (old_name, new_name) = (old_name.ok_or(Errno::Busy)?, new_name.ok_or(Errno::Busy)?);
        let ino = self.lookup(old_dir, &old_name)?.ok_or(Errno::Noent)?;
        let replaced = self.lookup(new_dir, &new_name)?;
        self.alive(new_dir)?;
        if old.ends_with('/') && !self.is_directory(ino) {
            return Err(Errno::Notdir);
        }
        self.check_rename(ino, old_dir, replaced, new_dir)?;
        if replaced == Some(ino) {
            return Ok(());
        }
        self.entries_mut(old_dir).remove(&old_name);
        self.remove(new_dir, &new_name);
        self.entries_mut(new_dir).insert(new_name, ino);
        if let Node::Directory { parent, .. } = &mut self.nodes[ino].kind {
            *parent = new_dir;
        }
        for ino in [old_dir, new_dir, ino] {
            self.touch(ino);
        }
        Ok(())
    }

    fn check_rename(&self, ino: Ino, old_dir: Ino, replaced: Option<Ino>, new_dir: Ino) -> Result<()> {
        if self.is_directory(ino) && self.is_within(new_dir, ino) {
            return Err(Errno::Inval);
        }
        let Some(replaced) = replaced else { return Ok(()) };
        if self.is_directory(replaced) && self.is_within(old_dir, replaced) {
            return Err(Errno::Notempty);
        }
        match (self.is_directory(ino), self.is_directory(replaced)) {
            _ if ino == replaced => Ok(()),
            (true, false) => Err(Errno::Notdir),
            (false, true) => Err(Errno::Isdir),
            (true, true) if !self.entries(replaced).is_empty() => Err(Errno::Notempty),
            _ => Ok(()),
        }
    }
}

/// Components, the first one last.
fn parts(path: &str) -> Vec<String> {
    path.rsplit('/').filter(|part| !part.is_empty()).map(str::to_string).collect()
}

/// The path without the slashes at its end, but `/` itself.
fn without_slashes(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { path } else { trimmed }
}

fn no_zero(name: Option<String>) -> Result<Option<String>> {
    if name.as_ref().is_some_and(|name| name.contains('\0')) { Err(Errno::Inval) } else { Ok(name) }
}

fn plain(kind: Node) -> Inode {
    Inode { kind, nlink: 1, atim: None, mtim: None }
}

fn directory(parent: Ino) -> Inode {
    plain(Node::Directory { entries: BTreeMap::new(), parent, removed: false })
}
