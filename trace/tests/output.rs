//! Files are written whole or not at all, and only what is a file is replaced by one.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use trjit_trace::{OutputError, write_file, write_file_checked};

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_and_keeps_its_permissions() {
    let directory = tempfile::tempdir().unwrap();
    // The longest name that there can be.
    let path = directory.path().join("n".repeat(255));
    write_file(&path, b"old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let old = fs::File::open(&path).unwrap();
    write_file(&path, b"newer").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"newer");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let replaced = old.metadata().unwrap();
    assert_eq!((replaced.len(), replaced.nlink()), (3, 0), "who holds the old file keeps it");
    assert_eq!(names(directory.path()).len(), 1);
}

#[test]
fn a_symlink_stays_one() {
    let directory = tempfile::tempdir().unwrap();
    let (target, link) = (directory.path().join("real"), directory.path().join("link"));
    fs::write(&target, "older").unwrap();
    symlink(&target, &link).unwrap();
    write_file(&link, b"newer").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&target).unwrap(), b"newer");
}

#[test]
fn what_is_no_file_is_written_to_and_never_replaced() {
    write_file(Path::new("/dev/null"), b"nothing").unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let full = write_file(Path::new("/dev/full"), b"much").unwrap_err();
    assert_eq!((full.action, full.source.kind()), ("write", ErrorKind::StorageFull));
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(write_file(&socket, b"x").unwrap_err().action, "open");
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
}

#[test]
fn what_can_not_be_a_file_is_an_error_that_names_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let error = write_file(&directory.path().join("absent/file"), b"x").unwrap_err();
    assert_eq!((error.action, error.source.kind()), ("create", ErrorKind::NotFound));
    assert!(error.to_string().contains("absent/file"), "{error}");
    let error = write_file(directory.path(), b"x").unwrap_err();
    assert_eq!((error.action, error.source.kind()), ("write", ErrorKind::IsADirectory));
    assert!(write_file(Path::new("/"), b"x").is_err());
    // A directory without write permission stops users, and `/proc` stops root, too.
    let error = write_file(Path::new("/proc/file"), b"x").unwrap_err();
    assert_eq!(error.to_string(), "can not create `/proc/file`");
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_check_sees_the_new_file_before_it_replaces_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    write_file(&path, b"old").unwrap();
    let refused = |path: &Path| OutputError { action: "like", path: path.to_path_buf(), source: ErrorKind::InvalidData.into() };
    let error = write_file_checked(&path, b"new", |new| {
        assert_eq!((fs::read(new).unwrap(), fs::read(&path).unwrap()), (b"new".to_vec(), b"old".to_vec()));
        Err(refused(new))
    });
    assert_eq!(error.unwrap_err().action, "like");
    assert_eq!((fs::read(&path).unwrap(), names(directory.path())), (b"old".to_vec(), vec!["file".to_string()]));
    write_file_checked(&path, b"new", |_| Ok::<(), OutputError>(())).unwrap();
    assert_eq!((fs::read(&path).unwrap(), names(directory.path())), (b"new".to_vec(), vec!["file".to_string()]));
    let unread = write_file_checked(Path::new("/dev/null"), b"new", |new| Err(refused(new)));
    assert_eq!(unread.unwrap_err().action, "read back");
}

/// Tells the test below to write there, and to fail.
const LIMITED: &str = "TRJIT_TEST_WRITE_WITH_LIMIT_TO";

/// The child process of the test after it: files above 1 KiB can not be written here.
#[test]
fn child_that_may_not_write_much() {
    let Some(path) = std::env::var_os(LIMITED) else { return };
    let error = write_file(Path::new(&path), &[7; 1 << 16]).unwrap_err();
    assert_eq!((error.action, error.source.kind()), ("write", ErrorKind::FileTooLarge));
}

/// Writing fails in the middle, as on a full disk.
#[test]
fn a_failed_write_leaves_the_old_file_and_no_temporary_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    write_file(&path, b"old").unwrap();
    let child = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 1; exec "$0" --exact child_that_may_not_write_much"#])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, &path)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
    assert_eq!(names(directory.path()), ["file"], "the temporary file is removed");
    assert_eq!(fs::read(&path).unwrap(), b"old");
}
