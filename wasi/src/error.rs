//! How a call can end other than by success.
//!
//! Three levels that stay apart: [`Error`] (the host could not set the guest up), [`WasiError`] (the call does not
//! return to the guest), and [`Errno`] (the call returns to the guest with a number). Handlers use `Fail`, which is
//! one of the last two.

use std::io;
use std::path::PathBuf;

use crate::errno::Errno;

/// Setting up a [`crate::WasiCtx`] failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A preopened directory could not be opened.
    #[error("cannot open '{}' as the guest's directory '{guest}' (expected a directory that can be read)", host.display())]
    Preopen {
        /// The directory on the host.
        host: PathBuf,
        /// The name the guest was to see.
        guest: String,
        /// Why the host refused; whoever prints the chain of sources adds it.
        source: io::Error,
    },
    /// A string for the guest holds a zero byte, which ends strings there.
    #[error("{what} {value:?} contains a zero byte, which guest strings cannot hold")]
    ZeroByte {
        /// "argument" or "environment variable".
        what: &'static str,
        /// The offending text, lossily decoded.
        value: String,
    },
}

/// A call that does not return to the guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WasiError {
    /// `proc_exit` with this code, as the guest gave it.
    #[error("the program exited with status {0}")]
    Exit(i32),
    /// The embedder's interrupt flag was raised during a blocking call.
    #[error("interrupted")]
    Interrupted,
    /// The call broke a rule that ends the program: a pointer out of bounds or not aligned.
    #[error("{0}")]
    Trap(String),
}

/// Why a handler stopped.
#[derive(Debug)]
pub(crate) enum Fail {
    Errno(Errno),
    Stop(WasiError),
}

/// What a handler gives back: results go to guest memory, so success carries nothing.
pub(crate) type Outcome = Result<(), Fail>;

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Fail {
        Fail::Errno(errno)
    }
}

impl From<WasiError> for Fail {
    fn from(error: WasiError) -> Fail {
        Fail::Stop(error)
    }
}

impl From<rustix::io::Errno> for Fail {
    fn from(errno: rustix::io::Errno) -> Fail {
        Fail::Errno(errno.into())
    }
}

impl From<io::Error> for Fail {
    fn from(error: io::Error) -> Fail {
        Fail::Errno(error.into())
    }
}
