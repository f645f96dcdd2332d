//! The command line of `trjit`: what can be written, with its help. What it means is in `commands`.

use crate::check_args::Check;
use crate::ci_args::Ci;
use crate::init_args::Init;
use crate::profile_args::ProfileCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use trjit_cli::args::{Guest, Jit, Observe, Run, duration};
use trjit_cli::environment::{CPU_LEVEL, JIT, WORKLOAD};
use trjit_cli::exit::{FAILURE, Failure};
use trjit_cli::ui::Say;
use trjit_code::{CpuLevel, MemoryStyle};

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
    #[command(flatten)]
    pub say: Say,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a WebAssembly program.
    #[command(override_usage = "trjit run [OPTIONS] <MODULE> [ARGS]...", after_help = RUN_EXAMPLES)]
    Run(Run),
    /// Run a program and record its profile.
    Train(Train),
    /// Compile a program into a cache file.
    Assemble(Assemble),
    /// Show what a profile or a cache file holds.
    Inspect(Inspect),
    /// Write a first trjit.toml, by looking at the directory.
    Init(Init),
    /// Tell whether a cache would be used, without running it.
    Check(Check),
    /// Merge, show, compare and export profiles.
    Profile(ProfileCommand),
    /// Show what became of one function: counts, inlining, machine code, and why.
    Explain(Explain),
    /// Train, assemble, check and gate, as trjit.toml says.
    Ci(Ci),
    /// Print completions for a shell.
    Completions(Completions),
    /// Print a manual page, or write all of them.
    Man(Man),
}

const RUN_EXAMPLES: &str = "Examples:
  trjit run --dir . app.wasm input.txt
  trjit run --cache app.trjit --cache-mode require app.wasm
  trjit run --allow-precompiled app.trjit
  trjit run --invoke add math.wat 1 2
  trjit run -W timeout=10s,max-memory-size=1000000000 app.wasm";

const TRAIN_EXAMPLES: &str = "Examples:
  trjit train -o app.trprof --dir data app.wasm data/case-1
  trjit train --for 60s -o server.trprof server.wasm
  trjit train --wrap -o app.trprof -- make test          record all that `make test` runs with trjit
  trjit train --wrap --as wasmtime -o profiles/ -- ctest the same where tests call wasmtime

The profile is written however the run ends: by itself, by a trap, by SIGINT or SIGTERM, or after --for. The exit status is the guest's, or the command's.";

#[derive(Args, Debug)]
#[command(override_usage = "trjit train [OPTIONS] <MODULE> [ARGS]...\n       trjit train --wrap [OPTIONS] -- <COMMAND> [ARGS]...", after_help = TRAIN_EXAMPLES)]
pub struct Train {
    /// Where to write the profile (default: beside the module, with the extension .trprof). With --wrap also a directory: a profile for each module goes there.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Run a command (its words stand behind `--`), and record all that trjit runs beneath it.
    #[arg(long)]
    pub wrap: bool,
    /// With --wrap: merge the runs of this module alone.
    #[arg(long, value_name = "FILE", requires = "wrap")]
    pub module: Option<PathBuf>,
    /// With --wrap: what the command calls by this name, such as wasmtime, is trjit, with wasmtime's command line.
    #[arg(long = "as", value_name = "NAME", requires = "wrap")]
    pub stand_ins: Vec<String>,
    /// With --wrap: keep the traces of the runs in this directory, which must be empty.
    #[arg(long, value_name = "DIR", requires = "wrap")]
    pub spool: Option<PathBuf>,
    /// Stop the guest after this time and write the profile (such as 500ms, 60s, 5m).
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
    /// A name for this run (with --wrap: for all runs) in the profile ("default").
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// How what gets hot is compiled, with the profile's counters in the code: background (default), sync, off.
    #[arg(long, value_name = "HOW")]
    pub jit: Option<Jit>,
    /// Say on standard error what was recorded.
    #[arg(short, long)]
    pub verbose: bool,
    #[command(flatten)]
    pub observe: Observe,
    #[command(flatten)]
    pub guest: Guest,
}

impl Train {
    /// Fills in what variables say where the command line says nothing.
    pub fn fill(&mut self) -> Result<(), Failure> {
        JIT.fill_choice(&mut self.jit)?;
        WORKLOAD.fill(&mut self.workload, |name| Some(name.to_string()), || "a name".to_string())?;
        self.observe.fill()
    }
}

/// For what code is made of a module.
#[derive(Args, Debug)]
pub struct Target {
    /// The CPUs that the code is for: x86-64, x86-64-v2, x86-64-v3 or native (the default), the best level of this machine.
    #[arg(long, value_name = "LEVEL")]
    pub cpu_level: Option<String>,
    /// Let the code count fuel, for `trjit run -W fuel=N`.
    #[arg(long)]
    pub fuel: bool,
    /// How the program's memories are laid out where it runs: reserved, or checked, for machines that limit address space (`ulimit -v`).
    #[arg(long, value_name = "STYLE", default_value = "reserved", value_parser = ["reserved", "checked"])]
    pub memory: String,
}

impl Target {
    /// The level that the command line says, else the variable, else that of this machine.
    pub fn level(&self) -> Result<CpuLevel, Failure> {
        let parse = trjit_assemble::options::parse_level;
        if let Some(level) = &self.cpu_level {
            return parse(level).map_err(|error| {
                Failure::new(FAILURE, error.to_string()).with_help("leave --cpu-level out for the level of this machine")
            });
        }
        let mut level = None;
        CPU_LEVEL.fill(&mut level, |text| parse(text).ok(), || "x86-64, x86-64-v2, x86-64-v3 or native".to_string())?;
        Ok(level.unwrap_or_else(trjit_assemble::options::host_level))
    }

    pub fn memory(&self) -> MemoryStyle {
        MemoryStyle::parse(&self.memory).unwrap_or(MemoryStyle::Reserved)
    }
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
    /// Compile every function, also where there is no profile.
    #[arg(long)]
    pub all: bool,
    /// Compile only what a profile holds. Without this small modules (up to 4 MiB of code) are compiled whole, what no profile holds last; of larger ones also functions that loop and call nothing.
    #[arg(long, conflicts_with = "all")]
    pub recorded_only: bool,
    /// Where to write the cache (default: beside the module, with the extension .trjit).
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub target: Target,
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

const EXPLAIN_EXAMPLES: &str = "Examples:
  trjit explain app.trjit compress --profile app.trprof
  trjit explain app.trjit 1234 --asm=false --clif
  trjit explain app.wasm compress --profile app.trprof --html compress.html
  trjit explain app.wasm compress --profile app.trprof --tier T4 --log run.log";

#[derive(Args, Debug)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub struct Explain {
    /// A cache (*.trjit), or a module: then what `assemble` would make of it.
    pub file: PathBuf,
    /// The function: its index, the name of its export, or its name in the name section.
    #[arg(value_name = "FUNC")]
    pub function: String,
    /// The profile that the cache was assembled with, or is to be; several are merged.
    #[arg(long = "profile", value_name = "FILE")]
    pub profiles: Vec<PathBuf>,
    /// Show the machine code.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub asm: bool,
    /// Show Cranelift IR: of the body, after inlining, after optimization.
    #[arg(long)]
    pub clif: bool,
    /// How many sites to list, the hottest (0: all).
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// Write a page with the control flow drawn, blocks coloured by heat, beside the machine code.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Of a module: compile it for this tier, whatever the plan says. T4 leaves for the interpreter where the profile says nothing is executed.
    #[arg(long, value_name = "TIER", value_parser = ["A1", "T2", "A3", "T3", "AP4", "T4"])]
    pub tier: Option<String>,
    /// The compilation log of a run (`run --log-compilation=FILE`): how often each side exit was taken.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    #[command(flatten)]
    pub target: Target,
}

const COMPLETIONS_EXAMPLES: &str = "Examples:
  trjit completions bash > ~/.local/share/bash-completion/completions/trjit
  trjit completions zsh > ~/.zfunc/_trjit                (with ~/.zfunc in $fpath)
  trjit completions fish > ~/.config/fish/completions/trjit.fish
  trjit completions bash --program trjit-run > ~/.local/share/bash-completion/completions/trjit-run";

#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct Completions {
    /// The shell that is to read them.
    pub shell: clap_complete::Shell,
    /// The command that is to be completed.
    #[arg(long, value_name = "NAME", default_value = "trjit")]
    pub program: Program,
}

/// The commands that this package has.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    Trjit,
    TrjitRun,
}

const MAN_EXAMPLES: &str = "Examples:
  trjit man | man -l -
  trjit man profile merge | man -l -
  trjit man -o ~/.local/share/man/man1";

#[derive(Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub struct Man {
    /// The command whose page is printed (default: that of trjit itself).
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    pub command: Vec<String>,
    /// Write the pages of all commands into this directory, and print none.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}
