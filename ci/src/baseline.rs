//! The baseline: figures of a run that people accepted, kept with the sources, and what differs from them now.
//!
//! It holds no time and no path of a machine, so that it changes only when the figures do.

use crate::files;
use crate::outcome::{Failure, Kind};
use crate::report::{Measured, TargetFacts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the file.
const SCHEMA: u32 = 1;

/// `trjit-baseline.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    schema: u32,
    /// Who measured.
    trjit: String,
    module: String,
    profile: String,
    /// By [`TargetFacts::key`].
    targets: BTreeMap<String, TargetFigures>,
    /// What each run recorded.
    runs: BTreeMap<String, RunFigures>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetFigures {
    bytes: u64,
    functions: u32,
    calls_covered: f64,
    instructions_covered: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunFigures {
    calls: u64,
    functions: u32,
    events: String,
}

/// What is not as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub same_module: bool,
    pub same_profile: bool,
    /// The baseline's trjit, where it is another one.
    pub other_trjit: Option<String>,
    /// Targets that both have.
    pub targets: Vec<TargetChange>,
    /// Targets that only one has.
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Runs of the same module that recorded something else, or that only one has: a line each.
    pub runs: Vec<String>,
}

/// A pair is before, after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetChange {
    pub target: String,
    pub cache: String,
    pub bytes: (u64, u64),
    pub functions: (u32, u32),
    pub calls_covered: (f64, f64),
    pub instructions_covered: (f64, f64),
}

impl TargetChange {
    /// Of the file's size, as a share of what it was; negative where it is smaller.
    pub fn growth(&self) -> f64 {
        self.bytes.1 as f64 / self.bytes.0.max(1) as f64 - 1.0
    }

    /// The larger loss of covered calls or instructions; negative where both are more.
    pub fn coverage_loss(&self) -> f64 {
        (self.calls_covered.0 - self.calls_covered.1).max(self.instructions_covered.0 - self.instructions_covered.1)
    }
}

fn functions(target: &TargetFacts) -> u32 {
    target.tiers.values().sum()
}

impl Baseline {
    /// The figures of a run.
    pub fn of(measured: &Measured, trjit: &str) -> Baseline {
        let targets = measured.targets.iter().map(|target| {
            let coverage = &target.coverage;
            let figures = TargetFigures {
                bytes: target.bytes,
                functions: functions(target),
                calls_covered: coverage.calls_covered,
                instructions_covered: coverage.instructions_covered,
            };
            (target.key(), figures)
        });
        let runs = measured.runs.iter().filter_map(|run| {
            let figures = RunFigures { calls: run.calls, functions: run.functions, events: run.events.clone()? };
            Some((run.name.clone(), figures))
        });
        Baseline {
            schema: SCHEMA,
            trjit: trjit.into(),
            module: measured.module.digest.clone(),
            profile: measured.profile.digest.clone(),
            targets: targets.collect(),
            runs: runs.collect(),
        }
    }

    /// Reads the file; `None` where there is none. `shown`: its name in messages.
    pub fn read(path: &Path, shown: &Path) -> Result<Option<Baseline>, Failure> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(files::unreadable(path)(error)),
        };
        let help = "restore it from version control, or write a new one with `trjit ci --accept`";
        let wrong = |what: String| {
            Failure::new(Kind::Failed, format!("the baseline `{}` can not be used: {what}", shown.display())).with_help(help)
        };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        match value.get("schema").and_then(serde_json::Value::as_u64) {
            Some(found) if found == u64::from(SCHEMA) => serde_json::from_value(value).map(Some).map_err(|error| wrong(error.to_string())),
            found => Err(wrong(format!("found schema {}, expected {SCHEMA}", found.map_or("none".into(), |found| found.to_string())))),
        }
    }

    pub fn to_json(&self) -> String {
        // No key is anything but a string, and no number is infinite.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// What differs now.
    pub fn compare(&self, measured: &Measured, trjit: &str) -> Comparison {
        let now = Baseline::of(measured, trjit);
        let targets = measured.targets.iter().filter_map(|target| {
            let (before, after) = (self.targets.get(&target.key())?, now.targets.get(&target.key())?);
            Some(TargetChange {
                target: target.key(),
                cache: target.cache.clone(),
                bytes: (before.bytes, after.bytes),
                functions: (before.functions, after.functions),
                calls_covered: (before.calls_covered, after.calls_covered),
                instructions_covered: (before.instructions_covered, after.instructions_covered),
            })
        });
        let only = |a: &Baseline, b: &Baseline| a.targets.keys().filter(|key| !b.targets.contains_key(*key)).cloned().collect();
        Comparison {
            same_module: self.module == now.module,
            same_profile: self.profile == now.profile,
            other_trjit: (self.trjit != now.trjit).then(|| self.trjit.clone()),
            targets: targets.collect(),
            added: only(&now, self),
            removed: only(self, &now),
            runs: if self.module == now.module { self.runs_that_differ(&now) } else { Vec::new() },
        }
    }

    fn runs_that_differ(&self, now: &Baseline) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, after) in &now.runs {
            match self.runs.get(name) {
                None => lines.push(format!("run `{name}` is new")),
                Some(before) if before.events != after.events => lines.push(format!(
                    "run `{name}` recorded {} calls of {} functions, {} of {} in the baseline",
                    after.calls, after.functions, before.calls, before.functions
                )),
                Some(_) => {}
            }
        }
        lines.extend(self.runs.keys().filter(|name| !now.runs.contains_key(*name)).map(|name| format!("run `{name}` is gone")));
        lines
    }
}
