//! The options of running a program, which `trjit run`, `trjit train` and `trjit-run` share, with their help. What they mean is in [`run`](crate::run) and
//! [`guest`](crate::guest).

use crate::compilation_log::STANDARD_ERROR;
use crate::environment::{CACHE, CACHE_MODE, CALL_THRESHOLD, JIT, LOG_COMPILATION, LOOP_THRESHOLD, STATS, TIMINGS};
use crate::exit::Failure;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

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
    /// Optimization and tuning options (`-O help` lists them).
    #[arg(short = 'O', long = "optimize", value_name = "KEY[=VAL[,..]]")]
    pub optimize: Vec<String>,
    /// The module (binary or text format), then the guest's own arguments.
    #[arg(trailing_var_arg = true, value_name = "MODULE [ARGS]", num_args = 1..)]
    pub module_and_args: Vec<std::ffi::OsString>,
}

/// How to run a program, and on what.
#[derive(Args, Debug)]
pub struct Run {
    /// Run on the compiled code of this cache file. It is native code: name only files that you trust.
    #[arg(long, value_name = "FILE", help_heading = "Cache")]
    pub cache: Option<PathBuf>,
    /// What to do with the cache: use it or say why not and go on (auto, the default); fail when it is refused; ignore it.
    #[arg(long, value_name = "MODE", help_heading = "Cache")]
    pub cache_mode: Option<CacheMode>,
    /// Allow the module to be a cache file, which holds the module and native code.
    #[arg(long, help_heading = "Cache")]
    pub allow_precompiled: bool,
    /// Compile what gets hot: on a thread beside the guest, at once while the guest waits, or never [default: background where there is a compiler].
    #[arg(long, value_name = "WHEN", help_heading = "Tiers")]
    pub jit: Option<Jit>,
    /// Compile what gets hot by what this profile counted; with `-O speculate=y` speculatively. Several are merged.
    #[arg(long, value_name = "PROFILE", help_heading = "Tiers")]
    pub counts: Vec<PathBuf>,
    /// Calls of an interpreted function before it is compiled.
    #[arg(long, value_name = "CALLS", help_heading = "Tiers")]
    pub call_threshold: Option<u32>,
    /// Back-edges in an interpreted function before its loop is compiled.
    #[arg(long, value_name = "BACK_EDGES", help_heading = "Tiers")]
    pub loop_threshold: Option<u32>,
    /// Say on standard error what was used: cache, tiers, time.
    #[arg(short, long)]
    pub verbose: bool,
    /// Say on standard error, at the end, how long each part of the run took.
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub timings: Option<TimingsFormat>,
    #[command(flatten)]
    pub observe: Observe,
    #[command(flatten)]
    pub guest: Guest,
}

impl Run {
    /// Fills in what variables say where the command line says nothing.
    pub fn fill(&mut self) -> Result<(), Failure> {
        CACHE.fill_path(&mut self.cache);
        CACHE_MODE.fill_choice(&mut self.cache_mode)?;
        JIT.fill_choice(&mut self.jit)?;
        CALL_THRESHOLD.fill_number(&mut self.call_threshold)?;
        LOOP_THRESHOLD.fill_number(&mut self.loop_threshold)?;
        TIMINGS.fill_choice(&mut self.timings)?;
        self.observe.fill()
    }
}

/// What is told of the code that is made.
#[derive(Args, Debug, Default)]
pub struct Observe {
    /// Log each compilation and installation of code, a line each: on standard error, or to a file.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = STANDARD_ERROR)]
    pub log_compilation: Option<PathBuf>,
    /// Say on standard error, at the end, what was compiled by tier, and which tiers were called.
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub stats: Option<StatsFormat>,
    /// Tell profilers what code is: perfmap writes /tmp/perf-PID.map, jitdump writes jit-PID.dump for `perf inject --jit`.
    #[arg(long, value_name = "FORMAT")]
    pub profile: Option<PerfFormat>,
}

impl Observe {
    /// As [`Run::fill`].
    pub fn fill(&mut self) -> Result<(), Failure> {
        LOG_COMPILATION.fill_path(&mut self.log_compilation);
        STATS.fill_choice(&mut self.stats)
    }
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatsFormat {
    Text,
    Json,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum PerfFormat {
    Perfmap,
    Jitdump,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimingsFormat {
    Text,
    Json,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheMode {
    Auto,
    Require,
    /// Required by the module that the cache was made from; any other runs as without.
    Own,
    Off,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Jit {
    Background,
    Sync,
    Off,
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
