//! Two modules in one store: functions, a table, a memory and a global cross between them, on every pair of tiers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const LIBRARY: &str = r#"(module
  (table (export "table") 4 8 funcref) (memory (export "memory") 1 2) (global (export "global") (mut i32) (i32.const 5))
  (func $add (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func $div (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "many") (param i32 f64 i64 f32 i32 i32 i32 i32 f64) (result i64 f64 i32 i32 i32 i32 i32 i32)
    (local.get 2) (local.get 1) (local.get 0) (local.get 4) (local.get 5) (local.get 6) (local.get 7) (i32.trunc_f64_s (local.get 8)))
  (elem (i32.const 0) $add $div))"#;

const PROGRAM: &str = r#"(module
  (type $binary (func (param i32 i32) (result i32)))
  (import "lib" "table" (table 4 funcref)) (import "lib" "memory" (memory 1 2)) (import "lib" "global" (global $global (mut i32)))
  (import "lib" "add" (func $add (param i32 i32) (result i32)))
  (import "lib" "many" (func $many (param i32 f64 i64 f32 i32 i32 i32 i32 f64) (result i64 f64 i32 i32 i32 i32 i32 i32)))
  (func $indirect (param i32 i32 i32) (result i32) (call_indirect (type $binary) (local.get 1) (local.get 2) (local.get 0)))
  (func (export "sum") (param i32) (result i32) (local i32)
    (loop
      (local.set 1 (call $add (local.get 1) (call $indirect (i32.const 0) (local.get 0) (global.get $global))))
      (i32.store (i32.const 100) (local.get 1))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.add (i32.load (i32.const 100)) (global.get $global)))
  (func (export "many") (result i64 f64 i32 i32 i32 i32 i32 i32)
    (call $many (i32.const 1) (f64.const 2.5) (i64.const 3) (f32.const 4) (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8) (f64.const 9)))
  (func $middle (param i32) (result i32) (call $indirect (i32.const 1) (i32.const 7) (local.get 0)))
  (func (export "trap") (param i32) (result i32) (call $middle (local.get 0))))"#;

/// Flags of `trjit run` for each way to run; `CACHE` stands for the cache of the program.
const MODES: &[&[&str]] = &[
    &["--jit", "off"],
    &["--jit", "sync", "--call-threshold", "1", "--loop-threshold", "1"],
    &["--cache", "CACHE", "--cache-mode", "require", "--jit", "off"],
    &["--cache", "CACHE", "--cache-mode", "require", "--jit", "sync", "--call-threshold", "1", "--loop-threshold", "1"],
];

fn trjit(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trjit")).args(arguments).current_dir(directory).output().expect("trjit starts")
}

/// A directory with both modules and the program's cache.
fn prepare() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file is written");
    write("lib.wat", LIBRARY);
    write("app.wat", PROGRAM);
    let assembled = trjit(directory.path(), &["assemble", "app.wat", "--all", "-o", "CACHE"]);
    assert!(assembled.status.success(), "{}", String::from_utf8_lossy(&assembled.stderr));
    directory
}

fn run(directory: &Path, mode: &[&str], invoke: &[&str]) -> Output {
    let arguments = [&["run"], mode, &["--preload", "lib=lib.wat", "--invoke", invoke[0], "app.wat"], &invoke[1..]].concat();
    trjit(directory, &arguments)
}

#[test]
fn calls_cross_between_modules_on_all_tiers() {
    let directory = prepare();
    for mode in MODES {
        let sum = run(directory.path(), mode, &["sum", "1000"]);
        assert_eq!(String::from_utf8_lossy(&sum.stdout), "505505\n", "{mode:?}: {}", String::from_utf8_lossy(&sum.stderr));
        let many = run(directory.path(), mode, &["many"]);
        assert_eq!(String::from_utf8_lossy(&many.stdout), "3\n2.5\n1\n5\n6\n7\n8\n9\n", "{mode:?}");
    }
}

#[test]
fn traps_cross_between_modules_and_name_all_frames() {
    let directory = prepare();
    for mode in MODES {
        let trap = run(directory.path(), mode, &["trap", "0"]);
        let message = String::from_utf8_lossy(&trap.stderr);
        assert_eq!(trap.status.code(), Some(134), "{mode:?}: {message}");
        assert!(message.contains("wasm trap: integer divide by zero"), "{mode:?}: {message}");
        let frames: Vec<&str> = message.lines().filter_map(|line| line.split_once('!').map(|(_, name)| name)).collect();
        assert_eq!(frames, ["div", "indirect", "middle", "trap"], "{mode:?}: {message}");
    }
}

#[test]
fn imports_of_other_limits_or_types_are_refused_by_name() {
    let directory = prepare();
    let cases = [
        (r#"(import "lib" "memory" (memory 2))"#, "memory of 2.. pages"),
        (r#"(import "lib" "memory" (memory 1 1))"#, "memory of 1..1 pages"),
        (r#"(import "lib" "table" (table 5 funcref))"#, "table of funcref with 5.. elements"),
        (r#"(import "lib" "table" (table 1 externref))"#, "table of externref"),
        (r#"(import "lib" "global" (global i32))"#, "global of type i32"),
        (r#"(import "lib" "add" (func (param i32)))"#, "function (param i32)"),
        (r#"(import "lib" "nothing" (func (param i32)))"#, "unknown import"),
        (r#"(import "other" "add" (func (param i64)))"#, "unknown import"),
    ];
    for (import, expected) in cases {
        let path: PathBuf = directory.path().join("bad.wat");
        std::fs::write(&path, format!("(module {import} (func (export \"_start\")))")).expect("a file is written");
        let output = trjit(directory.path(), &["run", "--preload", "lib=lib.wat", "bad.wat"]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{import}: {message}");
        assert!(message.contains(expected), "{import}: {message}");
    }
}
