//! A step that is told to stop, from a thread that takes signals: what runs is killed, what is half done is removed, and what is being put in place is let through.

use crate::outcome::{Failure, Kind};
use crate::place::Place;
use crate::process::Running;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Between the step and who may stop it.
#[derive(Debug, Default)]
pub struct Interrupt {
    running: Running,
    publishing: Mutex<()>,
    work: OnceLock<PathBuf>,
    ended: Mutex<bool>,
    end: Condvar,
}

/// How long a stopped step is waited for: only an assembly takes longer to notice, and that may be cut off anywhere.
const GRACE: Duration = Duration::from_secs(1);

impl Interrupt {
    /// Stops the step. The process is to end while the guard is held, for then nothing is put in place any more.
    pub fn stop(&self) -> MutexGuard<'_, ()> {
        self.running.stop();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.end.wait_timeout_while(ended, GRACE, |ended| !*ended));
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

    /// The step is over.
    pub(crate) fn ends(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.notify_all();
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
