//! The report as Markdown, for the pages that pipelines show: what was covered, sizes, tiers, gates, the comparison with the baseline.

use crate::report::{Measured, Report, Status};
use crate::text;
use crate::words::{bytes, percent};
use std::fmt::Write;

/// The whole page.
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let verdict = match report.status {
        Status::Passed => "passed",
        Status::Unchanged => "passed: nothing has changed",
        Status::Failed => "failed",
        Status::Interrupted => "interrupted",
    };
    let module = report.measured.as_ref().map(|measured| format!(" `{}`", measured.module.path)).unwrap_or_default();
    let _ = writeln!(out, "## trjit{module}: {verdict}\n");
    failures(report, &mut out);
    if let Some(measured) = &report.measured {
        caches(measured, &mut out);
        runs(measured, &mut out);
        differences(measured, &mut out);
    }
    gates(report, &mut out);
    baseline(report, &mut out);
    for warning in &report.warnings {
        let _ = writeln!(out, "- warning: {}", cell(warning));
    }
    let _ = writeln!(out, "<sub>trjit {}</sub>", report.trjit);
    out
}

/// What stands in a table must not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}

fn failures(report: &Report, out: &mut String) {
    for failure in &report.failures {
        let _ = writeln!(out, "- **{}**", cell(&failure.message));
        if let Some(help) = &failure.help {
            let _ = writeln!(out, "  - {}", cell(help));
        }
        if !failure.detail.is_empty() {
            let _ = writeln!(out, "\n  ```text");
            failure.detail.iter().for_each(|line| {
                let _ = writeln!(out, "  {}", line.replace("```", "'''"));
            });
            let _ = writeln!(out, "  ```");
        }
    }
    if !report.failures.is_empty() {
        out.push('\n');
    }
}

fn caches(measured: &Measured, out: &mut String) {
    let _ = writeln!(
        out,
        "| cache | for | size | functions with code | calls covered | instructions covered | checks |\n|---|---|---:|---|---:|---:|---|"
    );
    for target in &measured.targets {
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {} | {} |",
            cell(&target.cache),
            target.key(),
            bytes(target.bytes),
            text::functions(target, measured),
            percent(target.coverage.calls_covered),
            percent(target.coverage.instructions_covered),
            cell(&text::checked(target, measured))
        );
    }
    let _ = writeln!(out, "\nProfile: {}.", cell(&text::profile(measured)));
    if let Some(first) = measured.targets.first() {
        let coverage = &first.coverage;
        let _ = writeln!(
            out,
            "Coverage is {}; training had entered functions with {} of those calls and {} of those instructions.\n",
            match measured.measured_on {
                crate::report::MeasuredOn::LeftOut => "that of the runs that were left out of the training",
                crate::report::MeasuredOn::Training => "that of the training itself, since no run is left out",
            },
            percent(coverage.calls_trained),
            percent(coverage.instructions_trained)
        );
    }
}

fn runs(measured: &Measured, out: &mut String) {
    if measured.runs.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "<details><summary>Runs</summary>\n\n| run | | calls | functions | first, s | on the cache, s |\n|---|---|---:|---:|---:|---:|"
    );
    for run in &measured.runs {
        let cached: Vec<String> = run.cached_seconds.values().map(|seconds| format!("{seconds:.2}")).collect();
        let kind = if run.left_out { "left out" } else { "trained" };
        let _ = writeln!(
            out,
            "| `{}` | {kind} | {} | {} | {:.2} | {} |",
            cell(&run.name),
            run.calls,
            run.functions,
            run.seconds,
            cached.join(", ")
        );
    }
    out.push_str("\n</details>\n\n");
}

fn differences(measured: &Measured, out: &mut String) {
    if measured.training_differs.is_empty() {
        return;
    }
    let _ = writeln!(out, "The training differs from the last one, though its inputs are the same:\n");
    measured.training_differs.iter().for_each(|line| {
        let _ = writeln!(out, "- {}", cell(line));
    });
    out.push('\n');
}

fn gates(report: &Report, out: &mut String) {
    if report.gates.is_empty() {
        return;
    }
    let _ = writeln!(out, "| gate | of | found | expected | |\n|---|---|---|---|---|");
    for gate in &report.gates {
        let of = gate.of.as_ref().map(|of| format!("`{}`", cell(of))).unwrap_or_default();
        let verdict = if gate.passed { "passed" } else { "**failed**" };
        let _ = writeln!(out, "| {} | {of} | {} | {} | {verdict} |", gate.name, cell(&gate.found), cell(&gate.limit));
    }
    out.push('\n');
}

fn baseline(report: &Report, out: &mut String) {
    let Some(comparison) = &report.baseline else { return };
    let _ = writeln!(out, "Against the baseline:\n");
    text::changes(comparison).iter().for_each(|line| {
        let _ = writeln!(out, "- {}", cell(line));
    });
    out.push('\n');
}

#[cfg(test)]
mod tests {
    #[test]
    fn cells_stay_cells() {
        assert_eq!(super::cell("a|b\n<c>"), "a\\|b &lt;c>");
    }
}
