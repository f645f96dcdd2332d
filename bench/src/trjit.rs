//! The programs that are measured: `trjit`, and `trjit-run`, which has no compiler.

use crate::child::{self, CommandLine, Place};
use crate::peers::{About, Guest, Threads};
use anyhow::{Context, Result, bail};
use std::fmt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub struct Trjit {
    full: PathBuf,
    run_only: Option<PathBuf>,
}

/// Which program runs a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// `trjit run`, which compiles what gets hot.
    Full,
    /// `trjit-run`, which interprets what the cache lacks.
    RunOnly,
}

impl fmt::Display for Runner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Runner::Full => "trjit run",
            Runner::RunOnly => "trjit-run",
        })
    }
}

impl Trjit {
    /// The given program, or the one beside the bench, or on PATH; `trjit-run` is expected beside it.
    pub fn find(given: Option<&Path>) -> Result<Trjit> {
        let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(|folder| folder.join("trjit")));
        let found = match given {
            Some(path) => child::absolute(path).filter(|path| path.is_file()),
            None => beside.filter(|path| path.is_file()).or_else(|| child::on_path("trjit")),
        };
        let Some(full) = found else {
            bail!("no program `trjit`: build it with `cargo build --release`, or name one with --trjit");
        };
        let run_only = Some(full.with_file_name("trjit-run")).filter(|path| path.is_file());
        Ok(Trjit { full, run_only })
    }

    pub fn has(&self, runner: Runner) -> bool {
        runner == Runner::Full || self.run_only.is_some()
    }

    /// The leanest program that is there, to run caches with.
    pub fn production(&self) -> Runner {
        if self.has(Runner::RunOnly) { Runner::RunOnly } else { Runner::Full }
    }

    pub fn about(&self, place: &Place) -> Result<Vec<About>> {
        let (ended, _) = child::run(&CommandLine::new(&self.full).arg("--version"), place)?;
        ended.expect_success("trjit --version")?;
        let version = String::from_utf8_lossy(&ended.stdout).lines().next().unwrap_or_default().to_string();
        let all = [("trjit", Some(&self.full)), ("trjit-run", self.run_only.as_ref())];
        let found = all.into_iter().filter_map(|(name, path)| Some((name, path?)));
        found
            .map(|(name, path)| {
                let binary_bytes = std::fs::metadata(path).with_context(|| format!("the size of {}", path.display()))?.len();
                Ok(About { name: name.to_string(), version: version.clone(), binary: path.clone(), binary_bytes })
            })
            .collect()
    }

    pub fn train(&self, guest: Guest<'_>, profile: &Path) -> CommandLine {
        let line = CommandLine::new(&self.full).args(["train", "--workload", &guest.case.id, "-o"]).arg(profile);
        line.args(guest.common_flags()).arg(guest.wasm).args(&guest.case.args)
    }

    /// Without profiles: all functions.
    pub fn assemble(&self, wasm: &Path, profiles: &[PathBuf], cache: &Path, threads: Threads) -> CommandLine {
        let mut line = CommandLine::new(&self.full).arg("assemble").arg(wasm).arg("-o").arg(cache);
        for profile in profiles {
            line = line.arg("--profile").arg(profile);
        }
        if profiles.is_empty() {
            line = line.arg("--all");
        }
        if threads == Threads::One { line.args(["--threads", "1"]) } else { line }
    }

    /// `guest.artifact` is a cache, which runs by itself; without one the module is run.
    pub fn run(&self, runner: Runner, guest: Guest<'_>) -> CommandLine {
        self.run_with(runner, &[], guest)
    }

    pub fn run_with(&self, runner: Runner, flags: &[&str], guest: Guest<'_>) -> CommandLine {
        let mut line = match (runner, &self.run_only) {
            (Runner::RunOnly, Some(binary)) => CommandLine::new(binary),
            _ => CommandLine::new(&self.full).arg("run"),
        };
        line = line.args(flags.iter().copied());
        if guest.artifact.is_some() {
            line = line.arg("--allow-precompiled");
        }
        line.args(guest.common_flags()).arg(guest.file()).args(&guest.case.args)
    }
}
