//! Putting a file on disk, whole or not at all: profiles here, caches in the crate of their format. What is written goes to a hidden file beside its
//! destination, which is renamed when it is complete and on the disk: readers see the old file or the new one, never a part.
//!
//! A process that is killed while it writes leaves its destination as it was, and the hidden file beside it at worst.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Why a file could not be written. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[error("can not {action} `{}`", path.display())]
pub struct OutputError {
    /// What was tried: `create`, `write`, ..
    pub action: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

impl OutputError {
    fn of<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OutputError + use<'a> {
        move |source| OutputError { action, path: path.to_path_buf(), source }
    }
}

/// Replaces the file at `path` by one with these contents, or leaves it as it was. The file is replaced, not changed: whoever has the old one mapped
/// keeps it. Its permissions are kept and symlinks are followed. What is no regular file (a device, a pipe) must not be replaced by one and is
/// written to directly; a directory is refused. There is one large write, so that the page cache holds the file in large folios, and a later start
/// from it takes few faults.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    write(path, bytes, None::<fn(&Path) -> Result<(), OutputError>>)
}

/// A new file that need not survive a crash of the machine, whole or not at all: nothing waits for the disk.
pub(crate) fn write_transient(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let (temporary, mut file) = create_beside(path).map_err(OutputError::of("create", path))?;
    let written = file.write_all(bytes).map_err(OutputError::of("write", path));
    let renamed = written.and_then(|()| fs::rename(&temporary, path).map_err(OutputError::of("rename a file to", path)));
    renamed.inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// As [`write_file`], but `check` looks at the new file before it gets its name: when it fails, the new file is removed and an old one stays. What
/// can not be read back (a device, a pipe) is refused.
pub fn write_file_checked<E: From<OutputError>>(path: &Path, bytes: &[u8], check: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    write(path, bytes, Some(check))
}

fn write<E, C>(path: &Path, bytes: &[u8], check: Option<C>) -> Result<(), E>
where
    E: From<OutputError>,
    C: FnOnce(&Path) -> Result<(), E>,
{
    match fs::metadata(path) {
        Ok(known) if known.is_dir() => Err(OutputError::of("write", path)(io::ErrorKind::IsADirectory.into()).into()),
        Ok(known) if !known.is_file() => {
            if check.is_some() {
                let unreadable = io::Error::new(io::ErrorKind::Unsupported, "it is no regular file");
                return Err(OutputError::of("read back", path)(unreadable).into());
            }
            let mut file = OpenOptions::new().write(true).open(path).map_err(OutputError::of("open", path))?;
            Ok(file.write_all(bytes).map_err(OutputError::of("write", path))?)
        }
        Ok(known) => replace(&fs::canonicalize(path).map_err(OutputError::of("find", path))?, bytes, Some(known.permissions()), check),
        Err(_) => replace(path, bytes, None, check),
    }
}

fn replace<E, C>(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>, check: Option<C>) -> Result<(), E>
where
    E: From<OutputError>,
    C: FnOnce(&Path) -> Result<(), E>,
{
    let (temporary, file) = create_beside(path).map_err(OutputError::of("create", path))?;
    let written = fill(file, bytes, permissions).map_err(OutputError::of("write", path));
    let checked = written.map_err(E::from).and_then(|()| check.map_or(Ok(()), |check| check(&temporary)));
    let renamed = checked.and_then(|()| Ok(fs::rename(&temporary, path).map_err(OutputError::of("rename a file to", path))?));
    // The first error is the one to tell; what can not be removed either stays.
    renamed.inspect_err(|_| drop(fs::remove_file(&temporary)))
}

fn fill(mut file: File, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()
}

/// A new hidden file in the directory of `path`. Its name is short whatever that of `path` is: what can be named can be written.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    if path.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
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
