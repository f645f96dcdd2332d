//! The rungs that a function's code climbs in ordinary runs, and the counts that are gathered on the way.
//!
//! ```text
//! interpreter -> T3, which counts all -> AP4 or T4 by these counts     functions and loops, each by itself
//!             -> T2, which counts how hot it is -> T3 -> ..            where too much waits to be compiled
//!             -> AP4 or T4 at once                                     what is trivial, what counts of earlier runs know
//! ```
//! Code asks for its next rung itself, when its counters say so (`Climb`, `ClimbLoop`), and leaves a loop for it through the driver.
//!
//! The counters are the module's: all its instances share them, on any threads. They steer and are no statement about the program: where two threads count at once a count may get
//! lost. They exist, and the vmctx of every instance names them, before code that counts can be reached.

use crate::code::ModuleCode;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use trjit_code::{SiteTargets, Tier};
use trjit_module::{FuncIndex, Module};
use trjit_trace::OwnCounts;

/// Entries of a function that make a loop in it one of many short ones: then the function's next code is wanted first, and not the loop's.
const MANY_ENTRIES: u64 = 64;

/// Which of a function's code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Rung {
    /// T2.
    Light,
    /// T3.
    Counting,
    /// All code of engines without a ladder, too.
    Last,
}

impl Rung {
    pub const COUNT: usize = 3;

    pub fn of(tier: Option<Tier>) -> Rung {
        match tier {
            Some(Tier::T2) => Rung::Light,
            Some(Tier::T3) => Rung::Counting,
            _ => Rung::Last,
        }
    }

    /// The one above that of code which asks.
    pub fn above(tier_number: u32) -> Rung {
        if tier_number == 2 { Rung::Counting } else { Rung::Last }
    }
}

/// The counters of a module whose code climbs.
#[derive(Default)]
pub(crate) struct Ladder {
    counts: OnceLock<OwnCounts>,
}

impl Ladder {
    /// Makes them if there are none.
    pub fn counts(&self, module: &Module) -> &OwnCounts {
        self.counts.get_or_init(|| OwnCounts::new(module))
    }

    pub fn known(&self) -> Option<&OwnCounts> {
        self.counts.get()
    }
}

/// The first rung for a function that has become hot in the interpreter.
pub(crate) fn first_rung(code: &ModuleCode, function: FuncIndex) -> Rung {
    let tunables = code.engine().tunables();
    let known = || code.earlier_counts().is_some_and(|counts| counts.entries(function).is_some());
    let is_known = || known() || is_trivial(code, function) || code.has_failed(function, Rung::Counting);
    if code.ladder().is_none() || code.was_requested_at(Rung::Last, function) || is_known() {
        return Rung::Last;
    }
    if code.was_requested_at(Rung::Counting, function) {
        return Rung::Counting;
    }
    let is_long = || code.engine().jit().waiting() >= tunables.light_queue;
    if code.was_requested_at(Rung::Light, function) || is_long() { Rung::Light } else { Rung::Counting }
}

/// Whether counts would tell nothing about a function that is worth its counting code.
fn is_trivial(code: &ModuleCode, function: FuncIndex) -> bool {
    use trjit_module::flat::FunctionRecord;
    let Some(record) = code.module().function(function) else { return true };
    let is_small = record.body.len as usize <= code.engine().tunables().trivial_wasm;
    is_small && record.flags & (FunctionRecord::HAS_LOOP | FunctionRecord::HAS_CALL) == 0
}

/// Whether a loop of a function is to wait for the function's own code.
pub(crate) fn is_entered_often(code: &ModuleCode, function: FuncIndex) -> bool {
    let counted = code.ladder().and_then(Ladder::known).zip(code.module().defined_index(function));
    counted.is_some_and(|(counts, defined)| counts.entries()[defined.index()].load(Ordering::Relaxed) >= MANY_ENTRIES)
}

/// Forgets what was counted of a function at T2: entries without their branches.
pub(crate) fn forget_light_counts(code: &ModuleCode, function: FuncIndex) {
    let Some((counts, defined)) = code.ladder().and_then(Ladder::known).zip(code.module().defined_index(function)) else { return };
    let record = &code.module().functions()[defined.index()];
    let branches = record.side_table_start as usize..(record.side_table_start + record.side_table_len) as usize;
    let entries = counts.entries()[defined.index()..].iter().take(1);
    entries.chain(&counts.branches()[branches]).for_each(|counter| counter.store(0, Ordering::Relaxed));
}

/// What T3 code has counted so far, and goes on counting.
#[derive(Clone, Copy)]
pub(crate) struct Gathered<'a> {
    code: &'a ModuleCode,
    counts: &'a OwnCounts,
}

impl<'a> Gathered<'a> {
    pub fn of(code: &'a ModuleCode) -> Option<Gathered<'a>> {
        let counts = code.ladder()?.known()?;
        Some(Gathered { code, counts })
    }

    /// Those of a function that ran at T3; where only a loop did (code was left there or entered, as `places` tell) the one entry that led to it.
    pub fn entries(&self, function: FuncIndex, places: &HashMap<(FuncIndex, u32), u64>) -> Option<u64> {
        let defined = self.code.module().defined_index(function)?;
        let entries = match self.code.was_requested_at(Rung::Counting, function) {
            true => self.counts.entries()[defined.index()].load(Ordering::Relaxed),
            false => 0,
        };
        match entries {
            0 => places.keys().any(|place| place.0 == function).then_some(1),
            entries => Some(entries),
        }
    }

    pub fn taken(&self, function: FuncIndex, entry: u32) -> u64 {
        let record = self.code.module().function(function);
        let counter = record.and_then(|record| self.counts.branches().get(record.side_table_start as usize + entry as usize));
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    pub fn targets(&self, function: FuncIndex, site: u32) -> SiteTargets {
        let Some(record) = self.code.module().function(function) else { return SiteTargets::default() };
        let targets = self.counts.targets(record.indirect_sites_start.wrapping_add(site));
        let functions: Vec<(FuncIndex, u64)> = targets.iter().collect();
        let calls = functions.iter().fold(targets.other, |sum, target| sum.saturating_add(target.1));
        SiteTargets { calls, functions }
    }
}
