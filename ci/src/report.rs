//! What the step found, as data: printed with `--json`, kept in `.trjit/report.json`, and the source of every summary. `schema` is 1; new keys may come.
//!
//! Sizes are bytes, times seconds, shares 0 to 1, digests BLAKE3 in hexadecimal digits.

use crate::baseline::Comparison;
use crate::case::Observation;
use crate::config::Run;
use crate::coverage::Coverage;
use crate::gates::Gate;
use crate::outcome::Failure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trjit_module::Digest;
use trjit_trace::Profile;

/// The version of this document.
pub const SCHEMA: u32 = 1;

/// How the step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Passed,
    Failed,
    /// Nothing has changed since the last run that passed.
    Unchanged,
    /// A signal came.
    Interrupted,
}

impl Status {
    pub const fn name(self) -> &'static str {
        match self {
            Status::Passed => "passed",
            Status::Failed => "failed",
            Status::Unchanged => "unchanged",
            Status::Interrupted => "interrupted",
        }
    }
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub schema: u32,
    pub status: Status,
    pub exit_code: u8,
    pub failures: Vec<Failure>,
    pub warnings: Vec<String>,
    /// Version and commit.
    pub trjit: String,
    /// What was measured is that of the last run: nothing has changed since.
    pub reused: bool,
    /// `None` where the step failed before.
    pub measured: Option<Measured>,
    pub gates: Vec<Gate>,
    pub baseline: Option<Comparison>,
    /// By the name of the step.
    pub seconds: BTreeMap<String, f64>,
}

/// What was made and measured: all of the report that depends on the inputs alone (but for seconds).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub module: ModuleFacts,
    pub profile: ProfileFacts,
    pub runs: Vec<RunFacts>,
    /// Time of the wrapped command, where it was recorded.
    pub command_seconds: Option<f64>,
    /// What coverage was measured on.
    pub measured_on: MeasuredOn,
    pub targets: Vec<TargetFacts>,
    /// What of the training was not as in the run before, though its inputs were the same: a line each. Empty: the same events.
    pub training_differs: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleFacts {
    pub path: String,
    pub digest: String,
    pub bytes: u64,
    pub functions: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileOrigin {
    Trained,
    /// Read from a file.
    Kept,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileFacts {
    pub origin: ProfileOrigin,
    /// Of its content without times: equal where the training did the same.
    pub digest: String,
    pub runs: u32,
    /// Functions that were entered.
    pub functions: u32,
    pub calls: u64,
    /// Of a kept profile.
    pub staleness: Option<Staleness>,
}

impl ProfileFacts {
    pub fn new(origin: ProfileOrigin, profile: &Profile, staleness: Option<Staleness>) -> ProfileFacts {
        ProfileFacts {
            origin,
            digest: Digest::of(&profile.to_bytes()).to_string(),
            runs: profile.runs().len() as u32,
            functions: profile.functions().iter().filter(|function| function.entries != 0).count() as u32,
            calls: profile.total_calls(),
            staleness,
        }
    }
}

/// How much of a kept profile the module has no functions for any more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Staleness {
    pub same_module: bool,
    /// Share of its calls.
    pub calls_lost: f64,
    pub functions_recorded: u32,
    pub functions_matched: u32,
}

/// A run of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    pub name: String,
    pub left_out: bool,
    pub weight: u32,
    /// Calls and functions recorded; 0 where the run was not recorded.
    pub calls: u64,
    pub functions: u32,
    /// Digest of what was recorded.
    pub events: Option<String>,
    /// Time of the first execution: recorded, or plain.
    pub seconds: f64,
    /// Time on the cache, by its file; empty where none can run here.
    pub cached_seconds: BTreeMap<String, f64>,
    /// Median times with the cache and without one, where the gate on time asks for them.
    pub timed: Option<(f64, f64)>,
}

impl RunFacts {
    pub fn new(run: &Run, seen: &Observation, profile: Option<&Profile>) -> RunFacts {
        RunFacts {
            name: run.name.clone(),
            left_out: run.left_out,
            weight: run.weight,
            calls: profile.map_or(0, Profile::total_calls),
            functions: profile.map_or(0, |profile| profile.functions().iter().filter(|function| function.entries != 0).count() as u32),
            events: profile.map(|profile| Digest::of(&profile.to_bytes()).to_string()),
            seconds: seen.seconds,
            cached_seconds: BTreeMap::new(),
            timed: None,
        }
    }
}

/// What coverage was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeasuredOn {
    /// Runs that were not trained on.
    LeftOut,
    /// The training itself, for want of others.
    Training,
}

/// A cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetFacts {
    pub cpu_level: String,
    pub memory: String,
    pub fuel: bool,
    /// Its file, as the report's reader finds it: relative to `trjit.toml`.
    pub cache: String,
    pub digest: String,
    pub bytes: u64,
    /// Functions with code, by tier.
    pub tiers: BTreeMap<String, u32>,
    pub coverage: Coverage,
    /// Whether it was checked by a second compilation and a disassembler.
    pub verified: bool,
    /// CPU levels, and why the cache is refused there.
    pub accepted: BTreeMap<String, Option<String>>,
    /// Whether the runs were repeated on it; else why not.
    pub not_run: Option<String>,
    /// Time of the test command on it; `None` where there is none, or it was not repeated.
    pub command_seconds: Option<f64>,
}

impl TargetFacts {
    /// What tells it from other targets.
    pub fn key(&self) -> String {
        let (memory, fuel) = (if self.memory == "reserved" { "" } else { " checked" }, if self.fuel { " fuel" } else { "" });
        format!("{}{memory}{fuel}", self.cpu_level)
    }
}
