//! Putting the bytes on disk: whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why the file could not be written. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[error("can not {action} `{}`", path.display())]
pub struct OutputError {
    /// What was tried: `create`, `write`, ..
    pub action: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

/// Writes `bytes` to a new file beside `path` with one large write (the page cache then holds them in large folios, and a later start takes
/// few faults), and renames it to `path`: readers see the old file or the new one, never a part. An existing file is replaced, not
/// changed: whoever has it mapped keeps the old one. Symlinks are followed. What is no regular file (a device, a pipe) must not be replaced
/// by one and is written to directly; a directory is refused.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    write_checked(path, bytes, None::<fn(&Path) -> Result<(), OutputError>>)
}

/// As [`write_file`], but `check` looks at the new file before it gets its name: when it fails, the new file is removed and an old one stays. What
/// can not be read back (a device, a pipe) is refused.
pub fn write_file_checked<E: From<OutputError>>(path: &Path, bytes: &[u8], check: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    write_checked(path, bytes, Some(check))
}

fn write_checked<E, C>(path: &Path, bytes: &[u8], check: Option<C>) -> Result<(), E>
where
    E: From<OutputError>,
    C: FnOnce(&Path) -> Result<(), E>,
{
    let failed = |action| move |source| OutputError { action, path: path.to_path_buf(), source };
    match std::fs::metadata(path) {
        Ok(known) if known.is_dir() => Err(failed("write")(io::ErrorKind::IsADirectory.into()).into()),
        Ok(known) if !known.is_file() => {
            if check.is_some() {
                let unreadable = io::Error::new(io::ErrorKind::Unsupported, "it is no regular file");
                return Err(failed("read back")(unreadable).into());
            }
            let mut file = OpenOptions::new().write(true).open(path).map_err(failed("open"))?;
            Ok(file.write_all(bytes).map_err(failed("write"))?)
        }
        Ok(_) => replace(&std::fs::canonicalize(path).map_err(failed("find"))?, bytes, check),
        Err(_) => replace(path, bytes, check),
    }
}

fn replace<E, C>(path: &Path, bytes: &[u8], check: Option<C>) -> Result<(), E>
where
    E: From<OutputError>,
    C: FnOnce(&Path) -> Result<(), E>,
{
    let failed = |action| move |source| OutputError { action, path: path.to_path_buf(), source };
    let (mut file, temporary) = create_beside(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_data()).map_err(failed("write"));
    drop(file);
    let checked = written.map_err(E::from).and_then(|()| check.map_or(Ok(()), |check| check(&temporary)));
    let result = checked.and_then(|()| Ok(std::fs::rename(&temporary, path).map_err(failed("rename a file to"))?));
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
