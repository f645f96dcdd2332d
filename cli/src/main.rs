//! The command `trjit`: parses the command line, runs one command, maps its outcome to an exit code.

mod args;
mod commands;
mod exit;
mod guest;
mod options;
mod progress;
mod source;
mod stop;
mod ui;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match (&cli.command, cli.version) {
        (_, true) => commands::version::print(cli.json),
        (Some(Command::Run(run)), _) => commands::run::execute(run),
        (Some(Command::Train(train)), _) => commands::train::execute(train),
        (Some(Command::Assemble(assemble)), _) => commands::assemble::execute(assemble),
        (Some(Command::Inspect(inspect)), _) => commands::inspect::execute(inspect),
        (None, false) => Cli::command().print_help().map(|()| exit::USAGE).map_err(Into::into),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => exit::report(&error),
    }
}
