//! Profiles on disk: read, and written as [`crate::output`] writes all files.

use crate::codec::{FormatError, MAX_PAYLOAD};
use crate::output::{OutputError, write_file, write_transient};
use crate::profile::Profile;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What went wrong with which file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read profile {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Write(#[from] OutputError),
    #[error("can not write `{}`: a profile of {len} bytes, {MAX_PAYLOAD} at most can be read again; merge fewer runs", path.display())]
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
        Ok(write_file(path, &self.bytes_for(path)?)?)
    }

    /// Writes a `*.trprof` file that will soon be read and removed: atomically, but without waiting until it is on the disk.
    pub fn write_transient(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        Ok(write_transient(path, &self.bytes_for(path)?)?)
    }

    fn bytes_for(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        self.to_readable_bytes().map_err(|len| FileError::TooLarge { path: path.to_path_buf(), len })
    }
}
