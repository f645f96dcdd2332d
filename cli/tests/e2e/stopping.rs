//! Guests that do not end by themselves: signals, time limits, and a kill.

use crate::support::modes::EAGER;
use crate::support::{Trjit, fixtures, listing, scratch, trjit, trjit_with_default_signals};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

fn train(folder: &Path, options: &[&str]) -> Trjit {
    trjit(["train", "-o"]).arg(folder.join("out.trprof")).args(options).arg(fixtures().join("c/endless.wasm"))
}

fn ended(folder: &Path) -> String {
    let told = trjit(["inspect", "--json"]).arg(folder.join("out.trprof")).run().succeeds().json();
    assert!(told["calls"].as_u64() > Some(0), "{told}");
    told["runs"][0]["ended"].as_str().expect("a run has an end").to_string()
}

#[test]
fn training_that_is_interrupted_writes_its_profile() {
    for (signal, status, number) in [("INT", 130, "signal 2"), ("TERM", 143, "signal 15")] {
        let folder = scratch();
        let mut running = train(folder.path(), &[]).start();
        running.wait_for_output("begun\n");
        running.signal(signal);
        running.end().exits(status);
        assert_eq!(listing(folder.path()), ["out.trprof"]);
        assert_eq!(ended(folder.path()), number);
    }
}

#[test]
fn training_for_a_time_writes_its_profile_and_succeeds() {
    let folder = scratch();
    train(folder.path(), &["--for", "300ms"]).run().succeeds().prints("begun\n");
    assert_eq!(ended(folder.path()), "time limit");
}

#[test]
fn training_that_is_killed_leaves_no_half_file() {
    let folder = scratch();
    let profile = folder.path().join("out.trprof");
    std::fs::write(&profile, "old").expect("the scratch directory is writable");
    let mut running = train(folder.path(), &[]).start();
    running.wait_for_output("begun\n");
    running.signal("KILL");
    assert_eq!(running.end().status.signal(), Some(9));
    assert_eq!(listing(folder.path()), ["out.trprof"]);
    assert_eq!(std::fs::read(profile).expect("the profile is readable"), b"old");
}

/// `run` keeps the signals' own meaning.
#[test]
fn a_run_dies_by_the_signal() {
    for mode in [&["--jit", "off"][..], &EAGER, &[]] {
        for (signal, number) in [("INT", 2), ("TERM", 15)] {
            let mut running = trjit_with_default_signals(["run"]).args(mode).arg(fixtures().join("c/endless.wasm")).start();
            running.wait_for_output("begun\n");
            running.signal(signal);
            assert_eq!(running.end().status.signal(), Some(number));
        }
    }
}

#[test]
fn a_time_limit_is_a_trap_in_every_mode() {
    let folder = scratch();
    let cache = folder.path().join("endless.trjit");
    let module = fixtures().join("c/endless.wasm");
    trjit(["assemble", "--all", "-o"]).arg(&cache).arg(&module).run().exits(0);
    let cached = ["--cache-mode", "require", "--cache", cache.to_str().expect("the scratch directory is UTF-8")];
    for mode in [&["--jit", "off"][..], &EAGER, &[], &cached] {
        let outcome = trjit(["run", "-W", "timeout=300ms"]).args(mode).arg(&module).run();
        outcome.exits(134).prints("begun\n").says(&["wasm trap: interrupt"]);
    }
    train(folder.path(), &["-W", "timeout=300ms"]).run().exits(134).says(&["wasm trap: interrupt"]);
    assert_eq!(ended(folder.path()), "time limit");
}

/// No loop, hence no back-edge at which the interpreter would look: calls must do.
#[test]
fn recursion_without_a_loop_is_stopped() {
    let folder = scratch();
    let text = r#"(module
      (func $slow (param i32) (result i32)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
          (then (local.get 0))
          (else (i32.add (call $slow (i32.sub (local.get 0) (i32.const 1))) (call $slow (i32.sub (local.get 0) (i32.const 2)))))))
      (func (export "_start") (drop (call $slow (i32.const 60)))))"#;
    let module = crate::support::wat(folder.path(), "slow.wat", text);
    for mode in [&["--jit", "off"][..], &EAGER, &[]] {
        trjit(["run", "-W", "timeout=300ms"]).args(mode).arg(&module).run().exits(134).says(&["wasm trap: interrupt"]);
    }
    trjit(["train", "--for", "300ms", "-o"]).arg(folder.path().join("out.trprof")).arg(&module).run().succeeds();
    assert_eq!(ended(folder.path()), "time limit");
}

/// Compiled code for a loop takes the interpreter's frame over: it is one frame, not two.
#[test]
fn a_trap_behind_a_compiled_loop_shows_its_function_once() {
    let folder = scratch();
    let text = r#"(module
      (func $count (param i32) (result i32)
        (loop (br_if 0 (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0))))
        (i32.div_s (i32.const 1) (local.get 0)))
      (func $outer (export "run") (param i32) (result i32) (call $count (local.get 0))))"#;
    let module = crate::support::wat(folder.path(), "count.wat", text);
    for mode in [&["--jit", "off"][..], &EAGER] {
        let outcome = trjit(["run", "--invoke", "run"]).args(mode).arg(&module).arg("1000").run().exits(134);
        assert_eq!(outcome.stderr.matches("!count").count(), 1, "{}", outcome.stderr);
        assert_eq!(outcome.stderr.matches("!outer").count(), 1, "{}", outcome.stderr);
    }
}

/// A guest that waits in the host is stopped, too.
#[test]
fn a_time_limit_ends_a_wait_in_the_host() {
    let folder = scratch();
    let text = r#"(module
      (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 3600000000000))
        (drop (call $poll (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 256)))))"#;
    let module = crate::support::wat(folder.path(), "waits.wat", text);
    trjit(["run", "-W", "timeout=300ms"]).arg(&module).run().exits(134).says(&["interrupt"]);
}
