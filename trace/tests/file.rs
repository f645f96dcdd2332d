//! Profiles on disk: atomic writing, and errors that name the file and the reason.

mod support;

use std::error::Error;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use support::*;
use trjit_trace::{FileError, FormatError, Profile, Recorder, write_atomically};

fn profile() -> Profile {
    let module = parse(r#"(module (func $main (export "_start")))"#);
    let recorder = Recorder::new(&module);
    enter(&recorder, &module, "main", 1);
    Profile::from_trace(&module, recorder.finish(info("tests"))).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The chain of messages, as the command line prints it.
fn chain(error: &FileError) -> String {
    format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default())
}

#[test]
fn written_profiles_are_read_again_and_nothing_else_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.trprof");
    fs::write(&path, "older").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let profile = profile();
    profile.write(&path).unwrap();
    assert_eq!(Profile::read(&path).unwrap(), profile);
    assert_eq!(names(directory.path()), ["app.trprof"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_symlink_stays_one() {
    let directory = tempfile::tempdir().unwrap();
    let (target, link) = (directory.path().join("real"), directory.path().join("link"));
    fs::write(&target, "older").unwrap();
    symlink(&target, &link).unwrap();
    write_atomically(&link, b"newer").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&target).unwrap(), b"newer");
}

#[test]
fn what_is_no_file_is_written_to() {
    write_atomically(Path::new("/dev/null"), b"nothing").unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_missing_directory_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none/app.trprof");
    let error = profile().write(&path).unwrap_err();
    assert!(chain(&error).contains(path.to_str().unwrap()) && chain(&error).contains("No such file"), "{}", chain(&error));
    let error = write_atomically(directory.path(), b"").unwrap_err();
    assert!(chain(&error).contains("directory"), "{}", chain(&error));
    assert!(names(directory.path()).is_empty());
}

/// A directory without write permission stops users, and `/proc` stops root, too.
#[test]
fn an_unwritable_directory_is_an_error() {
    let error = profile().write("/proc/app.trprof").unwrap_err();
    assert!(matches!(error, FileError::Write { .. }) && chain(&error).contains("/proc/app.trprof"), "{}", chain(&error));
}

/// A full disk as `/dev/full` plays it: the error tells the path and the reason.
#[test]
fn a_full_disk_is_an_error() {
    let error = profile().write("/dev/full").unwrap_err();
    assert!(chain(&error).contains("/dev/full") && chain(&error).contains("No space left"), "{}", chain(&error));
}

/// Tells the test below to write there, and to fail.
const LIMITED: &str = "TRJIT_TEST_WRITE_WITH_LIMIT_TO";

/// The child process of the test after it: files above 1 KiB can not be written here.
#[test]
fn child_that_may_not_write_much() {
    let Some(path) = std::env::var_os(LIMITED) else { return };
    let error = write_atomically(Path::new(&path), &[7; 1 << 16]).unwrap_err();
    assert!(chain(&error).contains("File too large"), "{}", chain(&error));
}

/// Writing fails in the middle, as on a full disk.
#[test]
fn a_failed_write_leaves_the_old_file_and_no_temporary_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.trprof");
    profile().write(&path).unwrap();
    let before = fs::read(&path).unwrap();
    let child = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 1; exec "$0" --exact child_that_may_not_write_much"#])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, &path)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
    assert_eq!(names(directory.path()), ["app.trprof"], "the temporary file is removed");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn unusable_files_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.trprof");
    assert!(matches!(Profile::read(&path), Err(FileError::Read { .. })));
    fs::write(&path, "\0asm").unwrap();
    assert!(matches!(Profile::read(&path), Err(FileError::Format { source: FormatError::NotAProfile { .. }, .. })));
    let bytes = profile().to_bytes();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = Profile::read(&path).unwrap_err();
    assert!(matches!(error, FileError::Format { source: FormatError::Truncated { .. }, .. }));
    assert!(chain(&error).contains("app.trprof") && chain(&error).contains("truncated"), "{}", chain(&error));
}
