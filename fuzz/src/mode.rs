//! The ways in which trjit can run one module, all of which must agree.

use crate::compilers::{Refusals, steered};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::sync::Arc;
use trjit_cache_format::Expectations;
use trjit_code::{Compiler, MadeUpCounts, MemoryStyle, ScatteredExits, Settings, Steered, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_runtime::{Config, Engine, Module, Tunables};
use trjit_runtime_loader::MappedCache;
use trjit_trace::Profile;

/// Bytes of stack for compiled code: enough for the steps that cases allow.
const WASM_STACK: usize = 24 << 20;

/// One way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// No compiler.
    Interpreter,
    /// Everything compiled before the run.
    Jit(Tier),
    /// As `Jit`, with explicit bounds checks.
    JitChecked,
    /// Compiled behind the first call of a function, loops entered at the first back-edge.
    JitWarm(Tier),
    /// As `JitWarm`, but only functions of one parity, by counts that were made up; the others stay interpreted, loops included.
    JitEverySecond(u32),
    /// Every function from a cache; nothing compiled here.
    Cache(Tier),
    /// Every function from a cache, where calls were inlined, callees expected and code laid out by counts that were made up with this seed.
    Inlined(u64),
    /// Functions of one parity from a cache; the others interpreted.
    CacheEverySecond(u32),
    /// Everything compiled before the run, speculatively, by counts that were made up with this seed.
    Speculative(u64),
    /// As `JitWarm`, speculatively: code leaves before about one instruction in so many.
    Exits(u64),
    /// The same, and each exit has its bridge at once.
    Bridged(u64),
    /// As `JitWarm`, speculatively by counts that were made up with this seed: exits have their bridges, and code is made anew, after some times without exits.
    Renewed(u64),
    /// As `JitWarm`, with counters first (by way of T2, or not), then at once by what these counted, at this tier: left at each loop's first branches back.
    Climbing(Light, Tier),
    /// What a training run recorded from a cache; the rest interpreted, then compiled.
    Trained,
}

/// Whether code begins at T2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Light(pub bool);

impl Mode {
    pub const ALL: &'static [Mode] = &[
        Mode::Interpreter,
        Mode::Jit(Tier::Ap4),
        Mode::Jit(Tier::A1),
        Mode::JitChecked,
        Mode::JitWarm(Tier::Ap4),
        Mode::JitEverySecond(0),
        Mode::JitEverySecond(1),
        Mode::Cache(Tier::Ap4),
        Mode::Cache(Tier::A1),
        Mode::Inlined(1),
        Mode::Inlined(2),
        Mode::CacheEverySecond(0),
        Mode::CacheEverySecond(1),
        Mode::Speculative(1),
        Mode::Speculative(2),
        Mode::Exits(2),
        Mode::Exits(9),
        Mode::Bridged(1),
        Mode::Bridged(5),
        Mode::Renewed(3),
        Mode::Climbing(Light(false), Tier::Ap4),
        Mode::Climbing(Light(true), Tier::T4),
        Mode::Trained,
    ];

    /// A module ready to be instantiated. `profile` is of a training run of the same case; caches are written to `scratch`.
    pub fn prepare(self, parsed: &trjit_module::Module, profile: Option<&Profile>, scratch: &Path) -> Result<Prepared> {
        let refusals = Refusals::default();
        let engine = self.engine(&refusals);
        let module = self.module(&engine, parsed, profile, &refusals, scratch)?;
        Ok(Prepared { engine, module, refusals })
    }

    fn module(
        self,
        engine: &Engine,
        parsed: &trjit_module::Module,
        profile: Option<&Profile>,
        refusals: &Refusals,
        scratch: &Path,
    ) -> Result<Module> {
        let from_cache = |profile, compiler: &dyn Compiler| {
            let cache = scratch.join("case.trjit");
            assemble(parsed, profile, compiler, &cache)?;
            let cache = MappedCache::open(&cache, &Expectations::of_host(None, MemoryStyle::Reserved))?;
            Ok(Module::from_cache(engine, Arc::new(cache))?)
        };
        let cached = |tier, parity, profile| from_cache(profile, &steered(tier, parity, refusals));
        match self {
            Mode::Cache(tier) => cached(Some(tier), None, None),
            Mode::CacheEverySecond(parity) => cached(None, Some(parity), None),
            Mode::Inlined(seed) => from_cache(None, &steered(Some(Tier::Ap4), None, refusals).counting(MadeUpCounts { seed })),
            Mode::Trained => cached(None, None, profile),
            Mode::Interpreter | Mode::JitWarm(_) | Mode::JitEverySecond(_) | Mode::Exits(_) | Mode::Bridged(_) | Mode::Climbing(..) => {
                Ok(Module::from_parsed(engine, parsed.clone())?)
            }
            Mode::Renewed(seed) => {
                let module = Module::from_parsed(engine, parsed.clone())?;
                ensure!(module.compile_by(Arc::new(MadeUpCounts { seed })), "somebody gave counts before");
                Ok(module)
            }
            Mode::Jit(_) | Mode::JitChecked | Mode::Speculative(_) => {
                let module = Module::from_parsed(engine, parsed.clone())?;
                let (compiled, defined) = (module.compile_all(), parsed.function_count() - parsed.imported_functions());
                refusals.check()?;
                ensure!(compiled == defined as usize, "{compiled} of {defined} functions were compiled");
                Ok(module)
            }
        }
    }

    /// The engine of this mode.
    fn engine(self, refusals: &Refusals) -> Engine {
        let (tier, parity, style) = match self {
            Mode::Interpreter | Mode::Cache(_) | Mode::Inlined(_) | Mode::CacheEverySecond(_) => return Engine::new(config(None)),
            Mode::Jit(tier) | Mode::JitWarm(tier) => (Some(tier), None, MemoryStyle::Reserved),
            Mode::JitChecked => (None, None, MemoryStyle::Checked),
            Mode::JitEverySecond(parity) => (None, Some(parity), MemoryStyle::Reserved),
            Mode::Trained => (None, None, MemoryStyle::Reserved),
            Mode::Speculative(_) | Mode::Exits(_) | Mode::Bridged(_) => (Some(Tier::T4), None, MemoryStyle::Reserved),
            Mode::Renewed(_) | Mode::Climbing(..) => (None, None, MemoryStyle::Reserved),
        };
        let config = config(Some(Arc::new(self.counting(steered(tier, parity, refusals)))));
        let config = Config { tunables: self.climbing(self.speculating(config.tunables)), ..config };
        Engine::new(Config { settings: Settings { memory: style, ..config.settings }, ..config })
    }
}

impl Mode {
    /// Gives a compiler the counts that the mode wants made up.
    fn counting(self, compiler: Steered<CraneliftCompiler>) -> Steered<CraneliftCompiler> {
        match self {
            Mode::Speculative(seed) => compiler.counting(MadeUpCounts { seed }),
            Mode::Exits(one_in) | Mode::Bridged(one_in) => compiler.counting(ScatteredExits { seed: one_in, one_in }),
            Mode::JitEverySecond(parity) => compiler.counting(MadeUpCounts { seed: 3 + u64::from(parity) }),
            _ => compiler,
        }
    }

    /// How code climbs.
    fn climbing(self, tunables: Tunables) -> Tunables {
        let Mode::Climbing(Light(light), tier) = self else { return tunables };
        let light_queue = if light { 0 } else { usize::MAX };
        let speculate = tier == Tier::T4;
        Tunables { tiered: true, profile_calls: 1, profile_loops: 1, trivial_wasm: 0, light_queue, speculate, ..tunables }
    }

    /// What follows from side exits.
    fn speculating(self, tunables: Tunables) -> Tunables {
        let [bridge_threshold, renewal_threshold] = match self {
            Mode::Bridged(_) => [0, u32::MAX],
            Mode::Renewed(_) => [2, 4],
            _ => [u32::MAX; 2],
        };
        Tunables { speculate: true, bridge_threshold, renewal_threshold, renewals: 1, ..tunables }
    }
}

/// What a mode runs.
pub struct Prepared {
    pub engine: Engine,
    pub module: Module,
    /// To be checked when the run is over.
    pub refusals: Refusals,
}

/// How an engine records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Training {
    Interpreted,
    /// In code that counts, wherever that can be.
    Compiled,
    /// As users train: what gets hot is compiled on other threads meanwhile.
    Background,
}

impl Training {
    pub const ALL: &'static [Training] = &[Training::Interpreted, Training::Compiled, Training::Background];

    /// The engine that records so; it notes what its compiler refuses.
    pub fn engine(self, refusals: &Refusals) -> Engine {
        let compiler = || -> Option<Arc<dyn Compiler>> { Some(Arc::new(steered(None, None, refusals))) };
        let config = match self {
            Training::Interpreted => config(None),
            Training::Compiled => config(compiler()),
            Training::Background => Config { compiler: compiler(), ..Config::default() },
        };
        Engine::new(Config { record_profile: true, ..config })
    }
}

/// Everything is hot at once, and is compiled before the run goes on.
fn config(compiler: Option<Arc<dyn Compiler>>) -> Config {
    let tunables = Tunables {
        call_threshold: 1,
        loop_threshold: 1,
        recheck_interval: 1,
        background: false,
        max_wasm_stack: WASM_STACK,
        ..Tunables::default()
    };
    Config { compiler, tunables, ..Config::default() }
}

/// Writes a cache: of the profile's functions, or of all.
fn assemble(parsed: &trjit_module::Module, profile: Option<&Profile>, compiler: &dyn Compiler, path: &Path) -> Result<()> {
    let options = trjit_assemble::Options { threads: Some(1), all: profile.is_none(), ..trjit_assemble::Options::default() };
    let assembled = trjit_assemble::assemble(parsed, profile, &options, compiler, &trjit_assemble::Silent).context("assembly")?;
    trjit_cache_format::write_file(path, &assembled.bytes)?;
    Ok(())
}
