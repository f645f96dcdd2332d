//! What can be written behind `trjit check`.

use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  trjit check app.trjit                                        on this machine
  trjit check app.trjit --module app.wasm --cpu-level x86-64-v2 --cpu-level x86-64-v3
  trjit check build/*.trjit --fuel --json

One line for each file and CPU. The status is 0 where all are accepted, 120 else.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    /// Caches (*.trjit).
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The module that the caches are to belong to.
    #[arg(long, value_name = "MODULE")]
    pub module: Option<PathBuf>,
    /// Ask for a CPU with this level: x86-64, x86-64-v2, x86-64-v3 or native (the default), the CPU of this machine. Several are asked one by one.
    #[arg(long = "cpu-level", value_name = "LEVEL")]
    pub levels: Vec<String>,
    /// Ask for runs that count fuel (`trjit run -W fuel=N`).
    #[arg(long)]
    pub fuel: bool,
    /// Ask for a machine that lays memories out so: reserved, or checked, where address space is limited.
    #[arg(long, value_name = "STYLE", default_value = "reserved", value_parser = ["reserved", "checked"])]
    pub memory: String,
    /// As JSON on standard output.
    #[arg(long)]
    pub json: bool,
}
