//! Inputs that are not there and outputs that can not be written: one message, status 1, nothing half-written.

use crate::support::{fixtures, listing, scratch, trjit};
use std::path::{Path, PathBuf};

fn fib() -> PathBuf {
    fixtures().join("wat/fib.wat")
}

#[test]
fn missing_inputs_are_named() {
    for command in ["run", "train", "inspect"] {
        trjit([command, "no/such/file.wasm"]).run().refuses(1, &["no/such/file.wasm", "No such file"]);
        trjit([command]).arg(fixtures()).run().refuses(1, &["fixtures", "directory"]);
    }
    trjit(["assemble", "--all", "no/such/file.wasm"]).run().refuses(1, &["no/such/file.wasm", "No such file"]);
    trjit(["assemble"]).arg(fib()).run().refuses(2, &["neither a profile nor --all"]);
}

/// Below a regular file, and in a place where nobody may create files.
fn unwritable(folder: &Path) -> Vec<PathBuf> {
    std::fs::write(folder.join("file"), "x").expect("the scratch directory is writable");
    vec![folder.join("file/out"), folder.join("absent/out"), PathBuf::from("/proc/trjit-out"), folder.to_path_buf()]
}

#[test]
fn a_cache_that_can_not_be_written_is_told_and_nothing_is_left() {
    let folder = scratch();
    for output in unwritable(folder.path()) {
        let outcome = trjit(["assemble", "--all", "-o"]).arg(&output).arg(fib()).run().exits(1);
        assert_eq!(outcome.stderr.matches("os error").count() + outcome.stderr.matches("is a directory").count(), 1, "{outcome:?}");
        assert!(outcome.stderr.contains(&*output.to_string_lossy()) && outcome.stdout.is_empty(), "{outcome:?}");
    }
    assert_eq!(listing(folder.path()), ["file"]);
}

#[test]
fn a_profile_that_can_not_be_written_is_told_and_nothing_is_left() {
    let folder = scratch();
    for output in unwritable(folder.path()) {
        let outcome = trjit(["train", "-o"]).arg(&output).args(["--invoke", "fib"]).arg(fib()).arg("10").run().exits(1);
        assert!(outcome.stderr.starts_with("error: ") && outcome.stderr.contains(&*output.to_string_lossy()), "{outcome:?}");
    }
    assert_eq!(listing(folder.path()), ["file"]);
}

#[test]
fn a_full_disk_is_told() {
    use std::os::unix::fs::FileTypeExt;
    let full = Path::new("/dev/full");
    trjit(["assemble", "--all", "-o"]).arg(full).arg(fib()).run().exits(1).says(&["/dev/full", "No space left"]);
    trjit(["train", "-o"]).arg(full).args(["--invoke", "fib"]).arg(fib()).arg("10").run().exits(1).says(&["/dev/full", "No space left"]);
    assert!(std::fs::metadata(full).expect("there is a /dev/full").file_type().is_char_device());
}

#[test]
fn failures_of_the_guests_program_leave_an_older_cache_alone() {
    let folder = scratch();
    let cache = folder.path().join("app.trjit");
    std::fs::write(&cache, "old").expect("the scratch directory is writable");
    let broken = crate::support::wat(folder.path(), "app.wat", "(module (func (i32.add)))");
    trjit(["assemble", "--all"]).arg(&broken).run().refuses(1, &["type mismatch"]);
    assert_eq!(std::fs::read(&cache).expect("the cache is readable"), b"old");
}
