//! The engine: configuration, the compiler (if one is linked), and the function types that all stores of a process agree on.

use crate::counters::{Counters, EngineCounters};
use crate::deadline::Clock;
use crate::events::CompilationHook;
use crate::queue::JitQueue;
use crate::spool;
use crate::sys::AddressSpace;
use crate::tunables::Tunables;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use trjit_code::{Compiler, CpuFeatures, CpuLevel, MemoryStyle, Settings};
use trjit_module::{FuncType, HeapType, RefType, TypeIndex, ValType};
use trjit_runtime_loader::Refusal;

/// What an engine is made from.
#[derive(Clone)]
pub struct Config {
    /// Compiles what gets hot; `None` leaves everything without cached code to the interpreter.
    pub compiler: Option<Arc<dyn Compiler>>,
    /// Thresholds and sizes.
    pub tunables: Tunables,
    /// Settings of code compiled in this process.
    pub settings: Settings,
    /// Whether all that instances do is recorded; see [`record_profile`](Config::record_profile).
    pub record_profile: bool,
    /// Where traces are left; see [`spool`](Config::spool).
    pub spool: Option<PathBuf>,
    /// Is told what happens to code; see [`compilation_hook`](Config::compilation_hook).
    pub compilation_hook: Option<CompilationHook>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            compiler: None,
            tunables: Tunables::default(),
            settings: Settings { features: CpuLevel::best_for(CpuFeatures::host()).features(), memory: MemoryStyle::Reserved, fuel: false },
            record_profile: false,
            spool: spool::of_environment(),
            compilation_hook: None,
        }
    }
}

impl From<&Config> for Config {
    fn from(config: &Config) -> Config {
        config.clone()
    }
}

impl From<&mut Config> for Config {
    fn from(config: &mut Config) -> Config {
        config.clone()
    }
}

impl Config {
    /// The interpreter alone.
    pub fn new() -> Config {
        Config::default()
    }

    /// Sets the compiler of what gets hot.
    pub fn compiler(&mut self, compiler: Arc<dyn Compiler>) -> &mut Config {
        self.compiler = Some(compiler);
        self
    }

    /// Sets when code moves up a tier, and how much stack guests get.
    pub fn tunables(&mut self, tunables: Tunables) -> &mut Config {
        self.tunables = tunables;
        self
    }

    /// Whether the engine is for training: all instances of all modules in all of its stores are recorded, and [`Engine::take_profile`] gives what they did.
    /// They begin in the interpreter; with a compiler what gets hot is compiled to code that counts the same. Code of caches is not used.
    pub fn record_profile(&mut self, record: bool) -> &mut Config {
        self.record_profile = record;
        self
    }

    /// Sets a directory where each module of this engine leaves what its instances did, as `*.trprof`: when the module and all its instances are gone, at the exit of
    /// the process, or by [`Module::leave_trace`](crate::Module::leave_trace). The default is what the variable `TRJIT_SPOOL` names, so that programs are trained
    /// without a change beneath `trjit train --wrap`. The engine then records as with [`record_profile`](Config::record_profile), which says what else that means;
    /// [`Engine::take_profile`] is as it is without. What can not be left is told once, on standard error; nothing else changes.
    pub fn spool(&mut self, directory: Option<impl Into<PathBuf>>) -> &mut Config {
        self.spool = directory.map(Into::into);
        self
    }

    /// Sets who is told of each compilation, installation, side exit and withdrawal of code; see [`CompilationHook`]. Without a hook events cost nothing.
    pub fn compilation_hook(&mut self, hook: CompilationHook) -> &mut Config {
        self.compilation_hook = Some(hook);
        self
    }

    /// Sets the bytes of native stack for guests.
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Config {
        self.tunables.max_wasm_stack = bytes;
        self
    }

    /// Sets how 32-bit memories are laid out. Where the process may not use enough address space (`ulimit -v`), engines take
    /// [`MemoryStyle::Checked`] whatever is set here; [`Engine::settings`] tells.
    pub fn memory_style(&mut self, style: MemoryStyle) -> &mut Config {
        self.settings.memory = style;
        self
    }

    /// Sets the CPU level that code compiled in this process may need.
    pub fn cpu_level(&mut self, level: CpuLevel) -> &mut Config {
        self.settings.features = level.features();
        self
    }
}

/// Process-wide state; clones share it.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

type TypeKey = (Box<[u32]>, Box<[u32]>);

struct Inner {
    config: Config,
    space: AddressSpace,
    /// Ids by the bytes of parameters and results.
    types: Mutex<HashMap<TypeKey, u32>>,
    jit: OnceLock<JitQueue>,
    tasks: AtomicU32,
    clock: Arc<Clock>,
    counters: Mutex<EngineCounters>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.clock.close();
    }
}

impl Engine {
    /// An engine of a configuration, or of a reference to one.
    pub fn new(config: impl Into<Config>) -> Engine {
        let mut config = config.into();
        let space = AddressSpace::of_process();
        config.settings.memory = space.style(config.settings.memory);
        Engine(Arc::new(Inner {
            config,
            space,
            types: Mutex::default(),
            jit: OnceLock::new(),
            tasks: AtomicU32::new(0),
            clock: Arc::default(),
            counters: Mutex::default(),
        }))
    }

    /// Moves the engine's epoch on by one: guests of stores whose epoch deadline is reached stop. Any thread may call it; it does not wait for them.
    pub fn increment_epoch(&self) {
        self.0.clock.increment_epoch();
    }

    /// What was counted so far.
    pub fn counters(&self) -> EngineCounters {
        self.lock_counters().clone()
    }

    /// Whether both are clones of one engine.
    pub fn same(a: &Engine, b: &Engine) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    pub(crate) fn clock(&self) -> &Arc<Clock> {
        &self.0.clock
    }

    pub(crate) fn count_calls(&self, calls: &Counters) {
        self.lock_counters().calls.add(calls);
    }

    /// Counts a cache as used, or its refusal.
    pub(crate) fn count_cache<M>(&self, result: &Result<M, Refusal>) {
        let mut counters = self.lock_counters();
        match result {
            Ok(_) => counters.caches_used += 1,
            Err(refusal) => *counters.refusals.entry(refusal.code()).or_insert(0) += 1,
        }
    }

    fn lock_counters(&self) -> MutexGuard<'_, EngineCounters> {
        self.0.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Thresholds and sizes.
    pub fn tunables(&self) -> &Tunables {
        &self.0.config.tunables
    }

    /// What reservations share.
    pub(crate) fn address_space(&self) -> AddressSpace {
        self.0.space
    }

    /// Whether memories are checked because the process may not use enough address space to reserve them whole.
    pub fn lacks_address_space(&self) -> bool {
        !self.0.space.is_enough()
    }

    /// Settings of code compiled in this process, which caches must have, too.
    pub fn settings(&self) -> Settings {
        self.0.config.settings
    }

    /// The compiler, if one is linked.
    pub(crate) fn compiler(&self) -> Option<&Arc<dyn Compiler>> {
        self.0.config.compiler.as_ref()
    }

    /// Whether all instances are recorded.
    pub(crate) fn records(&self) -> bool {
        self.0.config.record_profile || self.0.config.spool.is_some()
    }

    /// Whether the embedder asked for profiles.
    pub(crate) fn gives_profiles(&self) -> bool {
        self.0.config.record_profile
    }

    /// Where modules leave their traces.
    pub fn spool(&self) -> Option<&Path> {
        self.0.config.spool.as_deref()
    }

    /// The queue of what is to be compiled; its threads start when there is something.
    pub(crate) fn jit(&self) -> &JitQueue {
        self.0.jit.get_or_init(|| JitQueue::new(self.tunables().compile_threads))
    }

    /// The number of a new compilation, from 1.
    pub(crate) fn next_task(&self) -> u32 {
        self.0.tasks.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn compilation_hook(&self) -> Option<&CompilationHook> {
        self.0.config.compilation_hook.as_ref()
    }

    /// The number by which equal function types of all modules know each other.
    /// `earlier` holds the numbers of the module's types before this one: references to functions of a type count by its number.
    pub(crate) fn type_id(&self, ty: FuncType<'_>, earlier: &[u32]) -> u32 {
        let canonical = |codes: &[u32]| codes.iter().map(|&code| canonical(code, earlier)).collect();
        let mut types = self.0.types.lock().unwrap_or_else(PoisonError::into_inner);
        let next = types.len() as u32;
        *types.entry((canonical(ty.param_codes()), canonical(ty.result_codes()))).or_insert(next)
    }
}

/// A value type's code with the engine's number of a type in place of the module's; [`SELF`] where a type refers to itself.
fn canonical(code: u32, earlier: &[u32]) -> u32 {
    match ValType::from_code(code) {
        Some(ValType::Ref(RefType { nullable, heap: HeapType::Concrete(ty) })) => {
            let id = earlier.get(ty.index()).copied().unwrap_or(SELF);
            ValType::Ref(RefType::new(nullable, HeapType::Concrete(TypeIndex(id)))).code()
        }
        _ => code,
    }
}

/// Stands for the type that is being numbered; more than any number of a type.
const SELF: u32 = (1 << 20) - 1;
