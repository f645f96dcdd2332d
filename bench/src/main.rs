//! The bench: trjit beside other WebAssembly engines, on a corpus of programs.
//!
//! ```text
//! corpus, peers -> Workshop (profiles, caches, artifacts) -> measures (Subject.. in turns -> Row..) -> Results -> table, JSON, page
//! ```
//! What the numbers mean stands in `bench/README.md`. Invariant: a run that does not give the recorded results is never timed, and always shown.

mod args;
mod check;
mod child;
mod corpus;
mod executed;
mod goals;
mod machine;
mod measures;
mod peers;
mod report;
mod results;
mod sandbox;
mod series;
mod stats;
mod sys;
mod trjit;
mod worker;
mod workshop;

use anyhow::{Context as _, Result};
use args::Args;
use clap::Parser;
use corpus::{Corpus, Program};
use measures::{Context, Measure};
use results::{ProgramFacts, Results};
use sandbox::Sandbox;
use series::Effort;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trjit::Trjit;
use workshop::Workshop;

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some(worker::COMMAND) {
        return worker::main(&worker::Args::parse_from(std::env::args().skip(1)));
    }
    let args = Args::parse();
    if let Some(file) = &args.from {
        let results = report::json::read(file)?;
        return report::all(&results, &args.out);
    }
    let temporary = tempfile::Builder::new().prefix("trjit-bench-").tempdir()?;
    let scratch = match &args.scratch {
        Some(folder) => std::path::absolute(folder)?,
        None => temporary.path().to_path_buf(),
    };
    std::fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    let results = measure_all(&args, &scratch)?;
    report::all(&results, &args.out)
}

fn measure_all(args: &Args, scratch: &Path) -> Result<Results> {
    let trjit = Trjit::find(args.trjit.as_deref())?;
    let hello = measures::start::hello();
    let hello_workshop = Workshop::new(&hello, measures::start::sandbox(scratch, args.limit())?, &trjit, None);
    let given: BTreeMap<String, PathBuf> = args.paths.iter().cloned().collect();
    let finder = peers::Finder { given: &given, folder: scratch };
    let place = hello_workshop.sandbox.workplace();
    let (peers, missing) = peers::find(args.peers.as_deref(), &finder, &place)?;
    let corpus = args.corpus.as_deref().map(|folder| Corpus::read(folder, &args.only)).transpose()?;
    let programs = corpus.map(|corpus| corpus.programs).unwrap_or_default();

    let mut results =
        Results { machine: machine::Machine::look(scratch), command: std::env::args().collect(), notes: missing, ..Results::default() };
    results.engines = trjit.about(&place)?;
    results.engines.extend(peers.iter().map(|installed| installed.about.clone()));
    if !trjit.has(trjit::Runner::RunOnly) {
        results.notes.push("there is no `trjit-run` beside `trjit`: `trjit run` stands for it".into());
    }
    let effort = Effort { rounds: args.runs as usize, budget: Duration::from_secs(args.budget), at_least: 3 };
    let context = Context { trjit: &trjit, peers: &peers, scratch, effort, only: &args.only, counts: &args.counts };
    if args.measures.contains(&Measure::Start) {
        progress(&results, "start");
        measures::start::measure(&context, &hello_workshop, &mut results)?;
    }
    if args.measures.contains(&Measure::Instances) {
        progress(&results, "instances");
        measures::instances::measure(&context, &hello_workshop, &mut results)?;
    }
    each_program(args, &context, &hello_workshop, &programs, &mut results)?;
    results.machine.end();
    Ok(results)
}

/// One program after the other, with all its measures; what was found is on disk after each.
fn each_program(args: &Args, context: &Context<'_>, hello: &Workshop<'_>, programs: &[Program], results: &mut Results) -> Result<()> {
    let Some(folder) = args.corpus.as_deref() else { return Ok(()) };
    for (at, program) in programs.iter().enumerate() {
        let foreign = foreign_profile(args, context, hello, folder, programs, at);
        let sandbox = Sandbox::new(context.scratch, folder, program, args.limit())?;
        let workshop = Workshop::new(program, sandbox, context.trjit, foreign.ok());
        let wasm = workshop.wasm();
        let functions = workshop::functions_in(&wasm).unwrap_or(0);
        results.programs.push(ProgramFacts { name: program.name.clone(), wasm_bytes: series::size_of(&wasm), functions });
        for measure in &args.measures {
            progress(results, &format!("{} {measure:?}", program.name));
            match measure {
                Measure::Cases => measures::cases::measure(context, &workshop, results)?,
                Measure::Build => measures::build::measure(context, &workshop, results)?,
                Measure::Storage => measures::storage::measure(context, &workshop, results)?,
                Measure::Layout => measures::layout::measure(context, &workshop, results)?,
                Measure::Instances if is_sample(programs, program, folder) => measures::instances::measure(context, &workshop, results)?,
                Measure::Start | Measure::Instances => {}
            }
        }
        report::json::write(results, &args.out)?;
        std::fs::remove_dir_all(context.scratch.join(&program.name)).context("cleaning up")?;
    }
    Ok(())
}

/// Instances are counted by the hundred: of the middle one by size, and of the largest.
fn is_sample(programs: &[Program], program: &Program, folder: &Path) -> bool {
    let mut sizes: Vec<(u64, &str)> =
        programs.iter().map(|program| (series::size_of(&folder.join(&program.wasm)), program.name.as_str())).collect();
    sizes.sort_unstable();
    [sizes.len() / 2, sizes.len() - 1].iter().any(|&at| sizes[at].1 == program.name)
}

/// A profile of the next program's first case; of the smallest program when there is no other.
fn foreign_profile(
    args: &Args,
    context: &Context<'_>,
    hello: &Workshop<'_>,
    folder: &Path,
    programs: &[Program],
    at: usize,
) -> Result<PathBuf> {
    let other = &programs[(at + 1) % programs.len()];
    let kept = context.scratch.join(format!("foreign-{}.trprof", programs[at].name));
    if programs.len() == 1 {
        return hello.profile(&hello.program.cases[0]);
    }
    let place = context.scratch.join("foreign");
    let workshop = Workshop::new(other, Sandbox::new(&place, folder, other, args.limit())?, context.trjit, None);
    let case = other.cases.first().context("the other program has no case")?;
    std::fs::copy(workshop.profile(case)?, &kept)?;
    std::fs::remove_dir_all(&place)?;
    Ok(kept)
}

fn progress(results: &Results, what: &str) {
    eprintln!("[{:5} rows] {what}", results.rows.len());
}
