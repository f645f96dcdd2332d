//! What can be written behind `trjit ci`.

use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  trjit ci                     train, assemble, check, repeat, gates: as trjit.toml says
  trjit ci --accept            take the figures as the new baseline
  trjit ci --train-only        nightly: train, and keep the profile
  trjit ci --no-train          on every push: assemble by the kept profile";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Ci {
    /// What to do; paths in it are relative to its directory.
    #[arg(long, value_name = "FILE", default_value = "trjit.toml")]
    pub config: PathBuf,
    /// Take the figures of this run as the new baseline; gates against the old one are not judged.
    #[arg(long, conflicts_with = "train_only")]
    pub accept: bool,
    /// Use the kept profile, and train nothing.
    #[arg(long)]
    pub no_train: bool,
    /// Train, write the profile, and end.
    #[arg(long, conflicts_with = "no_train")]
    pub train_only: bool,
    /// Do everything again, also where nothing has changed.
    #[arg(long)]
    pub force: bool,
    /// Tell what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the JSON schema of trjit.toml.
    #[arg(long)]
    pub schema: bool,
    /// Print the report as JSON on standard output.
    #[arg(long)]
    pub json: bool,
    /// On a terminal, print a line for each thing done, too.
    #[arg(short, long)]
    pub verbose: bool,
}
