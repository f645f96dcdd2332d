//! Measure 5: engines as libraries. How long one more instance takes, and what memory, in one process and in many.

use super::Context;
use crate::child::{self, CommandLine};
use crate::results::{Footprint, Instances, Results};
use crate::worker::{self, Library};
use crate::workshop::{Training, Workshop};
use anyhow::{Context as _, Result};
use clap::ValueEnum;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub fn measure(context: &Context<'_>, workshop: &Workshop<'_>, results: &mut Results) -> Result<()> {
    if Library::value_variants().len() == 1 {
        let note = "instances: without wasmtime, which the feature `wasmtime` of the bench brings";
        if results.notes.iter().all(|found| found != note) {
            results.notes.push(note.to_string());
        }
    }
    for count in context.counts {
        for library in Library::value_variants() {
            let artifact = artifact(*library, workshop);
            let line = artifact.and_then(|artifact| command(*library, workshop, &artifact, *count));
            for processes in [false, true] {
                let found = line.as_ref().map_err(|error| format!("{error:#}")).and_then(|line| {
                    let found = if processes { many_processes(line, *count) } else { one_process(line, workshop) };
                    found.map_err(|error| format!("{error:#}"))
                });
                results.instances.push(row(workshop, *library, processes, *count, found));
            }
        }
    }
    Ok(())
}

type Found = Result<(Option<Footprint>, f64), String>;

fn row(workshop: &Workshop<'_>, library: Library, processes: bool, count: u64, found: Found) -> Instances {
    let (footprint, pss, failed) = match found {
        Ok((footprint, pss)) => (footprint, Some(pss), None),
        Err(why) => (None, None, Some(why)),
    };
    Instances {
        program: workshop.program.name.clone(),
        engine: library.name().to_string(),
        processes,
        count,
        p50_us: footprint.map(|footprint| footprint.p50_us),
        p99_us: footprint.map(|footprint| footprint.p99_us),
        pss_kib_each: pss,
        failed,
    }
}

/// trjit's is trained on all cases, wasmtime's is made by the first worker.
fn artifact(library: Library, workshop: &Workshop<'_>) -> Result<PathBuf> {
    match library {
        Library::Trjit => workshop.cache(Training::All),
        #[cfg(feature = "wasmtime")]
        Library::Wasmtime => Ok(workshop.sandbox.artifacts.join("library.cwasm")),
    }
}

fn command(library: Library, workshop: &Workshop<'_>, artifact: &Path, count: u64) -> Result<CommandLine> {
    let bench = std::env::current_exe().context("the bench's own file")?;
    let line = CommandLine::new(bench).args([worker::COMMAND, "--engine", library.name(), "--wasm"]).arg(workshop.wasm());
    Ok(line.arg("--artifact").arg(artifact).arg("--count").arg(count.to_string()))
}

fn one_process(line: &CommandLine, workshop: &Workshop<'_>) -> Result<(Option<Footprint>, f64)> {
    let (ended, _) = child::run(line, &workshop.sandbox.workplace())?;
    ended.expect_success("the worker failed")?;
    let footprint: Footprint = serde_json::from_slice(&ended.stdout).context("what the worker told")?;
    Ok((Some(footprint), footprint.pss_kib_each))
}

/// Processes with one instance each; they end when their standard input does.
fn many_processes(line: &CommandLine, count: u64) -> Result<(Option<Footprint>, f64)> {
    let (input, ends) = std::io::pipe()?;
    let mut held: Vec<Child> = Vec::new();
    let found = (0..count).try_for_each(|_| -> Result<()> {
        let mut command = Command::new(&line.program);
        // The last argument is the count.
        command.args(&line.args[..line.args.len() - 1]).args(["1", "--hold"]);
        let mut child = command.stdin(input.try_clone()?).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take();
        held.push(child);
        let mut ready = String::new();
        BufReader::new(stdout.context("it was piped")?).read_line(&mut ready)?;
        if ready.is_empty() { anyhow::bail!("a worker ended early") } else { Ok(()) }
    });
    let files = held.iter().map(|child| PathBuf::from(format!("/proc/{}/smaps_rollup", child.id())));
    let sum: Result<u64> = found.and_then(|()| files.map(|file| worker::pss_kib(&file)).sum());
    drop((ends, input));
    for mut child in held {
        child.wait()?;
    }
    Ok((None, sum? as f64 / count as f64))
}
