//! Training from the API: what an engine with [`Config::record_profile`](crate::Config::record_profile) has recorded becomes a profile.
//!
//! ```text
//! Module -> Recording <- Recorder of each Instance (in any store, on any thread)
//!           Recording -> take -> Trace -> Profile -> *.trprof, assembly
//! ```

use crate::code::Module;
use crate::engine::Engine;
use trjit_trace::{MergeError, Profile, RunInfo};

/// Why there is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The engine is not for training.
    #[error("the engine does not record; make one with `Config::record_profile(true)`")]
    NotRecording,
    /// Engine and module do not belong together.
    #[error("the module was made with another engine; take its profile from that one")]
    OtherEngine,
    /// The trace does not fit its module.
    #[error(transparent)]
    Inconsistent(#[from] MergeError),
}

impl Engine {
    /// What all instances of a module (of this [`Module`] and its clones) did since it was last taken, or since the first one was made, in all stores, also in those
    /// that are gone: as a profile with one run, which `run` describes. `"name".into()` names its workload; `seconds` of 0 stands for the time since then.
    ///
    /// Any thread may take it while guests run, and they are not stopped. Each call, branch and target is counted in exactly one of the profiles that are taken; what
    /// happens at this very moment may be divided between two of them. All of them together are their [`Profile::merge`].
    pub fn take_profile(&self, module: &Module, run: impl Into<RunInfo>) -> Result<Profile, ProfileError> {
        if !Engine::same(module.code.engine(), self) {
            return Err(ProfileError::OtherEngine);
        }
        let recording = module.code.recording().filter(|_| self.gives_profiles()).ok_or(ProfileError::NotRecording)?;
        let profile = Profile::from_trace(module.parsed(), recording.take(run.into()))?;
        module.code.spooled().iter().for_each(|spooled| spooled.leave_part(&profile));
        Ok(profile)
    }
}

impl Module {
    /// Says what people call this module, such as the name of its file: told with its traces in a spool. Before it is first instantiated; the first name stays.
    pub fn set_label(&self, label: &str) {
        self.code.spooled().iter().for_each(|spooled| spooled.set_label(label));
    }

    /// Keeps this module's traces out of the spool, where there is one. Before it is first instantiated.
    pub fn keep_out_of_spool(&self) {
        self.code.spooled().iter().for_each(|spooled| spooled.exclude());
    }

    /// Leaves a trace in the spool, where there is one, with all that was recorded since the last time; an empty name of the workload stands for what the variable `TRJIT_WORKLOAD`
    /// says. Needed only where more is known of the run than a process's exit tells: traces are left then, and when the module is gone, anyway.
    pub fn leave_trace(&self, run: impl Into<RunInfo>) {
        let run = run.into();
        self.code.spooled().iter().for_each(|spooled| spooled.leave(run.clone()));
    }
}
