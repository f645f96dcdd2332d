//! Runs subjects in turns, so that what disturbs the machine disturbs all of them, and in another order in each round: who always ran behind the same neighbour would
//! always find the caches that this one leaves (behind an interpreter's seconds a start of 2 ms took 4.5).

use crate::check;
use crate::child::{self, CommandLine, Ended};
use crate::corpus::Case;
use crate::results::Row;
use crate::sandbox::Sandbox;
use crate::stats::Random;
use anyhow::Result;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// One command among those that are compared.
#[derive(Debug)]
pub struct Subject {
    pub name: String,
    pub line: CommandLine,
    /// The file or folder whose size is told: what it runs on, or what it makes.
    pub artifact: Option<PathBuf>,
    /// All files that it reads at its start.
    pub files: Vec<PathBuf>,
    pub expected: Expected,
}

/// A subject, or why there is none.
#[derive(Debug)]
pub enum Entry {
    Ready(Subject),
    Failed { name: String, why: String },
    Skipped { name: String, why: String },
}

impl Entry {
    /// Failed, when the subject could not be prepared.
    pub fn from(name: impl Into<String>, made: Result<Subject>) -> Entry {
        match made {
            Ok(subject) => Entry::Ready(subject),
            Err(error) => Entry::Failed { name: name.into(), why: format!("{error:#}") },
        }
    }
}

/// What is checked after each run.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// The case's recorded results.
    Case,
    /// Exit status 0, for tools.
    Success,
}

/// How often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// Rounds end after this time, but not before `at_least` of them.
    pub budget: Duration,
    pub at_least: usize,
}

/// Where a series runs.
pub struct Setting<'a> {
    pub measure: &'a str,
    pub program: &'a str,
    pub case: &'a Case,
    pub sandbox: &'a Sandbox,
    pub effort: Effort,
    /// Done before each run of a subject.
    pub before: &'a dyn Fn(&Subject) -> Result<()>,
}

/// For most series: nothing.
pub fn nothing(_: &Subject) -> Result<()> {
    Ok(())
}

/// A row for each entry, in their order. Each subject first runs once for its peak memory and to be checked; who fails there is not timed.
pub fn run(entries: Vec<Entry>, setting: &Setting<'_>) -> Result<Vec<Row>> {
    let mut lanes: Vec<(Row, Option<Subject>)> = entries.into_iter().map(|entry| lane(entry, setting)).collect();
    for (row, subject) in &mut lanes {
        if let Some(ready) = subject.as_ref()
            && let Err(error) = warm_up(row, ready, setting)
        {
            fail(row, subject, format!("{error:#}"));
        }
    }
    let (start, mut random) = (Instant::now(), Random::seeded());
    for round in 0..setting.effort.rounds {
        if round >= setting.effort.at_least && start.elapsed() > setting.effort.budget {
            break;
        }
        let mut turns: Vec<&mut (Row, Option<Subject>)> = lanes.iter_mut().collect();
        random.shuffle(&mut turns);
        for (row, subject) in turns {
            let Some(ready) = subject.as_ref() else { continue };
            if let Err(error) = timed(row, ready, setting) {
                fail(row, subject, format!("{error:#}"));
            }
        }
    }
    Ok(lanes.into_iter().map(|(row, _)| row).collect())
}

fn lane(entry: Entry, setting: &Setting<'_>) -> (Row, Option<Subject>) {
    let row = |name: String| Row {
        measure: setting.measure.to_string(),
        program: setting.program.to_string(),
        case: setting.case.id.clone(),
        subject: name,
        ..Row::default()
    };
    match entry {
        Entry::Ready(subject) => (row(subject.name.clone()), Some(subject)),
        Entry::Failed { name, why } => (Row { failed: Some(why), ..row(name) }, None),
        Entry::Skipped { name, why } => (Row { skipped: Some(why), ..row(name) }, None),
    }
}

/// What was timed so far does not count.
fn fail(row: &mut Row, subject: &mut Option<Subject>, why: String) {
    *subject = None;
    row.samples.clear();
    row.failed = Some(why);
}

/// A program can be over before it is traced: then it runs again.
const MEMORY_RUNS: usize = 5;

fn warm_up(row: &mut Row, subject: &Subject, setting: &Setting<'_>) -> Result<()> {
    for _ in 0..MEMORY_RUNS {
        setting.sandbox.restore(setting.case)?;
        (setting.before)(subject)?;
        let (ended, peak) = child::run_for_memory(&subject.line, &setting.sandbox.place(setting.case))?;
        judge(&ended, subject.expected, setting)?;
        row.peak_kib = peak;
        if peak.is_some() {
            break;
        }
    }
    row.artifact_bytes = subject.artifact.as_deref().map(size_of);
    Ok(())
}

fn timed(row: &mut Row, subject: &Subject, setting: &Setting<'_>) -> Result<()> {
    setting.sandbox.restore(setting.case)?;
    (setting.before)(subject)?;
    let (ended, sample) = child::run(&subject.line, &setting.sandbox.place(setting.case))?;
    judge(&ended, subject.expected, setting)?;
    row.samples.push(sample);
    Ok(())
}

fn judge(ended: &Ended, expected: Expected, setting: &Setting<'_>) -> Result<()> {
    match expected {
        Expected::Success => ended.expect_success("it failed"),
        Expected::Case => match check::judge(setting.case, &setting.sandbox.home, ended)? {
            None => Ok(()),
            Some(fault) => anyhow::bail!(fault),
        },
    }
}

/// Bytes of a file, or of all files below a folder; 0 when it cannot be read.
pub fn size_of(path: &std::path::Path) -> u64 {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| size_of(&entry.path())).sum(),
        Err(_) => std::fs::metadata(path).map_or(0, |about| about.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &str, script: &str) -> Entry {
        let line = CommandLine::new("/bin/sh").args(["-c", script]);
        Entry::Ready(Subject { name: name.into(), line, artifact: None, files: Vec::new(), expected: Expected::Case })
    }

    #[test]
    fn subjects_take_turns_and_who_is_wrong_is_not_timed() {
        let folder = tempfile::tempdir().expect("a folder");
        let sandbox = Sandbox::empty(folder.path(), "p", Duration::from_secs(20)).expect("a sandbox");
        let case = Case { stdout_sha256: check::sha256(b"x"), ..Case::default() };
        let effort = Effort { rounds: 3, budget: Duration::from_secs(60), at_least: 1 };
        let setting = Setting { measure: "m", program: "p", case: &case, sandbox: &sandbox, effort, before: &nothing };
        let log = folder.path().join("log");
        // Long enough to be traced at once.
        let told = |name: &str, then: &str| shell(name, &format!("echo {name} >> {}; sleep 0.05; {then}", log.display()));
        let wrong_later = format!("printf x; [ $(grep -c c {}) -lt 3 ] || printf y", log.display());
        let entries = vec![
            told("a", "printf x"),
            told("b", "printf y"),
            told("c", &wrong_later),
            Entry::Skipped { name: "d".into(), why: "no".into() },
            told("e", "printf x"),
        ];
        let rows = run(entries, &setting).expect("a series");
        assert_eq!(rows.iter().map(|row| row.samples.len()).collect::<Vec<_>>(), [3, 0, 0, 0, 3]);
        assert_eq!(rows[1].failed.as_deref(), Some("standard output differs"));
        assert!(rows[2].failed.is_some() && rows[3].skipped.is_some());
        let order = std::fs::read_to_string(log).expect("the log").replace('\n', "");
        // One after the other to be checked, then rounds in any order; at last without the one that was wrong in between.
        let rounds = order.as_bytes().rchunks(2).take(2);
        assert!(order.starts_with('a') && rounds.into_iter().all(|round| round == b"ae" || round == b"ea"), "{order}");
    }
}
