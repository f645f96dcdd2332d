//! The goals of the project, and whether a run of the bench meets them. All are ratios within one run, or sizes; by default settings.

use crate::measures::{self, build, cases, start};
use crate::peers::Threads;
use crate::results::Results;
use crate::stats;
use crate::trjit::Runner;
use crate::workshop::{Training, trjit_name};

/// Cases whose run on precompiled wasmtime takes less are short.
const SHORT_MS: f64 = 100.0;
/// Modules of this size and more are large.
const LARGE: u64 = 8 << 20;
const PRECOMPILED: &str = "wasmtime precompiled";
const COLD: &str = "wasmtime cold";

pub struct Goal {
    pub what: String,
    pub wanted: Wanted,
    /// `None`: this run does not tell.
    pub found: Option<f64>,
    /// Where the worst figure is, or of how many it is made.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub fn is_met(&self) -> Option<bool> {
        let found = self.found?;
        Some(match self.wanted {
            Wanted::AtMost(most) => found <= most,
            Wanted::AtLeast(least) => found >= least,
        })
    }
}

/// A figure with its origin.
type Found = Option<(f64, String)>;

pub fn judge(results: &Results) -> Vec<Goal> {
    let trained = measures::trained(results);
    let all_cases = build::assemble_name(Training::All, Threads::All);
    let goal = |what: &str, wanted: Wanted, found: Found| {
        let (found, detail) = found.map_or((None, String::new()), |(found, detail)| (Some(found), detail));
        Goal { what: what.to_string(), wanted, found, detail }
    };
    use Wanted::{AtLeast, AtMost};
    let hello =
        |above: &str, below: &str| results.ratio(start::MEASURE, "hello", "1", above, below).map(|ratio| (ratio.median, String::new()));
    let peak = || Some(results.find(start::MEASURE, "hello", "1", &trained)?.peak_kib? as f64 / 1024.0);
    let no_cache = trjit_name(Runner::Full, None);
    vec![
        goal(&format!("hello: {trained} / /bin/true"), AtMost(1.3), hello(&trained, start::TRUE)),
        goal(&format!("hello: {PRECOMPILED} / {trained}"), AtLeast(4.0), hello(PRECOMPILED, &trained)),
        goal("hello: peak memory, MiB", AtMost(4.0), peak().map(|peak| (peak, String::new()))),
        goal(
            &format!("short cases: {trained} / {PRECOMPILED}, geometric mean"),
            AtMost(0.5),
            mean_of_short(results, &trained, PRECOMPILED),
        ),
        goal(
            &format!("large modules: {trained} / {PRECOMPILED}, geometric mean"),
            AtMost(0.8),
            mean_of_large(results, &trained, PRECOMPILED),
        ),
        goal("cache of all cases / wasmtime's artifact, bytes, worst program", AtMost(1.0), worst_size(results, &all_cases, false)),
        goal("the same, large modules", AtMost(0.6), worst_size(results, &all_cases, true)),
        goal("executed instructions that compiled code covers on left-out cases, worst case", AtLeast(0.99), worst_coverage(results)),
        goal("assembly of what all cases use / wasmtime compile, worst program", AtMost(1.0), worst_build(results, &all_cases, false)),
        goal("the same, large modules", AtMost(0.3), worst_build(results, &all_cases, true)),
        goal(&format!("short cases: {no_cache} / {COLD}, geometric mean"), AtMost(0.5), mean_of_short(results, &no_cache, COLD)),
        goal("foreign profile / no cache, worst case", AtMost(1.05), worst_foreign(results, &no_cache)),
    ]
}

fn is_large(results: &Results, program: &str) -> bool {
    results.programs.iter().any(|facts| facts.name == program && facts.wasm_bytes >= LARGE)
}

fn is_short(results: &Results, program: &str, case: &str) -> bool {
    let row = results.find(cases::MEASURE, program, case, PRECOMPILED);
    row.and_then(|row| row.wall()).is_some_and(|wall| wall.median < SHORT_MS)
}

fn mean_of_short(results: &Results, above: &str, below: &str) -> Found {
    mean_where(results, above, below, |program, case| is_short(results, program, case))
}

fn mean_of_large(results: &Results, above: &str, below: &str) -> Found {
    mean_where(results, above, below, |program, _| is_large(results, program))
}

fn mean_where(results: &Results, above: &str, below: &str, wanted: impl Fn(&str, &str) -> bool) -> Found {
    let places = results.places(cases::MEASURE).into_iter().filter(|(program, case)| wanted(program, case));
    let ratios: Vec<f64> =
        places.filter_map(|(program, case)| Some(results.ratio(cases::MEASURE, program, case, above, below)?.median)).collect();
    Some((stats::geometric_mean(&ratios)?, format!("{} cases", ratios.len())))
}

/// The largest (or smallest) of some figures with names.
fn worst(figures: impl Iterator<Item = (f64, String)>, more_is_worse: bool) -> Found {
    let compare = |a: &(f64, String), b: &(f64, String)| a.0.total_cmp(&b.0);
    if more_is_worse { figures.max_by(compare) } else { figures.min_by(compare) }
}

fn worst_size(results: &Results, cache: &str, large: bool) -> Found {
    let programs = results.programs.iter().filter(|facts| (facts.wasm_bytes >= LARGE) == large);
    let figures = programs.filter_map(|facts| {
        let bytes = |subject: &str| results.find(build::BUILD, &facts.name, "all", subject)?.artifact_bytes;
        Some((bytes(cache)? as f64 / bytes("wasmtime compile")? as f64, facts.name.clone()))
    });
    worst(figures, true)
}

fn worst_build(results: &Results, assembly: &str, large: bool) -> Found {
    let programs = results.programs.iter().filter(|facts| (facts.wasm_bytes >= LARGE) == large);
    let figures = programs.filter_map(|facts| {
        Some((results.ratio(build::BUILD, &facts.name, "all", assembly, "wasmtime compile")?.median, facts.name.clone()))
    });
    worst(figures, true)
}

fn worst_coverage(results: &Results) -> Found {
    worst(results.coverage.iter().map(|found| (found.instructions, format!("{} {}", found.program, found.case))), false)
}

fn worst_foreign(results: &Results, no_cache: &str) -> Found {
    let foreign = trjit_name(Runner::Full, Some(Training::Foreign));
    let figures = results.places(cases::MEASURE).into_iter().filter_map(|(program, case)| {
        let ratio = results.ratio(cases::MEASURE, program, case, &foreign, no_cache)?;
        Some((ratio.median, format!("{program} {case} [{:.2} .. {:.2}]", ratio.low, ratio.high)))
    });
    worst(figures, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::Sample;
    use crate::results::Row;

    fn row(measure: &str, subject: &str, millis: u64) -> Row {
        let sample = Sample { wall_ns: millis * 1_000_000, user_us: 0, system_us: 0, minor_faults: 0, major_faults: 0 };
        let (program, case) = (if measure == start::MEASURE { "hello" } else { "p" }.to_string(), "1".to_string());
        Row {
            measure: measure.into(),
            program,
            case,
            subject: subject.into(),
            peak_kib: Some(5 << 10),
            samples: vec![sample; 3],
            ..Row::default()
        }
    }

    #[test]
    fn goals_are_met_missed_or_open() {
        let trained = trjit_name(Runner::RunOnly, Some(Training::Same("1")));
        let rows = vec![
            row(start::MEASURE, &trained, 2),
            row(start::MEASURE, start::TRUE, 2),
            row(start::MEASURE, PRECOMPILED, 6),
            row(cases::MEASURE, &trained, 30),
            row(cases::MEASURE, PRECOMPILED, 90),
        ];
        let goals = judge(&Results { rows, ..Results::default() });
        let met: Vec<Option<bool>> = goals.iter().map(Goal::is_met).collect();
        assert_eq!(met[..5], [Some(true), Some(false), Some(false), Some(true), None]);
        assert!(met[5..].iter().all(Option::is_none));
        assert!((goals[1].found.expect("measured") - 3.0).abs() < 1e-9);
    }
}
