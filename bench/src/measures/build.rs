//! Measure 3: what it costs to make things, how large they are, and how much of other work a cache covers.

use super::Context;
use crate::corpus::{Case, is_wanted};
use crate::executed;
use crate::peers::Threads;
use crate::results::{Coverage, Results};
use crate::series::{self, Effort, Entry, Expected, Setting, Subject};
use crate::trjit::Runner;
use crate::workshop::{Training, Workshop, trjit_name};
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::path::Path;
use trjit_cache_format::CacheFile;
use trjit_cache_format::text::CodeItem;
use trjit_module::Module;
use trjit_trace::Profile;

pub const BUILD: &str = "build";
pub const TRAINING: &str = "training";
pub const TRAIN: &str = "trjit train";
/// Compilers are slow, and vary little.
const ROUNDS: usize = 5;

pub fn measure(context: &Context<'_>, workshop: &Workshop<'_>, results: &mut Results) -> Result<()> {
    compilers(context, workshop, results)?;
    for case in workshop.program.cases.iter().filter(|case| is_wanted(context.only, &workshop.program.name, &case.id)) {
        training(context, workshop, case, results)?;
        if workshop.program.cases.len() > 1 {
            match coverage(workshop, case) {
                Ok(found) => results.coverage.push(found),
                Err(error) => results.notes.push(format!("{} {}: no coverage: {error:#}", workshop.program.name, case.id)),
            }
        }
    }
    Ok(())
}

/// As subjects are called: `trjit assemble, all cases`, `wasmtime compile`, one thread or all.
pub fn build_name(what: &str, threads: Threads) -> String {
    match threads {
        Threads::One => format!("{what}, 1 thread"),
        Threads::All => what.to_string(),
    }
}

pub fn assemble_name(training: Training<'_>, threads: Threads) -> String {
    build_name(&format!("trjit assemble, {}", training.name()), threads)
}

fn compilers(context: &Context<'_>, workshop: &Workshop<'_>, results: &mut Results) -> Result<()> {
    let folder = workshop.sandbox.artifacts.join("built");
    std::fs::create_dir_all(&folder)?;
    let mut entries = Vec::new();
    for threads in [Threads::All, Threads::One] {
        for training in [Training::All, Training::Untrained] {
            entries.push(Entry::from(assemble_name(training, threads), assemble(workshop, training, threads, &folder)));
        }
        for installed in context.peers {
            for way in installed.peer.ways() {
                let Some(made) = installed.peer.preparation(way, &workshop.wasm(), &folder, threads) else { continue };
                let name = build_name(&format!("{} compile", installed.about.name), threads);
                entries.push(Entry::Ready(tool(name, made.line, made.artifact)));
            }
        }
    }
    let case = Case { id: "all".into(), ..Case::default() };
    let effort = Effort { rounds: context.effort.rounds.min(ROUNDS), at_least: 1, ..context.effort };
    let (program, sandbox) = (workshop.program.name.as_str(), &workshop.sandbox);
    let setting = Setting { measure: BUILD, program, case: &case, sandbox, effort, before: &without_artifact };
    results.rows.extend(series::run(entries, &setting)?);
    Ok(())
}

fn assemble(workshop: &Workshop<'_>, training: Training<'_>, threads: Threads, folder: &Path) -> Result<Subject> {
    let cache = folder.join(format!("{}.trjit", training.name().replace(' ', "-")));
    let line = workshop.trjit.assemble(&workshop.wasm(), &workshop.profiles(training)?, &cache, threads);
    Ok(tool(assemble_name(training, threads), line, cache))
}

fn tool(name: String, line: crate::child::CommandLine, artifact: std::path::PathBuf) -> Subject {
    Subject { name, line, artifact: Some(artifact), files: Vec::new(), expected: Expected::Success }
}

/// A compiler that finds its result there already might do nothing.
fn without_artifact(subject: &Subject) -> Result<()> {
    let Some(artifact) = &subject.artifact else { return Ok(()) };
    if artifact.is_dir() {
        std::fs::remove_dir_all(artifact)?;
    } else if artifact.exists() {
        std::fs::remove_file(artifact)?;
    }
    Ok(())
}

/// A training run beside plain ones.
fn training(context: &Context<'_>, workshop: &Workshop<'_>, case: &Case, results: &mut Results) -> Result<()> {
    let wasm = workshop.program.wasm_name();
    let profile = workshop.sandbox.artifacts.join("timed.trprof");
    let line = workshop.trjit.train(crate::peers::Guest { wasm: &wasm, artifact: None, case }, &profile);
    let train = Subject { name: TRAIN.into(), line, artifact: Some(profile), files: Vec::new(), expected: Expected::Case };
    let plain = Entry::from(trjit_name(Runner::Full, None), workshop.trjit_subject(Runner::Full, None, case));
    let mut entries = vec![Entry::Ready(train), plain];
    entries.extend(context.peer_entries(workshop, case));
    let effort = Effort { rounds: context.effort.rounds.min(ROUNDS), at_least: 1, ..context.effort };
    let (program, sandbox) = (workshop.program.name.as_str(), &workshop.sandbox);
    let setting = Setting { measure: TRAINING, program, case, sandbox, effort, before: &series::nothing };
    results.rows.extend(series::run(entries, &setting)?);
    Ok(())
}

/// The case's profile tells what it executes; a function counts as covered when the cache that was trained on the other cases has code for it.
fn coverage(workshop: &Workshop<'_>, case: &Case) -> Result<Coverage> {
    let module = Module::parse(std::fs::read(workshop.wasm())?)?;
    let profile = Profile::read(workshop.profile(case)?)?;
    let covered = compiled(&workshop.cache(Training::Others(&case.id))?)?;
    let (mut calls, mut instructions) = ([0u64; 2], [0u64; 2]);
    for function in profile.functions() {
        let has = usize::from(covered.contains(&module.func_index(function.identity.index).0));
        calls[has] = calls[has].saturating_add(function.entries);
        instructions[has] = instructions[has].saturating_add(executed::instructions(&module, function)?);
    }
    let share = |[lacking, covered]: [u64; 2]| covered as f64 / (lacking.saturating_add(covered)).max(1) as f64;
    let program = workshop.program.name.clone();
    Ok(Coverage { program, case: case.id.clone(), calls: share(calls), instructions: share(instructions) })
}

/// The functions that a cache has code for, by their index in the module.
fn compiled(cache: &Path) -> Result<BTreeSet<u32>> {
    let bytes = std::fs::read(cache)?;
    let file = CacheFile::parse(bytes.into()).map_err(|refusal| anyhow::anyhow!("{refusal}")).context("reading the cache")?;
    let functions = file.functions().iter().filter_map(|placed| match placed.what {
        CodeItem::Function(function) => Some(function.0),
        _ => None,
    });
    Ok(functions.collect())
}
