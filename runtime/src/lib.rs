//! Runs modules: engine, store, instances; the interpreter, compiled code, and the crossings between them.
//!
//! ```text
//! Module (parsed, or from a mapped cache) -> Linker::instantiate -> Instance -> Func::call
//!     -> driver: host function | compiled code (jump table) | interpreter -> (hot) -> jit -> image -> jump table
//! ```
//! Invariant: no Rust frame is ever skipped by a trap or faults on the guest's behalf; nothing here knows wasmparser or a code generator: a
//! compiler is injected through [`Config`].

mod activation;
mod backtrace;
mod builtins;
mod code;
mod driver;
mod eager;
mod engine;
mod error;
mod exception;
mod exports;
mod func;
mod host;
mod instance;
mod instantiate;
mod interp;
mod jit;
mod linker;
mod matching;
mod memory;
mod store;
mod sys;
mod table;
mod trap;
mod tunables;
mod value;

pub use backtrace::{Backtrace, FrameInfo};
pub use code::Module;
pub use engine::{Config, Engine};
pub use error::{Error, LinkError};
pub use exception::Exception;
pub use exports::{Global, Memory, Table};
pub use func::{Func, Instance};
pub use host::{Caller, OwnedFuncType};
pub use instantiate::Limits;
pub use linker::Linker;
pub use store::Store;
pub use sys::InterruptHandle;
pub use trap::{HostError, HostTrap, Reason, Trap};
pub use tunables::Tunables;
pub use value::Val;

sys::builtin_shims!(crate::builtins);
