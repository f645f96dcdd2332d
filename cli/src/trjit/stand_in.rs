//! `trjit` under another name: `wasmtime`, or what `trjit train --wrap --as NAME` says. It then takes wasmtime's command line, as far as `trjit run` has it.

use crate::LINKED;
use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};
use std::ffi::{OsStr, OsString};
use std::iter::once;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use trjit_cli::args::Run;
use trjit_cli::exit::{self, Failure, USAGE};
use trjit_cli::spooled::STAND_INS_VARIABLE;
use trjit_cli::timings::Timings;
use trjit_cli::ui::Say;
use trjit_cli::{quick, run, ui};

/// Whose command line it is, in the version that is meant where tests ask for one.
const WASMTIME: &str = "wasmtime";
const WASMTIME_VERSION: &str = "48.0.8";

/// What wasmtime can do beside running.
const OTHER_COMMANDS: [&str; 11] =
    ["compile", "serve", "explore", "config", "settings", "wast", "completion", "wizer", "objdump", "hot-blocks", "replay"];

#[derive(Parser, Debug)]
#[command(
    disable_version_flag = true,
    about = "trjit in the place of another runtime: runs a WebAssembly program, with wasmtime's command line"
)]
struct StandIn {
    #[command(flatten)]
    say: Say,
    #[command(flatten)]
    run: Run,
}

/// The name that we were called by, where it is not our own.
pub fn name(called: Option<&OsStr>) -> Option<OsString> {
    let name = Path::new(called?).file_name().filter(|name| *name != "trjit")?;
    let named = |names: OsString| names.as_bytes().split(|&byte| byte == b':').any(|known| known == name.as_bytes());
    (name == WASMTIME || std::env::var_os(STAND_INS_VARIABLE).is_some_and(named)).then(|| name.to_os_string())
}

/// `NAME [run] [OPTIONS] MODULE [ARGS]..` or `NAME --version`.
pub fn execute(name: &OsStr, words: impl Iterator<Item = OsString>, timings: Timings) -> Result<u8> {
    let name = name.to_string_lossy();
    let mut words: Vec<OsString> = words.collect();
    match words.first().and_then(|word| word.to_str()) {
        Some("run") => drop(words.remove(0)),
        Some("-V" | "--version") => {
            ui::line(&format!("{name} {WASMTIME_VERSION} (trjit {})", env!("CARGO_PKG_VERSION")));
            return Ok(exit::OK);
        }
        Some("help") => words = vec!["--help".into()],
        Some(command) if OTHER_COMMANDS.contains(&command) => {
            let failure = Failure::new(USAGE, format!("trjit stands in for `{name}` here, and has no `{name} {command}`"));
            return Err(failure.with_help("call that by its path, or do not give --as where it is needed").into());
        }
        Some(_) | None => {}
    }
    // To optimize, before version 14: what trjit does with code is its own affair.
    if words.first().is_some_and(|word| word == "-o") {
        words.remove(0);
    }
    let (say, mut found) = quick::parse(words.iter().cloned()).unwrap_or_else(|| parse(&name, words));
    say.apply()?;
    run::execute(&mut found, &LINKED, timings)
}

fn parse(name: &str, words: Vec<OsString>) -> (Say, Run) {
    let usage = format!("{name} [run] [OPTIONS] <MODULE> [ARGS]...");
    let command = StandIn::command().bin_name(name.to_string()).override_usage(usage);
    let found =
        command.try_get_matches_from(once(OsString::from(name)).chain(words)).and_then(|matches| StandIn::from_arg_matches(&matches));
    found.map(|stand_in| (stand_in.say, stand_in.run)).unwrap_or_else(|error| {
        let _ = error.print();
        if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            ui::help(&format!("trjit stands in for `{name}` here, and takes what `trjit run --help` tells"));
        }
        std::process::exit(error.exit_code())
    })
}
