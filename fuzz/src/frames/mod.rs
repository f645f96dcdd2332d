//! Frames at side exits, slot by slot: what the interpreter sees where code has left is what it sees there when it runs alone.
//!
//! ```text
//! wasm -> Places (types and accesses at each instruction, by the validator)
//! interpreter alone               -> each frame before a chosen instruction              -> Log, with the locals that are read later
//! T4 code that leaves before them -> each frame that it leaves, and what follows from it -> compared with the Log, one after another
//! ```
//! Compared: which frames come, in their order; the whole operand stack; each local that the function *did* read later; the next entry of the side table; the fuel. So an exit need not
//! store what nobody reads, and no analysis decides what that is. Not compared: bits of NaNs, and cases that exhaust the stack.
//!
//! Invariant: trjit's translator, side tables and parser are asked for nothing but how large frames are.

mod compare;
mod log;
mod places;

use crate::case::Case;
use crate::compilers::Refusals;
use crate::host;
use crate::observation::Observation;
use crate::oracle::{Agreement, Difference};
use crate::subject::{self, Fuel};
use anyhow::{Context, Result, ensure};
use compare::Comparison;
use log::{Log, Recorder};
use places::Places;
use std::sync::{Arc, Mutex, PoisonError};
use trjit_code::{BranchCounts, Compiler, Entry, ScatteredExits, SiteTargets, Steered, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_compile::planted::{ExitBug, Planted};
use trjit_module::FuncIndex;
use trjit_runtime::{Config, Engine, FrameHook, Module, Store, Tunables};

/// Fuel of each call, in the cases that have some.
const FUEL: u64 = 60_000;
/// Bytes of stack for compiled code: enough for the steps that cases allow.
const WASM_STACK: usize = 24 << 20;
/// Code leaves before about one instruction in so many.
const ONE_IN: &[u64] = &[1, 2, 3, 7, 25];

/// Who runs what between exits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// All functions are compiled; what has left goes on in the interpreter to its end.
    Called,
    /// Functions are interpreted, loops compiled at their first back-edge.
    Looping,
    /// All functions are compiled, and what has left enters code again at the next back-edge.
    Mixed,
    /// The same, and each exit has its bridge at once.
    Bridged,
}

const WAYS: &[Way] = &[Way::Called, Way::Looping, Way::Mixed, Way::Bridged];

/// Code leaves where both agree: some of the places where it can.
struct Leaving {
    exits: ScatteredExits,
    places: Arc<Places>,
}

impl BranchCounts for Leaving {
    fn entries(&self, function: FuncIndex) -> Option<u64> {
        self.exits.entries(function)
    }

    fn taken(&self, function: FuncIndex, entry: u32) -> u64 {
        self.exits.taken(function, entry)
    }

    fn leaves(&self, function: FuncIndex, position: u32, executed: u64) -> bool {
        self.places.may_leave(function, position) && self.exits.leaves(function, position, executed)
    }

    fn targets(&self, function: FuncIndex, site: u32) -> SiteTargets {
        self.exits.targets(function, site)
    }
}

impl Way {
    fn tunables(self) -> Tunables {
        Tunables {
            background: false,
            call_threshold: u32::MAX,
            loop_threshold: if self == Way::Called { u32::MAX } else { 1 },
            recheck_interval: 1,
            bridge_threshold: if self == Way::Bridged { 0 } else { u32::MAX },
            renewal_threshold: u32::MAX,
            max_wasm_stack: WASM_STACK,
            ..Tunables::default()
        }
    }

    fn engine(self, leaving: Leaving, bug: Option<ExitBug>, has_fuel: bool, refusals: &Refusals) -> Engine {
        let inner = Planted { inner: CraneliftCompiler::new(), bug };
        let compiler = Steered::new(inner, move |request| {
            let wanted = self != Way::Looping || matches!(request.entry, Entry::At(_));
            wanted.then_some(Tier::T4)
        });
        let compiler: Arc<dyn Compiler> = Arc::new(refusals.noting(compiler).counting(leaving));
        let mut config = Config { compiler: Some(compiler), tunables: self.tunables(), ..Config::default() };
        Engine::new(config.consume_fuel(has_fuel))
    }
}

/// A case with what is known of it.
struct Subject<'a> {
    case: &'a Case,
    parsed: trjit_module::Module,
    places: Arc<Places>,
    exits: ScatteredExits,
    has_fuel: bool,
}

impl Subject<'_> {
    /// A choice of places to leave at.
    fn leaving(&self) -> Leaving {
        Leaving { exits: self.exits, places: Arc::clone(&self.places) }
    }

    /// Runs the case with a hook, which gets the address of the case's module: others show frames, too.
    fn run(&self, engine: &Engine, compiled: bool, hook: impl FnOnce(usize) -> FrameHook) -> Result<(Observation, u64)> {
        let module = Module::from_parsed(engine, self.parsed.clone())?;
        if compiled {
            let defined = self.parsed.function_count() - self.parsed.imported_functions();
            let compiled = module.compile_all();
            ensure!(compiled == defined as usize, "{compiled} of {defined} functions were compiled");
        }
        let mut store = Store::new(engine, host::Log::new())?;
        store.show_frames(hook(std::ptr::from_ref(module.parsed()).addr()));
        let mut fuel = self.has_fuel.then(|| Fuel { amount: FUEL, left: Vec::new() });
        let before = engine.counters().calls.exits;
        let observation = subject::observe_in(store, self.case, &module, &mut fuel)?;
        Ok((observation, engine.counters().calls.exits - before))
    }

    /// The interpreter's frames.
    fn log(&self) -> Result<(Observation, Log)> {
        let mut config = Config { tunables: Way::Called.tunables(), ..Config::default() };
        let engine = Engine::new(config.consume_fuel(self.has_fuel));
        let recorder = Arc::new(Mutex::new(Recorder::new(Arc::clone(&self.places), self.leaving())));
        let seen = Arc::clone(&recorder);
        let (observation, _) = self.run(&engine, false, |module| {
            Box::new(move |frame| {
                if std::ptr::from_ref(frame.module).addr() == module {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).see(frame);
                }
            })
        })?;
        let recorder = Arc::into_inner(recorder).context("the store is gone")?;
        Ok((observation, recorder.into_inner().unwrap_or_else(PoisonError::into_inner).finish()))
    }

    /// Runs it with exits: what was seen, the comparison, and how many exits were taken. With a planted bug this process ends at the first difference, with a status that tells.
    fn compare(&self, way: Way, log: &Arc<Log>, bug: Option<ExitBug>) -> Result<(Observation, Comparison, u64)> {
        let refusals = Refusals::default();
        let engine = way.engine(self.leaving(), bug, self.has_fuel, &refusals);
        let entered = if way == Way::Called { Vec::new() } else { self.places.loop_bodies() };
        let comparison = Comparison::new(Arc::clone(log), Arc::clone(&self.places), &entered, way == Way::Bridged);
        let comparison = Arc::new(Mutex::new(comparison));
        let (seen, leaving) = (Arc::clone(&comparison), self.leaving());
        let (observation, exits) = self.run(&engine, way != Way::Looping, |module| {
            Box::new(move |frame| {
                let chosen = std::ptr::from_ref(frame.module).addr() == module && leaving.leaves(frame.function, frame.position, 0);
                if chosen && !seen.lock().unwrap_or_else(PoisonError::into_inner).see(frame) && bug.is_some() {
                    std::process::exit(FOUND);
                }
            })
        })?;
        refusals.check()?;
        let comparison = Arc::into_inner(comparison).context("the store is gone")?;
        Ok((observation, comparison.into_inner().unwrap_or_else(PoisonError::into_inner), exits))
    }
}

/// The status of a process that has found a planted bug by a frame.
pub const FOUND: i32 = 17;

/// Compares the frames of a case; `calls` are frames that were compared, `returned` the exits that were taken. With a planted bug the process ends where it is found.
pub fn check(case: &Case, seed: u64, bug: Option<ExitBug>) -> Result<Agreement, Difference> {
    let has_fuel = seed.is_multiple_of(2) && seed > 0 || case.fuel == 0;
    let one_in = ONE_IN[(seed / 2) as usize % ONE_IN.len()];
    check_leaving(case, ScatteredExits { seed, one_in }, has_fuel, bug)
}

fn check_leaving(case: &Case, exits: ScatteredExits, has_fuel: bool, bug: Option<ExitBug>) -> Result<Agreement, Difference> {
    let broken = |name: &str, error: anyhow::Error| Difference { mode: format!("frames, {name}"), what: format!("{error:#}") };
    let parsed = trjit_module::Module::parse(case.wasm.clone()).map_err(|error| broken("parser", error.into()))?;
    let places = Arc::new(Places::of(&case.wasm, &parsed).map_err(|error| broken("validator", error))?);
    let subject = Subject { case, parsed, places, exits, has_fuel };
    let (expected, log) = subject.log().map_err(|error| broken("interpreter", error))?;
    let log = Arc::new(log);
    let mut agreement = Agreement::default();
    for &way in WAYS {
        let name = format!("{way:?}, {exits:?}");
        let (found, comparison, exits) = subject.compare(way, &log, bug).map_err(|error| broken(&name, error))?;
        if let Some(what) = expected.difference(&found) {
            return Err(broken(&name, anyhow::anyhow!("{what}; frames: {:?}", comparison.difference())));
        }
        if expected.exhausted || found.exhausted {
            continue;
        }
        if let Some(what) = comparison.difference() {
            return Err(broken(&name, anyhow::anyhow!(what)));
        }
        agreement.calls += comparison.compared();
        agreement.returned += exits;
    }
    Ok(agreement)
}
