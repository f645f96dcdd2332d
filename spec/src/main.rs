//! `trjit-spec`: runs the suite and prints the table "assertions by mode", or the failures as a ledger has them.

use anyhow::{Context, Result};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use trjit_spec::mode::Mode;
use trjit_spec::report::{self, Report};
use trjit_spec::suite::{self, GROUPS, Group, LEFT_OUT, Script};
use trjit_spec::{ledger, script};

/// Runs the official WebAssembly test suite on the modes of trjit.
#[derive(Parser, Debug)]
struct Args {
    /// Only these modes.
    #[arg(long, value_name = "MODE", value_delimiter = ',')]
    mode: Vec<String>,
    /// Only these groups.
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    group: Vec<String>,
    /// Instead of the groups, all scripts below this folder, such as a checkout of the specification.
    #[arg(long, value_name = "FOLDER", conflicts_with = "group")]
    folder: Option<PathBuf>,
    /// Only scripts whose path contains this.
    #[arg(long, value_name = "TEXT")]
    script: Option<String>,
    /// Print the failures in the form of a ledger instead of the table.
    #[arg(long)]
    ledger: bool,
    /// Write the failures to the ledgers of the modes that run (all groups and scripts must run).
    #[arg(long, conflicts_with_all = ["group", "folder", "script"])]
    write_ledgers: bool,
    /// Tell the time of each group and mode on standard error.
    #[arg(long)]
    time: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let modes = modes(&args)?;
    let mut rows = Vec::new();
    for (name, scripts) in work(&args)? {
        let cells = modes.iter().map(|&mode| run(name, &scripts, mode, &args)).collect::<Result<Vec<Report>>>()?;
        rows.push((name, cells));
    }
    if args.ledger || args.write_ledgers {
        return ledgers(&args, &modes, &rows);
    }
    let names: Vec<&str> = modes.iter().map(|mode| mode.name()).collect();
    print!("{}", report::table(&names, &rows));
    explain(&rows);
    let failed = rows.iter().flat_map(|(_, cells)| cells).any(|cell| !cell.failures.is_empty());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn modes(args: &Args) -> Result<Vec<Mode>> {
    if args.mode.is_empty() {
        return Ok(Mode::ALL.to_vec());
    }
    let known = || Mode::ALL.iter().map(|mode| mode.name()).collect::<Vec<_>>().join(", ");
    args.mode.iter().map(|name| Mode::parse(name).with_context(|| format!("unknown mode `{name}`, expected one of {}", known()))).collect()
}

/// Rows of the table with their scripts.
fn work(args: &Args) -> Result<Vec<(&'static str, Vec<Script>)>> {
    let known = || GROUPS.iter().map(|group| group.name).collect::<Vec<_>>().join(", ");
    let mut rows: Vec<(&str, Vec<Script>)> = match &args.folder {
        Some(folder) => vec![("folder", suite::scripts_below(folder)?)],
        None if args.group.is_empty() => GROUPS.iter().map(|group| (group.name, group.scripts())).collect(),
        None => {
            let group = |name: &String| Group::find(name).with_context(|| format!("unknown group `{name}`, expected one of {}", known()));
            args.group.iter().map(|name| group(name).map(|group| (group.name, group.scripts()))).collect::<Result<_>>()?
        }
    };
    if let Some(part) = &args.script {
        rows.iter_mut().for_each(|(_, scripts)| scripts.retain(|script| script.path.contains(part)));
    }
    Ok(rows)
}

fn run(name: &str, scripts: &[Script], mode: Mode, args: &Args) -> Result<Report> {
    let start = Instant::now();
    let mut sum = Report::default();
    for script in scripts {
        sum.merge(script::run(script, mode)?);
    }
    if args.time {
        eprintln!("{:>8.2?} {name} {}", start.elapsed(), mode.name());
    }
    Ok(sum)
}

fn ledgers(args: &Args, modes: &[Mode], rows: &[(&str, Vec<Report>)]) -> Result<ExitCode> {
    for (at, &mode) in modes.iter().enumerate() {
        let failures: Vec<_> = rows.iter().flat_map(|(_, cells)| cells[at].failures.iter().cloned()).collect();
        let lines = ledger::write(&failures);
        if args.write_ledgers {
            let path = ledger::path(mode);
            let head = format!("# Known failures of the mode `{}`: folder/script.wast:LINE reason\n", mode.name());
            std::fs::write(&path, head + &lines).with_context(|| format!("can not write `{}`", path.display()))?;
        } else {
            print!("# {}\n{lines}", mode.name());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was left out, and what was skipped why, in the first mode; the others skip the same.
fn explain(rows: &[(&str, Vec<Report>)]) {
    let mut sum = Report::default();
    rows.iter().filter_map(|(_, cells)| cells.first()).for_each(|cell| sum.merge(cell.clone()));
    println!("\n{} of the assertions that hold in each mode were decided by the text parser.", sum.by_text_parser);
    println!("\nSkipped assertions by reason:");
    sum.skipped_for.iter().for_each(|(reason, count)| println!("- {count}: {reason}"));
    println!("\nLeft out:");
    LEFT_OUT.iter().for_each(|(path, reason)| println!("- {path}: {reason}"));
}
