//! The table in the terminal: a block for each place (a case, say), a line for each subject, wins and losses alike.

use super::{Figures, row_figures};
use crate::goals::{self, Wanted};
use crate::measures;
use crate::results::{Layout, Results, Row};
use crate::stats;
use std::fmt::Write;

pub fn render(results: &Results) -> String {
    let mut out = String::new();
    line(&mut out, &format!("{}  {}", results.machine.date(), results.machine.describe()));
    for engine in &results.engines {
        line(&mut out, &format!("{:<10} {:<60} {:>9}", engine.name, engine.version, bytes(engine.binary_bytes)));
    }
    for note in &results.notes {
        line(&mut out, &format!("note: {note}"));
    }
    let base = measures::trained(results);
    for measure in results.measures() {
        for (program, case) in results.places(measure) {
            line(&mut out, "");
            line(&mut out, &format!("{measure}: {program} {case}"));
            line(&mut out, &format!("  {HEAD}"));
            let rows = results.rows_of(measure).filter(|row| row.program == program && row.case == case);
            for row in rows {
                line(&mut out, &format!("  {}", row_text(row, results.find(measure, program, case, &base))));
            }
        }
    }
    breakdowns(&mut out, results);
    instances(&mut out, results);
    coverage(&mut out, results);
    layouts(&mut out, results);
    by_program(&mut out, results, &base);
    goals(&mut out, results);
    out
}

fn instances(out: &mut String, results: &Results) {
    if results.instances.is_empty() {
        return;
    }
    line(out, "\ninstances: one more of them (in one process), or a process of one each");
    line(out, "  program        engine     at once  where          p50 us    p99 us   PSS KiB each");
    for row in &results.instances {
        let place = if row.processes { "processes" } else { "one process" };
        let number = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.1}"));
        let figures = format!("{:>9} {:>9} {:>14}", number(row.p50_us), number(row.p99_us), number(row.pss_kib_each));
        let tail = row.failed.as_ref().map_or(figures, |why| format!(" FAILED: {why}"));
        line(out, &format!("  {:<14} {:<10} {:>7}  {place:<12} {tail}", row.program, row.engine, row.count));
    }
}

fn breakdowns(out: &mut String, results: &Results) {
    if results.breakdowns.is_empty() {
        return;
    }
    line(out, "\nwhere a start goes: microseconds by phase");
    for found in &results.breakdowns {
        let phases: Vec<String> = found.phases.iter().map(|(name, value)| format!("{name} {value:.0}")).collect();
        line(out, &format!("  {:<20} {}", format!("{} {}", found.program, found.case), phases.join(", ")));
    }
}

/// Sums over all left-out cases of a program, by rule.
fn layouts(out: &mut String, results: &Results) {
    if results.layouts.is_empty() {
        return;
    }
    line(out, "\nlayout: pages that hold the code which left-out cases enter, by the rule that orders the text");
    line(out, "  program        rule                    code KiB   4 KiB pages   64 KiB windows");
    let mut sums: Vec<Layout> = Vec::new();
    for found in &results.layouts {
        match sums.iter_mut().find(|sum| sum.program == found.program && sum.rule == found.rule) {
            Some(sum) => {
                (sum.bytes, sum.pages, sum.windows) = (sum.bytes + found.bytes, sum.pages + found.pages, sum.windows + found.windows);
            }
            None => sums.push(found.clone()),
        }
    }
    for sum in sums {
        let figures = format!("{:>10} {:>13} {:>16}", sum.bytes >> 10, sum.pages, sum.windows);
        line(out, &format!("  {:<14} {:<20} {figures}", sum.program, sum.rule));
    }
}

fn coverage(out: &mut String, results: &Results) {
    if results.coverage.is_empty() {
        return;
    }
    line(out, "\ncoverage: share of a case's work in functions that the cache of the other cases has");
    line(out, "  case                               calls   instructions");
    for found in &results.coverage {
        let place = format!("{} {}", found.program, found.case);
        line(out, &format!("  {place:<32} {:>6.2} % {:>11.2} %", found.calls * 100.0, found.instructions * 100.0));
    }
}

/// Geometric means over the cases of a program: how long each subject takes, by trained trjit.
fn by_program(out: &mut String, results: &Results, base: &str) {
    let measure = measures::cases::MEASURE;
    let subjects: Vec<&str> = results.subjects(measure).into_iter().filter(|subject| *subject != base).collect();
    if subjects.is_empty() {
        return;
    }
    line(
        out,
        &format!(
            "\nby program: wall time by that of `{base}`, geometric mean over the cases that both pass (more than 1: trjit is faster)"
        ),
    );
    let programs: Vec<&str> = results.programs.iter().map(|facts| facts.name.as_str()).collect();
    line(out, &format!("  {:<28}{}", "subject", programs.iter().map(|name| format!(" {:>9.9}", name)).collect::<String>()));
    for subject in subjects {
        let ratios = results.ratios_by_program(measure, subject, base);
        let cell = |program: &&str| match ratios.get(program).and_then(|ratios| stats::geometric_mean(ratios)) {
            Some(mean) => format!(" {mean:>9.2}"),
            None => format!(" {:>9}", "-"),
        };
        line(out, &format!("  {subject:<28}{}", programs.iter().map(cell).collect::<String>()));
    }
}

fn goals(out: &mut String, results: &Results) {
    line(out, "\ngoals");
    for goal in goals::judge(results) {
        let met = match goal.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        };
        let (sign, wanted) = match goal.wanted {
            Wanted::AtMost(most) => ("<=", most),
            Wanted::AtLeast(least) => (">=", least),
        };
        let found = goal.found.map_or("-".to_string(), |found| format!("{found:.3}"));
        line(out, &format!("  {met:<13} {found:>8}  {sign} {wanted:<5} {}  {}", goal.what, goal.detail));
    }
}

const HEAD: &str = "subject                                  median ms (p25 .. p75)      min   cpu ms peak MiB   faults      size   by trained trjit [95 %]";

fn row_text(row: &Row, base: Option<&Row>) -> String {
    let mut text = format!("{:<38}", row.subject);
    if let Some(why) = row.failed.as_ref() {
        let _ = write!(text, " FAILED: {why}");
        return text;
    }
    if let Some(why) = row.skipped.as_ref() {
        let _ = write!(text, " skipped: {why}");
        return text;
    }
    let Some(Figures { wall, cpu_ms, faults, peak, size, ratio }) = row_figures(row, base) else { return text };
    let around = format!("({:.2} .. {:.2})", wall.p25, wall.p75);
    let _ = write!(text, " {:>9.2} {around:<19} {:>8.2} {cpu_ms:>8.2} {peak:>8} {faults:>8.0} {size:>9}", wall.median, wall.min);
    if let Some(ratio) = ratio {
        let _ = write!(text, "   {:.2} [{:.2} .. {:.2}]", ratio.median, ratio.low, ratio.high);
    }
    text
}

/// In the unit that a person would choose.
pub fn bytes(count: u64) -> String {
    match count {
        0..10_240 => format!("{count} B"),
        10_240..10_485_760 => format!("{:.0} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}
