//! Why guest code stopped, with a backtrace through frames of all kinds.

use crate::backtrace::Backtrace;
use trjit_module::TrapCode;

/// A trap, an exit, or an error of a host function, with the frames that it left.
#[derive(Debug)]
pub struct Trap {
    pub reason: Reason,
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
}

/// The error of a host function.
pub type HostError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What host functions return instead of results.
#[derive(Debug)]
pub enum HostTrap {
    Trap(TrapCode),
    Exit(i32),
    Error(HostError),
}

impl From<HostTrap> for Reason {
    fn from(trap: HostTrap) -> Reason {
        match trap {
            HostTrap::Trap(code) => Reason::Trap(code),
            HostTrap::Exit(status) => Reason::Exit(status),
            HostTrap::Error(error) => Reason::Host(error),
        }
    }
}

impl Trap {
    /// The code, where the guest itself trapped.
    pub fn code(&self) -> Option<TrapCode> {
        match self.reason {
            Reason::Trap(code) => Some(code),
            Reason::Exit(_) | Reason::Host(_) => None,
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
        }
    }
}

impl std::error::Error for Trap {}

/// Marks a run that ended early; the reason is the store's pending trap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwinding;
