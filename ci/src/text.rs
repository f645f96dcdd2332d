//! The report for a terminal or a log: a few lines, the most important first.

use crate::report::{Measured, MeasuredOn, ProfileOrigin, Report, Status, TargetFacts};
use crate::words::{bytes, count, percent};
use std::fmt::Write;

/// What a run of the step came to, without its failures, which are told as errors.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    match report.status {
        Status::Unchanged => out.push_str("nothing has changed since the last run; the results are in place\n"),
        Status::Passed if report.reused => out.push_str("nothing has changed since the last run; its results were put in place\n"),
        _ if report.reused => out.push_str("nothing has changed since the last run; its results were judged again\n"),
        _ => {}
    }
    let Some(measured) = &report.measured else { return out };
    let _ = writeln!(out, "profile   {}", profile(measured));
    for target in &measured.targets {
        let _ = writeln!(out, "cache     {}: {} for {}, {}", target.cache, bytes(target.bytes), target.key(), functions(target, measured));
        let _ = writeln!(out, "          {}", covered(target, measured));
        let _ = writeln!(out, "          {}", checked(target, measured));
    }
    measured.training_differs.iter().for_each(|line| {
        let _ = writeln!(out, "training differs: {line}");
    });
    for line in report.baseline.iter().flat_map(changes) {
        let _ = writeln!(out, "baseline  {line}");
    }
    for gate in &report.gates {
        let of = gate.of.as_ref().map(|of| format!(" of {of}")).unwrap_or_default();
        let _ =
            writeln!(out, "gate      {} {}{of}: {}; {}", if gate.passed { "ok    " } else { "FAILED" }, gate.name, gate.found, gate.limit);
    }
    out
}

/// Where the profile comes from, and how much is in it.
pub(crate) fn profile(measured: &Measured) -> String {
    let profile = &measured.profile;
    let what = format!("{} of {} functions, {} calls", profile.functions, measured.module.functions, profile.calls);
    match (profile.origin, &profile.staleness) {
        (ProfileOrigin::Trained, _) => format!("{what}, trained on {}", count(profile.runs.into(), "run")),
        (ProfileOrigin::Kept, Some(stale)) if !stale.same_module => {
            format!("{what}, kept, of another build: {} of its calls are lost", percent(stale.calls_lost))
        }
        (ProfileOrigin::Kept, _) => format!("{what}, kept"),
    }
}

/// Functions with code, by tier.
pub(crate) fn functions(target: &TargetFacts, measured: &Measured) -> String {
    let tiers: Vec<String> = target.tiers.iter().map(|(tier, functions)| format!("{tier}: {functions}")).collect();
    format!("{} of {} functions ({})", target.tiers.values().sum::<u32>(), measured.module.functions, tiers.join(", "))
}

/// The coverage in a sentence.
pub(crate) fn covered(target: &TargetFacts, measured: &Measured) -> String {
    let coverage = &target.coverage;
    let on = match measured.measured_on {
        MeasuredOn::LeftOut => format!("of {} left out", count(measured.runs.iter().filter(|run| run.left_out).count() as u64, "run")),
        MeasuredOn::Training => "of the training itself (no run is left out)".to_string(),
    };
    format!(
        "compiled code covers {} of the calls and {} of the instructions {on}; training knew {} and {}",
        percent(coverage.calls_covered),
        percent(coverage.instructions_covered),
        percent(coverage.calls_trained),
        percent(coverage.instructions_trained)
    )
}

/// What was done to be sure of it.
pub(crate) fn checked(target: &TargetFacts, measured: &Measured) -> String {
    let mut parts = Vec::new();
    let accepted: Vec<&str> = target.accepted.iter().filter(|(_, refusal)| refusal.is_none()).map(|(level, _)| level.as_str()).collect();
    parts.push(format!("accepted on {}", accepted.join(", ")));
    let refused: Vec<&str> = target.accepted.iter().filter(|(_, refusal)| refusal.is_some()).map(|(level, _)| level.as_str()).collect();
    if !refused.is_empty() {
        parts.push(format!("refused on {}", refused.join(", ")));
    }
    if target.verified {
        parts.push("verified by a second compilation".into());
    }
    let again = measured.runs.iter().filter(|run| run.cached_seconds.contains_key(&target.cache));
    let (runs, first, second) =
        again.fold((0, 0.0, 0.0), |sum, run| (sum.0 + 1, sum.1 + run.seconds, sum.2 + run.cached_seconds[&target.cache]));
    match &target.not_run {
        Some(why) => parts.push(format!("not run here: {why}")),
        None if runs == 0 => {}
        None => parts.push(format!("{} repeated with the same results ({first:.2} s, on the cache {second:.2} s)", count(runs, "run"))),
    }
    if let Some((first, second)) = measured.command_seconds.zip(target.command_seconds) {
        parts.push(format!("the test command passes on it ({first:.2} s, on the cache {second:.2} s)"));
    }
    parts.join("; ")
}

/// What is not as in the baseline.
pub(crate) fn changes(comparison: &crate::baseline::Comparison) -> Vec<String> {
    let mut lines: Vec<String> = comparison
        .targets
        .iter()
        .map(|change| {
            let points = |pair: (f64, f64)| format!("{:+.1}", (pair.1 - pair.0) * 100.0);
            format!(
                "{}: {} ({:+.1} %), {:+} functions, covered calls {}, instructions {} points",
                change.cache,
                bytes(change.bytes.1),
                change.growth() * 100.0,
                i64::from(change.functions.1) - i64::from(change.functions.0),
                points(change.calls_covered),
                points(change.instructions_covered)
            )
        })
        .collect();
    let same = if comparison.same_module { "the same module" } else { "another build of the module" };
    let profile = if comparison.same_profile { "the same profile" } else { "another profile" };
    lines.push(format!("{same}, {profile}"));
    if let Some(other) = &comparison.other_trjit {
        lines.push(format!("measured by trjit {other}"));
    }
    lines.extend(comparison.added.iter().map(|target| format!("target {target} is new")));
    lines.extend(comparison.removed.iter().map(|target| format!("target {target} is gone")));
    lines.extend(comparison.runs.iter().cloned());
    lines
}
