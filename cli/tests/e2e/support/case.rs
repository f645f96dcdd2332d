//! Cases of programs: `fixtures/c/*.case.json` and `fixtures/manifest.json`, as `fixtures/README.md` describes them.

use super::command::{Outcome, Trjit};
use serde::Deserialize;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A program and its cases in `fixtures/c`.
#[derive(Deserialize)]
pub struct Cases {
    pub module: String,
    pub cases: Vec<Case>,
}

/// `fixtures/manifest.json`.
#[derive(Deserialize)]
pub struct Manifest {
    pub programs: Vec<RealProgram>,
}

#[derive(Deserialize)]
pub struct RealProgram {
    pub name: String,
    /// Relative to `fixtures`, as `inputs`.
    pub wasm: String,
    pub inputs: String,
    pub cases: Vec<Case>,
}

/// One run and its recorded answer.
#[derive(Deserialize)]
pub struct Case {
    pub id: String,
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub dirs: Vec<(String, String)>,
    pub stdin: String,
    #[serde(default)]
    pub exit: i32,
    pub trap: Option<String>,
    pub stdout: Option<String>,
    pub stdout_sha256: Option<String>,
    pub outfiles_sha256: Option<String>,
    #[serde(default)]
    pub endless: bool,
}

impl Case {
    /// Options before the module. Directories are relative to the home that [`Case::home`] makes.
    pub fn options(&self) -> Vec<String> {
        let env = self.env.iter().map(|variable| format!("--env={variable}"));
        env.chain(self.dirs.iter().map(|(host, guest)| format!("--dir={host}::{guest}"))).collect()
    }

    /// Makes a directory with a copy of the inputs as `in` and a fresh `out`.
    pub fn home(&self, inputs: &Path) -> tempfile::TempDir {
        let home = super::scratch();
        copy(inputs, &home.path().join("in"));
        std::fs::create_dir(home.path().join("out")).expect("the scratch directory is writable");
        home
    }

    /// Sets the working directory and standard input.
    pub fn prepare(&self, command: Trjit, home: &Path) -> Trjit {
        let stdin =
            if self.stdin.is_empty() { Vec::new() } else { std::fs::read(home.join(&self.stdin)).expect("the case's input exists") };
        command.within(home).stdin(&stdin)
    }

    /// Compares a run with what is recorded.
    pub fn judge(&self, outcome: &Outcome) -> Result<(), String> {
        if outcome.code() != self.exit {
            return Err(format!("status {}, expected {}", outcome.code(), self.exit));
        }
        if let Some(expected) = self.stdout.as_ref().filter(|expected| outcome.stdout != expected.as_bytes()) {
            return Err(format!("expected standard output {expected:?}"));
        }
        if let Some(expected) = self.stdout_sha256.as_ref().filter(|expected| sha256(&outcome.stdout) != **expected) {
            return Err(format!("expected standard output with SHA-256 {expected}, found {}", sha256(&outcome.stdout)));
        }
        assert!(self.stdout.is_some() || self.stdout_sha256.is_some(), "case {} records no output", self.id);
        if let Some(trap) = self.trap.as_ref().filter(|trap| !outcome.stderr.contains(*trap)) {
            return Err(format!("expected the trap `{trap}`"));
        }
        // No case records files yet; one that does must not pass unseen.
        assert!(self.outfiles_sha256.as_ref().is_none_or(|digest| digest == "-"), "case {}: comparing files is not implemented", self.id);
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("the scratch directory is writable");
    for entry in std::fs::read_dir(from).expect("the inputs are readable") {
        let entry = entry.expect("the inputs are readable");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("the inputs are readable").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("the inputs can be copied")),
        }
    }
}

/// SHA-256, in hexadecimal digits, by the command of the system.
fn sha256(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a command sha256sum");
    child.stdin.take().expect("standard input is a pipe").write_all(bytes).expect("sha256sum reads its input");
    let output = child.wait_with_output().expect("sha256sum ends");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap_or_default().to_string()
}
