//! What is made once for a program and used by several measures: profiles, caches, the peers' artifacts.

use crate::child;
use crate::corpus::{Case, Program};
use crate::peers::{Guest, Installed, Threads, Way};
use crate::sandbox::Sandbox;
use crate::series::{Expected, Subject};
use crate::trjit::{Runner, Trjit};
use anyhow::{Context, Result, anyhow, bail};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a cache was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Training<'a> {
    /// The case of this name.
    Same(&'a str),
    /// All cases but this one.
    Others(&'a str),
    /// All cases.
    All,
    /// A case of another program.
    Foreign,
    /// Nothing: every function is compiled.
    Untrained,
}

impl Training<'_> {
    /// As subjects are called by it.
    pub fn name(&self) -> &'static str {
        match self {
            Training::Same(_) => "same case",
            Training::Others(_) => "other cases",
            Training::All => "all cases",
            Training::Foreign => "foreign profile",
            Training::Untrained => "every function",
        }
    }

    fn file_name(&self) -> String {
        match self {
            Training::Same(case) => format!("same-{case}.trjit"),
            Training::Others(case) => format!("others-{case}.trjit"),
            other => format!("{}.trjit", other.name().replace(' ', "-")),
        }
    }
}

/// Made things by name: each is tried once, and an error stays.
type Made = RefCell<BTreeMap<String, Result<PathBuf, String>>>;

pub struct Workshop<'a> {
    pub program: &'a Program,
    pub sandbox: Sandbox,
    pub trjit: &'a Trjit,
    /// A profile of another program.
    pub foreign: Option<PathBuf>,
    made: Made,
}

impl<'a> Workshop<'a> {
    pub fn new(program: &'a Program, sandbox: Sandbox, trjit: &'a Trjit, foreign: Option<PathBuf>) -> Workshop<'a> {
        Workshop { program, sandbox, trjit, foreign, made: Made::default() }
    }

    pub fn wasm(&self) -> PathBuf {
        self.sandbox.home.join(self.program.wasm_name())
    }

    fn once(&self, name: &str, make: impl FnOnce() -> Result<PathBuf>) -> Result<PathBuf> {
        if let Some(made) = self.made.borrow().get(name) {
            return made.clone().map_err(|error| anyhow!(error));
        }
        let made = make().map_err(|error| format!("{error:#}"));
        self.made.borrow_mut().insert(name.to_string(), made.clone());
        made.map_err(|error| anyhow!(error))
    }

    /// The profile of one case.
    pub fn profile(&self, case: &Case) -> Result<PathBuf> {
        self.once(&format!("profile {}", case.id), || {
            let path = self.sandbox.artifacts.join(format!("{}.trprof", case.id));
            let wasm = self.program.wasm_name();
            let line = self.trjit.train(Guest { wasm: &wasm, artifact: None, case }, &path);
            self.sandbox.restore(case)?;
            let (ended, _) = child::run(&line, &self.sandbox.place(case))?;
            if !path.is_file() {
                bail!("training on case {} left no profile: {}", case.id, ended.last_words());
            }
            Ok(path)
        })
    }

    /// The profiles that a training takes; an error when there are none.
    pub fn profiles(&self, training: Training<'_>) -> Result<Vec<PathBuf>> {
        let chosen = |case: &&Case| match training {
            Training::Same(id) => case.id == id,
            Training::Others(id) => case.id != id,
            Training::All => true,
            Training::Foreign | Training::Untrained => false,
        };
        match training {
            Training::Untrained => Ok(Vec::new()),
            Training::Foreign => Ok(vec![self.foreign.clone().context("there is no other program")?]),
            _ => {
                let profiles: Vec<PathBuf> =
                    self.program.cases.iter().filter(chosen).map(|case| self.profile(case)).collect::<Result<_>>()?;
                if profiles.is_empty() { bail!("the program has no other case") } else { Ok(profiles) }
            }
        }
    }

    /// The cache of a training.
    pub fn cache(&self, training: Training<'_>) -> Result<PathBuf> {
        self.once(&training.file_name(), || {
            let cache = self.sandbox.artifacts.join(training.file_name());
            let line = self.trjit.assemble(&self.wasm(), &self.profiles(training)?, &cache, Threads::All);
            let (ended, _) = child::run(&line, &self.sandbox.workplace())?;
            ended.expect_success("trjit assemble")?;
            Ok(cache)
        })
    }

    /// A peer's artifact, `None` when a way needs none.
    pub fn artifact(&self, installed: &Installed, way: Way) -> Result<Option<PathBuf>> {
        let folder = &self.sandbox.artifacts;
        let Some(preparation) = installed.peer.preparation(way, &self.wasm(), folder, Threads::All) else { return Ok(None) };
        let made = self.once(&format!("{} {way}", installed.about.name), || {
            let (ended, _) = child::run(&preparation.line, &self.sandbox.workplace())?;
            ended.expect_success(&format!("{} could not prepare it", installed.about.name))?;
            Ok(preparation.artifact)
        });
        made.map(Some)
    }

    /// A peer that runs a case.
    pub fn peer_subject(&self, installed: &Installed, way: Way, case: &Case) -> Result<Subject> {
        let (artifact, wasm) = (self.artifact(installed, way)?, self.program.wasm_name());
        let line = installed.peer.run(way, Guest { wasm: &wasm, artifact: artifact.as_deref(), case });
        Ok(self.subject(format!("{} {way}", installed.about.name), line, artifact, case))
    }

    /// trjit with the cache of a training, or with none.
    pub fn trjit_subject(&self, runner: Runner, training: Option<Training<'_>>, case: &Case) -> Result<Subject> {
        let cache = training.map(|training| self.cache(training)).transpose()?;
        Ok(self.trjit_with(trjit_name(runner, training), runner, cache, case))
    }

    /// trjit with a cache of any origin.
    pub fn trjit_with(&self, name: String, runner: Runner, cache: Option<PathBuf>, case: &Case) -> Subject {
        let wasm = self.program.wasm_name();
        let line = self.trjit.run(runner, Guest { wasm: &wasm, artifact: cache.as_deref(), case });
        self.subject(name, line, cache, case)
    }

    fn subject(&self, name: String, line: child::CommandLine, artifact: Option<PathBuf>, case: &Case) -> Subject {
        let mut files = vec![line.program.clone(), artifact.clone().unwrap_or_else(|| self.wasm())];
        if let Some((host, _)) = case.dirs.first() {
            files.push(self.sandbox.home.join(host));
        }
        Subject { name, line, artifact, files, expected: Expected::Case }
    }
}

/// Such as `trjit-run, same case`.
pub fn trjit_name(runner: Runner, training: Option<Training<'_>>) -> String {
    format!("{runner}, {}", training.map_or("no cache", |training| training.name()))
}

/// Functions with a body in a module.
pub fn functions_in(wasm: &Path) -> Result<u32> {
    let module = trjit_module::Module::parse(std::fs::read(wasm)?).with_context(|| format!("{} is no module", wasm.display()))?;
    Ok(module.functions().len() as u32)
}
