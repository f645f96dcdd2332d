//! `trjit init`: a first `trjit.toml`, by looking at a directory.
//!
//! ```text
//! directory -> modules, program (what the module wants), suite (how its tests are run), cases (inputs with expected outputs) -> page (the file)
//! ```
//! Nothing is run, and nothing outside of the directory is looked at. Invariant: what is written is accepted by [`config::load`](crate::config::load), whatever the
//! directory holds.

mod cases;
mod modules;
mod page;
mod program;
mod suite;

pub use cases::Case;
pub use program::Program;
pub use suite::Suite;

use crate::config::CONFIG_FILE;
use crate::pipeline::ReadModule;
use std::io;
use std::path::Path;
use trjit_trace::{OutputError, write_file};

/// What was found in a directory. Paths are relative to it, with `/`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The module that is to be trained, the most likely one first. Empty: none is built yet.
    pub modules: Vec<String>,
    /// Where the module will be, as far as the project tells, when there is none yet.
    pub expected: Option<String>,
    /// What the module is like, where it could be read.
    pub program: Option<Program>,
    /// Inputs with expected outputs.
    pub cases: Vec<Case>,
    pub suite: Option<Suite>,
}

/// Looks at a directory. What can not be read is passed over.
pub fn look(directory: &Path, read: ReadModule<'_>) -> Found {
    let modules = modules::find(directory);
    let expected = if modules.is_empty() { modules::expected(directory) } else { None };
    let program = modules.first().and_then(|module| Program::of(&directory.join(module), read));
    Found { cases: cases::find(directory), suite: suite::find(directory), modules, expected, program }
}

impl Found {
    /// The module that the file names.
    pub fn module(&self) -> &str {
        self.modules.first().or(self.expected.as_ref()).map_or("app.wasm", String::as_str)
    }

    /// The file.
    pub fn page(&self) -> String {
        page::write(self)
    }

    /// What was found and what is left to do, a line each.
    pub fn notes(&self) -> Vec<String> {
        page::notes(self)
    }
}

/// Why a directory gets no file.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("`{path}` is no directory")]
    NoDirectory { path: String },
    #[error("`{path}` is there already")]
    Exists { path: String },
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("`{path}` can not be changed: {source}")]
    Ignore { path: String, source: io::Error },
}

impl InitError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            InitError::NoDirectory { .. } => "name the directory of the project",
            InitError::Exists { .. } => "edit it, or write it anew with --force",
            InitError::Output(_) | InitError::Ignore { .. } => "make the directory writable",
        }
    }
}

/// Writes the file into the directory. An existing one is replaced only with `force`. Tells whether `.gitignore` got a line for `.trjit/`.
pub fn write(directory: &Path, found: &Found, force: bool) -> Result<bool, InitError> {
    if !directory.is_dir() {
        return Err(InitError::NoDirectory { path: directory.display().to_string() });
    }
    let path = directory.join(CONFIG_FILE);
    if path.exists() && !force {
        return Err(InitError::Exists { path: path.display().to_string() });
    }
    write_file(&path, found.page().as_bytes())?;
    let ignore = directory.join(".gitignore");
    add_ignored(&ignore).map_err(|source| InitError::Ignore { path: ignore.display().to_string(), source })
}

/// Adds the state directory to a `.gitignore`, where there is one that does not have it.
fn add_ignored(path: &Path) -> io::Result<bool> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let lines = text.split(|&byte| byte == b'\n').map(|line| line.trim_ascii());
    if lines
        .into_iter()
        .any(|line| line.strip_prefix(b"/").unwrap_or(line).strip_suffix(b"/").unwrap_or(line) == b".trjit" || line == b"/.trjit/")
    {
        return Ok(false);
    }
    let newline: &[u8] = if text.is_empty() || text.ends_with(b"\n") { b"" } else { b"\n" };
    write_file(path, &[&text, newline, b".trjit/\n"].concat()).map_err(|error| error.source)?;
    Ok(true)
}
