//! The command `trjit`: parses the command line, runs one command, maps its outcome to an exit code.

mod args;
mod check_args;
mod ci_args;
mod ci_progress;
mod commands;
mod init_args;
mod profile_args;
mod progress;
mod stand_in;
mod table;

use args::{Cli, Command};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use trjit_cli::timings::Timings;
use trjit_cli::{Linked, command_line, exit, quick, run, version};
use trjit_code::Compiler;

/// This binary has everything.
pub const LINKED: Linked =
    Linked { program: "trjit run", compiler: Some(compiler), text: Some(parse_text), counts: Some(commands::profiles::counts) };

fn main() -> ExitCode {
    let timings = Timings::start();
    let mut words = std::env::args_os();
    if let Some(name) = stand_in::name(words.next().as_deref()) {
        return ExitCode::from(stand_in::execute(&name, words, timings).unwrap_or_else(|error| exit::report(&error)));
    }
    let quick = if words.next().is_some_and(|command| command == "run") { quick::parse(words) } else { None };
    let result = match quick {
        Some((say, mut run)) => say.apply().map_err(Into::into).and_then(|()| run::execute(&mut run, &LINKED, timings)),
        None => execute(timings),
    };
    ExitCode::from(result.unwrap_or_else(|error| exit::report(&error)))
}

fn execute(timings: Timings) -> anyhow::Result<u8> {
    let Cli { version, json, say, command } = command_line::parse();
    say.apply()?;
    let Some(command) = command.filter(|_| !version) else {
        return if version {
            version::print(&LINKED, json)
        } else {
            Ok(command_line::described::<Cli>().print_help().map(|()| exit::USAGE)?)
        };
    };
    match command {
        Command::Run(mut run) => run::execute(&mut run, &LINKED, timings),
        Command::Train(train) if train.wrap => commands::wrap::execute(&train),
        Command::Train(mut train) => commands::train::execute(&mut train),
        Command::Assemble(assemble) => commands::assemble::execute(&assemble),
        Command::Inspect(inspect) => commands::inspect::execute(&inspect),
        Command::Check(check) => commands::check::execute(&check),
        Command::Init(init) => commands::init::execute(&init),
        Command::Profile(profile) => commands::profile::execute(&profile),
        Command::Ci(ci) => commands::ci::execute(&ci),
        Command::Explain(explain) => commands::explain::execute(&explain),
        Command::Completions(completions) => commands::completions::execute(&completions),
        Command::Man(man) => commands::man::execute(&man),
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
