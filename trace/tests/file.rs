//! Profiles on disk: what is written is read again, and errors name the file and the reason.

mod support;

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::*;
use trjit_trace::{FileError, FormatError, Profile, Recorder};

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
fn a_missing_directory_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none/app.trprof");
    let error = profile().write(&path).unwrap_err();
    assert!(chain(&error).contains(path.to_str().unwrap()) && chain(&error).contains("No such file"), "{}", chain(&error));
    assert!(names(directory.path()).is_empty());
}

/// A directory without write permission stops users, and `/proc` stops root, too.
#[test]
fn an_unwritable_directory_is_an_error() {
    let error = profile().write("/proc/app.trprof").unwrap_err();
    assert!(matches!(error, FileError::Write(_)) && chain(&error).contains("/proc/app.trprof"), "{}", chain(&error));
}

/// A full disk as `/dev/full` plays it: the error tells the path and the reason.
#[test]
fn a_full_disk_is_an_error() {
    let error = profile().write("/dev/full").unwrap_err();
    assert!(chain(&error).contains("/dev/full") && chain(&error).contains("No space left"), "{}", chain(&error));
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
