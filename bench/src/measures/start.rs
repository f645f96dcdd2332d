//! Measure 1: the start of a process. The smallest WASI program that says something, beside `/bin/true`.

use super::{Context, breakdown};
use crate::check;
use crate::child::CommandLine;
use crate::corpus::{Case, Program};
use crate::results::Results;
use crate::sandbox::Sandbox;
use crate::series::{self, Effort, Entry, Expected, Setting, Subject};
use crate::trjit::Runner;
use crate::workshop::{Training, Workshop, trjit_name};
use anyhow::Result;
use std::time::Duration;

pub const MEASURE: &str = "start";
pub const TRUE: &str = "/bin/true";

/// Writes one line and returns.
const HELLO: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\10\00\00\00\06\00\00\00hello\n")
  (func (export "_start") (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))))"#;

/// The program, as one of a corpus.
pub fn hello() -> Program {
    let case = Case {
        id: "1".into(),
        stdout_sha256: check::sha256(b"hello\n"),
        outfiles_sha256: "-".into(),
        deterministic: true,
        ..Case::default()
    };
    Program { name: "hello".into(), wasm: "hello/hello.wasm".into(), cases: vec![case] }
}

/// A sandbox with the program in it.
pub fn sandbox(scratch: &std::path::Path, limit: Duration) -> Result<Sandbox> {
    let sandbox = Sandbox::empty(scratch, "hello", limit)?;
    std::fs::write(sandbox.home.join("hello.wasm"), wat::parse_str(HELLO)?)?;
    Ok(sandbox)
}

pub fn measure(context: &Context<'_>, workshop: &Workshop<'_>, results: &mut Results) -> Result<()> {
    let case = &workshop.program.cases[0];
    let floor = Subject { name: TRUE.into(), line: CommandLine::new(TRUE), artifact: None, files: Vec::new(), expected: Expected::Success };
    let mut entries = vec![Entry::Ready(floor)];
    for runner in [Runner::RunOnly, Runner::Full].into_iter().filter(|runner| context.trjit.has(*runner)) {
        for training in [Some(Training::Same(&case.id)), None] {
            entries.push(Entry::from(trjit_name(runner, training), workshop.trjit_subject(runner, training, case)));
        }
    }
    entries.extend(context.peer_entries(workshop, case));
    // A start is short, and its differences are small: many rounds.
    let effort = Effort { rounds: context.effort.rounds * 4, ..context.effort };
    let (program, sandbox) = (workshop.program.name.as_str(), &workshop.sandbox);
    let setting = Setting { measure: MEASURE, program, case, sandbox, effort, before: &series::nothing };
    results.rows.extend(series::run(entries, &setting)?);
    breakdown::measure(context, workshop, case, results)
}
