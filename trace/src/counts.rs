//! The counters of one instance: `LiveCounts` while it runs, `Counts` as the plain numbers of a moment, which can be added and subtracted.
//!
//! Invariant: counters wrap at 64 bits, so differences and sums are exact whatever happened between.

use crate::call_targets::{CallTargets, LiveTargets};
use std::sync::atomic::{AtomicU64, Ordering};
use trjit_module::vm::VmCallTargets;
use trjit_module::{FuncIndex, Module};

/// Counters of this moment, or what came between two moments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Invocations, by defined function.
    pub entries: Box<[u64]>,
    /// Taken branches, by side table entry.
    pub branches: Box<[u64]>,
    /// By indirect call site.
    pub sites: Box<[CallTargets]>,
}

impl Counts {
    pub fn new(module: &Module) -> Counts {
        Counts {
            entries: vec![0; module.functions().len()].into(),
            branches: vec![0; module.side_table_len()].into(),
            sites: vec![CallTargets::default(); module.header().indirect_sites as usize].into(),
        }
    }

    /// Adds those of another instance of the module.
    pub fn add(&mut self, more: &Counts) {
        add_each(&mut self.entries, &more.entries);
        add_each(&mut self.branches, &more.branches);
        self.sites.iter_mut().zip(&more.sites).for_each(|(sum, more)| sum.add_all(more));
    }

    /// What came after `earlier`, an older state of the same instance.
    pub fn since(&self, earlier: &Counts) -> Counts {
        Counts {
            entries: subtract_each(&self.entries, &earlier.entries),
            branches: subtract_each(&self.branches, &earlier.branches),
            sites: self.sites.iter().zip(&earlier.sites).map(|(now, earlier)| now.since(earlier)).collect(),
        }
    }
}

fn add_each(sums: &mut [u64], more: &[u64]) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.wrapping_add(*more));
}

fn subtract_each(now: &[u64], earlier: &[u64]) -> Box<[u64]> {
    now.iter().zip(earlier).map(|(now, earlier)| now.wrapping_sub(*earlier)).collect()
}

/// Counters that the instance's thread writes, and any thread can look at.
#[derive(Debug)]
pub(crate) struct LiveCounts {
    pub entries: Box<[AtomicU64]>,
    pub branches: Box<[AtomicU64]>,
    pub sites: Box<[LiveTargets]>,
}

impl LiveCounts {
    pub fn new(module: &Module) -> LiveCounts {
        let zeros = |len| (0..len).map(|_| AtomicU64::new(0)).collect();
        LiveCounts {
            entries: zeros(module.functions().len()),
            branches: zeros(module.side_table_len()),
            sites: (0..module.header().indirect_sites).map(|_| LiveTargets::default()).collect(),
        }
    }

    /// The counters of this moment. Where the instance runs meanwhile each is right by itself, and a little older or newer than its neighbours.
    pub fn look(&self) -> Counts {
        let plain = |live: &[AtomicU64]| live.iter().map(|counter| counter.load(Ordering::Relaxed)).collect();
        Counts { entries: plain(&self.entries), branches: plain(&self.branches), sites: self.sites.iter().map(LiveTargets::look).collect() }
    }
}

/// Counters that belong to no recording: what code counts for the process that it runs in.
#[derive(Debug)]
pub struct OwnCounts(LiveCounts);

impl OwnCounts {
    /// All zero, for any number of instances of a module.
    pub fn new(module: &Module) -> OwnCounts {
        OwnCounts(LiveCounts::new(module))
    }

    /// Invocation counters, by [`DefinedFuncIndex`](trjit_module::DefinedFuncIndex).
    pub fn entries(&self) -> &[AtomicU64] {
        &self.0.entries
    }

    /// Counters of taken branches, by position in the side table of the module.
    pub fn branches(&self) -> &[AtomicU64] {
        &self.0.branches
    }

    /// Targets of indirect call sites, by the site's number, for compiled code.
    pub fn sites(&self) -> *mut VmCallTargets {
        self.0.sites.as_ptr().cast_mut().cast()
    }

    /// Counts a call at an indirect call site; `None` is a function of another instance.
    pub fn record_indirect(&self, site: u32, target: Option<FuncIndex>) {
        if let Some(targets) = self.0.sites.get(site as usize) {
            targets.record(target);
        }
    }

    /// What a site has called so far.
    pub fn targets(&self, site: u32) -> CallTargets {
        self.0.sites.get(site as usize).map(LiveTargets::look).unwrap_or_default()
    }
}
