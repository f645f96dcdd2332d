//! The ways in which one program can run. Whatever the mode: the same results, output, status and trap.

use super::command::{Trjit, trjit, trjit_run};
use std::path::{Path, PathBuf};
use trjit_assemble::{Options, Silent};
use trjit_code::{MadeUpCounts, MemoryStyle, ScatteredExits, Steered, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, Module};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Every instruction is interpreted.
    Interpreter,
    /// What `trjit run` does by itself: hot functions are compiled beside the guest.
    Background,
    /// Every function and loop is compiled at its first use.
    Jit,
    /// As `Jit`, with counters first, and then at once by what these counted.
    Climbing,
    /// Recorded, as `trjit train` does it.
    Train,
    /// Every function comes from a cache.
    Cached,
    /// The same, where calls were inlined and code laid out by counts that were made up.
    Inlined,
    /// Every function comes from a cache, speculatively compiled by counts that were made up: code leaves where they say that nothing was executed.
    Speculative,
    /// The same, where code leaves before one instruction in eight.
    Exits,
    /// The cache alone, without the module's file.
    Precompiled,
    /// The cache alone, in the binary that only runs.
    RunOnly,
    /// Every second function comes from a cache, the others are interpreted.
    MixedEven,
    /// The other half.
    MixedOdd,
    /// Every second function comes from a cache, the others are compiled at their first use.
    MixedJit,
    /// Memories are checked: every second function comes from a cache for that, the others are compiled at their first use.
    Checked,
    /// What one training run entered comes from a cache, the rest is interpreted.
    Trained,
}

impl Mode {
    pub const ALL: [Mode; 16] = [
        Mode::Interpreter,
        Mode::Background,
        Mode::Jit,
        Mode::Climbing,
        Mode::Train,
        Mode::Cached,
        Mode::Inlined,
        Mode::Speculative,
        Mode::Exits,
        Mode::Precompiled,
        Mode::RunOnly,
        Mode::MixedEven,
        Mode::MixedOdd,
        Mode::MixedJit,
        Mode::Checked,
        Mode::Trained,
    ];
}

/// Compiles everything at its first use.
pub const EAGER: [&str; 6] = ["--jit", "sync", "--call-threshold", "1", "--loop-threshold", "1"];

/// A recursion that goes through a side exit at each level takes some KiB of native stack for each.
const DEEP: [&str; 2] = ["-W", "max-wasm-stack=7340032"];

/// A program and the caches made of it, in a directory of its own.
pub struct Program {
    pub module: PathBuf,
    caches: PathBuf,
}

impl Program {
    /// Assembles the caches of every mode but [`Mode::Trained`].
    pub fn new(module: &Path, caches: &Path) -> Program {
        let program = Program { module: module.to_path_buf(), caches: caches.to_path_buf() };
        let bytes = std::fs::read(module).expect("the fixture is readable");
        let wasm = wat::parse_bytes(&bytes).expect("the fixture's text is valid").into_owned();
        let parsed = Module::parse(wasm).expect("the fixture is a module that is supported");
        program.assemble(&parsed, "all", MemoryStyle::Reserved, |_| true);
        program.assemble(&parsed, "inlined", MemoryStyle::Reserved, |_| true);
        program.assemble(&parsed, "speculative", MemoryStyle::Reserved, |_| true);
        program.assemble(&parsed, "exits", MemoryStyle::Reserved, |_| true);
        program.assemble(&parsed, "even", MemoryStyle::Reserved, |function| function.0 % 2 == 0);
        program.assemble(&parsed, "odd", MemoryStyle::Reserved, |function| function.0 % 2 == 1);
        program.assemble(&parsed, "checked", MemoryStyle::Checked, |function| function.0 % 2 == 0);
        program
    }

    /// The cache of all functions, or of one half; see [`Program::new`].
    pub fn cache(&self, which: &str) -> PathBuf {
        self.caches.join(which).with_extension("trjit")
    }

    fn assemble(&self, module: &Module, which: &str, memory: MemoryStyle, wanted: fn(FuncIndex) -> bool) {
        let tier = matches!(which, "speculative" | "exits").then_some(Tier::T4);
        let compiler =
            Steered::new(CraneliftCompiler::new(), move |request| wanted(request.function).then_some(tier.unwrap_or(request.tier)));
        let compiler = match which {
            "inlined" | "speculative" => compiler.counting(MadeUpCounts { seed: 1 }),
            "exits" => compiler.counting(ScatteredExits { seed: 1, one_in: 8 }),
            _ => compiler,
        };
        let options = Options { all: true, threads: Some(1), memory, ..Options::default() };
        let assembled = trjit_assemble::assemble(module, None, &options, &compiler, &Silent).expect("the fixture can be assembled");
        let refused = module
            .functions()
            .iter()
            .enumerate()
            .filter(|(at, _)| !wanted(FuncIndex(module.function_count() - module.functions().len() as u32 + *at as u32)));
        assert_eq!(assembled.summary.failed.len(), refused.count(), "{}: {:?}", self.module.display(), assembled.summary.failed);
        trjit_cache_format::write_file(&self.cache(which), &assembled.bytes).expect("the scratch directory is writable");
    }

    /// Trains with these arguments (from before the module on) and assembles what was entered into the cache of [`Mode::Trained`].
    pub fn train(&self, prepare: impl Fn(Trjit) -> Trjit, guest: &[String], options: &[String]) {
        let profile = self.cache("trained").with_extension("trprof");
        let run = trjit(["train", "-o"]).arg(&profile).args(options).arg(&self.module).args(guest);
        prepare(run).run();
        let done =
            trjit(["assemble", "--threads", "1", "-o"]).arg(self.cache("trained")).arg("--profile").arg(&profile).arg(&self.module).run();
        assert_eq!(done.code(), 0, "{done:?}");
    }

    /// The command line of a mode, up to and with the guest's arguments.
    pub fn command(&self, mode: Mode, options: &[String], guest: &[String]) -> Trjit {
        let on_cache = |which: &str| trjit(["run", "--cache-mode", "require", "--cache"]).arg(self.cache(which));
        let off = ["--jit", "off"];
        let command = match mode {
            Mode::Interpreter => trjit(["run"]).args(off),
            Mode::Background => trjit(["run"]),
            Mode::Jit => trjit(["run"]).args(EAGER),
            Mode::Climbing => {
                trjit(["run"]).args(EAGER).args(["-O", "tiered,profile-calls=1,profile-loops=1,trivial-wasm=0,speculate"]).args(DEEP)
            }
            Mode::Train => trjit(["train", "-o"]).arg(self.caches.join("train.trprof")),
            Mode::Cached => on_cache("all").args(off),
            Mode::Inlined => on_cache("inlined").args(off),
            Mode::Speculative => on_cache("speculative").args(off).args(DEEP),
            Mode::Exits => on_cache("exits").args(off).args(DEEP),
            Mode::Precompiled => trjit(["run", "--allow-precompiled"]).args(off),
            Mode::RunOnly => trjit_run(["--allow-precompiled"]),
            Mode::MixedEven => on_cache("even").args(off),
            Mode::MixedOdd => on_cache("odd").args(off),
            Mode::MixedJit => on_cache("even").args(EAGER),
            Mode::Checked => on_cache("checked").args(EAGER).args(["-O", "memory-reservation=0"]),
            Mode::Trained => on_cache("trained").args(off),
        };
        let alone = matches!(mode, Mode::Precompiled | Mode::RunOnly);
        let module = if alone { self.cache("all") } else { self.module.clone() };
        command.args(options).arg(module).args(guest)
    }
}
