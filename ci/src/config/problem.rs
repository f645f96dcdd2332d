//! What is wrong with a `trjit.toml`: each problem with its place, what was found and expected, and what to do.

use std::cell::RefCell;
use std::path::PathBuf;

/// A file that can not be used. All its problems are told, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One problem. Its text is `FILE:LINE:COLUMN: what`, without place where the whole file is meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The file as it was named.
    pub file: String,
    /// Line and column, from 1; the column counts characters.
    pub place: Option<(usize, usize)>,
    pub what: What,
    /// What to do about it.
    pub help: Option<String>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum What {
    #[error("the file can not be read: {reason}")]
    Unreadable { reason: String },
    #[error("this is not TOML: {reason}")]
    Syntax { reason: String },
    #[error("unknown key `{key}` in {table}")]
    UnknownKey { key: String, table: String },
    #[error("`{key}` is missing in {table}")]
    MissingKey { key: &'static str, table: String },
    #[error("`{key}` is {found}, expected {expected}")]
    Value { key: String, found: String, expected: String },
    #[error("an item of `{key}` is {found}, expected {expected}")]
    Item { key: String, found: String, expected: String },
    #[error("there is nothing to train on: expected one of `command` and `profile` in [train], or a [[train.run]]")]
    NothingToTrainOn,
    #[error("every [[train.run]] is left out, so that there is nothing to train on")]
    OnlyLeftOut,
    #[error("two runs are called `{name}`, the first in line {first}")]
    SameName { name: String, first: usize },
    #[error("`{path}` is written as {role} and is also {other}")]
    SameFile { path: PathBuf, role: String, other: String },
    #[error("`{key}` has no effect without `{needed}`")]
    Useless { key: &'static str, needed: &'static str },
    #[error("`{one}` and `{other}` can not both be given")]
    Both { one: &'static str, other: &'static str },
    #[error("gate `{gate}` can not be measured: there is no {needed}")]
    Unmeasurable { gate: &'static str, needed: &'static str },
    #[error("`{option}` can not stand in `options`: {reason}")]
    RunOption { option: String, reason: String },
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// A problem of the whole file.
    pub(super) fn of_file(file: &str, what: What, help: Option<String>) -> ConfigError {
        ConfigError { problems: vec![Problem { file: file.into(), place: None, what, help }] }
    }
}

/// Collects problems while a file is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: RefCell<Vec<(usize, What, Option<String>)>>,
}

impl Problems {
    /// `at`: byte offset in the text.
    pub fn add(&self, at: usize, what: What) {
        self.found.borrow_mut().push((at, what, None));
    }

    pub fn add_with_help(&self, at: usize, what: What, help: impl Into<String>) {
        self.found.borrow_mut().push((at, what, Some(help.into())));
    }

    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// The error, in the order of the text; none where nothing was found.
    pub fn into_error(self, file: &str, text: &str) -> Option<ConfigError> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, ..)| *at);
        let problem = |(at, what, help)| Problem { file: file.into(), place: Some(place(text, at)), what, help };
        let problems: Vec<Problem> = found.into_iter().map(problem).collect();
        (!problems.is_empty()).then_some(ConfigError { problems })
    }
}

/// Line and column of a byte offset, from 1.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
}
