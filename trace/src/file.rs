//! Profiles on disk: read, and written as [`crate::output`] writes all files.

use crate::codec::{FormatError, MAX_PAYLOAD};
use crate::output::{OutputError, write_file};
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
        let too_large = |len| FileError::TooLarge { path: path.to_path_buf(), len };
        Ok(write_file(path, &self.to_readable_bytes().map_err(too_large)?)?)
    }
}
