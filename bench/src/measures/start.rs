//! Measure 1: the start of a process. The smallest WASI program that says something, beside `/bin/true`.

use super::Context;
use crate::check;
use crate::child::CommandLine;
use crate::corpus::{Case, Program};
use crate::peers::Guest;
use crate::results::{Breakdown, Results};
use crate::sandbox::Sandbox;
use crate::series::{self, Effort, Entry, Expected, Setting, Subject};
use crate::stats;
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
    breakdown(context, workshop, case, results)
}

const BREAKDOWNS: usize = 21;

/// What `--timings=json` tells, where the program knows the flag.
pub fn breakdown(context: &Context<'_>, workshop: &Workshop<'_>, case: &Case, results: &mut Results) -> Result<()> {
    let (runner, training) = (context.trjit.production(), Training::Same(&case.id));
    let Ok(cache) = workshop.cache(training) else { return Ok(()) };
    let wasm = workshop.program.wasm_name();
    let line = context.trjit.run_with(runner, &["--timings=json"], Guest { wasm: &wasm, artifact: Some(&cache), case });
    let mut runs: Vec<Vec<(String, f64)>> = Vec::new();
    for _ in 0..BREAKDOWNS {
        workshop.sandbox.restore(case)?;
        let (ended, _) = crate::child::run(&line, &workshop.sandbox.place(case))?;
        match phases(&String::from_utf8_lossy(&ended.stderr)) {
            Some(phases) => runs.push(phases),
            None => break,
        }
    }
    let Some(first) = runs.first() else {
        let note = format!("no start-up breakdown: `{runner}` gives none with --timings=json");
        if !results.notes.contains(&note) {
            results.notes.push(note);
        }
        return Ok(());
    };
    let median = |name: &str| {
        let values: Vec<f64> = runs.iter().flatten().filter(|(found, _)| found == name).map(|(_, value)| *value).collect();
        stats::spread(&values).map_or(0.0, |spread| spread.median)
    };
    let phases = first.iter().map(|(name, _)| (name.clone(), median(name))).collect();
    let subject = trjit_name(runner, Some(training));
    results.breakdowns.push(Breakdown { program: workshop.program.name.clone(), case: case.id.clone(), subject, phases });
    Ok(())
}

/// The numbers of the last JSON object in the text, in its order; deeper objects are looked into.
fn phases(text: &str) -> Option<Vec<(String, f64)>> {
    let line = text.lines().rev().map(str::trim).find(|line| line.starts_with('{') && line.ends_with('}'))?;
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let mut found = Vec::new();
    collect(&value, &mut found);
    (!found.is_empty()).then_some(found)
}

fn collect(value: &serde_json::Value, found: &mut Vec<(String, f64)>) {
    let Some(object) = value.as_object() else { return };
    for (name, value) in object {
        match value.as_f64() {
            Some(number) => found.push((name.clone(), number)),
            None => collect(value, found),
        }
    }
}
