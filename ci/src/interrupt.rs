//! A step that is told to stop, from a thread that takes signals: what runs is killed, what is half done is removed, and what is being put in place is let through.

use crate::outcome::{Failure, Kind};
use crate::place::Place;
use crate::process::Running;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Between the step and who may stop it.
#[derive(Debug, Default)]
pub struct Interrupt {
    running: Running,
    publishing: Mutex<()>,
    work: OnceLock<PathBuf>,
}

impl Interrupt {
    /// Stops the step. The process is to end while the guard is held, for then nothing is put in place any more.
    pub fn stop(&self) -> MutexGuard<'_, ()> {
        self.running.stop();
        let guard = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = self.work.get() {
            // The next run would remove it, too.
            let _ = std::fs::remove_dir_all(work);
        }
        guard
    }

    pub fn stopped(&self) -> bool {
        self.running.stopped()
    }

    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    pub(crate) fn works_in(&self, place: &Place) {
        let _ = self.work.set(place.work());
    }

    /// To be held while results are put in place.
    pub(crate) fn publish(&self) -> Result<MutexGuard<'_, ()>, Failure> {
        let guard = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stopped() { Err(Failure::new(Kind::Failed, "interrupted")) } else { Ok(guard) }
    }
}
