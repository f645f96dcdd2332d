//! The modes that the tests of the API run on: the same modules interpreted, compiled in this process, and from a cache that the test assembles.
// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use trjit_assemble::{Options, Silent, assemble};
use trjit_code::{CompileRequest, Compiler, MadeUpCounts, Steered};
use trjit_compile::CraneliftCompiler;
use trjit_runtime::{Config, Counters, Engine, Error, Module, Trap, Tunables};

pub type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// How guest functions run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Interpreted,
    /// Recorded, which is interpreted, too.
    Recorded,
    /// All functions compiled before anything runs.
    Compiled,
    /// All functions from a cache.
    Cached,
    /// The same, where calls were inlined by counts that were made up.
    Inlined,
    /// Every second function from a cache, the others interpreted.
    HalfCached,
}

pub const MODES: [Mode; 6] = [Mode::Interpreted, Mode::Recorded, Mode::Compiled, Mode::Cached, Mode::Inlined, Mode::HalfCached];

/// An engine of one mode, and the way to modules for it.
pub struct Api {
    pub mode: Mode,
    pub engine: Engine,
    /// Of the counts of [`Mode::Inlined`].
    seed: u64,
    caches: tempfile::TempDir,
    next: AtomicU32,
}

impl Api {
    pub fn new(mode: Mode) -> Result<Api> {
        let compiler = (mode == Mode::Compiled).then(|| Arc::new(CraneliftCompiler::new()) as Arc<dyn Compiler>);
        // Nothing is compiled behind the test's back.
        let tunables = Tunables { background: false, call_threshold: u32::MAX, loop_threshold: u32::MAX, ..Tunables::default() };
        // Even small images of memories are mapped in one of the modes.
        let copied_image = if mode == Mode::Cached { 0 } else { usize::MAX };
        let tunables = Tunables { copied_image, ..tunables };
        let config = Config { compiler, tunables, record_profile: mode == Mode::Recorded, ..Config::default() };
        Ok(Api { mode, engine: Engine::new(config), seed: 2, caches: tempfile::tempdir()?, next: AtomicU32::new(0) })
    }

    pub fn module(&self, text: &str) -> Result<Module> {
        let wasm = wat::parse_str(text)?;
        match self.mode {
            Mode::Interpreted | Mode::Recorded => Ok(Module::new(&self.engine, wasm)?),
            Mode::Compiled => {
                let module = Module::new(&self.engine, wasm)?;
                assert_eq!(module.compile_all(), module.parsed().functions().len());
                Ok(module)
            }
            Mode::Cached => self.cached(wasm, &CraneliftCompiler::new()),
            Mode::Inlined => {
                let all = Steered::new(CraneliftCompiler::new(), |request: &CompileRequest<'_>| Some(request.tier));
                self.cached(wasm, &all.counting(MadeUpCounts { seed: self.seed }))
            }
            Mode::HalfCached => {
                let odd = |request: &CompileRequest<'_>| (!request.function.0.is_multiple_of(2)).then_some(request.tier);
                self.cached(wasm, &Steered::new(CraneliftCompiler::new(), odd))
            }
        }
    }

    fn cached(&self, wasm: Vec<u8>, compiler: &dyn Compiler) -> Result<Module> {
        let parsed = trjit_module::Module::parse(wasm.clone())?;
        let options = Options { all: true, threads: Some(1), ..Options::default() };
        let file = self.caches.path().join(format!("{}.trjit", self.next.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&file, assemble(&parsed, None, &options, compiler, &Silent)?.bytes)?;
        Ok(Module::from_cache_file(&self.engine, &file, Some(&wasm))?)
    }

    /// Whether functions of guests ran as the mode says.
    fn check(&self) {
        let Counters { cached, compiled, interpreted, .. } = self.engine.counters().calls;
        let ran = (cached != 0, compiled != 0, interpreted != 0);
        match self.mode {
            Mode::Interpreted | Mode::Recorded => assert_eq!(ran, (false, false, true), "{:?}", self.mode),
            Mode::Compiled => assert_eq!(ran, (false, true, false), "{:?}", self.mode),
            Mode::Cached | Mode::Inlined => assert_eq!(ran, (true, false, false), "{:?}", self.mode),
            // A test may call functions of one kind only.
            Mode::HalfCached => assert!(ran.0 || ran.2, "{:?}", self.mode),
        }
    }
}

/// Runs a test in every mode. When it returns all of its stores are gone.
pub fn in_every_mode(test: impl Fn(&Api) -> Result) -> Result {
    for mode in MODES {
        let api = Api::new(mode)?;
        test(&api).map_err(|error| format!("{mode:?}: {error}"))?;
        api.check();
    }
    Ok(())
}

/// Runs a test by many counts that were made up, after the other modes: a guest that depends on what is expected of a call meets what is, and what is not.
pub fn in_every_mode_and_by_many_counts(test: impl Fn(&Api) -> Result) -> Result {
    in_every_mode(&test)?;
    for seed in 10..50 {
        let api = Api { seed, ..Api::new(Mode::Inlined)? };
        test(&api).map_err(|error| format!("seed {seed}: {error}"))?;
        api.check();
    }
    Ok(())
}

/// The trap that a call ended in.
pub fn trap<T>(result: Result<T, Error>) -> Result<Trap> {
    match result {
        Err(Error::Trap(trap)) => Ok(*trap),
        Err(other) => Err(format!("expected a trap, found {other}").into()),
        Ok(_) => Err("expected a trap, but the call returned".into()),
    }
}
