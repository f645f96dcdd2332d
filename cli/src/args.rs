//! The command line: what can be written, with its help. What it means is in `commands`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "Examples:
  trjit run app.wasm                                     run a WASI command
  trjit train -o app.trprof --dir data app.wasm data/x   run it once more, recorded
  trjit assemble app.wasm --profile app.trprof           compile what ran into app.trjit
  trjit run --cache app.trjit --dir data app.wasm data/y start on compiled code";

/// Makes WebAssembly programs start hot: train on tests, assemble a cache of machine code, run on it.
#[derive(Parser, Debug)]
#[command(name = "trjit", disable_version_flag = true, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// Print the version (with --json: commit, compiler, formats) and exit.
    #[arg(short = 'V', long)]
    pub version: bool,
    /// With --version: as JSON.
    #[arg(long, requires = "version")]
    pub json: bool,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a WebAssembly program.
    Run(Run),
    /// Run a program and record its profile.
    Train(Train),
    /// Compile a program into a cache file.
    Assemble(Assemble),
    /// Show what a profile or a cache file holds.
    Inspect(Inspect),
}

/// What the guest gets; the flags are those of `wasmtime run`.
#[derive(Args, Debug)]
pub struct Guest {
    /// Give the guest a directory of the host, under its own path or another.
    #[arg(long = "dir", value_name = "HOST_DIR[::GUEST_DIR]")]
    pub dirs: Vec<String>,
    /// Set an environment variable of the guest; without a value it is inherited.
    #[arg(long = "env", value_name = "NAME[=VAL]")]
    pub env: Vec<String>,
    /// Call this exported function instead of the program's start; its arguments follow the module, its results are printed.
    #[arg(long, value_name = "FUNCTION")]
    pub invoke: Option<String>,
    /// The guest's argv[0] (default: the module's file name).
    #[arg(long, value_name = "STRING")]
    pub argv0: Option<String>,
    /// Instantiate another module first and link what it exports under this name.
    #[arg(long = "preload", value_name = "NAME=MODULE_PATH")]
    pub preloads: Vec<String>,
    /// Limits and features of WebAssembly (`-W help` lists them).
    #[arg(short = 'W', long = "wasm", value_name = "KEY[=VAL[,..]]")]
    pub wasm: Vec<String>,
    /// WASI options (`-S help` lists them).
    #[arg(short = 'S', long = "wasi", value_name = "KEY[=VAL[,..]]")]
    pub wasi: Vec<String>,
    /// Code generation options (`-C help` lists them).
    #[arg(short = 'C', long = "codegen", value_name = "KEY[=VAL[,..]]")]
    pub codegen: Vec<String>,
    /// The module (binary or text format), then the guest's own arguments.
    #[arg(trailing_var_arg = true, value_name = "MODULE [ARGS]", num_args = 1..)]
    pub module_and_args: Vec<std::ffi::OsString>,
}

const RUN_EXAMPLES: &str = "Examples:
  trjit run --dir . app.wasm input.txt
  trjit run --cache app.trjit --cache-mode require app.wasm
  trjit run --allow-precompiled app.trjit
  trjit run --invoke add math.wat 1 2
  trjit run -W timeout=10s,max-memory-size=1000000000 app.wasm";

#[derive(Args, Debug)]
#[command(override_usage = "trjit run [OPTIONS] <MODULE> [ARGS]...", after_help = RUN_EXAMPLES)]
pub struct Run {
    /// Run on the compiled code of this cache file. It is native code: name only files that you trust.
    #[arg(long, value_name = "FILE", help_heading = "Cache")]
    pub cache: Option<PathBuf>,
    /// What to do with the cache: use it or say why not and go on; fail when it is refused; ignore it.
    #[arg(long, value_name = "MODE", default_value = "auto", help_heading = "Cache")]
    pub cache_mode: CacheMode,
    /// Allow the module to be a cache file, which holds the module and native code.
    #[arg(long, help_heading = "Cache")]
    pub allow_precompiled: bool,
    /// Compile what gets hot: on a thread beside the guest, at once while the guest waits, or never.
    #[arg(long, value_name = "WHEN", default_value = "background", help_heading = "Tiers")]
    pub jit: Jit,
    /// Calls of an interpreted function before it is compiled.
    #[arg(long, value_name = "CALLS", help_heading = "Tiers")]
    pub call_threshold: Option<u32>,
    /// Back-edges in an interpreted function before its loop is compiled.
    #[arg(long, value_name = "BACK_EDGES", help_heading = "Tiers")]
    pub loop_threshold: Option<u32>,
    /// Say on standard error what was used: cache, tiers, time.
    #[arg(short, long)]
    pub verbose: bool,
    #[command(flatten)]
    pub guest: Guest,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheMode {
    Auto,
    Require,
    Off,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Jit {
    Background,
    Sync,
    Off,
}

const TRAIN_EXAMPLES: &str = "Examples:
  trjit train -o app.trprof --dir data app.wasm data/case-1
  trjit train --for 60s -o server.trprof server.wasm

The profile is written however the run ends: by itself, by a trap, by SIGINT or SIGTERM, or after --for. The exit status is the guest's.";

#[derive(Args, Debug)]
#[command(override_usage = "trjit train [OPTIONS] <MODULE> [ARGS]...", after_help = TRAIN_EXAMPLES)]
pub struct Train {
    /// Where to write the profile (default: beside the module, with the extension .trprof).
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Stop the guest after this time and write the profile (such as 500ms, 60s, 5m).
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
    /// A name for this run in the profile.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub workload: String,
    /// Say on standard error what was recorded.
    #[arg(short, long)]
    pub verbose: bool,
    #[command(flatten)]
    pub guest: Guest,
}

const ASSEMBLE_EXAMPLES: &str = "Examples:
  trjit assemble app.wasm --profile app.trprof
  trjit assemble app.wasm --profile a.trprof --profile b.trprof -o app.trjit
  trjit assemble app.wasm --all --cpu-level x86-64-v3 --verify";

#[derive(Args, Debug)]
#[command(after_help = ASSEMBLE_EXAMPLES)]
pub struct Assemble {
    /// The module, in the binary or the text format.
    pub module: PathBuf,
    /// A profile of the program; several are merged.
    #[arg(long = "profile", value_name = "FILE")]
    pub profiles: Vec<PathBuf>,
    /// Compile every function, not only those that a profile holds.
    #[arg(long)]
    pub all: bool,
    /// Where to write the cache (default: beside the module, with the extension .trjit).
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The CPUs that the code is for: x86-64, x86-64-v2, x86-64-v3 or native, the best level of this machine.
    #[arg(long, value_name = "LEVEL", default_value = "native")]
    pub cpu_level: String,
    /// Let the code count fuel, for `trjit run -W fuel=N`.
    #[arg(long)]
    pub fuel: bool,
    /// Compiling threads (default: one a CPU). The result is the same with any number.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Check what was written: compile all again and compare, and read each instruction for what it needs of the CPU.
    #[arg(long)]
    pub verify: bool,
    /// Print the summary as JSON on standard output.
    #[arg(long)]
    pub json: bool,
    /// Also list what could not be compiled, and the time of each step.
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(Args, Debug)]
pub struct Inspect {
    /// A profile (*.trprof) or a cache (*.trjit).
    pub file: PathBuf,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// How many functions to list.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
}

/// Parses `500ms`, `60s`, `5m`, `1h`, or plain seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit `{unit}` in `{text}`; expected ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is not a duration such as 500ms, 60s or 5m"))?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| format!("`{text}` is too long"))
}
