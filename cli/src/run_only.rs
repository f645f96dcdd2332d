//! The command line of `trjit-run`; `trjit` has it, too, for its completions.

use crate::args::Run;
use crate::ui::Say;
use clap::Parser;

const EXAMPLES: &str = "Examples:
  trjit-run --cache app.trjit --cache-mode require app.wasm
  trjit-run --allow-precompiled app.trjit
  trjit-run --dir data app.wasm data/x                  interpreted: there is no compiler in this binary";

/// Runs WebAssembly programs on caches of machine code that `trjit assemble` made; what a cache lacks is interpreted.
#[derive(Parser, Debug)]
#[command(name = "trjit-run", disable_version_flag = true, arg_required_else_help = true)]
#[command(override_usage = "trjit-run [OPTIONS] <MODULE> [ARGS]...", after_help = EXAMPLES)]
pub struct Cli {
    /// Print the version (with --json: commit, formats) and exit.
    #[arg(short = 'V', long)]
    pub version: bool,
    /// With --version: as JSON.
    #[arg(long, requires = "version")]
    pub json: bool,
    #[command(flatten)]
    pub say: Say,
    #[command(flatten)]
    pub run: Run,
}
