//! `Recorder`: the trace of one run while it is being made. The interpreter writes here; `finish` closes it.
//!
//! Invariant: all counters exist from the start, at addresses that stay until `finish` (also when the recorder is moved), so that the
//! interpreter counts with one load and one store. Counters wrap at 64 bits.

use std::time::Instant;
use trjit_module::{DefinedFuncIndex, Digest, FuncIndex, Module};

/// How many targets of an indirect call site are told apart; calls of further ones count as `other`.
pub const INLINE_TARGETS: usize = 8;

/// The first invocation of a function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FirstCall {
    /// The function, as [`DefinedFuncIndex`].
    pub function: u32,
    /// When, in microseconds since the recorder was made.
    pub micros: u64,
}

/// The callees seen at one indirect call site: the first [`INLINE_TARGETS`] different ones, each with its count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTargets {
    counts: [u64; INLINE_TARGETS],
    /// Calls of targets that found no place, and of functions of other instances.
    pub other: u64,
    functions: [u32; INLINE_TARGETS],
    len: u32,
}

impl CallTargets {
    /// Counts a call; `None` is a function of another instance.
    #[inline]
    pub fn record(&mut self, target: Option<FuncIndex>) {
        let len = self.len as usize;
        let Some(FuncIndex(function)) = target else {
            self.other = self.other.wrapping_add(1);
            return;
        };
        if let Some(place) = self.functions[..len].iter().position(|&known| known == function) {
            self.counts[place] = self.counts[place].wrapping_add(1);
        } else if len < INLINE_TARGETS {
            (self.functions[len], self.counts[len]) = (function, 1);
            self.len += 1;
        } else {
            self.other = self.other.wrapping_add(1);
        }
    }

    /// The targets in the order of their first call, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (FuncIndex, u64)> + '_ {
        self.functions.iter().zip(&self.counts).take(self.len as usize).map(|(&function, &count)| (FuncIndex(function), count))
    }

    /// Whether the site was never reached.
    pub fn is_empty(&self) -> bool {
        self.len == 0 && self.other == 0
    }
}

/// What the recorder itself can not know about its run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// A name that people gave to the run, not its arguments.
    pub workload: String,
    /// How much this run counts in the merged order of first use; counters are not scaled by it.
    pub weight: u32,
    /// Wall time of the run.
    pub seconds: f64,
    /// How it ended, for people: "exit 0", "trap: unreachable", "SIGINT".
    pub ended: String,
}

impl Default for RunInfo {
    fn default() -> RunInfo {
        RunInfo { workload: String::new(), weight: 1, seconds: 0.0, ended: String::new() }
    }
}

/// One run, closed.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Digest of the module that ran.
    pub module: Digest,
    pub info: RunInfo,
    /// Invocations of each defined function.
    pub entries: Box<[u64]>,
    /// Taken branches, for each side table entry of the module.
    pub branches: Box<[u64]>,
    /// First invocations, in order.
    pub first_calls: Vec<FirstCall>,
    /// Targets of each indirect call site of the module.
    pub sites: Box<[CallTargets]>,
}

/// The trace of a run that goes on.
#[derive(Debug)]
pub struct Recorder {
    module: Digest,
    started: Instant,
    entries: Box<[u64]>,
    branches: Box<[u64]>,
    sites: Box<[CallTargets]>,
    first_calls: Vec<FirstCall>,
    entered: Box<[bool]>,
}

impl Recorder {
    /// An empty trace; time counts from here.
    pub fn new(module: &Module) -> Recorder {
        let functions = module.functions().len();
        Recorder {
            module: module.digest(),
            started: Instant::now(),
            entries: vec![0; functions].into(),
            branches: vec![0; module.side_table().len()].into(),
            sites: vec![CallTargets::default(); module.header().indirect_sites as usize].into(),
            first_calls: Vec::new(),
            entered: vec![false; functions].into(),
        }
    }

    /// Invocation counters, by [`DefinedFuncIndex`]. Who counts here calls [`record_entry`](Self::record_entry) when it finds zero.
    pub fn entries_mut(&mut self) -> &mut [u64] {
        &mut self.entries
    }

    /// Counters of taken branches, by position in [`Module::side_table`]. Those of indirect call sites are ignored.
    pub fn branches_mut(&mut self) -> &mut [u64] {
        &mut self.branches
    }

    /// Both arrays of counters at once: entries, branches. They stay where they are until [`finish`](Self::finish).
    pub fn counters_mut(&mut self) -> (&mut [u64], &mut [u64]) {
        (&mut self.entries, &mut self.branches)
    }

    /// Notes time and order of a function's first invocation. The slow path: it counts nothing, and further calls for the same function
    /// do nothing.
    #[cold]
    pub fn record_entry(&mut self, function: DefinedFuncIndex) {
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Some(entered) = self.entered.get_mut(function.index()) else { return };
        if !std::mem::replace(entered, true) {
            self.first_calls.push(FirstCall { function: function.0, micros });
        }
    }

    /// Counts an invocation and notes the first one: for callers that do not hold the arrays.
    pub fn count_entry(&mut self, function: DefinedFuncIndex) {
        let Some(entries) = self.entries.get_mut(function.index()) else { return };
        *entries = entries.wrapping_add(1);
        if *entries == 1 {
            self.record_entry(function);
        }
    }

    /// Counts a call at an indirect call site (the number that the side table holds); `None` is a function of another instance.
    #[inline]
    pub fn record_indirect(&mut self, site: u32, target: Option<FuncIndex>) {
        if let Some(targets) = self.sites.get_mut(site as usize) {
            targets.record(target);
        }
    }

    /// Closes the trace.
    pub fn finish(self, info: RunInfo) -> Trace {
        let Recorder { module, started: _, entries, branches, sites, first_calls, entered: _ } = self;
        Trace { module, info, entries, branches, first_calls, sites }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ninth_target_and_foreign_functions_count_as_other() {
        let mut targets = CallTargets::default();
        assert!(targets.is_empty());
        (0..10).chain(0..10).for_each(|function| targets.record(Some(FuncIndex(function))));
        targets.record(None);
        assert_eq!(targets.iter().collect::<Vec<_>>(), (0..8).map(|function| (FuncIndex(function), 2)).collect::<Vec<_>>());
        assert_eq!(targets.other, 5);
    }
}
