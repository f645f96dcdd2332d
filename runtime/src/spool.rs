//! The spool: a directory where each recorded module of each process leaves its trace, whatever the program is that embeds it, and however it ends. A command further up
//! ([`SPOOL_VARIABLE`] is inherited) merges them.
//!
//! ```text
//! first instance of a module     NAME.run, a symbolic link to the module's label: it needs no block on a full disk, and is there at once or not at all
//! Engine::take_profile           NAME.1.trprof, NAME.2.trprof, ..: what the embedder takes away is left here, too
//! the module's end, exit()       NAME.trprof with all the rest; then NAME.run becomes NAME.ended
//! ```
//! NAME is unique: process, a random number, a number in the process. So a `.run` that stays is a run whose trace (or the rest of it) is missing: it was killed, or could not
//! write. Processes that were forked leave theirs under names of their own, and have no `.run`.
//!
//! Invariant: nothing here changes what a program does or how it ends. What can not be left is told once a process, on standard error.

use crate::sys;
use rustix::rand::{GetRandomFlags, getrandom};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use trjit_trace::{Profile, Recording, RunInfo};

/// Names the spool to a process and to all beneath it; see [`Config::spool`](crate::Config::spool).
pub const SPOOL_VARIABLE: &str = "TRJIT_SPOOL";

/// Names the workload of runs that are left in a spool, where nothing else names it.
pub const WORKLOAD_VARIABLE: &str = "TRJIT_WORKLOAD";

/// The workload where nothing names it.
pub const DEFAULT_WORKLOAD: &str = "default";

/// Longest label, in bytes.
const MAX_LABEL: usize = 200;

/// The spool that the environment names.
pub(crate) fn of_environment() -> Option<PathBuf> {
    std::env::var_os(SPOOL_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from)
}

fn workload() -> String {
    std::env::var(WORKLOAD_VARIABLE).ok().filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT_WORKLOAD.to_string())
}

/// What one module leaves.
pub(crate) struct Spooled {
    /// Absolute, so that a program may change its directory.
    directory: PathBuf,
    module: trjit_module::Module,
    recording: Arc<Recording>,
    label: OnceLock<String>,
    unwanted: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Names the files; none before the first instance.
    name: Option<Name>,
    /// Traces that were left, or should have been.
    parts: u32,
    /// Not all could be left.
    lost: bool,
}

struct Name {
    process: u32,
    text: String,
}

impl Spooled {
    pub fn new(directory: &Path, module: &trjit_module::Module, recording: &Arc<Recording>) -> Arc<Spooled> {
        Arc::new(Spooled {
            directory: std::path::absolute(directory).unwrap_or_else(|_| directory.to_path_buf()),
            module: module.clone(),
            recording: Arc::clone(recording),
            label: OnceLock::new(),
            unwanted: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    /// Sets what people call the module; the first name stays.
    pub fn set_label(&self, label: &str) {
        let end = (0..=label.len().min(MAX_LABEL)).rev().find(|&end| label.is_char_boundary(end)).unwrap_or(0);
        let _ = self.label.set(label[..end].replace('\0', ""));
    }

    /// Nothing shall be left.
    pub fn exclude(&self) {
        self.unwanted.store(true, Ordering::Relaxed);
    }

    /// An instance is about to be made: from now on the process owes a trace.
    pub fn begin(self: &Arc<Spooled>) {
        let mut state = self.lock();
        if state.name.is_some() || self.unwanted.load(Ordering::Relaxed) {
            return;
        }
        let text = unique_name();
        let label = self.label.get().map(String::as_str).filter(|label| !label.is_empty()).unwrap_or("module");
        if let Err(error) = std::os::unix::fs::symlink(label, self.directory.join(format!("{text}.run"))) {
            warn(&self.directory, &error);
        }
        state.name = Some(Name { process: std::process::id(), text });
        drop(state);
        exit_registry().push(Arc::clone(self));
        leave_at_exit();
    }

    /// Leaves a part of the recording that somebody took.
    pub fn leave_part(&self, profile: &Profile) {
        let mut state = self.lock();
        if state.name.is_some() {
            self.write(&mut state, profile);
        }
    }

    /// Leaves what was recorded since the last time. Nothing more is owed then, though more can still be left.
    pub fn leave(&self, run: RunInfo) {
        let mut state = self.lock();
        let Some(text) = state.name.as_ref().map(|name| name.text.clone()) else { return };
        let run = RunInfo { workload: if run.workload.is_empty() { workload() } else { run.workload }, ..run };
        match Profile::from_trace(&self.module, self.recording.take(run)) {
            Ok(profile) if state.parts == 0 || profile.total_calls() != 0 => self.write(&mut state, &profile),
            Ok(_) => {}
            Err(error) => {
                state.lost = true;
                warn(&self.directory, &error);
            }
        }
        let marker = self.directory.join(text);
        if !state.lost && state.name.as_ref().is_some_and(|name| name.process == std::process::id()) {
            // It may be that it could not be made.
            let _ = std::fs::rename(marker.with_extension("run"), marker.with_extension("ended"));
        }
    }

    fn write(&self, state: &mut State, profile: &Profile) {
        let Some(name) = &state.name else { return };
        let part = if state.parts == 0 { String::new() } else { format!(".{}", state.parts) };
        let process = std::process::id();
        let forked = if process == name.process { String::new() } else { format!("-{process}") };
        let path = self.directory.join(format!("{}{forked}{part}.trprof", name.text));
        state.parts += 1;
        if let Err(error) = sys::file_limit::as_error(|| profile.write_transient(&path)) {
            state.lost = true;
            warn(&self.directory, &error);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Belongs to the module's code: when that is gone, so are all instances.
pub(crate) struct LeavesAtEnd(pub Arc<Spooled>);

impl Drop for LeavesAtEnd {
    fn drop(&mut self) {
        self.0.leave(RunInfo { ended: "module dropped".to_string(), ..RunInfo::default() });
        exit_registry().retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}

/// What is left at the process's exit: modules whose end has not come by then. They are held until their end, so that an exit in the midst of that misses none.
fn exit_registry() -> MutexGuard<'static, Vec<Arc<Spooled>>> {
    static REGISTRY: Mutex<Vec<Arc<Spooled>>> = Mutex::new(Vec::new());
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn leave_at_exit() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| sys::at_exit(at_exit));
}

/// Other threads may go on, also in guests.
extern "C" fn at_exit() {
    let owing = exit_registry().clone();
    for spooled in owing {
        spooled.leave(RunInfo { ended: "process ended".to_string(), ..RunInfo::default() });
    }
}

/// A name that no other process on any machine that sees the spool gives.
fn unique_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 8];
    if getrandom(&mut random[..], GetRandomFlags::empty()).is_err() {
        let time = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64);
        random = time.to_le_bytes();
    }
    format!("{}-{:016x}-{}", std::process::id(), u64::from_le_bytes(random), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Says once why traces are missing.
fn warn(directory: &Path, error: &dyn std::error::Error) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if SAID.swap(true, Ordering::Relaxed) {
        return;
    }
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        reason = format!("{reason}: {error}");
        source = error.source();
    }
    let line = format!("warning: the spool `{}` lacks a trace of this process, which goes on: {reason}\n", directory.display());
    let _ = std::io::stderr().write_all(line.as_bytes());
}
