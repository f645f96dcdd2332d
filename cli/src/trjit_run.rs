//! The command `trjit-run`: `trjit run` without a compiler, an assembler and the text format, for production.

use clap::Parser;
use std::process::ExitCode;
use trjit_cli::args::Run;
use trjit_cli::{Linked, exit, run, version};

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

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = if cli.version { version::print(&LINKED, cli.json) } else { run::execute(&cli.run, &LINKED) };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => exit::report(&error),
    }
}
