//! `trjit profile`: profiles as files to work with, a subcommand a file. Each reads profiles, asks the crate `trace`, and tells the answer as text or JSON.

mod diff;
mod export;
mod merge;
mod show;
mod similarity;

use crate::LINKED;
use crate::profile_args::{Command, ProfileCommand};
use anyhow::Result;
use std::path::Path;
use trjit_cli::source;
use trjit_module::Module;

/// Counts changes of the JSON documents; new keys may come without one.
const SCHEMA: u32 = 1;

pub fn execute(profile: &ProfileCommand) -> Result<u8> {
    match &profile.command {
        Command::Merge(merge) => merge::execute(merge),
        Command::Show(show) => show::execute(show),
        Command::Diff(diff) => diff::execute(diff),
        Command::Similarity(similarity) => similarity::execute(similarity),
        Command::Export(export) => export::execute(export),
    }
}

fn module(path: &Path) -> Result<Module> {
    source::parse(path, source::read_wasm(path, &LINKED)?)
}

/// The name of a function, or what it is called where it has none.
fn label(name: Option<&str>, function: u32) -> String {
    name.map_or_else(|| format!("func[{function}]"), str::to_string)
}

/// A sum as JSON has it: no larger than 64 bits.
fn number(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}
