//! One run of one process: what to start, and what came of it.
//!
//! Children are spawned without copying the bench (the standard library uses `posix_spawn` here), with a clean environment and their streams in files: so
//! neither the size of the bench nor the speed at which it reads pipes is in the figures.

use crate::sys;
use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command line, with what it needs of the environment beyond the common part.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub env: Vec<(String, String)>,
}

impl CommandLine {
    pub fn new(program: impl Into<PathBuf>) -> CommandLine {
        CommandLine { program: program.into(), ..CommandLine::default() }
    }

    pub fn arg(mut self, arg: impl Into<OsString>) -> CommandLine {
        self.args.push(arg.into());
        self
    }

    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> CommandLine {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: &str, value: impl Into<String>) -> CommandLine {
        self.env.push((name.to_string(), value.into()));
        self
    }
}

/// What one timed run took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// From before the spawn to after the exit, by the monotonic clock.
    pub wall_ns: u64,
    pub user_us: u64,
    pub system_us: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
}

/// Where a process runs, and where its streams go.
#[derive(Clone, Debug)]
pub struct Place {
    /// The working directory.
    pub home: PathBuf,
    /// Outside of `home`: streams, and the empty home directory of every engine.
    pub desk: PathBuf,
    pub stdin: Option<PathBuf>,
    pub merge_stderr: bool,
    pub limit: Duration,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// `None`: killed at the time limit.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Ended {
    /// The last line of standard error, for messages.
    pub fn last_words(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        line.chars().take(200).collect()
    }

    /// An error unless the process ended with status 0.
    pub fn expect_success(&self, what: &str) -> Result<()> {
        match self.code {
            Some(0) => Ok(()),
            Some(code) => bail!("{what}: exit {code}: {}", self.last_words()),
            None => bail!("{what}: did not end in time"),
        }
    }
}

/// Runs once, timed.
pub fn run(line: &CommandLine, place: &Place) -> Result<(Ended, Sample)> {
    let mut command = command(line, place)?;
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("{} cannot be started", line.program.display()))?;
    let in_time = wait_until_over(&child, place.limit)?;
    let wall = start.elapsed();
    if !in_time {
        sys::kill(child.id() as i32);
    }
    let usage = sys::wait(child.id())?;
    let sample = Sample {
        wall_ns: wall.as_nanos() as u64,
        user_us: usage.user_us,
        system_us: usage.system_us,
        minor_faults: usage.minor_faults,
        major_faults: usage.major_faults,
    };
    Ok((ended(place, in_time.then(|| sys::exit_code(usage.status)))?, sample))
}

/// Runs once for its peak memory in KiB, which slows it at its end.
pub fn run_for_memory(line: &CommandLine, place: &Place) -> Result<(Ended, Option<u64>)> {
    let child = command(line, place)?.spawn().with_context(|| format!("{} cannot be started", line.program.display()))?;
    let traced = sys::trace_to_end(child.id(), place.limit)?;
    Ok((ended(place, traced.map(|traced| sys::exit_code(traced.status)))?, traced.and_then(|traced| traced.peak_kib)))
}

fn command(line: &CommandLine, place: &Place) -> Result<Command> {
    let mut command = Command::new(&line.program);
    command.args(&line.args).current_dir(&place.home).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", place.desk.join("home")).env("LANG", "C");
    command.envs(line.env.iter().map(|(name, value)| (name, value)));
    command.stdin(match &place.stdin {
        Some(path) => File::open(path).with_context(|| format!("standard input {}", path.display()))?.into(),
        None => Stdio::null(),
    });
    let stdout = File::create(place.desk.join("stdout"))?;
    let stderr = if place.merge_stderr { stdout.try_clone()? } else { File::create(place.desk.join("stderr"))? };
    command.stdout(stdout).stderr(stderr);
    Ok(command)
}

/// Whether the child ended within the limit; it is not reaped.
fn wait_until_over(child: &Child, limit: Duration) -> Result<bool> {
    let pid = Pid::from_child(child);
    let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
    let end = Instant::now() + limit;
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now()))?;
        match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn ended(place: &Place, code: Option<i32>) -> Result<Ended> {
    let stdout = std::fs::read(place.desk.join("stdout"))?;
    let stderr = if place.merge_stderr { Vec::new() } else { std::fs::read(place.desk.join("stderr"))? };
    Ok(Ended { code, stdout, stderr })
}

/// Finds a program on PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())?;
    absolute(&found)
}

/// The same file from any working directory; a link to it keeps its name, which some programs look at.
pub fn absolute(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()
}
