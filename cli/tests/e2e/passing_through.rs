//! What reaches the guest and what comes back: statuses, streams, arguments, environment, directories, results.

use crate::support::{fixtures, scratch, trjit, wat};
use std::path::PathBuf;

/// A guest whose export `status` exits with its argument.
const EXIT: &str = r#"(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "status") (param i32) (call $exit (local.get 0))))"#;

fn c(name: &str) -> PathBuf {
    fixtures().join("c").join(name)
}

#[test]
fn statuses_of_the_guest_pass_through_unchanged() {
    let folder = scratch();
    let module = wat(folder.path(), "exit.wat", EXIT);
    let cache = folder.path().join("exit.trjit");
    trjit(["assemble", "--all"]).arg(&module).run().exits(0);
    for status in [0, 1, 2, 33, 101, 120, 121, 125] {
        let run = |mode: &[&str]| {
            let outcome = trjit(["run"]).args(mode).args(["--invoke", "status"]).arg(&module).arg(status.to_string()).run_raw();
            assert_eq!((outcome.status.code(), outcome.text(), outcome.stderr.as_str()), (Some(status), "", ""), "{outcome:?}");
        };
        run(&["--jit", "off"]);
        run(&["--cache", cache.to_str().expect("the scratch directory is UTF-8"), "--cache-mode", "require"]);
        let trained = trjit(["train", "--invoke", "status"]).arg(&module).arg(status.to_string()).run_raw();
        assert_eq!(trained.status.code(), Some(status), "{trained:?}");
    }
}

#[test]
fn statuses_that_mean_something_else_are_refused() {
    let folder = scratch();
    let module = wat(folder.path(), "exit.wat", EXIT);
    for status in ["126", "134", "255", "256", "-1"] {
        trjit(["run", "--invoke", "status"]).arg(&module).arg(status).run().refuses(1, &["exited with the status", status]);
    }
}

#[test]
fn arguments_behind_the_module_belong_to_the_guest() {
    let outcome = trjit(["run"]).arg(c("hello.wasm")).args(["--jit", "--help", "-W", ""]).run();
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let module = fixtures().join("wat/wasi-args-env.wat");
    let alone = trjit(["run"]).arg(&module).run();
    let flags = trjit(["run", "--env", "A=1"]).arg(&module).args(["--dir", "--env=B"]).run();
    assert_eq!((alone.code(), flags.code()), (0, 0), "{alone:?}{flags:?}");
    assert!(flags.text().contains("--dir") && flags.text().contains("A=1"), "{flags:?}");
}

#[test]
fn the_environment_is_what_the_flags_say() {
    let module = fixtures().join("wat/wasi-args-env.wat");
    let show = |options: &[&str]| trjit(["run"]).variable("TRJIT_TEST_GIVEN", "from the host").args(options).arg(&module).run().exits(0);
    assert!(!show(&[]).text().contains("TRJIT_TEST_GIVEN"));
    assert!(show(&["--env", "TRJIT_TEST_GIVEN"]).text().contains("TRJIT_TEST_GIVEN=from the host"));
    assert!(show(&["--env", "TRJIT_TEST_GIVEN=other"]).text().contains("TRJIT_TEST_GIVEN=other"));
    assert!(show(&["-S", "inherit-env"]).text().contains("TRJIT_TEST_GIVEN=from the host"));
    trjit(["run", "--env", "TRJIT_TEST_ABSENT"]).arg(&module).run().refuses(1, &["TRJIT_TEST_ABSENT", "is not set"]);
}

#[test]
fn the_guest_gets_its_name_or_argv0() {
    let folder = scratch();
    let text = r#"(module
      (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (drop (call $sizes (i32.const 16) (i32.const 4)))
        (drop (call $args (i32.const 1024) (i32.const 2048)))
        (i32.store (i32.const 0) (i32.const 2048))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;
    let module = wat(folder.path(), "name.wat", text);
    trjit(["run"]).arg(&module).run().succeeds().prints("name.wat\0");
    trjit(["run", "--argv0", "another name"]).arg(&module).arg("x").run().succeeds().prints("another name\0x\0");
}

#[test]
fn streams_pass_through_as_bytes() {
    let module = fixtures().join("wat/wasi-echo.wat");
    let input: Vec<u8> = (0..=255).chain(0..=255).collect();
    let expected: Vec<u8> = input.iter().map(u8::to_ascii_uppercase).collect();
    let outcome = trjit(["run"]).arg(&module).stdin(&input).run().exits(0);
    assert_eq!(outcome.stdout, expected);
}

#[test]
fn standard_error_of_the_guest_is_its_own() {
    let folder = scratch();
    let module = wat(
        folder.path(),
        "stderr.wat",
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\08\00\00\00") (data (i32.const 16) "to both\n")
  (func (export "_start") (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
    );
    let outcome = trjit(["run"]).arg(&module).run().exits(0).prints("");
    assert_eq!(outcome.stderr, "to both\n");
}

#[test]
fn a_directory_that_is_not_given_is_not_there() {
    let folder = scratch();
    std::fs::write(folder.path().join("secret"), "x").expect("the scratch directory is writable");
    let out = folder.path().to_str().expect("the scratch directory is UTF-8");
    // The guest's own error, and its own status.
    let refused = trjit(["run"]).arg(c("files.wasm")).arg(out).run().exits(1);
    assert!(refused.text().contains("cannot create: No such file or directory"), "{refused:?}");
    let given = format!("--dir={out}::/out");
    trjit(["run", &given]).arg(c("files.wasm")).arg("/out").run().exits(0);
}

#[test]
fn a_directory_that_does_not_exist_is_told() {
    trjit(["run", "--dir", "no/such/directory"]).arg(c("hello.wasm")).run().exits(0).says(&["warning: ", "no/such/directory"]);
}

#[test]
fn results_are_printed_in_order_and_arguments_parsed_by_type() {
    let folder = scratch();
    let module = wat(
        folder.path(),
        "types.wat",
        r#"(module (func (export "all") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
          (local.get 3) (local.get 2) (local.get 1) (local.get 0)))"#,
    );
    let all = |args: &[&str]| trjit(["run", "--invoke", "all"]).arg(&module).args(args).run();
    all(&["-1", "0x10", "0.5", "-inf"]).succeeds().prints("-inf\n0.5\n16\n-1\n");
    all(&["4294967295", "18446744073709551615", "nan", "1e3"]).succeeds().prints("1000\nNaN\n-1\n-1\n");
    all(&["4294967296", "0", "0", "0"]).refuses(1, &["4294967296", "i32"]);
    all(&["0", "0", "x", "0"]).refuses(1, &["`x`", "f32"]);
    all(&["0"]).refuses(1, &["4", "1"]);
}

#[test]
fn preloaded_modules_are_linked_by_name() {
    let folder = scratch();
    let library = wat(
        folder.path(),
        "library.wat",
        r#"(module (func (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))"#,
    );
    let module = wat(
        folder.path(),
        "uses.wat",
        r#"(module (import "library" "twice" (func $twice (param i32) (result i32)))
          (func (export "four") (param i32) (result i32) (call $twice (call $twice (local.get 0)))))"#,
    );
    let preload = format!("library={}", library.display());
    for mode in [&["--jit", "off"][..], &crate::support::modes::EAGER[..]] {
        trjit(["run", "--preload", &preload]).args(mode).args(["--invoke", "four"]).arg(&module).arg("5").run().succeeds().prints("20\n");
    }
    trjit(["run", "--preload", "library", "--invoke", "four"]).arg(&module).arg("5").run().refuses(1, &["NAME=MODULE_PATH"]);
}

#[test]
fn a_closed_standard_output_is_the_guests_error_and_not_ours() {
    let script = format!("\"{}\" run \"{}\" | true", env!("CARGO_BIN_EXE_trjit"), c("words.wasm").display());
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("there is a shell");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn help_and_versions() {
    for command in ["run", "train", "assemble", "inspect"] {
        let help = trjit([command, "--help"]).run().succeeds();
        assert!(help.text().contains("Usage:") && !help.text().contains('\x1b'), "{help:?}");
    }
    for group in ["-W", "-S", "-C"] {
        assert!(trjit(["run", group, "help", "x.wasm"]).run().succeeds().text().contains(group));
    }
    let version = trjit(["--version", "--json"]).run().succeeds().json();
    for key in ["version", "commit", "compiler", "cache_format", "profile_format"] {
        assert!(!version[key].is_null(), "{version}");
    }
    assert!(trjit(["--version"]).run().succeeds().text().starts_with("trjit "));
    trjit(["unknown"]).run().exits(2);
    assert_eq!(trjit([""; 0]).run().code(), 2);
}
