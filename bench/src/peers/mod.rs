//! The engines beside trjit: where they are found, how each makes its artifact and runs a case. One file an engine.
//!
//! An engine runs in one or more [`Way`]s. What is switched off for a way, and which settings are not the engine's defaults, is told in its file.

mod node;
mod wamr;
mod wasmer;
mod wasmi;
mod wasmtime;
mod wazero;

use crate::child::{self, CommandLine, Place};
use crate::corpus::Case;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// How an engine gets to machine code, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the wasm, without any cache.
    Cold,
    /// From a file that it compiled before.
    Precompiled,
    /// From its own cache, which an earlier command filled.
    Cached,
    Interpreted,
}

impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Way::Cold => "cold",
            Way::Precompiled => "precompiled",
            Way::Cached => "cached",
            Way::Interpreted => "interpreted",
        })
    }
}

/// How many threads may compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    One,
    All,
}

/// What is made before the program runs.
#[derive(Debug)]
pub struct Preparation {
    pub line: CommandLine,
    /// The file or folder that it makes.
    pub artifact: PathBuf,
}

/// What one run is given.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The module's name in the working directory, which is what guests see as argument 0.
    pub wasm: &'a str,
    /// What [`Peer::preparation`] made.
    pub artifact: Option<&'a Path>,
    pub case: &'a Case,
}

impl Guest<'_> {
    pub fn argv0(&self) -> &str {
        self.case.argv0.as_deref().unwrap_or(self.wasm)
    }

    /// What is run: the artifact, or the module.
    pub fn file(&self) -> &Path {
        self.artifact.unwrap_or(Path::new(self.wasm))
    }

    /// The flags that wasmtime gave to all: `--dir HOST::GUEST`, `--env NAME=VALUE`, `--argv0`.
    pub fn common_flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        for (host, inside) in &self.case.dirs {
            flags.extend(["--dir".to_string(), format!("{host}::{inside}")]);
        }
        for pair in &self.case.env {
            flags.extend(["--env".to_string(), pair.clone()]);
        }
        flags.extend(["--argv0".to_string(), self.argv0().to_string()]);
        flags
    }
}

/// An engine that was found.
pub trait Peer {
    /// What it is called on the command line and in the tables.
    fn name(&self) -> &'static str;

    fn binary(&self) -> &Path;

    fn version_line(&self) -> CommandLine {
        CommandLine::new(self.binary()).arg("--version")
    }

    fn ways(&self) -> Vec<Way>;

    /// What a way needs before the first run, made in `folder`; `None`: nothing.
    fn preparation(&self, way: Way, wasm: &Path, folder: &Path, threads: Threads) -> Option<Preparation>;

    fn run(&self, way: Way, guest: Guest<'_>) -> CommandLine;
}

/// A peer with what it says about itself.
pub struct Installed {
    pub peer: Box<dyn Peer>,
    pub about: About,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    pub name: String,
    pub version: String,
    pub binary: PathBuf,
    pub binary_bytes: u64,
}

type Make = fn(PathBuf, &Finder<'_>) -> Box<dyn Peer>;

/// Name here, name of the program, how to make it. In the order of the tables.
const KNOWN: &[(&str, &str, Make)] = &[
    ("wasmtime", "wasmtime", wasmtime::make),
    ("wasmer", "wasmer", wasmer::make),
    ("wamr", "iwasm", wamr::make),
    ("wazero", "wazero", wazero::make),
    ("wasmi", "wasmi", wasmi::make),
    ("node", "node", node::make),
];

pub fn known_names() -> Vec<&'static str> {
    KNOWN.iter().map(|(name, ..)| *name).collect()
}

/// Where programs are looked for.
pub struct Finder<'a> {
    /// Given on the command line, by the program's name.
    pub given: &'a BTreeMap<String, PathBuf>,
    /// For files that an engine needs in all cases.
    pub folder: &'a Path,
}

impl Finder<'_> {
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        self.given.get(program).and_then(|path| child::absolute(path)).or_else(|| child::on_path(program))
    }
}

/// The peers that are wanted (`None`: all that are known) and can be started; and for each other one a sentence.
pub fn find(wanted: Option<&[String]>, finder: &Finder<'_>, place: &Place) -> Result<(Vec<Installed>, Vec<String>)> {
    for name in wanted.unwrap_or(&[]) {
        if !KNOWN.iter().any(|(known, ..)| known == name) {
            bail!("there is no peer `{name}`; known: {}", known_names().join(", "));
        }
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (name, program, make) in KNOWN {
        if wanted.is_some_and(|wanted| wanted.iter().all(|other| other != name)) {
            continue;
        }
        let given = finder.find(name).filter(|_| finder.given.contains_key(*name));
        let Some(binary) = given.or_else(|| finder.find(program)) else {
            missing.push(format!("{name}: no `{program}` on PATH"));
            continue;
        };
        let peer = make(binary, finder);
        match about(peer.as_ref(), place) {
            Ok(about) => found.push(Installed { peer, about }),
            Err(error) => missing.push(format!("{name}: {error:#}")),
        }
    }
    Ok((found, missing))
}

fn about(peer: &dyn Peer, place: &Place) -> Result<About> {
    let (ended, _) = child::run(&peer.version_line(), place)?;
    ended.expect_success("asked for its version")?;
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let version = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_string();
    let binary_bytes = std::fs::metadata(peer.binary()).context("its size")?.len();
    Ok(About { name: peer.name().to_string(), version, binary: peer.binary().to_path_buf(), binary_bytes })
}
