//! Profiles on disk. A file is written beside its destination and renamed, so that readers see the old one or the new one, never a half.
//!
//! A process that is killed while it writes leaves its destination as it was, and a hidden temporary file beside it at worst.

use crate::codec::{FormatError, MAX_PAYLOAD};
use crate::profile::Profile;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What went wrong with which file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read profile {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write {}: a profile of {len} bytes, {MAX_PAYLOAD} at most can be read again; merge fewer runs", path.display())]
    TooLarge { path: PathBuf, len: u64 },
    #[error("{} is not usable as a profile", path.display())]
    Format { path: PathBuf, source: FormatError },
}

impl Profile {
    /// Reads a `*.trprof` file.
    pub fn read(path: impl AsRef<Path>) -> Result<Profile, FileError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| FileError::Read { path: path.to_path_buf(), source })?;
        Profile::from_bytes(&bytes).map_err(|source| FileError::Format { path: path.to_path_buf(), source })
    }

    /// Writes a `*.trprof` file, atomically.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let too_large = |len| FileError::TooLarge { path: path.to_path_buf(), len };
        write_atomically(path, &self.to_readable_bytes().map_err(too_large)?)
    }
}

/// Replaces the file at `path` by one with these contents, or leaves it as it was. Symlinks are followed and permissions kept. What is no
/// regular file (a pipe, `/dev/stdout`) can not be replaced and is written to directly.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let written = match fs::metadata(path) {
        Ok(known) if known.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(known) if !known.is_file() => OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes)),
        Ok(known) => fs::canonicalize(path).and_then(|target| replace(&target, bytes, Some(known.permissions()))),
        Err(_) => replace(path, bytes, None),
    };
    written.map_err(|source| FileError::Write { path: path.to_path_buf(), source })
}

fn replace(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let (temporary, file) = create_beside(path)?;
    let result = fill(file, bytes, permissions).and_then(|()| fs::rename(&temporary, path));
    // The first error tells more than one of the removal.
    result.inspect_err(|_| drop(fs::remove_file(&temporary)))
}

fn fill(mut file: File, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()
}

/// A new hidden file in the directory of `path`.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    if path.file_name().is_none() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    loop {
        let hidden = format!(".trjit-{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let temporary = path.with_file_name(hidden);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|file| (temporary, file)),
        }
    }
}
