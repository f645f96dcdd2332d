//! Traces and profiles: what training runs tell about a module, kept so that an assembly can use it later.
//!
//! ```text
//! interpreter -> Recorder (an instance) -> Recording (a module) -> Trace (one run) -> Profile -> merge -> *.trprof
//! *.trprof -> Profile -> rebase(module) -> (Profile that fits the module, Coverage) -> plan
//!                     -> Summary, Difference, Similarity, Selection (who is needed), fates(module): for people
//! ```
//! Invariants: counters wrap at 64 bits; merging is commutative and associative down to the bytes of the file; a profile never holds
//! arguments or environment; what [`Profile::rebase`] returns refers only to functions, side table entries and call sites that the
//! module has, whatever the file said. A profile can cost speed, never correctness.
//!
//! ```
//! use trjit_module::{DefinedFuncIndex, Module};
//! use trjit_trace::{Profile, Recorder, RunInfo};
//! let wasm = wat::parse_str(r#"(module (func (export "run")))"#)?;
//! let module = Module::parse(wasm)?;
//! let recorder = Recorder::new(&module);
//! recorder.count_entry(DefinedFuncIndex(0));
//! let trace = recorder.finish(RunInfo { workload: "first".into(), ..RunInfo::default() });
//! let profile = Profile::from_trace(&module, trace)?;
//! let merged = Profile::merge([profile.clone(), profile])?;
//! assert_eq!((merged.runs().len(), merged.total_calls()), (2, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod block_tree;
mod call_targets;
mod codec;
mod contribution;
mod counts;
mod difference;
mod fates;
mod file;
mod identity;
mod keys;
mod merge;
mod order;
mod output;
mod profile;
mod recorder;
mod recording;
mod sequence_match;
mod similarity;
mod staleness;
mod summary;

#[cfg(test)]
mod testing;

pub use call_targets::{CallTargets, INLINE_TARGETS, count};
pub use codec::{FORMAT_VERSION, FormatError, MAX_PAYLOAD, varint};
pub use contribution::{Contributions, Needed, Selection};
pub use counts::OwnCounts;
pub use difference::{Change, Difference, Side};
pub use fates::Fate;
pub use file::FileError;
pub use identity::FunctionIdentity;
pub use merge::{MergeError, Merger};
pub use order::MergeRule;
pub use output::{OutputError, write_file, write_file_checked};
pub use profile::{BranchCount, FunctionProfile, ImportName, ModuleIdentity, Profile, Run, SiteProfile, TargetCount};
pub use recorder::{FirstCall, Recorder, RunInfo, Trace};
pub use recording::Recording;
pub use sequence_match::SequenceMatcher;
pub use similarity::{Pair, Sequences, Similarity, Spread};
pub use staleness::Coverage;
pub use summary::{HotFunction, RunSummary, Summary};
