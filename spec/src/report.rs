//! What runs of scripts gave: counts, failures by place, reasons of skipping; and the table "assertions by mode".

use std::collections::BTreeMap;

/// How a directive ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Passed,
    Failed(String),
    /// Out of scope, or dependent on what is.
    Skipped(String),
}

/// A directive that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    /// One line.
    pub reason: String,
}

/// Sums over scripts.
#[derive(Clone, Default, Debug)]
pub struct Report {
    /// Assertions that hold, and of those, the ones that the text parser of the tests decided before trjit saw the module.
    pub passed: usize,
    pub by_text_parser: usize,
    pub skipped: usize,
    /// Assertions, and other directives that must work.
    pub failures: Vec<Failure>,
    /// Skipped assertions by reason.
    pub skipped_for: BTreeMap<String, usize>,
}

impl Report {
    /// Adds the outcome of one directive. Directives that assert nothing count only where they fail.
    pub fn add(&mut self, path: &str, line: usize, asserts: bool, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += usize::from(asserts),
            Outcome::Failed(reason) => {
                let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
                self.failures.push(Failure { path: path.to_string(), line, reason });
            }
            Outcome::Skipped(reason) if asserts => {
                self.skipped += 1;
                *self.skipped_for.entry(reason).or_default() += 1;
            }
            Outcome::Skipped(_) => {}
        }
    }

    pub fn merge(&mut self, other: Report) {
        self.passed += other.passed;
        self.by_text_parser += other.by_text_parser;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
        for (reason, count) in other.skipped_for {
            *self.skipped_for.entry(reason).or_default() += count;
        }
    }

    /// A cell of the table: passed/failed/skipped.
    pub fn cell(&self) -> String {
        format!("{}/{}/{}", self.passed, self.failures.len(), self.skipped)
    }
}

/// A table in Markdown: a row a group, a column a mode, and a row of sums.
pub fn table(columns: &[&str], rows: &[(&str, Vec<Report>)]) -> String {
    let mut text = format!("| passed/failed/skipped | {} |\n|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    let mut sums = vec![Report::default(); columns.len()];
    for (name, cells) in rows {
        let written: Vec<String> = cells.iter().map(Report::cell).collect();
        text.push_str(&format!("| {name} | {} |\n", written.join(" | ")));
        sums.iter_mut().zip(cells).for_each(|(sum, cell)| sum.merge(cell.clone()));
    }
    let written: Vec<String> = sums.iter().map(Report::cell).collect();
    text.push_str(&format!("| all | {} |\n", written.join(" | ")));
    text
}
