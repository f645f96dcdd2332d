//! Side exits of speculative code, and what follows from them.
//!
//! ```text
//! an exit is taken -> counted by where it goes -> often enough: its bridge (code from there to the function's end), entered at once by each later exit
//!                  -> counted by whose code it left -> often enough: that is compiled anew, by counts that have the exits in them; after some times not speculatively
//! ```
//! Exits of an inlined body go on in the inlined function, and leave the code of the function around.

use crate::code::{ModuleCode, Purpose};
use crate::events::CompilationEvent;
use crate::instance::InstanceInner;
use crate::jit;
use crate::ladder::{Gathered, Rung};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use trjit_code::{BranchCounts, NoCounts, SiteTargets, Tier};
use trjit_module::FuncIndex;
use trjit_module::vm::{ExitPlace, VmStore};

/// How often execution went on at a place after a side exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TakenExit {
    /// The function that went on: the one that was compiled, or one that was inlined there.
    pub function: FuncIndex,
    /// Position of its next instruction in the module's code.
    pub offset: u32,
    /// Times, whatever code was left.
    pub count: u64,
}

/// An exit that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SideExit {
    /// The function that goes on, and the position in the module's code bytes of its next instruction.
    function: FuncIndex,
    position: u32,
    /// Whose code was left.
    left: FuncIndex,
}

impl SideExit {
    /// What compiled code has just noted of an exit of `function`.
    pub fn noted(vm: &VmStore, function: FuncIndex) -> SideExit {
        SideExit { function, position: ExitPlace::of(vm.exit_place).position, left: FuncIndex(vm.exit_of) }
    }
}

/// The exits of a module's code so far.
#[derive(Default)]
pub(crate) struct Exits(Mutex<State>);

#[derive(Default)]
struct State {
    taken: HashMap<(FuncIndex, u32), u64>,
    /// Entries of counting code in the middle of a function, which are no exits.
    entered: HashMap<(FuncIndex, u32), u64>,
    left: HashMap<FuncIndex, Left>,
}

/// How the speculative code of a function fares.
#[derive(Clone, Copy, Default)]
struct Left {
    /// Exits since it was made.
    exits: u32,
    /// How often it was made anew.
    anew: u32,
    /// Whether new code was asked for and is not there yet: until then exits of the old one tell nothing new.
    waits: bool,
}

impl Exits {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an exit: how often it was taken so far, and how often the code it left was made anew, where that is to be done again.
    fn count(&self, exit: SideExit, renewal_threshold: u32) -> (u64, Option<u32>) {
        let mut state = self.lock();
        let taken = state.taken.entry((exit.function, exit.position)).or_default();
        *taken += 1;
        let taken = *taken;
        let left = state.left.entry(exit.left).or_default();
        left.exits = left.exits.saturating_add(1);
        let outdated = !left.waits && left.exits >= renewal_threshold;
        if outdated {
            *left = Left { exits: 0, anew: left.anew.saturating_add(1), waits: false };
        }
        (taken, outdated.then_some(left.anew))
    }

    /// Whether code of a function may still be speculative, which was made anew so often at most.
    pub fn may_speculate(&self, function: FuncIndex, renewals: u32) -> bool {
        self.lock().left.get(&function).is_none_or(|left| left.anew <= renewals)
    }

    /// New code of a function was asked for.
    fn wait_for(&self, function: FuncIndex) {
        self.lock().left.entry(function).or_default().waits = true;
    }

    /// Code of a function is there: from now on its own exits count.
    pub fn arrived(&self, function: FuncIndex) {
        if let Some(left) = self.lock().left.get_mut(&function) {
            *left = Left { exits: 0, waits: false, ..*left };
        }
    }

    /// Counting code was entered before the instruction at a position of a function, which no counter of that code knows.
    pub fn entered(&self, function: FuncIndex, position: u32) {
        *self.lock().entered.entry((function, position)).or_default() += 1;
    }

    /// How often each was taken so far, by function and position.
    pub fn all(&self) -> Vec<TakenExit> {
        let taken = |(&(function, offset), &count): (&(FuncIndex, u32), &u64)| TakenExit { function, offset, count };
        let mut all: Vec<TakenExit> = self.lock().taken.iter().map(taken).collect();
        all.sort_unstable_by_key(|exit| (exit.function, exit.offset));
        all
    }

    /// Those taken so far, beside what else was counted.
    pub fn counts<'a>(&self, counted: Option<Arc<dyn BranchCounts + Send>>, gathered: Option<Gathered<'a>>) -> WithExits<'a> {
        let state = self.lock();
        let mut taken = state.taken.clone();
        state.entered.iter().for_each(|(&place, count)| *taken.entry(place).or_default() += count);
        WithExits { counted, gathered, taken }
    }
}

/// Counts of earlier runs, and the exits of this one; for functions that those do not know, what this run has counted.
pub(crate) struct WithExits<'a> {
    counted: Option<Arc<dyn BranchCounts + Send>>,
    gathered: Option<Gathered<'a>>,
    taken: HashMap<(FuncIndex, u32), u64>,
}

impl<'a> WithExits<'a> {
    fn counted(&self) -> &dyn BranchCounts {
        self.counted.as_ref().map_or(&NoCounts, |counted| &**counted)
    }

    /// What this run has counted, where earlier ones do not know the function.
    fn gathered(&self, function: FuncIndex) -> Option<&Gathered<'a>> {
        self.gathered.as_ref().filter(|_| self.counted().entries(function).is_none())
    }
}

impl BranchCounts for WithExits<'_> {
    fn entries(&self, function: FuncIndex) -> Option<u64> {
        match self.gathered(function) {
            Some(gathered) => gathered.entries(function, &self.taken),
            None => self.counted().entries(function),
        }
    }

    fn taken(&self, function: FuncIndex, entry: u32) -> u64 {
        self.gathered(function).map_or_else(|| self.counted().taken(function, entry), |gathered| gathered.taken(function, entry))
    }

    fn targets(&self, function: FuncIndex, site: u32) -> SiteTargets {
        self.gathered(function).map_or_else(|| self.counted().targets(function, site), |gathered| gathered.targets(function, site))
    }

    fn exits(&self, function: FuncIndex, position: u32) -> u64 {
        self.counted().exits(function, position) + self.taken.get(&(function, position)).copied().unwrap_or(0)
    }

    fn leaves(&self, function: FuncIndex, position: u32, executed: u64) -> bool {
        self.counted().leaves(function, position, executed)
    }

    fn is_worth_tests(&self, function: FuncIndex, cheaper: u64, tested: u64) -> bool {
        self.counted().is_worth_tests(function, cheaper, tested)
    }
}

/// An exit was taken: code that goes on from there, or null.
pub(crate) fn taken(instance: &InstanceInner, exit: SideExit) -> *const u8 {
    let code = &instance.code;
    if code.engine().compiler().is_none() || !code.takes_code() {
        return std::ptr::null();
    }
    let tunables = code.engine().tunables();
    let SideExit { function, position, .. } = exit;
    let (count, outdated) = code.exits().count(exit, tunables.renewal_threshold);
    let wanted = count > u64::from(tunables.bridge_threshold);
    if count == 1 || count == u64::from(tunables.bridge_threshold) + 1 {
        code.tell(|| CompilationEvent::SideExit { function, offset: position, count });
    }
    if let Some(anew) = outdated.filter(|&anew| anew <= tunables.renewals.saturating_add(1)) {
        renew(code, exit.left, anew, tunables.renewals);
    }
    if wanted { jit::entry_at(code, Purpose::Bridge(function, position), Rung::Last, 1) } else { std::ptr::null() }
}

/// Has a function's code made anew; what runs in the old one goes on there.
fn renew(code: &Arc<ModuleCode>, function: FuncIndex, anew: u32, renewals: u32) {
    let how = if anew <= renewals { "with fewer exits" } else { "without exits" };
    let reason = format!("its side exits were taken too often; it is made anew {how}");
    if code.forget_loops(function) | code.has_installed(function, Rung::Last) {
        code.tell(|| CompilationEvent::Withdrawn { function, tier: Tier::T4, reason: &reason });
    }
    if code.has_installed(function, Rung::Last) {
        code.exits().wait_for(function);
        jit::renew(code, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_made_anew_some_times_and_exits_become_counts() {
        let exits = Exits::default();
        let exit = SideExit { function: FuncIndex(1), position: 40, left: FuncIndex(2) };
        let counted: Vec<(u64, Option<u32>)> = (0..7).map(|_| exits.count(exit, 3)).collect();
        assert_eq!(counted, [(1, None), (2, None), (3, Some(1)), (4, None), (5, None), (6, Some(2)), (7, None)]);
        exits.wait_for(FuncIndex(2));
        assert!((0..9).all(|_| exits.count(exit, 3).1.is_none()), "the old code is left until the new one is there");
        exits.arrived(FuncIndex(2));
        assert_eq!([(); 3].map(|()| exits.count(exit, 3).1), [None, None, Some(3)]);
        assert!(exits.may_speculate(FuncIndex(2), 3) && !exits.may_speculate(FuncIndex(2), 2));
        assert!(exits.may_speculate(FuncIndex(1), 0), "its own code was never left");
        let counts = exits.counts(None, None);
        assert_eq!((counts.exits(FuncIndex(1), 40), counts.exits(FuncIndex(1), 41), counts.entries(FuncIndex(1))), (19, 0, None));
    }
}
