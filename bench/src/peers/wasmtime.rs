//! wasmtime: cold with its own cache switched off, and precompiled. All other settings are its defaults.

use super::{Finder, Guest, Peer, Preparation, Threads, Way};
use crate::child::CommandLine;
use std::path::{Path, PathBuf};

struct Wasmtime {
    binary: PathBuf,
}

pub fn make(binary: PathBuf, _: &Finder<'_>) -> Box<dyn Peer> {
    Box::new(Wasmtime { binary })
}

impl Peer for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn binary(&self) -> &Path {
        &self.binary
    }

    fn ways(&self) -> Vec<Way> {
        vec![Way::Cold, Way::Precompiled]
    }

    fn preparation(&self, way: Way, wasm: &Path, folder: &Path, threads: Threads) -> Option<Preparation> {
        let artifact = folder.join("wasmtime.cwasm");
        let mut line = CommandLine::new(&self.binary).args(["compile", "-C", "cache=n"]);
        if threads == Threads::One {
            line = line.args(["-C", "parallel-compilation=n"]);
        }
        let line = line.arg("-o").arg(&artifact).arg(wasm);
        (way == Way::Precompiled).then_some(Preparation { line, artifact })
    }

    fn run(&self, way: Way, guest: Guest<'_>) -> CommandLine {
        let mut line = CommandLine::new(&self.binary).args(["run", "-C", "cache=n"]);
        if way == Way::Precompiled {
            line = line.arg("--allow-precompiled");
        }
        line.args(guest.common_flags()).arg(guest.file()).args(&guest.case.args)
    }
}
