//! wasmi: an interpreter. It cannot show a directory under another name; guests that look for `/in` in a directory `in`, as wasi-libc does, find it.

use super::{Finder, Guest, Peer, Preparation, Threads, Way};
use crate::child::CommandLine;
use std::path::{Path, PathBuf};

struct Wasmi {
    binary: PathBuf,
}

pub fn make(binary: PathBuf, _: &Finder<'_>) -> Box<dyn Peer> {
    Box::new(Wasmi { binary })
}

impl Peer for Wasmi {
    fn name(&self) -> &'static str {
        "wasmi"
    }

    fn binary(&self) -> &Path {
        &self.binary
    }

    fn ways(&self) -> Vec<Way> {
        vec![Way::Interpreted]
    }

    fn preparation(&self, _: Way, _: &Path, _: &Path, _: Threads) -> Option<Preparation> {
        None
    }

    fn run(&self, _: Way, guest: Guest<'_>) -> CommandLine {
        let mut line = CommandLine::new(&self.binary).arg("run");
        for (host, _) in &guest.case.dirs {
            line = line.args(["--dir", host]);
        }
        for pair in &guest.case.env {
            line = line.args(["--env", pair]);
        }
        line.arg(guest.wasm).args(&guest.case.args)
    }
}
