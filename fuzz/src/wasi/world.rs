//! The place on disk: the guest's directory, and beside it a sentinel that must never change.
//!
//! ```text
//! <temporary>/inside/file            the guest's directory, preopened as `/` and, read-only, as `/view`
//!             inside/sub/file
//!             inside/self -> .
//!             inside/up -> ../sentinel, up-file -> ../sentinel/secret, absolute -> <temporary>/sentinel
//!             sentinel/secret        untouched
//! ```

use super::fs::{Fs, Node};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

pub const CONTENT: &[u8] = b"content of the host";
const SECRET: &[u8] = b"what no guest may see";

pub struct World {
    root: tempfile::TempDir,
    sentinel: Vec<String>,
}

impl World {
    pub fn new(scratch: &Path) -> io::Result<World> {
        let root = tempfile::tempdir_in(scratch)?;
        let (inside, sentinel) = (root.path().join("inside"), root.path().join("sentinel"));
        fs::create_dir(&sentinel)?;
        fs::write(sentinel.join("secret"), SECRET)?;
        fs::create_dir_all(inside.join("sub"))?;
        fs::write(inside.join("file"), CONTENT)?;
        fs::write(inside.join("sub/file"), CONTENT)?;
        for (name, target) in links(root.path()) {
            symlink(target, inside.join(name))?;
        }
        let mut world = World { root, sentinel: Vec::new() };
        world.sentinel = world.describe_sentinel();
        Ok(world)
    }

    pub fn inside(&self) -> PathBuf {
        self.root.path().join("inside")
    }

    /// Names and targets of the links at the start.
    pub fn links(&self) -> Vec<(&'static str, String)> {
        links(self.root.path())
    }

    /// All that a guest could do to what is beside its directory.
    fn describe_sentinel(&self) -> Vec<String> {
        let describe = |path: &Path| match fs::symlink_metadata(path) {
            Ok(meta) => format!("{path:?} {:o} {} {} {} {}", meta.mode(), meta.nlink(), meta.len(), meta.mtime_nsec(), meta.ctime_nsec()),
            Err(error) => format!("{path:?} {error}"),
        };
        let sentinel = self.root.path().join("sentinel");
        let names = |path: &Path| {
            let mut names: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
            names.sort();
            format!("{names:?}")
        };
        let secret = fs::read(sentinel.join("secret")).unwrap_or_default();
        let secret = format!("{:?}", String::from_utf8_lossy(&secret));
        vec![describe(&sentinel), describe(&sentinel.join("secret")), secret, names(&sentinel), names(self.root.path())]
    }

    /// Compares the disk with the model, and the sentinel with what it was.
    pub fn inspect(&self, model: &Fs) -> Result<(), String> {
        let sentinel = self.describe_sentinel();
        if sentinel != self.sentinel {
            return Err(format!("beside the guest's directory there was {:?}, now there is {sentinel:?}", self.sentinel));
        }
        inspect_directory(model, Fs::ROOT, &self.inside())
    }
}

/// The links for a world at that place.
pub fn links(root: &Path) -> Vec<(&'static str, String)> {
    let absolute = root.join("sentinel").to_string_lossy().into_owned();
    let links = [("self", "."), ("up", "../sentinel"), ("up-file", "../sentinel/secret")];
    links.into_iter().map(|(name, target)| (name, target.to_string())).chain([("absolute", absolute)]).collect()
}

fn inspect_directory(model: &Fs, dir: usize, path: &Path) -> Result<(), String> {
    let entries = fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(|error| error.to_string())?;
        found.insert(entry.file_name().to_string_lossy().into_owned(), entry.path());
    }
    let expected = model.entries(dir);
    if !expected.keys().eq(found.keys()) {
        return Err(format!("in {} are {:?}, expected {:?}", path.display(), found.keys(), expected.keys()));
    }
    for (name, ino) in expected {
        inspect_node(model, *ino, &found[name])?;
    }
    Ok(())
}

fn inspect_node(model: &Fs, ino: usize, path: &Path) -> Result<(), String> {
    let meta = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    let same = match &model.node(ino).kind {
        Node::Directory { .. } if meta.is_dir() => return inspect_directory(model, ino, path),
        Node::Directory { .. } => false,
        Node::File(bytes) => meta.is_file() && fs::read(path).is_ok_and(|found| found == *bytes),
        Node::Symlink(target) => fs::read_link(path).is_ok_and(|found| found == Path::new(target)),
    };
    if same { Ok(()) } else { Err(format!("{} is not {:?}", path.display(), model.node(ino).kind)) }
}

#[cfg(test)]
mod tests {
    use super::super::model::Model;
    use super::*;

    fn changed(change: impl Fn(&Path)) -> Result<(), String> {
        let scratch = tempfile::tempdir().expect("a directory");
        let world = World::new(scratch.path()).expect("a world");
        let model = Model::new(world.links());
        world.inspect(&model.fs).expect("the model starts as the disk does");
        change(world.root.path());
        world.inspect(&model.fs)
    }

    #[test]
    fn every_change_is_noticed() {
        assert_eq!(changed(|_| {}), Ok(()));
        let beside: [fn(&Path); 4] = [
            |root| fs::write(root.join("sentinel/secret"), "x").expect("written"),
            |root| fs::write(root.join("sentinel/more"), "x").expect("written"),
            |root| fs::remove_file(root.join("sentinel/secret")).expect("removed"),
            |root| fs::create_dir(root.join("another")).expect("made"),
        ];
        for change in beside {
            assert!(changed(change).is_err_and(|what| what.starts_with("beside")));
        }
        let inside: [fn(&Path); 4] = [
            |root| fs::write(root.join("inside/sub/file"), "x").expect("written"),
            |root| fs::write(root.join("inside/sub/more"), "x").expect("written"),
            |root| fs::remove_file(root.join("inside/up")).expect("removed"),
            |root| fs::rename(root.join("inside/self"), root.join("inside/file")).expect("renamed"),
        ];
        for change in inside {
            assert!(changed(change).is_err());
        }
    }
}
