//! Putting the bytes on disk: whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why the file could not be written. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[error("can not {action} {path}: {source}")]
pub struct OutputError {
    /// What was tried: `create`, `write`, `rename`.
    pub action: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

/// Writes `bytes` to a new file beside `path` with one large write (the page cache then holds them in large folios, and a later start takes
/// few faults), and renames it to `path`: readers see the old file or the new one, never a part. An existing file is replaced, not
/// changed: whoever has it mapped keeps the old one.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let failed = |action, path: &Path| {
        let path = path.to_path_buf();
        move |source| OutputError { action, path, source }
    };
    let (mut file, temporary) = create_beside(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    drop(file);
    let result =
        written.map_err(failed("write", &temporary)).and_then(|()| std::fs::rename(&temporary, path).map_err(failed("rename to", path)));
    if result.is_err() {
        // The first error is the one to tell; what can not be removed either stays.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

/// Creates a file of a new name in the directory of `path`.
fn create_beside(path: &Path) -> Result<(File, PathBuf), OutputError> {
    let fail = |source| OutputError { action: "create", path: path.to_path_buf(), source };
    let name = path.file_name().ok_or_else(|| fail(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file")))?;
    for attempt in 0u32.. {
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{attempt}.tmp", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => {}
            Err(error) => return Err(fail(error)),
        }
    }
    Err(fail(io::ErrorKind::AlreadyExists.into()))
}
