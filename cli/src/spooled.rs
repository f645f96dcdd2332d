//! A run beneath `trjit train --wrap`: it leaves a trace, however it ends, and is else what it would have been.

use crate::guest;
use crate::stop::{self, Signals, Stopped};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use trjit_runtime::{Engine, Error, InterruptHandle, Module, RunInfo, SPOOL_VARIABLE, WORKLOAD_VARIABLE};

/// The directory in a spool that goes first on `PATH`.
pub const SHIMS: &str = ".trjit-shims";

/// Names, with colons between them, under which this command stands in for other runtimes.
pub const STAND_INS_VARIABLE: &str = "TRJIT_AS";

/// A run that owes a trace.
pub struct Spooled {
    stopped: Arc<Stopped>,
    started: Instant,
}

impl Spooled {
    /// Where there is a spool: from now on the first SIGINT or SIGTERM only stops the guest. To be called before other threads exist, and the module is instantiated.
    pub fn begin(module: &Module, path: &Path, handle: InterruptHandle, interrupt: &Arc<AtomicBool>) -> Spooled {
        label(module, path);
        let stopped = Arc::new(Stopped::default());
        stop::on_signals(Signals::block_unless_ignored(), handle, Arc::clone(interrupt), Arc::clone(&stopped), stop::die_by);
        Spooled { stopped, started: Instant::now() }
    }

    /// Leaves the trace; then a signal has the effect that it would have had.
    pub fn leave(&self, module: &Module, result: &Result<(), Error>) {
        let seconds = self.started.elapsed().as_secs_f64();
        module.leave_trace(RunInfo { seconds, ended: guest::ending(result, &self.stopped), ..RunInfo::default() });
        if let Some(signal) = self.stopped.signal().filter(|_| guest::is_interrupted(result)) {
            stop::die_by(signal);
        }
    }

    /// Who stops the guest.
    pub fn stopped(&self) -> &Arc<Stopped> {
        &self.stopped
    }
}

/// Whether traces are to be left.
pub fn is_spooled(engine: &Engine) -> bool {
    engine.spool().is_some()
}

/// Says which file a module comes from.
pub fn label(module: &Module, path: &Path) {
    module.set_label(&path.file_name().unwrap_or_default().to_string_lossy());
}

/// The environment as it is without a wrapping command around us: guests shall see no difference.
pub fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    let wrapped = std::env::var_os(SPOOL_VARIABLE).is_some();
    let ours = |name: &OsString| [SPOOL_VARIABLE, WORKLOAD_VARIABLE, STAND_INS_VARIABLE].iter().any(|own| name == own);
    let kept = std::env::vars_os().filter(move |(name, _)| !wrapped || !ours(name));
    kept.map(move |(name, value)| if wrapped && name == "PATH" { (name, without_shims(&value)) } else { (name, value) })
}

fn without_shims(path: &OsStr) -> OsString {
    let is_shim = |folder: &&[u8]| folder.ends_with(SHIMS.as_bytes());
    let kept: Vec<&[u8]> = path.as_bytes().split(|&byte| byte == b':').filter(|folder| !is_shim(folder)).collect();
    OsStr::from_bytes(&kept.join(&b':')).to_os_string()
}
