//! The ways in which trjit can run one module, all of which must agree.

use crate::compilers::Steered;
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;
use trjit_cache_format::Expectations;
use trjit_code::{Compiler, MemoryStyle, Settings, Tier};
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
    /// Compiled at the first call, loops entered at the first back-edge.
    Jit(Tier),
    /// As `Jit`, with explicit bounds checks.
    JitChecked,
    /// Functions of one parity are compiled, the others interpreted, loops included.
    JitEverySecond(u32),
    /// Every function from a cache; nothing compiled here.
    Cache(Tier),
    /// Functions of one parity from a cache; the others interpreted.
    CacheEverySecond(u32),
    /// What a training run recorded from a cache; the rest interpreted, then compiled.
    Trained,
}

impl Mode {
    pub const ALL: &'static [Mode] = &[
        Mode::Interpreter,
        Mode::Jit(Tier::Ap4),
        Mode::Jit(Tier::A1),
        Mode::JitChecked,
        Mode::JitEverySecond(0),
        Mode::JitEverySecond(1),
        Mode::Cache(Tier::Ap4),
        Mode::Cache(Tier::A1),
        Mode::CacheEverySecond(0),
        Mode::CacheEverySecond(1),
        Mode::Trained,
    ];

    /// An engine, and a module ready to be instantiated. `profile` is of a training run of the same case; caches are written to `scratch`.
    pub fn prepare(self, parsed: &trjit_module::Module, profile: Option<&Profile>, scratch: &Path) -> Result<(Engine, Module)> {
        let engine = self.engine();
        let module = self.module(&engine, parsed, profile, scratch)?;
        Ok((engine, module))
    }

    fn module(self, engine: &Engine, parsed: &trjit_module::Module, profile: Option<&Profile>, scratch: &Path) -> Result<Module> {
        let steered = |tier, parity| Steered { inner: CraneliftCompiler::new(), tier, parity };
        let cached = |compiler: &dyn Compiler, profile| {
            let cache = scratch.join("case.trjit");
            assemble(parsed, profile, compiler, &cache)?;
            let cache = MappedCache::open(&cache, &Expectations::of_host(None, MemoryStyle::Reserved))?;
            Ok(Module::from_cache(engine, Arc::new(cache))?)
        };
        match self {
            Mode::Cache(tier) => cached(&steered(Some(tier), None), None),
            Mode::CacheEverySecond(parity) => cached(&steered(None, Some(parity)), None),
            Mode::Trained => cached(&steered(None, None), profile),
            Mode::Interpreter | Mode::Jit(_) | Mode::JitChecked | Mode::JitEverySecond(_) => {
                Ok(Module::from_parsed(engine, parsed.clone())?)
            }
        }
    }

    /// The engine of this mode.
    fn engine(self) -> Engine {
        let (tier, parity, style) = match self {
            Mode::Interpreter | Mode::Cache(_) | Mode::CacheEverySecond(_) => return Engine::new(config(None)),
            Mode::Jit(tier) => (Some(tier), None, MemoryStyle::Reserved),
            Mode::JitChecked => (None, None, MemoryStyle::Checked),
            Mode::JitEverySecond(parity) => (None, Some(parity), MemoryStyle::Reserved),
            Mode::Trained => (None, None, MemoryStyle::Reserved),
        };
        let config = config(Some(Arc::new(Steered { inner: CraneliftCompiler::new(), tier, parity })));
        Engine::new(Config { settings: Settings { memory: style, ..config.settings }, ..config })
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
