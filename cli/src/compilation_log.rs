//! `--log-compilation`: a line for each thing that happens to code, in the manner of HotSpot's `-XX:+PrintCompilation`.
//!
//! ```text
//!        ms    id tier what      function
//!    12.345     7 AP4  requested   17 sum @ 0x1a2b: 3000 calls and back-edges
//!    13.901     7 AP4  compiled    17 sum @ 0x1a2b: 213 bytes of wasm, 640 of code, 1412 us, waited 25 us
//!    13.950     7 AP4  installed   17 sum @ 0x1a2b: 640 bytes at 0x7f0e12345000
//! ```
//! Milliseconds count from the engine's making. The number of a compilation is the same in all of its lines. When the run is over, each side exit is told once more, with how often it was
//! taken in all; [`taken_exits`](crate::taken_exits) reads that.

use crate::code_name;
use crate::exit::{FAILURE, Failure};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use trjit_module::{FuncIndex, Module};
use trjit_runtime::{CompilationEvent, Purpose, Task};

/// Stands for standard error in place of a file.
pub const STANDARD_ERROR: &str = "-";

/// Where lines go.
pub struct CompilationLog {
    start: Instant,
    /// Standard error where there is none.
    file: Option<Mutex<File>>,
}

impl CompilationLog {
    pub fn new(path: &Path) -> Result<CompilationLog> {
        let file = match path.as_os_str() == STANDARD_ERROR {
            true => None,
            false => Some(Mutex::new(File::create(path).with_context(|| unwritable(path))?)),
        };
        Ok(CompilationLog { start: Instant::now(), file })
    }

    /// Writes the line of an event, at once and in one piece: the process may end at any moment. A log that can not be written is no reason to stop.
    pub fn write(&self, module: &Module, event: &CompilationEvent<'_>) {
        let line = format!("{:>10.3} {}\n", self.start.elapsed().as_secs_f64() * 1e3, line(module, event));
        let _ = match &self.file {
            Some(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()),
            None => std::io::stderr().write_all(line.as_bytes()),
        };
    }
}

fn unwritable(path: &Path) -> Failure {
    let failure = Failure::new(FAILURE, format!("the log can not be written to `{}`", path.display()));
    failure.with_help("name a file in a directory that exists, or leave the name out: the log then goes to standard error")
}

/// The line without its time.
fn line(module: &Module, event: &CompilationEvent<'_>) -> String {
    match event {
        CompilationEvent::Requested { task, heat } => {
            format!("{}: {heat} calls and back-edges", begin(module, *task, "requested"))
        }
        CompilationEvent::Compiled { task, code_bytes, took, waited } => {
            let wasm = wasm_bytes(module, *task).map_or_else(String::new, |bytes| format!("{bytes} bytes of wasm, "));
            let (took, waited) = (took.as_micros(), waited.as_micros());
            format!("{}: {wasm}{code_bytes} of code, {took} us, waited {waited} us", begin(module, *task, "compiled"))
        }
        CompilationEvent::Installed { task, code } => {
            format!("{}: {} bytes at {:p}", begin(module, *task, "installed"), code.len(), code.as_ptr())
        }
        CompilationEvent::Failed { task, reason } => format!("{}: {reason}", begin(module, *task, "failed")),
        CompilationEvent::Mapped { cache, text } => {
            let pieces = cache.file().functions().iter();
            let functions = pieces.filter(|piece| piece.tier.is_some()).count();
            format!("{:>5} {:<4} {:<10} {functions} functions of a cache: {} bytes at {:p}", "-", "-", "mapped", text.len(), text.as_ptr())
        }
        CompilationEvent::SideExit { function, offset, count } => {
            let at = module.wasm_offset(*offset);
            format!("{:>5} {:<4} {:<10} {} @ {at:#x}: {count} times", "-", "-", "side exit", numbered(module, *function))
        }
        CompilationEvent::Withdrawn { function, tier, reason } => {
            format!("{:>5} {:<4} {:<10} {}: {reason}", "-", tier.name(), "withdrawn", numbered(module, *function))
        }
        other => format!("{:>5} {:<4} {other:?}", "-", "-"),
    }
}

fn begin(module: &Module, task: Task, what: &str) -> String {
    let Task { id, purpose, tier } = task;
    let name = match function_of(purpose) {
        Some(function) => format!("{:>5} {}", function.0, code_name::purpose(module, purpose)),
        None => format!("{:>5} {}", "-", code_name::purpose(module, purpose)),
    };
    format!("{id:>5} {:<4} {what:<10} {name}", tier.map_or("-", trjit_code::Tier::name))
}

pub(crate) fn numbered(module: &Module, function: FuncIndex) -> String {
    format!("{:>5} {}", function.0, code_name::function(module, function))
}

/// The function that code belongs to; none for crossings.
pub fn function_of(purpose: Purpose) -> Option<FuncIndex> {
    match purpose {
        Purpose::Function(function) | Purpose::Loop(function, _) | Purpose::Bridge(function, _) => Some(function),
        _ => None,
    }
}

/// Bytes of the body that code was made from.
pub fn wasm_bytes(module: &Module, task: Task) -> Option<usize> {
    let record = module.function(function_of(task.purpose)?)?;
    Some(record.body.len as usize)
}
