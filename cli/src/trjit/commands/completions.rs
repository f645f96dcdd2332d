//! `trjit completions`: what a shell needs to complete command lines.

use crate::args::{Cli, Completions, Program};
use anyhow::Result;
use clap_complete::generate;
use trjit_cli::{command_line, exit, run_only, ui};

pub fn execute(args: &Completions) -> Result<u8> {
    let (mut command, name) = match args.program {
        Program::Trjit => (command_line::described::<Cli>(), "trjit"),
        Program::TrjitRun => (command_line::described::<run_only::Cli>(), "trjit-run"),
    };
    let mut script = Vec::new();
    generate(args.shell, &mut command, name, &mut script);
    ui::output(&script);
    Ok(exit::OK)
}
