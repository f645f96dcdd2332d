//! `Recorder`: what one instance does, while it does it. The interpreter writes here; what several instances of a module record comes together in
//! their [`Recording`].
//!
//! Invariant: all counters exist from the start, at addresses that stay as long as the recorder (also when it is moved), so that the interpreter counts with one
//! load and one store. They are written by the instance's thread alone, and other threads may look at any time. Counters wrap at 64 bits.

use crate::call_targets::{CallTargets, count};
use crate::counts::LiveCounts;
use crate::recording::Recording;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use trjit_module::vm::VmCallTargets;
use trjit_module::{DefinedFuncIndex, Digest, FuncIndex, Module};

/// The first invocation of a function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FirstCall {
    /// The function, as [`DefinedFuncIndex`].
    pub function: u32,
    /// When, in microseconds since the recording began.
    pub micros: u64,
}

/// What the recorder itself can not know about its run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// A name that people gave to the run, not its arguments.
    pub workload: String,
    /// How much this run counts in the merged order of first use; counters are not scaled by it.
    pub weight: u32,
    /// Wall time of the run; 0: as the recording measured it.
    pub seconds: f64,
    /// How it ended, for people: "exit 0", "trap: unreachable", "SIGINT".
    pub ended: String,
}

impl Default for RunInfo {
    fn default() -> RunInfo {
        RunInfo { workload: String::new(), weight: 1, seconds: 0.0, ended: String::new() }
    }
}

impl From<&str> for RunInfo {
    /// A run by its name.
    fn from(workload: &str) -> RunInfo {
        RunInfo { workload: workload.to_string(), ..RunInfo::default() }
    }
}

/// One run, closed, or what was recorded between two moments.
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

/// The recorder of one instance. When it is dropped the instance has ended; its counts stay with the recording.
pub struct Recorder {
    recording: Arc<Recording>,
    number: u64,
    counts: Arc<LiveCounts>,
}

impl Recorder {
    /// The recorder of the only instance of a new recording; see [`Recording::recorder`] for several.
    pub fn new(module: &Module) -> Recorder {
        Recording::new(module).recorder()
    }

    pub(crate) fn of(recording: Arc<Recording>, number: u64, counts: Arc<LiveCounts>) -> Recorder {
        Recorder { recording, number, counts }
    }

    /// Invocation counters, by [`DefinedFuncIndex`]. Who counts here (see [`count`]) calls [`record_entry`](Self::record_entry) when it finds zero.
    pub fn entries(&self) -> &[AtomicU64] {
        &self.counts.entries
    }

    /// Counters of taken branches, by position in the side table of the module. Those of indirect call sites are ignored.
    pub fn branches(&self) -> &[AtomicU64] {
        &self.counts.branches
    }

    /// Targets of indirect call sites, by the site's number, for compiled code, which writes as the instance's thread.
    pub fn sites(&self) -> *mut VmCallTargets {
        self.counts.sites.as_ptr().cast_mut().cast()
    }

    /// Notes time and order of a function's first invocation. The slow path: it counts nothing, and further calls for the same function
    /// do nothing.
    #[cold]
    pub fn record_entry(&self, function: DefinedFuncIndex) {
        self.recording.first_call(function);
    }

    /// Counts an invocation and notes the first one: for callers that do not hold the arrays.
    pub fn count_entry(&self, function: DefinedFuncIndex) {
        let Some(entries) = self.entries().get(function.index()) else { return };
        if count(entries) == 1 {
            self.record_entry(function);
        }
    }

    /// Counts a call at an indirect call site (the number that the side table holds); `None` is a function of another instance.
    #[inline]
    pub fn record_indirect(&self, site: u32, target: Option<FuncIndex>) {
        if let Some(targets) = self.counts.sites.get(site as usize) {
            targets.record(target);
        }
    }

    /// Ends the recorder and takes the trace of its recording.
    pub fn finish(self, info: RunInfo) -> Trace {
        self.recording.take(info)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.recording.end(self.number);
    }
}
