//! `trjit.toml`, as data: what the file may say, with its defaults. The flow begins here.
//!
//! ```toml
//! module = "build/app.wasm"
//!
//! [train]
//! timeout = "60s"
//!
//! [[train.run]]
//! name = "report"
//! args = ["report", "/data/year.csv"]
//! dirs = ["tests/data::/data"]
//! expect = { stdout = "tests/report.expected" }
//!
//! [[train.run]]
//! name = "import"
//! args = ["import", "/data/new.csv"]
//! dirs = ["tests/data::/data"]
//! left-out = true
//!
//! [[target]]
//! cpu-level = "x86-64-v3"
//!
//! [gates]
//! calls-covered = "95%"
//! ```
//! Invariant: paths are as written, relative to the directory of the file.
//!
//! [`keys`] is the table of what may be said; [`load`] reads a file by it, [`schema`](schema::schema) tells it to editors.

pub mod keys;
mod kinds;
mod nearest;
mod problem;
mod read;
mod rules;
pub mod run_options;
mod schema;
mod section;
mod values;

pub use problem::{ConfigError, Problem, What};
pub use read::{load, parse};
pub use schema::schema;
use std::path::PathBuf;
use std::time::Duration;
use trjit_code::{CpuLevel, MemoryStyle};

/// The name of the file.
pub const CONFIG_FILE: &str = "trjit.toml";

/// All of `trjit.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The module, `*.wasm` or `*.wat`.
    pub module: PathBuf,
    pub train: Train,
    /// At least one.
    pub targets: Vec<Target>,
    pub gates: Gates,
    pub output: Output,
}

/// `[train]`: where the profile comes from. At least one of `command`, `profile` and a run that is not left out is given; what several give is merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// Runs at once; `None`: one a CPU.
    pub jobs: Option<usize>,
    /// How long one run may take, where it does not say so itself.
    pub timeout: Duration,
    /// A test command, wrapped: each `trjit run` beneath it is recorded.
    pub command: Option<Wrapped>,
    /// A profile that is kept with the sources, such as the one of a nightly training.
    pub profile: Option<PathBuf>,
    /// `[[train.run]]`
    pub runs: Vec<Run>,
}

/// A test command.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrapped {
    /// Program and arguments; started in the directory of the file.
    pub command: Vec<String>,
    /// `as`: the name under which trjit stands first on PATH, such as `wasmtime`.
    pub shim: Option<String>,
    /// Files and directories that the command depends on beside the module. Where they are named, an unchanged command is not run again.
    pub inputs: Vec<PathBuf>,
    pub timeout: Option<Duration>,
}

/// `[[train.run]]`: one run of the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Unique. What this run is called in messages, and its workload in the profile.
    pub name: String,
    /// The guest's arguments.
    pub args: Vec<String>,
    /// A file for standard input; none: nothing to read.
    pub stdin: Option<PathBuf>,
    /// `HOST[::GUEST]`, as of `trjit run --dir`. Runs share what they write there: give them [`scratch`](Self::scratch) for that.
    pub dirs: Vec<String>,
    /// Guest paths of directories that are empty at the start of each run and gone after it.
    pub scratch: Vec<String>,
    /// `NAME=VALUE`
    pub env: Vec<String>,
    /// Further options of `trjit run`, such as `-W` and `--invoke`.
    pub options: Vec<String>,
    pub expect: Expect,
    /// Its counts are multiplied by this, 1 or more.
    pub weight: u32,
    pub timeout: Option<Duration>,
    /// Not trained on: the gates measure coverage on these runs.
    pub left_out: bool,
}

/// What a run must do, else the step fails.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Expect {
    /// The exit status; 0 where nothing is said. 134: it traps.
    pub exit: u8,
    /// A file with what it prints on standard output.
    pub stdout: Option<PathBuf>,
    /// Or its SHA-256, in hexadecimal digits.
    pub stdout_sha256: Option<String>,
    /// Output that may differ from run to run: it is not compared with that of the run on the cache.
    pub nondeterministic: bool,
}

/// `[[target]]`: a cache to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub cpu_level: CpuLevel,
    pub memory: MemoryStyle,
    pub fuel: bool,
    /// Compile every function.
    pub all: bool,
    /// Compile only what was recorded.
    pub recorded_only: bool,
    /// Check the code by a second compilation and a disassembler (`assemble --verify`).
    pub verify: bool,
    /// The file; none: that of the module with the extension `trjit`, or `LEVEL.trjit` where there are several targets.
    pub cache: Option<PathBuf>,
}

/// `[gates]`: what must hold for the step to pass. What is not said is not asked. Shares are 0 to 1.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Gates {
    /// Least share of calls of the left-out runs into functions with compiled code.
    pub calls_covered: Option<f64>,
    /// Least share of their executed instructions in such functions.
    pub instructions_covered: Option<f64>,
    /// Largest cache, in bytes.
    pub cache_size: Option<u64>,
    /// Largest share of a kept profile's calls that the module has no function for any more.
    pub staleness: Option<f64>,
    /// CPU levels for which a cache must be there that is accepted. Each target's own level always is.
    pub accept: Vec<CpuLevel>,
    /// Largest growth of a cache against the baseline, as a share.
    pub growth: Option<f64>,
    /// Largest loss of covered calls or instructions against the baseline, as a share of all.
    pub coverage_loss: Option<f64>,
    /// Largest wall time of the runs on the cache by that without it. Off unless it is said: shared runners are noisy.
    pub time_ratio: Option<f64>,
}

/// `[output]`: where results go.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The merged profile.
    pub profile: Option<PathBuf>,
    /// The baseline, kept with the sources.
    pub baseline: PathBuf,
    /// The Markdown summary, for whoever wants it as a file.
    pub summary: Option<PathBuf>,
}

impl Config {
    /// The file that a target's cache is written to: as the target says, or beside the module, with the level in its name where there are several targets.
    pub fn cache_of(&self, target: &Target) -> PathBuf {
        match &target.cache {
            Some(cache) => cache.clone(),
            None if self.targets.len() > 1 => self.module.with_extension(format!("{}.trjit", target.cpu_level.name())),
            None => self.module.with_extension("trjit"),
        }
    }
}
