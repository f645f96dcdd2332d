//! The command line of `trjit profile`: what can be written, with its help. What it means is in `commands/profile`.

use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

const MERGE_EXAMPLES: &str = "Examples:
  trjit profile merge -o app.trprof tests/*.trprof
  trjit profile merge -o app.trprof 10:production.trprof tests.trprof
  trjit profile merge -o app.trprof --module app.wasm last-week.trprof today.trprof
  find spool -name '*.trprof' | trjit profile merge -o app.trprof --files-from -";

const SHOW_EXAMPLES: &str = "Examples:
  trjit profile show app.trprof
  trjit profile show --module app.wasm --top 30 app.trprof";

const DIFF_EXAMPLES: &str = "Examples:
  trjit profile diff before.trprof after.trprof";

const SIMILARITY_EXAMPLES: &str = "Examples:
  trjit profile similarity tests/*.trprof
  trjit profile similarity --threshold 90 --pairs tests/*.trprof";

const EXPORT_EXAMPLES: &str = "Examples:
  trjit profile export --format pprof -o app.pb.gz --module app.wasm app.trprof
  trjit profile export --format folded --module app.wasm app.trprof | flamegraph.pl > app.svg";

/// Merge, show, compare and export profiles.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct ProfileCommand {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Merge profiles into one, with weights.
    Merge(Merge),
    /// Show runs and hottest functions; with a module what it covers, and what became of it there.
    Show(Show),
    /// Show what differs between two profiles.
    Diff(Diff),
    /// Show how alike runs are, and which add nothing to the others.
    Similarity(Similarity),
    /// Write a profile for other tools: pprof, or folded stacks for flame graphs.
    Export(Export),
}

#[derive(Args, Debug)]
#[command(after_help = MERGE_EXAMPLES)]
pub struct Merge {
    /// A profile; behind `WEIGHT:` its counts, and the weights of its runs, are multiplied. A file with such a name is written `./1:FILE`.
    #[arg(value_name = "[WEIGHT:]FILE", required_unless_present = "files_from")]
    pub inputs: Vec<OsString>,
    /// Where to write the merged profile.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Read names of more profiles from this file, one a line (-: from standard input).
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// Carry the profiles over to this build of the program: functions are found again by their bodies. Without it all profiles must be of one build.
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// Print the summary as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub struct Show {
    /// A profile (*.trprof).
    pub file: PathBuf,
    /// A build of the program: how much of it the profile covers, and what became of the recorded functions.
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// How many functions to list.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = DIFF_EXAMPLES)]
pub struct Diff {
    /// The older profile.
    pub before: PathBuf,
    /// The newer one, of the same build or of another.
    pub after: PathBuf,
    /// How many functions each list has.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// The list by factor leaves out functions with less than this share of calls and back-edges in both profiles.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.1, value_parser = percent)]
    pub min_share: f64,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = SIMILARITY_EXAMPLES)]
pub struct Similarity {
    /// Profiles, of the same build or of several; each may hold several runs.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Runs that are at least so similar are in one cluster.
    #[arg(long, value_name = "PERCENT", default_value_t = 80.0, value_parser = percent)]
    pub threshold: f64,
    /// List all pairs.
    #[arg(long)]
    pub pairs: bool,
    /// How many names each list has (JSON has all).
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = EXPORT_EXAMPLES)]
pub struct Export {
    /// A profile (*.trprof).
    pub file: PathBuf,
    /// The module that was recorded, or another build of it: it tells the names, who calls whom, and how many instructions that took.
    #[arg(long, value_name = "FILE")]
    pub module: PathBuf,
    /// What to write: pprof (Protocol Buffers within gzip), or folded (a line a stack).
    #[arg(long, value_name = "FORMAT")]
    pub format: Format,
    /// What folded stacks count, and what pprof shows first: instructions or calls.
    #[arg(long, value_name = "WHAT", default_value = "instructions")]
    pub value: Value,
    /// Where to write it (default: standard output).
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Pprof,
    Folded,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    Instructions,
    Calls,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| format!("expected a number of percent, from 0 to 100, found `{text}`"))
}
