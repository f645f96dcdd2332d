//! The command line of the bench.

use crate::measures::Measure;
use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "Examples:
  trjit-bench                                             the start, against all engines on PATH
  trjit-bench --corpus DIR --peers wasmtime,wasmi         all measures on a corpus
  trjit-bench --corpus DIR --only lua,sqlite/2 --runs 31  two programs, the second with one case
  trjit-bench --from results/results.json                 tables and page of an earlier run, again";

/// Measures trjit beside other WebAssembly engines; bench/README.md says what each number means.
#[derive(Parser, Debug)]
#[command(name = "trjit-bench", after_help = EXAMPLES)]
pub struct Args {
    /// Engines to compare with (default: all that are on PATH).
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub peers: Option<Vec<String>>,
    /// Where a program is that is not on PATH, such as wasmtime=/opt/wasmtime.
    #[arg(long = "peer", value_name = "NAME=PATH", value_parser = pair)]
    pub paths: Vec<(String, PathBuf)>,
    /// The program to measure; trjit-run is expected beside it (default: beside the bench, or on PATH).
    #[arg(long, value_name = "PATH")]
    pub trjit: Option<PathBuf>,
    /// A folder with a corpus.json.
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
    /// Programs, or cases as program/case.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub only: Vec<String>,
    #[arg(long, value_delimiter = ',', value_name = "MEASURES", default_value = "start,cases,build,storage,instances")]
    pub measures: Vec<Measure>,
    /// Rounds of each series.
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// A series of long runs ends after these seconds, but not before three rounds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub budget: u64,
    /// What runs longer is killed and shown as failing.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub timeout: u64,
    /// How many instances, or processes, at once.
    #[arg(long, value_delimiter = ',', value_name = "COUNTS", default_value = "1,100,1000", value_parser = clap::value_parser!(u64).range(1..))]
    pub counts: Vec<u64>,
    /// Where results.json and index.html go.
    #[arg(long, value_name = "DIR", default_value = "bench-results")]
    pub out: PathBuf,
    /// Where programs run and caches are made (default: a temporary folder).
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// Measure nothing: tables and page of the results in this file.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
}

impl Args {
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

fn pair(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=PATH"))?;
    Ok((name.to_string(), path.into()))
}
