//! What can be written behind `trjit init`.

use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  trjit init
  trjit init --force path/to/project

Modules, tests and build files are looked at; nothing is run. Every key that trjit.toml may have stands in it, with its meaning.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Init {
    /// The directory of the project.
    #[arg(value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
    /// Write trjit.toml anew where there is one.
    #[arg(long)]
    pub force: bool,
}
