//! The ways in which trjit runs the suite, and how a module gets ready for each.
//!
//! Compiled modes (but A3, whose first calls have to be recorded) compile everything before the first call, so that no assertion runs in the interpreter by accident; what the compiler refuses is
//! an error of the module.

use anyhow::{Context, Result, bail};
use std::cell::Cell;
use std::sync::Arc;
use trjit_cache_format::{Expectations, ModuleId};
use trjit_code::{Compiler, MadeUpCounts, MemoryStyle, ScatteredExits, Steered, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_runtime::{Config, Engine, Module, Tunables};
use trjit_runtime_loader::MappedCache;

/// One way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// No compiler.
    Interpreter,
    /// Every function at A1, in this process.
    A1,
    /// Recorded: every function at A3 behind its first call, loops at their first back-edge.
    A3,
    /// Every function behind its first call, loops at their first back-edge: with counters first (T3), and then at once by what these counted.
    Climb,
    /// Every function at AP4, in this process.
    Ap4,
    /// Every function at AP4, from a cache file that was written and mapped; no compiler. Calls were inlined and code laid out by counts that were made up.
    Cache,
    /// Functions of even index at AP4, the others interpreted.
    MixedEven,
    /// Functions of odd index at AP4, the others interpreted.
    MixedOdd,
    /// Every function compiled speculatively, in this process: code leaves before one instruction in three.
    Exits,
}

impl Mode {
    pub const ALL: &'static [Mode] =
        &[Mode::Interpreter, Mode::A1, Mode::A3, Mode::Climb, Mode::Ap4, Mode::Cache, Mode::MixedEven, Mode::MixedOdd, Mode::Exits];

    /// The name of the ledger and of the column.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Interpreter => "interpreter",
            Mode::A1 => "a1",
            Mode::A3 => "a3",
            Mode::Climb => "climb",
            Mode::Ap4 => "ap4",
            Mode::Cache => "cache",
            Mode::MixedEven => "mixed-even",
            Mode::MixedOdd => "mixed-odd",
            Mode::Exits => "exits",
        }
    }

    pub fn parse(name: &str) -> Option<Mode> {
        Mode::ALL.iter().copied().find(|mode| mode.name() == name)
    }

    fn tier(self) -> Tier {
        match self {
            Mode::A1 => Tier::A1,
            Mode::A3 => Tier::A3,
            Mode::Exits => Tier::T4,
            Mode::Interpreter | Mode::Climb | Mode::Ap4 | Mode::Cache | Mode::MixedEven | Mode::MixedOdd => Tier::Ap4,
        }
    }

    fn parity(self) -> Option<u32> {
        match self {
            Mode::MixedEven => Some(0),
            Mode::MixedOdd => Some(1),
            Mode::Interpreter | Mode::A1 | Mode::A3 | Mode::Climb | Mode::Ap4 | Mode::Cache | Mode::Exits => None,
        }
    }
}

/// An engine of a mode, with what modules need to get ready.
pub struct Workshop {
    mode: Mode,
    engine: Engine,
    compiler: Arc<Steered<CraneliftCompiler>>,
    scratch: tempfile::TempDir,
    caches: Cell<u32>,
}

impl Workshop {
    pub fn new(mode: Mode) -> Result<Workshop> {
        let steered = Arc::new(steered(mode));
        let compiler: Option<Arc<dyn Compiler>> = match mode {
            Mode::Interpreter | Mode::Cache => None,
            Mode::A1 | Mode::A3 | Mode::Climb | Mode::Ap4 | Mode::MixedEven | Mode::MixedOdd | Mode::Exits => Some(steered.clone()),
        };
        let tunables = Tunables { background: false, call_threshold: 1, loop_threshold: 1, recheck_interval: 1, ..Tunables::default() };
        let climbing = Tunables { tiered: true, profile_calls: 1, profile_loops: 1, trivial_wasm: 0, ..tunables };
        let tunables = if mode == Mode::Climb { climbing } else { tunables };
        let engine = Engine::new(Config { compiler, tunables, record_profile: mode == Mode::A3, ..Config::default() });
        Ok(Workshop { mode, engine, compiler: steered, scratch: tempfile::tempdir()?, caches: Cell::new(0) })
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The module, ready to be instantiated; in compiled modes all its code exists. `wasm` is what was parsed.
    pub fn module(&self, wasm: &[u8], parsed: trjit_module::Module) -> Result<Module> {
        let expected = expected_functions(&parsed, self.mode);
        let module = match self.mode {
            Mode::Interpreter | Mode::A3 | Mode::Climb => Module::from_parsed(&self.engine, parsed)?,
            Mode::Cache => self.through_cache_file(wasm, &parsed)?,
            Mode::A1 | Mode::Ap4 | Mode::MixedEven | Mode::MixedOdd | Mode::Exits => {
                let module = Module::from_parsed(&self.engine, parsed)?;
                let compiled = module.compile_all();
                self.no_complaints()?;
                if compiled != expected {
                    bail!("{compiled} functions were compiled, expected {expected}");
                }
                module
            }
        };
        Ok(module)
    }

    /// As the command line does it: assembled, written, mapped, nothing parsed.
    fn through_cache_file(&self, wasm: &[u8], parsed: &trjit_module::Module) -> Result<Module> {
        let options = trjit_assemble::Options { threads: Some(1), all: true, ..trjit_assemble::Options::default() };
        let assembled =
            trjit_assemble::assemble(parsed, None, &options, &*self.compiler, &trjit_assemble::Silent).context("assembly fails")?;
        self.no_complaints()?;
        let compiled: u64 = assembled.summary.compiled.iter().map(|tier| u64::from(tier.functions)).sum();
        if compiled != expected_functions(parsed, self.mode) as u64 {
            bail!("the cache holds {compiled} functions, expected {}", expected_functions(parsed, self.mode));
        }
        let number = self.caches.replace(self.caches.get() + 1);
        let path = self.scratch.path().join(format!("{number}.trjit"));
        trjit_cache_format::write_file(&path, &assembled.bytes)?;
        let expectations = Expectations::of_host(Some(ModuleId::of_wasm(wasm)), MemoryStyle::Reserved);
        let cache = MappedCache::open(&path, &expectations).context("the cache is refused")?;
        let module = Module::from_cache(&self.engine, Arc::new(cache)).context("the cache is refused")?;
        // The mapping stays; a suite writes some thousand files.
        std::fs::remove_file(&path)?;
        Ok(module)
    }

    fn no_complaints(&self) -> Result<()> {
        match self.compiler.take_failures().first() {
            Some(complaint) => bail!("not compiled: {complaint}"),
            None => Ok(()),
        }
    }
}

/// The compiler as a mode wants it: at one tier, perhaps for every second function only.
fn steered(mode: Mode) -> Steered<CraneliftCompiler> {
    let (tier, parity) = (mode.tier(), mode.parity());
    let steered = Steered::new(CraneliftCompiler::new(), move |request| {
        parity.is_none_or(|parity| request.function.0 % 2 == parity).then_some(match mode {
            Mode::Climb => request.tier,
            _ => tier,
        })
    });
    match mode {
        Mode::Cache => steered.counting(MadeUpCounts { seed: 3 }),
        Mode::Exits => steered.counting(ScatteredExits { seed: 3, one_in: 3 }),
        _ => steered,
    }
}

/// Functions that a mode must compile.
fn expected_functions(parsed: &trjit_module::Module, mode: Mode) -> usize {
    let defined = parsed.imported_functions()..parsed.function_count();
    defined.filter(|index| mode.parity().is_none_or(|parity| index % 2 == parity)).count()
}
