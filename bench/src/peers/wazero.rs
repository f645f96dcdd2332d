//! wazero: cold, and with its cache filled by `wazero compile`.

use super::{Finder, Guest, Peer, Preparation, Threads, Way};
use crate::child::CommandLine;
use std::path::{Path, PathBuf};

struct Wazero {
    binary: PathBuf,
}

pub fn make(binary: PathBuf, _: &Finder<'_>) -> Box<dyn Peer> {
    Box::new(Wazero { binary })
}

impl Peer for Wazero {
    fn name(&self) -> &'static str {
        "wazero"
    }

    fn binary(&self) -> &Path {
        &self.binary
    }

    fn version_line(&self) -> CommandLine {
        CommandLine::new(&self.binary).arg("version")
    }

    fn ways(&self) -> Vec<Way> {
        vec![Way::Cold, Way::Cached]
    }

    fn preparation(&self, way: Way, wasm: &Path, folder: &Path, threads: Threads) -> Option<Preparation> {
        let artifact = folder.join("wazero-cache");
        let mut line = CommandLine::new(&self.binary).args(["compile", "-cachedir"]).arg(&artifact).arg(wasm);
        if threads == Threads::One {
            line = line.env("GOMAXPROCS", "1");
        }
        (way == Way::Cached).then_some(Preparation { line, artifact })
    }

    fn run(&self, _: Way, guest: Guest<'_>) -> CommandLine {
        let mut line = CommandLine::new(&self.binary).arg("run");
        if let Some(cache) = guest.artifact {
            line = line.arg("-cachedir").arg(cache);
        }
        for (host, inside) in &guest.case.dirs {
            line = line.args(["-mount", &format!("{host}:{inside}")]);
        }
        for pair in &guest.case.env {
            line = line.args(["-env", pair]);
        }
        line.arg(guest.wasm).arg("--").args(&guest.case.args)
    }
}
