//! Frames at side exits, slot by slot: what the interpreter sees where code has left is what it sees there when it runs alone.
//!
//! ```text
//! wasm -> Places (types and accesses at each instruction, by the validator)
//! interpreter alone               -> how often the run comes to each place: of long programs some are chosen       (choice)
//! interpreter alone               -> each frame before a chosen instruction              -> Log, with the locals that are read later
//! T4 code that leaves before them -> each frame that it leaves, and what follows from it -> compared with the Log, one after another
//! ```
//! Compared: which frames come, in their order; the whole operand stack; each local that the function *did* read later; the next entry of the side table; the fuel. So an exit need not
//! store what nobody reads, and no analysis decides what that is. Not compared: bits of NaNs, and runs that exhaust the stack.
//!
//! Invariant: trjit's translator, side tables and parser are asked for nothing but how large frames are.

mod choice;
mod compare;
mod guest;
mod log;
mod places;
mod way;

use crate::case::Case;
use crate::command::Command;
use crate::compilers::Refusals;
use crate::oracle::{Agreement, Difference};
use anyhow::{Context, Result, ensure};
use choice::Counts;
use compare::Comparison;
use guest::{Guest, Seen};
use log::{Log, Recorder};
use places::Places;
use std::sync::{Arc, Mutex, PoisonError};
use trjit_code::{BranchCounts, ScatteredExits};
use trjit_compile::planted::ExitBug;
use trjit_module::FuncIndex;
use trjit_runtime::{Config, Engine, FrameHook, Module, ShownFrame};
use way::{Leaving, Way};

/// Code of cases leaves before about one instruction in so many.
const ONE_IN: &[u64] = &[1, 2, 3, 7, 25];

/// A guest with what is known of it.
struct Subject<'a> {
    guest: Guest<'a>,
    parsed: trjit_module::Module,
    places: Arc<Places>,
    exits: ScatteredExits,
    /// By function: whether it may be compiled.
    runs: Arc<Vec<bool>>,
    has_fuel: bool,
}

impl Subject<'_> {
    /// Its module, with all places and functions.
    fn new(guest: Guest<'_>, exits: ScatteredExits, has_fuel: bool) -> Result<Subject<'_>> {
        let parsed = trjit_module::Module::parse(guest.wasm().to_vec()).context("parser")?;
        let places = Arc::new(Places::of(guest.wasm(), &parsed).context("validator")?);
        let defined = (0..parsed.function_count()).map(|function| function >= parsed.imported_functions());
        let runs = Arc::new(defined.collect());
        Ok(Subject { guest, parsed, places, exits, runs, has_fuel })
    }

    /// Leaves only at some of the places that its run comes to, and compiles only what runs.
    fn choose(mut self, seed: u64, one_in: u64) -> Result<Self> {
        let places = Arc::clone(&self.places);
        let (_, counts) = self.interpret(Counts::new(&places), move |counts, frame| counts.see(&places, frame))?;
        self.runs = Arc::new(counts.functions(&self.places));
        let places = Arc::get_mut(&mut self.places).context("the store is gone")?;
        counts.choose(places, self.parsed.slot_words(), seed, one_in);
        Ok(self)
    }

    /// A choice of places to leave at.
    fn leaving(&self) -> Leaving {
        Leaving { exits: self.exits, places: Arc::clone(&self.places) }
    }

    /// Runs the guest with a hook, which gets the address of the guest's module: others show frames, too.
    fn run(&self, engine: &Engine, compiled: bool, hook: impl FnOnce(usize) -> FrameHook) -> Result<(Seen, u64)> {
        let module = Module::from_parsed(engine, self.parsed.clone())?;
        if compiled {
            let wanted = self.runs.iter().filter(|&&runs| runs).count();
            let compiled = module.compile_all();
            ensure!(compiled == wanted, "{compiled} of {wanted} functions were compiled");
        }
        let hook = hook(std::ptr::from_ref(module.parsed()).addr());
        let before = engine.counters().calls.exits;
        let seen = self.guest.run(engine, &module, self.has_fuel, hook)?;
        Ok((seen, engine.counters().calls.exits - before))
    }

    /// Runs it in the interpreter alone, and shows all its frames to a watcher.
    fn interpret<W: Send + 'static>(&self, watcher: W, mut see: impl FnMut(&mut W, &ShownFrame<'_>) + Send + 'static) -> Result<(Seen, W)> {
        let mut config = Config { tunables: Way::Called.tunables(), ..Config::default() };
        let engine = Engine::new(config.consume_fuel(self.has_fuel));
        let watcher = Arc::new(Mutex::new(watcher));
        let shown = Arc::clone(&watcher);
        let (seen, _) = self.run(&engine, false, |module| {
            Box::new(move |frame| {
                if std::ptr::from_ref(frame.module).addr() == module {
                    see(&mut shown.lock().unwrap_or_else(PoisonError::into_inner), frame);
                }
            })
        })?;
        let watcher = Arc::into_inner(watcher).context("the store is gone")?;
        Ok((seen, watcher.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The interpreter's frames.
    fn log(&self) -> Result<(Seen, Log)> {
        let (seen, recorder) = self.interpret(Recorder::new(Arc::clone(&self.places), self.leaving()), Recorder::see)?;
        let log = recorder.finish();
        ensure!(!log.is_full || matches!(self.guest, Guest::Case(_)), "there is no room for the frames at the places that were chosen");
        Ok((seen, log))
    }

    /// Runs it with exits: what was seen, the comparison, and how many exits were taken. With a planted bug this process ends at the first difference, with a status that tells.
    fn compare(&self, way: Way, log: &Arc<Log>, bug: Option<ExitBug>) -> Result<(Seen, Comparison, u64)> {
        let refusals = Refusals::default();
        let runs = Arc::clone(&self.runs);
        let runs = move |FuncIndex(function)| runs.get(function as usize).is_some_and(|&runs| runs);
        let engine = way.engine(self.leaving(), runs, bug, self.has_fuel, &refusals);
        let entered = if way == Way::Called { Vec::new() } else { self.places.loop_bodies() };
        let comparison = Comparison::new(Arc::clone(log), Arc::clone(&self.places), &entered, way == Way::Bridged);
        let comparison = Arc::new(Mutex::new(comparison));
        let (seen, leaving) = (Arc::clone(&comparison), self.leaving());
        let (found, exits) = self.run(&engine, way != Way::Looping, |module| {
            Box::new(move |frame| {
                let chosen = std::ptr::from_ref(frame.module).addr() == module && leaving.leaves(frame.function, frame.position, 0);
                if chosen && !seen.lock().unwrap_or_else(PoisonError::into_inner).see(frame) && bug.is_some() {
                    std::process::exit(FOUND);
                }
            })
        })?;
        refusals.check()?;
        let comparison = Arc::into_inner(comparison).context("the store is gone")?;
        Ok((found, comparison.into_inner().unwrap_or_else(PoisonError::into_inner), exits))
    }

    /// Compares all ways with the interpreter.
    fn check(&self, bug: Option<ExitBug>) -> Result<Agreement, Difference> {
        let (expected, log) = self.log().map_err(|error| broken("interpreter", error))?;
        let log = Arc::new(log);
        let mut agreement = Agreement::default();
        for &way in Way::ALL {
            let name = format!("{way:?}, {:?}", self.exits);
            let (found, comparison, exits) = self.compare(way, &log, bug).map_err(|error| broken(&name, error))?;
            if let Some(what) = expected.difference(&found) {
                return Err(broken(&name, anyhow::anyhow!("{what}; frames: {:?}", comparison.difference())));
            }
            if expected.is_exhausted() || found.is_exhausted() {
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
}

fn broken(name: &str, error: anyhow::Error) -> Difference {
    Difference { mode: format!("frames, {name}"), what: format!("{error:#}") }
}

/// The status of a process that has found a planted bug by a frame.
pub const FOUND: i32 = 17;

/// Compares the frames of a case; `calls` are frames that were compared, `returned` the exits that were taken. With a planted bug the process ends where it is found.
pub fn check(case: &Case, seed: u64, bug: Option<ExitBug>) -> Result<Agreement, Difference> {
    let has_fuel = seed.is_multiple_of(2) && seed > 0 || case.fuel == 0;
    let one_in = ONE_IN[(seed / 2) as usize % ONE_IN.len()];
    let subject = Subject::new(Guest::Case(case), ScatteredExits { seed, one_in }, has_fuel);
    subject.map_err(|error| broken("module", error))?.check(bug)
}

/// As [`check`], for a run of a program, whose code leaves before about one in `one_in` of the instructions that are not executed too often. Every second seed has fuel.
pub fn check_command(command: &Command, seed: u64, one_in: u64, bug: Option<ExitBug>) -> Result<Agreement, Difference> {
    let exits = ScatteredExits { seed, one_in: 1 };
    let subject = Subject::new(Guest::Command(command), exits, seed.is_multiple_of(2));
    let subject = subject.and_then(|subject| subject.choose(seed, one_in)).map_err(|error| broken("module", error))?;
    subject.check(bug)
}
