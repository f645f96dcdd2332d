//! Node.js: V8 with `node:wasi`, through a script of a few lines. It compiles while it runs, by default: lazily, and in two tiers.

use super::{Finder, Guest, Peer, Preparation, Threads, Way};
use crate::child::CommandLine;
use std::path::{Path, PathBuf};

/// Arguments: a JSON object with the module's file, the guest's arguments, environment and directories.
const SCRIPT: &str = r#"import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";
const { wasm, args, env, preopens } = JSON.parse(process.argv[2]);
const wasi = new WASI({ version: "preview1", args, env, preopens, returnOnExit: true });
const module = await WebAssembly.compile(readFileSync(wasm));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
"#;

struct Node {
    binary: PathBuf,
    script: PathBuf,
}

pub fn make(binary: PathBuf, finder: &Finder<'_>) -> Box<dyn Peer> {
    let script = finder.folder.join("wasi.mjs");
    // A script that is missing makes the peer fail with a message, in every row.
    let _ = std::fs::write(&script, SCRIPT);
    Box::new(Node { binary, script })
}

impl Peer for Node {
    fn name(&self) -> &'static str {
        "node"
    }

    fn binary(&self) -> &Path {
        &self.binary
    }

    fn ways(&self) -> Vec<Way> {
        vec![Way::Cold]
    }

    fn preparation(&self, _: Way, _: &Path, _: &Path, _: Threads) -> Option<Preparation> {
        None
    }

    fn run(&self, _: Way, guest: Guest<'_>) -> CommandLine {
        let pairs = guest.case.env.iter().filter_map(|pair| pair.split_once('='));
        let env: serde_json::Map<_, _> = pairs.map(|(name, value)| (name.to_string(), value.into())).collect();
        let preopens: serde_json::Map<_, _> = guest.case.dirs.iter().map(|(host, inside)| (inside.clone(), host.clone().into())).collect();
        let args: Vec<&str> = std::iter::once(guest.argv0()).chain(guest.case.args.iter().map(String::as_str)).collect();
        let request = serde_json::json!({ "wasm": guest.wasm, "args": args, "env": env, "preopens": preopens });
        CommandLine::new(&self.binary).arg("--no-warnings").arg(&self.script).arg(request.to_string())
    }
}
