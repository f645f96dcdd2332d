//! The gates: what must hold for the step to pass, judged on the report alone, so that a changed limit needs no new measurement.

use crate::baseline::Comparison;
use crate::config::Gates;
use crate::outcome::{Failure, Kind};
use crate::report::{Measured, MeasuredOn, TargetFacts};
use crate::words::{bytes, percent};
use serde::{Deserialize, Serialize};
use trjit_code::CpuLevel;

/// The gate on CPU levels.
const ACCEPT: &str = "accept";

/// One gate, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Its key in `[gates]`.
    pub name: String,
    /// What it was measured on, where there are several: a cache.
    pub of: Option<String>,
    /// For people.
    pub limit: String,
    pub found: String,
    pub passed: bool,
    /// What to do, where it failed.
    pub help: Option<String>,
}

impl Gate {
    /// As a failure of the step.
    pub fn failure(&self) -> Failure {
        let of = self.of.as_ref().map(|of| format!(" of `{of}`")).unwrap_or_default();
        // Production would run without a cache there: that is more than a limit that was missed.
        let kind = if self.name == ACCEPT { Kind::Refused } else { Kind::Gate };
        let failure = Failure::new(kind, format!("gate `{}`{of}: found {}, expected {}", self.name, self.found, self.limit));
        Failure { help: self.help.clone(), ..failure }
    }
}

impl Gates {
    /// The keys of those that are asked for.
    pub fn named(&self) -> Vec<&'static str> {
        let Gates { calls_covered, instructions_covered, cache_size, staleness, accept, growth, coverage_loss, time_ratio } = self;
        let asked = [
            ("calls-covered", calls_covered.is_some()),
            ("instructions-covered", instructions_covered.is_some()),
            ("cache-size", cache_size.is_some()),
            ("staleness", staleness.is_some()),
            (ACCEPT, !accept.is_empty()),
            ("growth", growth.is_some()),
            ("coverage-loss", coverage_loss.is_some()),
            ("time-ratio", time_ratio.is_some()),
        ];
        asked.into_iter().filter(|(_, asked)| *asked).map(|(name, _)| name).collect()
    }
}

/// Judges all gates that the file asks for.
pub fn judge(gates: &Gates, measured: &Measured, baseline: Option<&Comparison>) -> Vec<Gate> {
    let mut judged = Vec::new();
    for target in &measured.targets {
        covered(gates, measured, target, &mut judged);
        size(gates, target, &mut judged);
    }
    staleness(gates, measured, &mut judged);
    accept(gates, measured, &mut judged);
    if let Some(baseline) = baseline {
        against(gates, baseline, &mut judged);
    }
    time(gates, measured, &mut judged);
    judged
}

fn covered(gates: &Gates, measured: &Measured, target: &TargetFacts, judged: &mut Vec<Gate>) {
    let on = match measured.measured_on {
        MeasuredOn::LeftOut => "the left-out runs",
        MeasuredOn::Training => "the training runs (none is left out)",
    };
    let shares = [
        ("calls-covered", gates.calls_covered, target.coverage.calls_covered, "calls"),
        ("instructions-covered", gates.instructions_covered, target.coverage.instructions_covered, "instructions"),
    ];
    for (name, limit, found, what) in shares {
        let Some(limit) = limit else { continue };
        let missing = target.coverage.functions_uncovered;
        judged.push(Gate {
            name: name.into(),
            of: Some(target.cache.clone()),
            limit: format!("at least {} of the {what} of {on}", percent(limit)),
            found: percent(found),
            passed: found >= limit,
            help: (found < limit).then(|| {
                format!(
                    "{missing} functions that these runs entered have no code: add a training run that does the same kind of work, or say `functions = \"all\"` in [[target]]"
                )
            }),
        });
    }
}

fn size(gates: &Gates, target: &TargetFacts, judged: &mut Vec<Gate>) {
    let Some(limit) = gates.cache_size else { return };
    judged.push(Gate {
        name: "cache-size".into(),
        of: Some(target.cache.clone()),
        limit: format!("at most {}", bytes(limit)),
        found: bytes(target.bytes),
        passed: target.bytes <= limit,
        help: (target.bytes > limit).then(|| {
            "say `functions = \"recorded\"` in [[target]], so that only what training entered is compiled; drop runs that add little (`trjit profile similarity`); or raise the limit".into()
        }),
    });
}

fn staleness(gates: &Gates, measured: &Measured, judged: &mut Vec<Gate>) {
    let (Some(limit), Some(stale)) = (gates.staleness, measured.profile.staleness) else { return };
    judged.push(Gate {
        name: "staleness".into(),
        of: None,
        limit: format!("at most {} of the kept profile's calls lost", percent(limit)),
        found: format!("{} ({} of {} functions found again)", percent(stale.calls_lost), stale.functions_matched, stale.functions_recorded),
        passed: stale.calls_lost <= limit,
        help: (stale.calls_lost > limit).then(|| "train again and keep the new profile: `trjit ci --train-only`".into()),
    });
}

fn accept(gates: &Gates, measured: &Measured, judged: &mut Vec<Gate>) {
    for &level in &gates.accept {
        let name = CpuLevel::name(level);
        let by: Vec<&str> = measured
            .targets
            .iter()
            .filter(|target| matches!(target.accepted.get(name), Some(None)))
            .map(|target| target.cache.as_str())
            .collect();
        judged.push(Gate {
            name: ACCEPT.into(),
            of: None,
            limit: format!("a cache for {name}"),
            found: if by.is_empty() { "none".into() } else { by.join(", ") },
            passed: !by.is_empty(),
            help: by.is_empty().then(|| format!("add a [[target]] with `cpu-level = \"{name}\"`, or a lower level")),
        });
    }
}

fn against(gates: &Gates, baseline: &Comparison, judged: &mut Vec<Gate>) {
    const HELP: &str = "`trjit ci --accept` takes the new figures as the baseline, if they are meant";
    for change in &baseline.targets {
        if let Some(limit) = gates.growth {
            judged.push(Gate {
                name: "growth".into(),
                of: Some(change.cache.clone()),
                limit: format!("at most {} larger than the baseline's {}", percent(limit), bytes(change.bytes.0)),
                found: format!("{} ({:+.1} %)", bytes(change.bytes.1), change.growth() * 100.0),
                passed: change.growth() <= limit,
                help: (change.growth() > limit).then(|| format!("see what became larger with `trjit inspect`; {HELP}")),
            });
        }
        if let Some(limit) = gates.coverage_loss {
            let loss = change.coverage_loss();
            judged.push(Gate {
                name: "coverage-loss".into(),
                of: Some(change.cache.clone()),
                limit: format!("at most {} less covered than the baseline", percent(limit)),
                found: percent(loss.max(0.0)),
                passed: loss <= limit,
                help: (loss > limit).then(|| format!("add training runs for what the program does now; {HELP}")),
            });
        }
    }
}

fn time(gates: &Gates, measured: &Measured, judged: &mut Vec<Gate>) {
    let Some(limit) = gates.time_ratio else { return };
    let times: Vec<(f64, f64)> = measured.runs.iter().filter_map(|run| run.timed).collect();
    let sum = times.iter().fold((0.0, 0.0), |sum, time| (sum.0 + time.0, sum.1 + time.1));
    let ratio = if sum.1 > 0.0 { sum.0 / sum.1 } else { f64::INFINITY };
    judged.push(Gate {
        name: "time-ratio".into(),
        of: None,
        limit: format!("at most {limit:.2} of the time without a cache"),
        found: if times.is_empty() { "no run can be timed here".into() } else { format!("{ratio:.2} ({:.3} s by {:.3} s)", sum.0, sum.1) },
        passed: ratio <= limit,
        help: (ratio > limit).then(|| "shared runners are noisy: repeat it on a quiet machine before you look for a reason".into()),
    });
}
