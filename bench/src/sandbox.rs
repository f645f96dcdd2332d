//! Where cases run: a copy of the program's folder, with an empty `out` for each run.

use crate::child::Place;
use crate::corpus::{Case, Program};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The copy of one program's folder, and beside it what is made for the program.
#[derive(Debug)]
pub struct Sandbox {
    /// Working directory of all cases.
    pub home: PathBuf,
    /// Profiles, caches, precompiled files.
    pub artifacts: PathBuf,
    desk: PathBuf,
    limit: Duration,
}

impl Sandbox {
    /// Below `scratch`, which must be absolute.
    pub fn new(scratch: &Path, corpus: &Path, program: &Program, limit: Duration) -> Result<Sandbox> {
        let sandbox = Sandbox::empty(scratch, &program.name, limit)?;
        let source = corpus.join(&program.wasm);
        let folder = source.parent().context("the module lies in a folder")?;
        copy_tree(folder, &sandbox.home).with_context(|| format!("copying {}", folder.display()))?;
        // Folders without files get lost on the way through archives and repositories.
        for (host, _) in program.cases.iter().flat_map(|case| &case.dirs) {
            std::fs::create_dir_all(sandbox.home.join(host))?;
        }
        Ok(sandbox)
    }

    /// One without files in it.
    pub fn empty(scratch: &Path, name: &str, limit: Duration) -> Result<Sandbox> {
        let [home, artifacts, desk] = ["home", "artifacts", "desk"].map(|part| scratch.join(name).join(part));
        for folder in [&home, &artifacts, &desk, &desk.join("home")] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(Sandbox { home, artifacts, desk, limit })
    }

    /// For work that is no case: training tools, compilers.
    pub fn workplace(&self) -> Place {
        Place { home: self.home.clone(), desk: self.desk.clone(), stdin: None, merge_stderr: false, limit: self.limit }
    }

    pub fn place(&self, case: &Case) -> Place {
        let stdin = (!case.stdin.is_empty()).then(|| self.home.join(&case.stdin));
        Place { stdin, merge_stderr: case.merge_stderr, ..self.workplace() }
    }

    /// Makes all as it is before a run.
    pub fn restore(&self, case: &Case) -> Result<()> {
        let out = self.home.join("out");
        match std::fs::remove_dir_all(&out) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("emptying out"),
            _ => std::fs::create_dir(&out)?,
        }
        if !case.pre.is_empty() {
            let status = Command::new("/bin/sh").args(["-c", &case.pre]).current_dir(&self.home).status()?;
            if !status.success() {
                bail!("the case's first command failed: {}", case.pre);
            }
        }
        Ok(())
    }
}

/// Copies files and folders, and makes the copies writable; links are followed.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (source, target) = { (entry.as_ref().map(|e| e.path()), entry.as_ref().map(|e| to.join(e.file_name()))) };
        let (Ok(source), Ok(target)) = (source, target) else { bail!("cannot list {}", from.display()) };
        if source.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            // Content only: permissions of a read-only corpus would stand in the way of removing it.
            std::fs::write(&target, std::fs::read(&source)?)?;
        }
    }
    Ok(())
}
