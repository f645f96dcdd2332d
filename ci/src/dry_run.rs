//! `--dry-run`: what the step would do, in order, with the command lines of its processes. Nothing is written, not even `.trjit/`.

use crate::build::lacking;
use crate::case::How;
use crate::config::Config;
use crate::interrupt::Interrupt;
use crate::listener::Listener;
use crate::outcome::Failure;
use crate::pipeline::{Pipeline, Request, check};
use crate::place::Place;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    pub step: &'static str,
    pub what: String,
    /// The process that does it; paths that exist only then are in angle brackets.
    pub command: Option<Vec<String>>,
}

impl Planned {
    fn new(step: &'static str, what: impl Into<String>) -> Planned {
        Planned { step, what: what.into(), command: None }
    }

    fn by(step: &'static str, what: impl Into<String>, words: Vec<OsString>) -> Planned {
        let words = std::iter::once("trjit".to_string()).chain(words.into_iter().map(|word| word.to_string_lossy().into_owned()));
        Planned { step, what: what.into(), command: Some(words.collect()) }
    }

    /// For a terminal: the command as a shell takes it.
    pub fn line(&self) -> String {
        let command = self.command.as_ref().map(|words| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
        format!("{:<9} {}{}", self.step, self.what, command.map(|command| format!(": {command}")).unwrap_or_default())
    }
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%<>".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// What would be done now.
pub fn plan(config: &Config, request: &Request, listener: &dyn Listener) -> Result<Vec<Planned>, Failure> {
    check(config, request)?;
    let (place, interrupt) = (Place::look(&request.root, &request.state)?, Interrupt::default());
    let pipeline = Pipeline::new(config, request, &place, listener, &interrupt);
    let key = pipeline.key()?;
    let unchanged =
        pipeline.last().zip(key).is_some_and(|(last, key)| !request.force && !request.train_only && pipeline.holds(&last, &key));
    let mut planned = if unchanged {
        vec![Planned::new("look", "nothing has changed since the last run, whose results are used")]
    } else {
        pipeline.work()
    };
    if !request.train_only {
        planned.extend(pipeline.end());
    }
    Ok(planned)
}

impl Pipeline<'_> {
    /// What is done where something has changed.
    fn work(&self) -> Vec<Planned> {
        let mut planned = Vec::new();
        let kept = self.kept_profile();
        for case in self.cases() {
            let recorded = kept.is_none() || case.run.left_out;
            let profile = PathBuf::from("<profile>");
            let how = if recorded { How::Train(&profile) } else { How::Plain };
            let what = if case.run.left_out {
                "record, left out,"
            } else if recorded {
                "record"
            } else {
                "run"
            };
            planned.push(Planned::by(
                "train",
                format!("{what} `{}`", case.run.name),
                case.command_line(&how, &scratch(case.run.scratch.len())),
            ));
        }
        match (kept, &self.config.train.command) {
            (Some(path), _) => planned.push(Planned::new("train", format!("read the kept profile `{}`", path.display()))),
            (None, Some(command)) => {
                planned.push(Planned::by("train", "wrap the test command", self.wrapping(command, Path::new("<profile>"))))
            }
            (None, None) => {}
        }
        if self.request.train_only {
            let output = self.profile_output().or(self.config.train.profile.as_ref());
            planned.extend(output.map(|path| Planned::new("results", format!("write the profile `{}`", path.display()))));
            return planned;
        }
        for target in &self.config.targets {
            let cache = self.config.cache_of(target);
            let verified = if target.verify { ", verified" } else { "" };
            planned.push(Planned::new("assemble", format!("`{}` for {}{verified}", cache.display(), target.cpu_level.name())));
            if let Some(why) = lacking(target) {
                planned.push(Planned::new("rerun", format!("nothing on `{}`: {why}", cache.display())));
                continue;
            }
            for case in self.cases() {
                let words = case.command_line(&How::Cached(&cache, target), &scratch(case.run.scratch.len()));
                planned.push(Planned::by("rerun", format!("`{}`", case.run.name), words));
            }
            if let (None, Some(command)) = (kept, &self.config.train.command) {
                planned.push(Planned::new("rerun", format!("the test command on `{}`: {}", cache.display(), command.command.join(" "))));
            }
        }
        planned
    }

    /// What follows in any case.
    fn end(&self) -> Vec<Planned> {
        let gates = self.config.gates.named();
        let mut planned = vec![Planned::new("gates", if gates.is_empty() { "none".to_string() } else { gates.join(", ") })];
        for target in &self.config.targets {
            planned.push(Planned::new("results", format!("put `{}` in place", self.config.cache_of(target).display())));
        }
        let written = [(self.profile_output(), "profile"), (self.config.output.summary.as_ref(), "summary")];
        planned.extend(
            written.into_iter().filter_map(|(path, what)| Some(Planned::new("results", format!("write the {what} `{}`", path?.display())))),
        );
        if self.request.accept {
            planned.push(Planned::new("results", format!("write the baseline `{}`", self.config.output.baseline.display())));
        }
        planned
    }
}

fn scratch(count: usize) -> Vec<PathBuf> {
    vec![PathBuf::from("<scratch>"); count]
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_are_quoted_as_shells_need_it() {
        let quoted = ["a-b", "", "it's", "x=/y", "a b"].map(super::quoted);
        assert_eq!(quoted, ["a-b", "''", r"'it'\''s'", "x=/y", "'a b'"]);
    }
}
