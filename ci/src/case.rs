//! One run of the module, as `trjit.toml` describes it: recorded, on a cache, or plain; and what it did.
//!
//! ```text
//! Run + How -> command line -> process -> Observation -> expected? the same as before?
//! ```

use crate::config::{Expect, Run, Target};
use crate::files;
use crate::outcome::{Failure, Kind};
use crate::place::Place;
use crate::process::{Ended, Running, Task};
use sha2::{Digest as _, Sha256};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trjit_code::MemoryStyle;
use trjit_module::Digest;

/// Fuel for runs on caches that count it, where the run does not say how much.
const FUEL: &str = "fuel=1000000000000000000";
/// Lines of standard error that a failure shows.
const SHOWN_LINES: usize = 10;

/// What to run it for.
#[derive(Clone, Copy, Debug)]
pub enum How<'a> {
    /// Recorded, to this profile.
    Train(&'a Path),
    /// On the cache of a target.
    Cached(&'a Path, &'a Target),
    /// Neither.
    Plain,
}

/// Who runs it, where.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub run: &'a Run,
    /// Its number in the file.
    pub number: usize,
    /// The command `trjit`.
    pub program: &'a Path,
    pub module: &'a Path,
    pub place: &'a Place,
    pub timeout: Duration,
    pub running: &'a Running,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Observation {
    pub ended: Ended,
    pub seconds: f64,
    pub stdout: PathBuf,
    pub stderr: PathBuf,
    pub stdout_digest: Digest,
    /// What it left in its scratch directories.
    pub scratch: Digest,
}

impl Case<'_> {
    /// The command line, without the program.
    pub fn command_line(&self, how: &How<'_>, scratch: &[PathBuf]) -> Vec<OsString> {
        let run = self.run;
        let mut words: Vec<OsString> = Vec::new();
        let mut add = |parts: &[&dyn AsRef<std::ffi::OsStr>]| words.extend(parts.iter().map(|part| part.as_ref().to_os_string()));
        match how {
            How::Train(profile) => add(&[&"train", &"-o", profile, &"--workload", &run.name]),
            How::Plain => add(&[&"run"]),
            How::Cached(cache, target) => {
                add(&[&"run", &"--cache", cache, &"--cache-mode", &"require"]);
                if target.fuel && !run.options.iter().any(|option| option.contains("fuel=")) {
                    add(&[&"-W", &FUEL]);
                }
                if target.memory == MemoryStyle::Checked {
                    add(&[&"-O", &"memory-reservation=0"]);
                }
            }
        }
        run.options.iter().for_each(|option| add(&[option]));
        run.dirs.iter().for_each(|dir| add(&[&"--dir", dir]));
        for (host, guest) in scratch.iter().zip(&run.scratch) {
            let mut mapped = host.clone().into_os_string();
            mapped.push(format!("::{guest}"));
            add(&[&"--dir", &mapped]);
        }
        run.env.iter().for_each(|variable| add(&[&"--env", variable]));
        add(&[&self.module]);
        run.args.iter().for_each(|argument| add(&[argument]));
        words
    }

    /// Runs it. `label` keeps the files of its executions apart.
    pub fn execute(&self, how: &How<'_>, label: &str) -> Result<Observation, Failure> {
        let work = self.place.work().join(format!("{}-{label}", self.number));
        let scratch: Vec<PathBuf> = (0..self.run.scratch.len()).map(|number| work.join(format!("scratch-{number}"))).collect();
        for directory in std::iter::once(&work).chain(&scratch) {
            fs::create_dir_all(directory).map_err(files::unwritable(directory))?;
        }
        let task = Task {
            program: self.program.to_path_buf(),
            args: self.command_line(how, &scratch),
            env: Vec::new(),
            directory: self.place.root().to_path_buf(),
            stdin: self.run.stdin.as_ref().map(|path| self.place.path(path)),
            stdout: work.join("stdout"),
            stderr: work.join("stderr"),
            timeout: Some(self.run.timeout.unwrap_or(self.timeout)),
        };
        let done = self.running.run(&task)?;
        let mut left = Vec::new();
        for directory in &scratch {
            left.extend_from_slice(&files::tree_digest(directory, &[])?.0);
            // What is compared is kept as its digest.
            let _ = fs::remove_dir_all(directory);
        }
        let stdout_digest = files::digest(&task.stdout)?;
        let Task { stdout, stderr, .. } = task;
        Ok(Observation { ended: done.ended, seconds: done.seconds, stdout, stderr, stdout_digest, scratch: Digest::of(&left) })
    }

    /// Whether it did what the file expects.
    pub fn judge(&self, seen: &Observation, what: &str) -> Result<(), Failure> {
        let Expect { exit, stdout, stdout_sha256, nondeterministic: _ } = &self.run.expect;
        if seen.ended != Ended::Exited(*exit) {
            return Err(self.failed(seen, what, format!("{}, expected status {exit}", seen.ended)));
        }
        if let Some(expected) = stdout {
            let path = self.place.path(expected);
            let wanted = fs::read(&path).map_err(files::unreadable(&path))?;
            let found = fs::read(&seen.stdout).map_err(files::unreadable(&seen.stdout))?;
            if found != wanted {
                let message = format!("printed something else than `{}`: {}", expected.display(), difference(&found, &wanted));
                return Err(self.failed(seen, what, message));
            }
        }
        if let Some(expected) = stdout_sha256 {
            let bytes = fs::read(&seen.stdout).map_err(files::unreadable(&seen.stdout))?;
            let found: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            if !found.eq_ignore_ascii_case(expected) {
                return Err(self.failed(seen, what, format!("printed something else: its SHA-256 is {found}, expected {expected}")));
            }
        }
        Ok(())
    }

    /// Whether it did the same as another time.
    pub fn compare(&self, before: &Observation, now: &Observation, what: &str) -> Result<(), Failure> {
        let differs = |message: String| {
            let failure = self.failed(now, what, message);
            if failure.kind != Kind::Training {
                return failure;
            }
            let failure = Failure { kind: Kind::Differs, ..failure };
            let help = "if its output differs from run to run by itself (clocks, random numbers), say `expect.nondeterministic = true`; else this is a bug of trjit: please report it with the module";
            failure.with_help(help)
        };
        if before.ended != now.ended {
            return Err(differs(format!("{}, and before that {}", now.ended, before.ended)));
        }
        if self.run.expect.nondeterministic {
            return Ok(());
        }
        if before.stdout_digest != now.stdout_digest {
            let read = |path: &Path| fs::read(path).map_err(files::unreadable(path));
            return Err(differs(format!("printed something else: {}", difference(&read(&now.stdout)?, &read(&before.stdout)?))));
        }
        if before.scratch != now.scratch {
            return Err(differs("left other files in its scratch directories".to_string()));
        }
        Ok(())
    }

    /// A failure that keeps what was printed. A full disk, which cuts output off, is told as what it is.
    fn failed(&self, seen: &Observation, what: &str, message: String) -> Failure {
        if let Err(full) = files::room(&self.place.work()) {
            return full;
        }
        let kept = self.place.failed().join(self.number.to_string());
        let keep = || -> std::io::Result<()> {
            fs::create_dir_all(&kept)?;
            fs::copy(&seen.stdout, kept.join("stdout"))?;
            fs::copy(&seen.stderr, kept.join("stderr"))?;
            Ok(())
        };
        let failure = Failure::new(Kind::Training, format!("{what} `{}` {message}", self.run.name));
        let failure = failure.with_detail(files::last_lines(&seen.stderr, SHOWN_LINES));
        match keep() {
            Ok(()) => failure.with_help(format!("what it printed is kept in `{}`", self.place.shown(&kept))),
            Err(_) => failure,
        }
    }
}

/// Where two outputs differ first, for people.
fn difference(found: &[u8], expected: &[u8]) -> String {
    let shown = |line: Option<&[u8]>| match line {
        None => "nothing".to_string(),
        Some(line) if line.len() > 100 => format!("`{}..`", String::from_utf8_lossy(&line[..100])),
        Some(line) => format!("`{}`", String::from_utf8_lossy(line)),
    };
    let (mut ours, mut theirs) = (found.split(|&byte| byte == b'\n'), expected.split(|&byte| byte == b'\n'));
    let mut number = 1;
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return "nothing".to_string(),
            (a, b) if a != b => return format!("line {number} is {}, expected {}", shown(a), shown(b)),
            _ => number += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn the_first_line_that_differs_is_told() {
        assert_eq!(difference(b"a\nb\n", b"a\nc\n"), "line 2 is `b`, expected `c`");
        assert_eq!(difference(b"a", b"a\n"), "line 2 is nothing, expected ``");
        assert_eq!(difference(&[b'x'; 200], b""), format!("line 1 is `{}..`, expected ``", "x".repeat(100)));
    }
}
