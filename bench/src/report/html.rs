//! The page: what a person sees in one look (goals, ratios), then every table. One file, without scripts and without anything from elsewhere.

use super::svg::{self, COLOURS, Lane, Mark, Point, escape, short};
use super::{row_figures, table};
use crate::goals::{self, Wanted};
use crate::measures::{self, build, cases, start};
use crate::peers::Threads;
use crate::results::{Breakdown, Results, Row};
use crate::stats;
use crate::workshop::Training;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;

pub const FILE: &str = "index.html";

const STYLE: &str = "
:root{--ink:#1d2526;--soft:#667074;--line:#dde2e3;--paper:#fff;--good:#0b6e4f;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaea;--soft:#98a4a8;--line:#37434a;--paper:#161c20;--good:#4fc49b;--bad:#ff8a80}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1000px;margin:2em auto;padding:0 1em}
h1{font-size:1.7em;margin:0}h2{font-size:1.25em;margin:2em 0 .3em}h3{font-size:1em;margin:1.4em 0 .3em}
p{margin:.4em 0}.soft{color:var(--soft)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:13px}
th,td{text-align:right;padding:3px 8px;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:500}th:first-child,td:first-child,td.left,th.left{text-align:left}td.wrap{white-space:normal}
tr.own td{font-weight:600}.met{color:var(--good);font-weight:600}.missed{color:var(--bad);font-weight:600}.wide{overflow-x:auto}
svg{width:100%;height:auto;display:block;margin:.5em 0}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}
.grid,.lane{stroke:var(--line)}.one{stroke:var(--ink);stroke-width:1.5}.name,.end{text-anchor:end}.tick{text-anchor:middle;fill:var(--soft)!important}.tick.end{text-anchor:end}
.side{font-style:italic;fill:var(--soft)!important}.key{display:inline-block;margin:0 1.2em .2em 0}.key i{display:inline-block;width:11px;height:11px;border-radius:6px;margin-right:6px}
details{margin:.6em 0}summary{cursor:pointer;font-weight:600}
";

pub fn write(results: &Results, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join(FILE);
    std::fs::write(&path, render(results)).with_context(|| format!("cannot write {}", path.display()))
}

fn render(results: &Results) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>trjit bench</title><style>{STYLE}</style></head><body>\n"
    );
    head(&mut page, results);
    goal_table(&mut page, results);
    start_plot(&mut page, results);
    ratio_plots(&mut page, results);
    failures(&mut page, results);
    size_plot(&mut page, results);
    instance_table(&mut page, results);
    coverage_table(&mut page, results);
    details(&mut page, results);
    page.push_str("</body></html>\n");
    page
}

fn head(page: &mut String, results: &Results) {
    let (date, machine) = (results.machine.date(), escape(&results.machine.describe()));
    let _ = writeln!(
        page,
        "<h1>trjit bench</h1><p class=soft>{date} · {machine}</p><div class=wide><table><tr><th>engine<th class=left>version<th>program</tr>"
    );
    for engine in &results.engines {
        let (name, version, size) = (escape(&engine.name), escape(&engine.version), table::bytes(engine.binary_bytes));
        let _ = writeln!(page, "<tr><td>{name}<td class=left>{version}<td>{size}</tr>");
    }
    page.push_str("</table></div>\n");
    for note in &results.notes {
        let _ = writeln!(page, "<p class=soft>{}</p>", escape(note));
    }
}

fn goal_table(page: &mut String, results: &Results) {
    page.push_str("<h2>Goals</h2><div class=wide><table><tr><th>goal<th>wanted<th>found<th class=left>where<th></tr>\n");
    for goal in goals::judge(results) {
        let wanted = match goal.wanted {
            Wanted::AtMost(most) => format!("≤ {}", short(most)),
            Wanted::AtLeast(least) => format!("≥ {}", short(least)),
        };
        let (class, word) = match goal.is_met() {
            Some(true) => ("met", "met"),
            Some(false) => ("missed", "missed"),
            None => ("soft", "not measured"),
        };
        let found = goal.found.map_or("-".into(), |found| format!("{found:.3}"));
        let (what, detail) = (escape(&goal.what), escape(&goal.detail));
        let _ = writeln!(page, "<tr><td class=wrap>{what}<td>{wanted}<td>{found}<td class=left>{detail}<td class={class}>{word}</tr>");
    }
    page.push_str("</table></div>\n");
}

/// The subjects of one plot. A subject has the same colour in all plots.
struct Palette<'a> {
    subjects: Vec<&'a str>,
    all: Vec<&'a str>,
}

impl<'a> Palette<'a> {
    fn of(results: &'a Results, subjects: Vec<&'a str>) -> Palette<'a> {
        let mut all = results.subjects(cases::MEASURE);
        // The peers first: they have the colours that differ most.
        all.sort_by_key(|subject| subject.starts_with("trjit"));
        Palette { subjects, all }
    }

    fn colour(&self, subject: &str) -> &'static str {
        let at = self.all.iter().position(|found| *found == subject).unwrap_or(0);
        COLOURS[at % COLOURS.len()]
    }

    fn legend(&self, page: &mut String) {
        page.push_str("<p>");
        for subject in &self.subjects {
            let _ = write!(page, "<span class=key><i style=\"background:{}\"></i>{}</span>", self.colour(subject), escape(subject));
        }
        page.push_str("</p>\n");
    }
}

fn start_plot(page: &mut String, results: &Results) {
    let rows: Vec<&Row> = results.rows_of(start::MEASURE).collect();
    if rows.is_empty() {
        return;
    }
    page.push_str("<h2>Start</h2><p>The smallest WASI program that prints a line: milliseconds for the whole process, medians.</p>\n");
    let own = |subject: &str| if subject.starts_with("trjit") { COLOURS[0] } else { "#8a979c" };
    let lanes: Vec<Lane> = rows
        .iter()
        .map(|row| {
            let marks = row.wall().map(|wall| Mark { colour: own(&row.subject), value: wall.median, title: row.subject.clone() });
            Lane { name: row.subject.clone(), marks: marks.into_iter().collect() }
        })
        .collect();
    page.push_str(&svg::bars(&lanes, "ms"));
    breakdown_plot(page, results);
}

/// A bar for each program, without what the guest itself does.
fn breakdown_plot(page: &mut String, results: &Results) {
    let Some(first) = results.breakdowns.first() else { return };
    let names: Vec<&str> = first.phases.iter().map(|(name, _)| name.as_str()).filter(|name| *name != GUEST).collect();
    let colour = |name: &str| COLOURS[names.iter().position(|found| *found == name).unwrap_or(0) % COLOURS.len()];
    let _ = writeln!(
        page,
        "<h3>Where a start goes</h3><p>{}: microseconds by phase before the guest begins, its own time in brackets.</p><p>",
        escape(&first.subject)
    );
    for name in &names {
        let _ = write!(page, "<span class=key><i style=\"background:{}\"></i>{}</span>", colour(name), escape(name));
    }
    page.push_str("</p>\n");
    let lane = |found: &Breakdown| {
        let guest = found.phases.iter().find(|(name, _)| name == GUEST).map_or(0.0, |(_, value)| *value);
        let parts = found.phases.iter().filter(|(name, _)| name != GUEST);
        let marks = parts.map(|(name, value)| Mark {
            colour: colour(name),
            value: *value,
            title: format!("{}, {name}: {} µs", found.program, short(*value)),
        });
        (Lane { name: format!("{} {}", found.program, found.case), marks: marks.collect() }, format!("({} guest)", short(guest)))
    };
    let lanes: Vec<(Lane, String)> = results.breakdowns.iter().map(lane).collect();
    page.push_str(&svg::stacks(&lanes, "µs"));
}

/// The phase that is not trjit's.
const GUEST: &str = "guest";

fn ratio_plots(page: &mut String, results: &Results) {
    let base = measures::trained(results);
    let subjects: Vec<&str> = results.subjects(cases::MEASURE).into_iter().filter(|subject| *subject != base).collect();
    if subjects.is_empty() {
        return;
    }
    let (own, peers): (Vec<&str>, Vec<&str>) = subjects.into_iter().partition(|subject| subject.starts_with("trjit"));
    let base_text = escape(&base);
    let _ = writeln!(
        page,
        "<h2>Programs</h2><p>Wall time by that of <b>{base_text}</b>: the geometric mean over a program's cases that both pass. What fails is in the tables.</p>"
    );
    for (title, subjects) in [("The peers", peers), ("Other caches, and the program with a compiler", own)] {
        if subjects.is_empty() {
            continue;
        }
        let palette = Palette::of(results, subjects);
        let _ = writeln!(page, "<h3>{title}</h3>");
        palette.legend(page);
        let lanes: Vec<Lane> = results.programs.iter().map(|facts| ratio_lane(results, &palette, &facts.name, &base)).collect();
        page.push_str(&svg::ratios(&lanes, "← trjit is slower", "trjit is faster →"));
    }
}

fn ratio_lane(results: &Results, palette: &Palette<'_>, program: &str, base: &str) -> Lane {
    let marks = palette.subjects.iter().filter_map(|subject| {
        let by_program = results.ratios_by_program(cases::MEASURE, subject, base);
        let ratios = by_program.get(program)?;
        let value = stats::geometric_mean(ratios)?;
        let title = format!("{program}, {subject}: {} times as long ({} cases)", short(value), ratios.len());
        Some(Mark { colour: palette.colour(subject), value, title })
    });
    Lane { name: program.to_string(), marks: marks.collect() }
}

/// Who could not be compared, and why: once a program, not once a case.
fn failures(page: &mut String, results: &Results) {
    let mut seen: Vec<(&str, &str, &str)> = Vec::new();
    for row in results.rows_of(cases::MEASURE) {
        if let Some(why) = &row.failed {
            let found = (row.program.as_str(), row.subject.as_str(), why.as_str());
            if !seen.iter().any(|other| (other.0, other.1) == (found.0, found.1)) {
                seen.push(found);
            }
        }
    }
    if seen.is_empty() {
        return;
    }
    page.push_str("<h3>Failing</h3><div class=wide><table><tr><th>program<th class=left>subject<th class=left>first failure</tr>\n");
    for (program, subject, why) in seen {
        let (program, subject, why) = (escape(program), escape(subject), escape(why));
        let _ = writeln!(page, "<tr><td>{program}<td class=left>{subject}<td class=\"left wrap\">{why}</tr>");
    }
    page.push_str("</table></div>\n");
}

fn size_plot(page: &mut String, results: &Results) {
    let base = measures::trained(results);
    let pairs = [
        (build::assemble_name(Training::All, Threads::All), base.as_str()),
        ("wasmtime compile".to_string(), "wasmtime precompiled"),
        ("wasmer compile".to_string(), "wasmer precompiled"),
        ("wamr compile".to_string(), "wamr precompiled"),
        ("wazero compile".to_string(), "wazero cached"),
    ];
    let shown = pairs.iter().map(|(_, subject)| *subject).filter(|subject| results.find_any(cases::MEASURE, subject)).collect();
    let palette = Palette::of(results, shown);
    let mut points = Vec::new();
    for facts in &results.programs {
        for (made, run) in &pairs {
            let bytes = results.find(build::BUILD, &facts.name, "all", made).and_then(|row| row.artifact_bytes);
            let rows = results.rows_of(cases::MEASURE).filter(|row| row.program == facts.name && row.subject == *run);
            let medians: Vec<f64> = rows.filter_map(|row| Some(row.wall()?.median)).collect();
            let (Some(bytes), Some(millis)) = (bytes, stats::geometric_mean(&medians)) else { continue };
            let title = format!("{}, {run}: {}, {} ms", facts.name, table::bytes(bytes), short(millis));
            points.push(Point { across: bytes as f64 / 1024.0, mark: Mark { colour: palette.colour(run), value: millis, title } });
        }
    }
    if points.is_empty() {
        return;
    }
    page.push_str("<h2>Size against time</h2><p>A point is a program: what its artifact takes on disk, and how long a case runs on it. Low and left is good.</p>\n");
    palette.legend(page);
    page.push_str(&svg::plane(&points, "artifact, KiB", "a case, ms"));
}

fn instance_table(page: &mut String, results: &Results) {
    if results.instances.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Instances</h2><p>As a library: one more instance in a process that has some, or processes with one instance each.</p>\n\
         <div class=wide><table><tr><th>program<th class=left>engine<th>at once<th class=left>where<th>p50 µs<th>p99 µs<th>PSS KiB each</tr>\n",
    );
    for row in &results.instances {
        let place = if row.processes { "processes" } else { "one process" };
        let (program, engine) = (escape(&row.program), escape(&row.engine));
        let _ = write!(page, "<tr><td>{program}<td class=left>{engine}<td>{}<td class=left>{place}", row.count);
        let number = |value: Option<f64>| value.map_or("-".to_string(), short);
        let _ = match &row.failed {
            Some(why) => writeln!(page, "<td colspan=3 class=\"missed left\">{}</tr>", escape(why)),
            None => writeln!(page, "<td>{}<td>{}<td>{}</tr>", number(row.p50_us), number(row.p99_us), number(row.pss_kib_each)),
        };
    }
    page.push_str("</table></div>\n");
}

fn coverage_table(page: &mut String, results: &Results) {
    if results.coverage.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Coverage</h2><p>Share of a case's calls and executed instructions in functions that the cache of the program's <i>other</i> cases has.</p>\n\
         <div class=wide><table><tr><th>case<th>calls<th>instructions</tr>\n",
    );
    for found in &results.coverage {
        let place = escape(&format!("{} {}", found.program, found.case));
        let _ = writeln!(page, "<tr><td>{place}<td>{:.2} %<td>{:.2} %</tr>", found.calls * 100.0, found.instructions * 100.0);
    }
    page.push_str("</table></div>\n");
}

/// Every row, losing and failing ones too.
fn details(page: &mut String, results: &Results) {
    page.push_str("<h2>All figures</h2>\n");
    let base = measures::trained(results);
    for measure in results.measures() {
        let _ = writeln!(page, "<details><summary>{}</summary>", escape(measure));
        for (program, case) in results.places(measure) {
            let _ = writeln!(page, "<h3>{} {}</h3><div class=wide><table>", escape(program), escape(case));
            page.push_str(
                "<tr><th>subject<th>median ms<th>p25<th>p75<th>min<th>cpu ms<th>peak MiB<th>faults<th>size<th>ratio<th class=left>95 %</tr>\n",
            );
            let below = results.find(measure, program, case, &base);
            for row in results.rows_of(measure).filter(|row| row.program == program && row.case == case) {
                page.push_str(&detail(row, below));
            }
            page.push_str("</table></div>\n");
        }
        page.push_str("</details>\n");
    }
}

fn detail(row: &Row, base: Option<&Row>) -> String {
    let own = if row.subject.starts_with("trjit") { " class=own" } else { "" };
    let subject = escape(&row.subject);
    let Some(figures) = row_figures(row, base) else {
        let why =
            row.failed.as_ref().map(|why| format!("failed: {why}")).or_else(|| row.skipped.as_ref().map(|why| format!("skipped: {why}")));
        return format!("<tr{own}><td>{subject}<td colspan=10 class=\"missed left wrap\">{}</tr>\n", escape(&why.unwrap_or_default()));
    };
    let wall = figures.wall;
    let ratio = figures
        .ratio
        .map_or(("-".into(), String::new()), |ratio| (short(ratio.median), format!("{} .. {}", short(ratio.low), short(ratio.high))));
    format!(
        "<tr{own}><td>{subject}<td>{:.2}<td>{:.2}<td>{:.2}<td>{:.2}<td>{:.2}<td>{}<td>{:.0}<td>{}<td>{}<td class=left>{}</tr>\n",
        wall.median, wall.p25, wall.p75, wall.min, figures.cpu_ms, figures.peak, figures.faults, figures.size, ratio.0, ratio.1
    )
}
