//! The command `trjit`: parses the command line, runs one command, maps its outcome to an exit code.

mod args;
mod commands;
mod profile_args;
mod progress;
mod table;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use trjit_cli::timings::Timings;
use trjit_cli::{Linked, exit, quick, run, version};
use trjit_code::Compiler;

/// This binary has everything.
pub const LINKED: Linked =
    Linked { program: "trjit run", compiler: Some(compiler), text: Some(parse_text), counts: Some(commands::profiles::counts) };

fn main() -> ExitCode {
    let timings = Timings::start();
    let mut words = std::env::args_os().skip(1);
    let quick = if words.next().is_some_and(|command| command == "run") { quick::parse(words) } else { None };
    let result = match quick {
        Some(run) => run::execute(&run, &LINKED, timings),
        None => execute(timings),
    };
    ExitCode::from(result.unwrap_or_else(|error| exit::report(&error)))
}

fn execute(timings: Timings) -> anyhow::Result<u8> {
    let cli = Cli::parse();
    match (&cli.command, cli.version) {
        (_, true) => version::print(&LINKED, cli.json),
        (Some(Command::Run(run)), _) => run::execute(run, &LINKED, timings),
        (Some(Command::Train(train)), _) => commands::train::execute(train),
        (Some(Command::Assemble(assemble)), _) => commands::assemble::execute(assemble),
        (Some(Command::Inspect(inspect)), _) => commands::inspect::execute(inspect),
        (Some(Command::Profile(profile)), _) => commands::profile::execute(profile),
        (Some(Command::Explain(explain)), _) => commands::explain::execute(explain),
        (None, false) => Cli::command().print_help().map(|()| exit::USAGE).map_err(Into::into),
    }
}

fn compiler() -> Arc<dyn Compiler> {
    Arc::new(trjit_compile::CraneliftCompiler::new())
}

fn parse_text(path: &Path, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let parsed = wat::parse_bytes(bytes).map_err(|mut error| {
        error.set_path(path);
        anyhow::anyhow!("{error}")
    });
    Ok(parsed?.into_owned())
}
