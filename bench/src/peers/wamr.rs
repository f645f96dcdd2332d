//! WAMR: `iwasm` as an interpreter, and on what `wamrc` compiled, where that is found. The stack is 8 MiB rather than 64 KiB, which most programs overflow.

use super::{Finder, Guest, Peer, Preparation, Threads, Way};
use crate::child::CommandLine;
use std::path::{Path, PathBuf};

struct Wamr {
    binary: PathBuf,
    compiler: Option<PathBuf>,
}

pub fn make(binary: PathBuf, finder: &Finder<'_>) -> Box<dyn Peer> {
    Box::new(Wamr { binary, compiler: finder.find("wamrc") })
}

impl Peer for Wamr {
    fn name(&self) -> &'static str {
        "wamr"
    }

    fn binary(&self) -> &Path {
        &self.binary
    }

    fn ways(&self) -> Vec<Way> {
        if self.compiler.is_some() { vec![Way::Interpreted, Way::Precompiled] } else { vec![Way::Interpreted] }
    }

    fn preparation(&self, way: Way, wasm: &Path, folder: &Path, _: Threads) -> Option<Preparation> {
        let artifact = folder.join("wamr.aot");
        let line = CommandLine::new(self.compiler.as_ref()?).arg("-o").arg(&artifact).arg(wasm);
        (way == Way::Precompiled).then_some(Preparation { line, artifact })
    }

    fn run(&self, _: Way, guest: Guest<'_>) -> CommandLine {
        let mut line = CommandLine::new(&self.binary).arg("--stack-size=8388608");
        for (host, inside) in &guest.case.dirs {
            line = line.arg(format!("--map-dir={inside}::{host}"));
        }
        for pair in &guest.case.env {
            line = line.arg(format!("--env={pair}"));
        }
        line.arg(guest.file()).args(&guest.case.args)
    }
}
