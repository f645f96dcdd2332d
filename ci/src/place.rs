//! The directory of `trjit.toml`, and in it `.trjit/`, where the step keeps what it makes until it is published (another `NAME.toml` has `.trjit/configs/NAME/`):
//!
//! ```text
//! .trjit/lock          held by the process that works here
//! .trjit/state.json    what the last run measured, and the digests of its inputs
//! .trjit/report.json   what was told last
//! .trjit/profile.trprof  the last training, merged
//! .trjit/out/          caches as they were made; published from here
//! .trjit/run/          of the run that is under way; removed at its end, or at the begin of the next one
//! .trjit/failed/       what runs printed that failed, until the next run
//! .trjit/gitlab/       reports for GitLab
//! ```
//! Invariant: who holds a [`Place`] is alone in the directory. The system lets go of the lock when the process ends, however it does.

use crate::config::CONFIG_FILE;
use crate::files;
use crate::outcome::{Failure, Kind};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The state directory's name.
pub const STATE_DIRECTORY: &str = ".trjit";

/// The state directory of a configuration file, from its own directory on.
pub fn state_directory(config: &Path) -> PathBuf {
    match config.file_stem().filter(|_| config.file_name() != Some(OsStr::new(CONFIG_FILE))) {
        Some(name) => Path::new(STATE_DIRECTORY).join("configs").join(name),
        None => PathBuf::from(STATE_DIRECTORY),
    }
}

/// Where the step works, alone.
#[derive(Debug)]
pub struct Place {
    root: PathBuf,
    state: PathBuf,
    /// Keeps the lock; `None` for who only looks.
    _lock: Option<File>,
}

impl Place {
    /// Takes the directory, which must exist, and its [state directory](state_directory).
    pub fn open(root: &Path, state: &Path) -> Result<Place, Failure> {
        let root = root.canonicalize().map_err(files::unreadable(root))?;
        let state = root.join(state);
        let shown = state.display().to_string();
        let failed = |what: &str| {
            let what = format!("can not {what} `{shown}`");
            move |error: std::io::Error| Failure::of(Kind::Failed, what, &error).with_help("make the directory of trjit.toml writable")
        };
        fs::create_dir_all(&state).map_err(failed("create"))?;
        let lock = lock(&state.join("lock"))?;
        // Version control is to see nothing of it.
        let ignore = root.join(STATE_DIRECTORY).join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(failed("write to"))?;
        }
        let place = Place { root, state, _lock: Some(lock) };
        place.clear_work();
        let _ = fs::remove_dir_all(place.failed());
        fs::create_dir_all(place.work()).map_err(failed("write to"))?;
        fs::create_dir_all(place.out()).map_err(failed("write to"))?;
        Ok(place)
    }

    /// The directory for who only looks: nothing is made, nothing locked.
    pub fn look(root: &Path, state: &Path) -> Result<Place, Failure> {
        let root = root.canonicalize().map_err(files::unreadable(root))?;
        Ok(Place { state: root.join(state), root, _lock: None })
    }

    /// The absolute path of the directory of `trjit.toml`: what its paths are relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path as the file has it.
    pub fn path(&self, written: &Path) -> PathBuf {
        self.root.join(written)
    }

    /// A path for people: from the directory of `trjit.toml` on.
    pub fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    pub fn state(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    pub fn work(&self) -> PathBuf {
        self.state.join("run")
    }

    pub fn out(&self) -> PathBuf {
        self.state.join("out")
    }

    pub fn failed(&self) -> PathBuf {
        self.state.join("failed")
    }

    /// Removes what belongs to one run. What can not be removed is tried again next time.
    pub fn clear_work(&self) {
        let _ = fs::remove_dir_all(self.work());
    }
}

/// Takes the lock file, and leaves the number of this process in it.
fn lock(path: &Path) -> Result<File, Failure> {
    let failed = |error: std::io::Error| Failure::of(Kind::Failed, format!("can not lock `{}`", path.display()), &error);
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let message = format!("another `trjit ci` works here (process {}), found by its lock `{}`", holder.trim(), path.display());
            return Err(Failure::new(Kind::Busy, message).with_help("wait for it to end, or give each its own checkout"));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_held_by_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place::open(directory.path(), Path::new(STATE_DIRECTORY)).expect("nobody is there");
        let refused = Place::open(directory.path(), Path::new(STATE_DIRECTORY)).expect_err("it is taken");
        assert_eq!(refused.kind, Kind::Busy);
        assert!(refused.message.contains(&std::process::id().to_string()), "{refused}");
        drop(place);
        Place::open(directory.path(), Path::new(STATE_DIRECTORY)).expect("it is free again");
    }

    #[test]
    fn each_configuration_has_a_directory_of_its_own() {
        let of = |config: &str| state_directory(Path::new(config)).display().to_string();
        assert_eq!([of("trjit.toml"), of("a/trjit.toml"), of("a/server.toml")], [".trjit", ".trjit", ".trjit/configs/server"]);
    }

    #[test]
    fn what_a_killed_run_left_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let left = directory.path().join(".trjit/run/half");
        fs::create_dir_all(left.parent().expect("it has one")).and_then(|()| fs::write(&left, "x")).expect("writable");
        let place = Place::open(directory.path(), Path::new(STATE_DIRECTORY)).expect("nobody is there");
        assert!(!left.exists() && place.work().is_dir());
    }
}
