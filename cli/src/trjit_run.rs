//! The command `trjit-run`: `trjit run` without a compiler, an assembler and the text format, for production.
#![no_main]

use clap::Parser;
use std::ffi::{c_char, c_int};
use trjit_cli::args::Run;
use trjit_cli::timings::Timings;
use trjit_cli::{Linked, exit, quick, run, start, version};

const LINKED: Linked = Linked::run_only("trjit-run");

const EXAMPLES: &str = "Examples:
  trjit-run --cache app.trjit --cache-mode require app.wasm
  trjit-run --allow-precompiled app.trjit
  trjit-run --dir data app.wasm data/x                  interpreted: there is no compiler in this binary";

/// Runs WebAssembly programs on caches of machine code that `trjit assemble` made; what a cache lacks is interpreted.
#[derive(Parser, Debug)]
#[command(name = "trjit-run", disable_version_flag = true, arg_required_else_help = true)]
#[command(override_usage = "trjit-run [OPTIONS] <MODULE> [ARGS]...", after_help = EXAMPLES)]
struct Cli {
    /// Print the version (with --json: commit, formats) and exit.
    #[arg(short = 'V', long)]
    version: bool,
    /// With --version: as JSON.
    #[arg(long, requires = "version")]
    json: bool,
    #[command(flatten)]
    run: Run,
}

/// Called by the C library, see [`start`].
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
    start::prepare();
    let timings = Timings::start();
    let result = match quick::parse(std::env::args_os().skip(1)) {
        Some(run) => run::execute(&run, &LINKED, timings),
        None => match Cli::parse() {
            Cli { version: true, json, .. } => version::print(&LINKED, json),
            Cli { run, .. } => run::execute(&run, &LINKED, timings),
        },
    };
    let status = result.unwrap_or_else(|error| exit::report(&error));
    std::process::exit(status.into())
}
