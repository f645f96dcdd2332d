//! `--profile perfmap`: `/tmp/perf-PID.map`, by which perf names code that is in no file.
//!
//! ```text
//! ADDRESS SIZE NAME          a line for each piece of code, numbers in hexadecimal
//! ```
//! Code of caches is in it, too, for readers that do not look into the file that is mapped there; perf does.

use crate::code_name;
use crate::exit::{FAILURE, Failure};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use trjit_module::Module;
use trjit_runtime::CompilationEvent;

/// The file of this process.
pub struct PerfMap(Mutex<File>);

impl PerfMap {
    pub fn new() -> Result<PerfMap> {
        let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
        let file = File::create(&path).with_context(|| {
            let failure = Failure::new(FAILURE, format!("the map for perf can not be written to `{}`", path.display()));
            failure.with_help("perf looks nowhere else: make the directory writable, or use --profile jitdump")
        })?;
        Ok(PerfMap(Mutex::new(file)))
    }

    pub fn note(&self, module: &Module, event: &CompilationEvent<'_>) {
        let lines = match event {
            CompilationEvent::Installed { task, code } => line(code.as_ptr().addr(), code.len(), &code_name::symbol(module, *task)),
            CompilationEvent::Mapped { cache, text } => {
                let piece = |piece: trjit_cache_format::PlacedFunction| {
                    let name = code_name::cached_symbol(module, piece.what, piece.tier);
                    line(text.as_ptr().addr() + piece.offset as usize, piece.len as usize, &name)
                };
                cache.file().functions().iter().map(piece).collect()
            }
            _ => return,
        };
        // A map that can not be written is no reason to stop the guest.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines.as_bytes());
    }
}

fn line(address: usize, size: usize, name: &str) -> String {
    format!("{address:x} {size:x} {name}\n")
}
