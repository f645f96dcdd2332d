//! Why guest code stopped, with a backtrace through frames of all kinds.

use crate::backtrace::Backtrace;
use crate::exception::Exception;
use trjit_module::TrapCode;

/// A trap, an exit, or an error of a host function, with the frames that it left.
#[derive(Debug)]
pub struct Trap {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub backtrace: Backtrace,
}

/// What stopped the guest.
#[derive(Debug)]
pub enum Reason {
    /// The guest trapped.
    Trap(TrapCode),
    /// The guest asked to end the program with this status (`proc_exit`).
    Exit(i32),
    /// A host function failed.
    Host(HostError),
    /// The guest threw an exception that nobody caught.
    Exception(Exception),
}

/// The error of a host function.
pub type HostError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What host functions return instead of results.
#[derive(Debug)]
pub enum HostTrap {
    /// Traps, as if the guest had.
    Trap(TrapCode),
    /// Ends the program with a status.
    Exit(i32),
    /// Fails; the guest can not catch it, and its caller gets it in [`Reason::Host`].
    Error(HostError),
    /// Throws (or throws on) an exception, which the guest may catch.
    Exception(Exception),
}

impl From<HostTrap> for Reason {
    fn from(trap: HostTrap) -> Reason {
        match trap {
            HostTrap::Trap(code) => Reason::Trap(code),
            HostTrap::Exit(status) => Reason::Exit(status),
            HostTrap::Error(error) => Reason::Host(error),
            HostTrap::Exception(exception) => Reason::Exception(exception),
        }
    }
}

impl From<Reason> for HostTrap {
    /// What ended a guest goes on through the host function that called it.
    fn from(reason: Reason) -> HostTrap {
        match reason {
            Reason::Trap(code) => HostTrap::Trap(code),
            Reason::Exit(status) => HostTrap::Exit(status),
            Reason::Host(error) => HostTrap::Error(error),
            Reason::Exception(exception) => HostTrap::Exception(exception),
        }
    }
}

impl Trap {
    /// The code, where the guest itself trapped.
    pub fn code(&self) -> Option<TrapCode> {
        match self.reason {
            Reason::Trap(code) => Some(code),
            Reason::Exit(_) | Reason::Host(_) | Reason::Exception(_) => None,
        }
    }
}

impl std::fmt::Display for Trap {
    /// The reason alone; the backtrace is printed by whoever wants it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.reason {
            Reason::Trap(code) => write!(f, "wasm trap: {code}"),
            Reason::Exit(status) => write!(f, "exited with status {status}"),
            Reason::Host(error) => write!(f, "{error}"),
            Reason::Exception(_) => write!(f, "thrown Wasm exception"),
        }
    }
}

impl std::error::Error for Trap {}

/// Marks a run that ended early; the reason is the store's pending trap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwinding;
