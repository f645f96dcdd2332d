//! The ways in which one program can run. Whatever the mode: the same results, output, status and trap.

use super::command::{Trjit, trjit};
use std::path::{Path, PathBuf};
use trjit_assemble::{Options, Silent};
use trjit_code::{CompileError, CompileRequest, CompiledFunction, Compiler, Settings};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, Module, TypeIndex};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Every instruction is interpreted.
    Interpreter,
    /// What `trjit run` does by itself: hot functions are compiled beside the guest.
    Background,
    /// Every function and loop is compiled at its first use.
    Jit,
    /// The recording interpreter.
    Train,
    /// Every function comes from a cache.
    Cached,
    /// The cache alone, without the module's file.
    Precompiled,
    /// Every second function comes from a cache, the others are interpreted.
    MixedEven,
    /// The other half.
    MixedOdd,
    /// Every second function comes from a cache, the others are compiled at their first use.
    MixedJit,
    /// What one training run entered comes from a cache, the rest is interpreted.
    Trained,
}

impl Mode {
    pub const ALL: [Mode; 10] = [
        Mode::Interpreter,
        Mode::Background,
        Mode::Jit,
        Mode::Train,
        Mode::Cached,
        Mode::Precompiled,
        Mode::MixedEven,
        Mode::MixedOdd,
        Mode::MixedJit,
        Mode::Trained,
    ];
}

/// Compiles everything at its first use.
pub const EAGER: [&str; 6] = ["--jit", "sync", "--call-threshold", "1", "--loop-threshold", "1"];

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
        let translate = |_: FuncIndex| true;
        program.assemble(&parsed, "all", &translate);
        program.assemble(&parsed, "even", &|function| function.0 % 2 == 0);
        program.assemble(&parsed, "odd", &|function| function.0 % 2 == 1);
        program
    }

    /// The cache of all functions, or of one half; see [`Program::new`].
    pub fn cache(&self, which: &str) -> PathBuf {
        self.caches.join(which).with_extension("trjit")
    }

    fn assemble(&self, module: &Module, which: &str, wanted: &(dyn Fn(FuncIndex) -> bool + Sync)) {
        let compiler = Selective { wanted, inner: CraneliftCompiler::new() };
        let options = Options { all: true, threads: Some(1), ..Options::default() };
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
            Mode::Train => trjit(["train", "-o"]).arg(self.caches.join("train.trprof")),
            Mode::Cached => on_cache("all").args(off),
            Mode::Precompiled => trjit(["run", "--allow-precompiled"]).args(off),
            Mode::MixedEven => on_cache("even").args(off),
            Mode::MixedOdd => on_cache("odd").args(off),
            Mode::MixedJit => on_cache("even").args(EAGER),
            Mode::Trained => on_cache("trained").args(off),
        };
        let module = if mode == Mode::Precompiled { self.cache("all") } else { self.module.clone() };
        command.args(options).arg(module).args(guest)
    }
}

/// The real compiler for some functions; the others stay with the interpreter.
struct Selective<'a> {
    wanted: &'a (dyn Fn(FuncIndex) -> bool + Sync),
    inner: CraneliftCompiler,
}

impl Compiler for Selective<'_> {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        match (self.wanted)(request.function) {
            true => self.inner.compile(request),
            false => Err(CompileError::Unsupported { function: request.function, what: "nothing that this test wants compiled".into() }),
        }
    }

    fn to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.inner.to_native(module, ty, settings)
    }

    fn to_interpreter(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.inner.to_interpreter(module, ty, settings)
    }

    fn tail_to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.inner.tail_to_native(module, ty, settings)
    }

    fn version(&self) -> String {
        self.inner.version()
    }
}
