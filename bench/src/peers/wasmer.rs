//! wasmer: cold with its own cache switched off, and precompiled. It takes the compiler that it was built with by default.

use super::{Finder, Guest, Peer, Preparation, Threads, Way};
use crate::child::CommandLine;
use std::path::{Path, PathBuf};

struct Wasmer {
    binary: PathBuf,
}

pub fn make(binary: PathBuf, _: &Finder<'_>) -> Box<dyn Peer> {
    Box::new(Wasmer { binary })
}

impl Peer for Wasmer {
    fn name(&self) -> &'static str {
        "wasmer"
    }

    fn binary(&self) -> &Path {
        &self.binary
    }

    fn ways(&self) -> Vec<Way> {
        vec![Way::Cold, Way::Precompiled]
    }

    fn preparation(&self, way: Way, wasm: &Path, folder: &Path, threads: Threads) -> Option<Preparation> {
        let artifact = folder.join("wasmer.wasmu");
        let mut line = CommandLine::new(&self.binary).arg("compile").arg(wasm).arg("-o").arg(&artifact);
        if threads == Threads::One {
            line = line.env("RAYON_NUM_THREADS", "1");
        }
        (way == Way::Precompiled).then_some(Preparation { line, artifact })
    }

    fn run(&self, _: Way, guest: Guest<'_>) -> CommandLine {
        let mut line = CommandLine::new(&self.binary).args(["run", "--disable-cache"]);
        for (host, inside) in &guest.case.dirs {
            line = line.args(["--volume", &format!("{host}:{inside}")]);
        }
        for pair in &guest.case.env {
            line = line.args(["--env", pair]);
        }
        line.arg(guest.file()).arg("--").args(&guest.case.args)
    }
}
