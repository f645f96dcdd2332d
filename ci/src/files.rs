//! Reading, and recognizing files and directories by their content.

use crate::outcome::{Failure, Kind};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use trjit_module::Digest;

/// What can not be read, as a failure.
pub fn unreadable(path: &Path) -> impl Fn(io::Error) -> Failure {
    let what = format!("can not read `{}`", path.display());
    move |error| {
        Failure::of(Kind::Failed, &what, &error)
            .with_help("check its name in trjit.toml, whose directory it is relative to, and its permissions")
    }
}

/// What can not be written.
pub fn unwritable(path: &Path) -> impl Fn(io::Error) -> Failure {
    let what = format!("can not write `{}`", path.display());
    move |error| Failure::of(Kind::Failed, &what, &error).with_help("make room on the disk, and the directory writable")
}

/// Whether there is room for a little in a directory; else why not.
pub fn room(directory: &Path) -> Result<(), Failure> {
    let probe = directory.join("room");
    let result = fs::write(&probe, [0; 4096]).map_err(unwritable(&probe));
    let _ = fs::remove_file(&probe);
    result
}

/// The digest of a file's bytes.
pub fn digest(path: &Path) -> Result<Digest, Failure> {
    let open = || -> io::Result<Digest> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Digest::of_file(&file, len)
    };
    open().map_err(unreadable(path))
}

/// The digest of a file, or of all that a directory holds: names, contents, where links lead. What is not there has one, too. Directories called `.git` and
/// `.trjit` are left out, and the files of `without`.
pub fn tree_digest(path: &Path, without: &[PathBuf]) -> Result<Digest, Failure> {
    let mut entries = BTreeMap::new();
    collect(path, Path::new(""), without, &mut entries).map_err(unreadable(path))?;
    let mut text = Vec::new();
    for (name, what) in entries {
        text.extend_from_slice(name.as_os_str().as_encoded_bytes());
        text.push(0);
        text.extend_from_slice(what.as_bytes());
        text.push(b'\n');
    }
    Ok(Digest::of(&text))
}

fn collect(path: &Path, name: &Path, without: &[PathBuf], entries: &mut BTreeMap<PathBuf, String>) -> io::Result<()> {
    if without.iter().any(|left_out| left_out == path) {
        return Ok(());
    }
    let metadata = match if name.as_os_str().is_empty() { fs::metadata(path) } else { fs::symlink_metadata(path) } {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            entries.insert(name.to_path_buf(), "nothing".into());
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let kind = metadata.file_type();
    if kind.is_dir() {
        entries.insert(name.to_path_buf(), "directory".into());
        for entry in fs::read_dir(path)? {
            let entry = entry?.file_name();
            if entry != ".git" && entry != ".trjit" {
                collect(&path.join(&entry), &name.join(&entry), without, entries)?;
            }
        }
    } else if kind.is_symlink() {
        entries.insert(name.to_path_buf(), format!("link {}", fs::read_link(path)?.display()));
    } else if kind.is_file() {
        let file = File::open(path)?;
        entries.insert(name.to_path_buf(), format!("file {}", Digest::of_file(&file, metadata.len())?));
    } else {
        entries.insert(name.to_path_buf(), "other".into());
    }
    Ok(())
}

/// The last lines of a file, for messages; at most 64 KiB of it are looked at.
pub fn last_lines(path: &Path, count: usize) -> Vec<String> {
    use std::os::unix::fs::FileExt;
    const MOST: u64 = 64 << 10;
    let read = || -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut bytes = vec![0; len.min(MOST) as usize];
        file.read_exact_at(&mut bytes, len - len.min(MOST))?;
        Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_told_apart_by_names_and_contents() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        let digest = || tree_digest(root, &[root.join("left-out")]).expect("readable");
        let mut seen = vec![digest()];
        let mut changed = |what: &str, change: &dyn Fn()| {
            change();
            let found = digest();
            assert!(!seen.contains(&found), "{what}");
            seen.push(found);
        };
        changed("a file", &|| fs::write(root.join("a"), "1").expect("writable"));
        changed("its content", &|| fs::write(root.join("a"), "2").expect("writable"));
        changed("an empty directory", &|| fs::create_dir(root.join("d")).expect("writable"));
        changed("a file in it", &|| fs::write(root.join("d/a"), "1").expect("writable"));
        changed("a link", &|| std::os::unix::fs::symlink("a", root.join("l")).expect("writable"));
        let before = digest();
        fs::create_dir_all(root.join(".git/x")).expect("writable");
        fs::write(root.join("left-out"), "1").expect("writable");
        assert_eq!(digest(), before);
    }

    #[test]
    fn last_lines_are_the_last_ones() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "a\n\nb\nc\n").expect("writable");
        assert_eq!(last_lines(file.path(), 2), ["b", "c"]);
        assert!(last_lines(Path::new("/nonexistent"), 2).is_empty());
    }
}
