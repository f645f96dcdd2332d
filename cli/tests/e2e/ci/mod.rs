//! `trjit ci` from outside.
//!
//! | module | asks |
//! |---|---|
//! | [`passing`] | is everything made, checked, repeated, told; does a second run do nothing; are two runs the same? |
//! | [`failing`] | does each kind of failure have its status and its words, and leave what was there? |
//! | [`judging`] | gates, the baseline, a kept profile |
//! | [`wrapping`] | does a test command do in place of runs? |
//! | [`interrupting`] | signals, two at once, a full disk: is nothing half done? |

mod failing;
mod interrupting;
mod judging;
mod passing;
mod wrapping;

use super::support::{Trjit, fixtures, trjit};
use std::path::{Path, PathBuf};

/// A program whose first argument says what it does: `a` and `b` call functions of those names a thousand times, `r` prints a random letter and calls `a` that
/// often, `t` traps, `e` exits with 3, `n` does nothing, `l` never ends. It prints the letter, except with `r`.
const PROGRAM: &str = r#"(module
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (func $a (param i32) (result i32) (i32.mul (local.get 0) (i32.const 7)))
  (func $b (param i32) (result i32) (i32.xor (local.get 0) (i32.const 9)))
  (func $times_a (param $n i32) (local $x i32)
    (if (local.get $n) (then (loop $next
      (local.set $x (call $a (local.get $x)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))))
  (func $times_b (param $n i32) (local $x i32)
    (loop $next
      (local.set $x (call $b (local.get $x)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func $print (param $letter i32)
    (i32.store8 (i32.const 100) (local.get $letter)) (i32.store8 (i32.const 101) (i32.const 10))
    (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 2))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func (export "_start") (local $what i32)
    (drop (call $args_get (i32.const 1024) (i32.const 2048)))
    (local.set $what (i32.load8_u (i32.load (i32.const 1028))))
    (if (i32.eq (local.get $what) (i32.const 114)) (then
      (drop (call $random_get (i32.const 200) (i32.const 8)))
      (call $print (i32.add (i32.const 65) (i32.and (i32.load (i32.const 200)) (i32.const 15))))
      (call $print (i32.add (i32.const 65) (i32.and (i32.load (i32.const 204)) (i32.const 15))))
      (call $times_a (i32.add (i32.const 1) (i32.and (i32.load (i32.const 200)) (i32.const 65535))))
      (return)))
    (call $print (local.get $what))
    (if (i32.eq (local.get $what) (i32.const 97)) (then (call $times_a (i32.const 1000))))
    (if (i32.eq (local.get $what) (i32.const 98)) (then (call $times_b (i32.const 1000))))
    (if (i32.eq (local.get $what) (i32.const 116)) (then (unreachable)))
    (if (i32.eq (local.get $what) (i32.const 101)) (then (call $proc_exit (i32.const 3))))
    (if (i32.eq (local.get $what) (i32.const 108)) (then (loop $forever (br $forever))))))"#;

/// A target that every machine can run.
const TARGET: &str = "[[target]]\ncpu-level = \"x86-64\"\n";

/// A directory with a module `app.wat` and a `trjit.toml`.
struct Project(tempfile::TempDir);

impl Project {
    /// `runs`: each a letter for [`PROGRAM`] and further keys of its table.
    fn new(runs: &[(&str, &str)], rest: &str) -> Project {
        let project = Project(super::support::scratch());
        project.write("app.wat", PROGRAM);
        project.configure(runs, rest);
        project
    }

    fn configure(&self, runs: &[(&str, &str)], rest: &str) {
        let runs: String =
            runs.iter().map(|(letter, keys)| format!("[[train.run]]\nname = \"{letter}\"\nargs = [\"{letter}\"]\n{keys}\n")).collect();
        self.write("trjit.toml", &format!("module = \"app.wat\"\n{runs}{TARGET}{rest}"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the scratch directory is writable");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn ci(&self, options: &[&str]) -> Trjit {
        trjit(["ci"]).args(options).within(self.0.path())
    }

    /// The report of a run that exits with this status.
    fn report(&self, options: &[&str], status: i32) -> serde_json::Value {
        let report = self.ci(options).arg("--json").run().exits(status).json();
        assert_eq!(report["exit_code"], status, "{report:#}");
        report
    }
}

fn fixture(name: &str) -> PathBuf {
    fixtures().join(name)
}

/// Copies a file of the fixtures.
fn take(project: &Project, from: &str, to: &str) {
    std::fs::copy(fixture(from), project.path(to)).expect("the scratch directory is writable");
}

fn names(folder: &Path) -> Vec<String> {
    super::support::listing(folder)
}
