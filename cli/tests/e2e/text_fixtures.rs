//! Every run of every text-format fixture, in every mode.

use crate::support::modes::{Mode, Program};
use crate::support::text::{Block, blocks};
use crate::support::traps::told;
use crate::support::{Outcome, Trjit, each, files, scratch};
use std::path::Path;

#[test]
fn every_text_fixture_gives_its_results_in_every_mode() {
    each(&files("wat", ".wat"), |path| check(path));
}

fn check(path: &Path) -> Vec<String> {
    let folder = scratch();
    let program = Program::new(path, folder.path());
    let blocks = blocks(path);
    let first = blocks.iter().find(|block| block.error.is_none());
    if let Some(first) = first {
        program.train(|command| command.stdin(first.stdin.as_bytes()), &first.guest, &options(first));
    }
    let mut faults = Vec::new();
    for block in &blocks {
        let mut stderr = None;
        for mode in Mode::ALL.into_iter().filter(|&mode| (mode != Mode::Trained || first.is_some()) && !is_too_deep(path, mode)) {
            let outcome = run(&program, mode, block);
            let expected = stderr.get_or_insert_with(|| said(&program, &outcome));
            if let Err(fault) = judge(block, &outcome, expected, &said(&program, &outcome)) {
                faults.push(format!("{}:{} in mode {mode:?}: {fault}\n{outcome:?}", path.display(), block.line));
            }
        }
    }
    faults
}

/// How deep a recursion gets differs between tiers: with a side exit at each level these five thousand need more than the 8 MiB that a process gets.
fn is_too_deep(path: &Path, mode: Mode) -> bool {
    mode == Mode::Speculative && path.ends_with("deep-recursion.wat")
}

fn options(block: &Block) -> Vec<String> {
    block.options.iter().cloned().chain(block.env.iter().map(|variable| format!("--env={variable}"))).collect()
}

fn run(program: &Program, mode: Mode, block: &Block) -> Outcome {
    let command: Trjit = program.command(mode, &options(block), &block.guest);
    command.stdin(block.stdin.as_bytes()).run()
}

/// What must not differ between modes; the cache is named where it is the program.
fn said(program: &Program, outcome: &Outcome) -> String {
    told(outcome, &[&program.cache("all"), &program.module])
}

/// Floats may be written with other digits of the same number, where two are the shortest; everything else is the same text.
fn same_output(found: &str, expected: &str) -> bool {
    let float = |text: &str| text.contains('.').then(|| text.parse::<f64>().ok()).flatten().map(f64::to_bits);
    let same = |(found, expected): (&str, &str)| found == expected || float(found).is_some_and(|bits| float(expected) == Some(bits));
    found.split('\n').count() == expected.split('\n').count() && found.split('\n').zip(expected.split('\n')).all(same)
}

/// Compares a run with what the fixture records, and its messages with those of the first mode.
fn judge(block: &Block, outcome: &Outcome, expected: &str, said: &str) -> Result<(), String> {
    let code = outcome.code();
    if let Some(text) = &block.error {
        let refused = ![0, 134].contains(&code) && outcome.stderr.contains(text) && outcome.stdout.is_empty();
        return refused.then_some(()).ok_or_else(|| format!("expected the error `{text}`"));
    }
    let status = block.exit.unwrap_or(if block.trap.is_some() { 134 } else { 0 });
    if code != status {
        return Err(format!("status {code}, expected {status}"));
    }
    if !same_output(outcome.text(), &block.stdout) {
        return Err(format!("expected standard output {:?}", block.stdout));
    }
    if let Some(trap) = block.trap.as_ref().filter(|trap| !outcome.stderr.contains(*trap)) {
        return Err(format!("expected the trap `{trap}`"));
    }
    if block.trap.is_none() && !outcome.stderr.is_empty() {
        return Err("expected nothing on standard error".into());
    }
    if said != expected {
        return Err(format!("standard error differs from the interpreter's:\n{expected}"));
    }
    Ok(())
}
