//! Blocking host calls that the embedder can end.
//!
//! A signal handler (or another thread) raises the flag. A blocking call sees it when the kernel returns `EINTR`;
//! where a signal can slip in before the kernel sleeps, waits are cut into slices so that the flag is seen anyway.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::error::{Fail, WasiError};

/// The longest sleep between two looks at the flag.
const SLICE: Duration = Duration::from_millis(100);

/// The embedder's flag, if it gave one.
#[derive(Debug, Default)]
pub(crate) struct Interrupt(pub(crate) Option<Arc<AtomicBool>>);

impl Interrupt {
    pub(crate) fn check(&self) -> Result<(), Fail> {
        match &self.0 {
            Some(flag) if flag.load(Ordering::Acquire) => Err(WasiError::Interrupted.into()),
            _ => Ok(()),
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    /// Repeats `call` while signals interrupt it and the flag is down.
    pub(crate) fn retry<T>(&self, mut call: impl FnMut() -> rustix::io::Result<T>) -> Result<T, Fail> {
        loop {
            match call() {
                Err(rustix::io::Errno::INTR) => self.check()?,
                result => return result.map_err(Fail::from),
            }
        }
    }

    /// [`Interrupt::retry`] for calls of the standard library's kind.
    pub(crate) fn retry_io<T>(&self, mut call: impl FnMut() -> std::io::Result<T>) -> Result<T, Fail> {
        loop {
            match call() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => self.check()?,
                result => return result.map_err(Fail::from),
            }
        }
    }

    /// One wait on `fds` for at most `limit`; may return early without any of them ready. Returns the ready count.
    pub(crate) fn poll(&self, fds: &mut [PollFd<'_>], limit: Option<Duration>) -> Result<usize, Fail> {
        self.check()?;
        let slice = if self.is_watched() { Some(limit.map_or(SLICE, |l| l.min(SLICE))) } else { limit };
        let timeout = slice.map(|d| Timespec { tv_sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX), tv_nsec: d.subsec_nanos().into() });
        match rustix::event::poll(fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => self.check().map(|()| 0),
            result => result.map_err(Fail::from),
        }
    }

    /// Waits until `fd` is ready for `flags` (or has failed, which the next call on it reports).
    pub(crate) fn wait(&self, fd: BorrowedFd<'_>, flags: PollFlags) -> Result<(), Fail> {
        while self.poll(&mut [PollFd::from_borrowed_fd(fd, flags)], None)? == 0 {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_flag_ends_a_wait() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let flag = Arc::new(AtomicBool::new(false));
        let interrupt = Interrupt(Some(flag.clone()));
        let raiser = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            flag.store(true, Ordering::Release);
        });
        let ended = interrupt.wait(std::os::fd::AsFd::as_fd(&reader), PollFlags::IN);
        raiser.join().expect("the raiser ends");
        assert!(matches!(ended, Err(Fail::Stop(WasiError::Interrupted))));
    }
}
