//! Runs modules: engine, store, instances; the interpreter, compiled code, and the crossings between them.
//!
//! ```text
//! Module (parsed, or from a mapped cache) -> Linker::instantiate -> Instance -> Func::call
//!     -> driver: host function | compiled code (jump table) | interpreter -> (hot) -> jit -> image -> jump table
//! ```
//! Invariant: no Rust frame is ever skipped by a trap or faults on the guest's behalf; nothing here knows wasmparser or a code generator: a
//! compiler is injected through [`Config`].

#![warn(missing_docs)]

mod activation;
mod assumptions;
mod backtrace;
mod batch;
mod builtins;
mod code;
mod context;
mod counters;
mod deadline;
mod driver;
mod eager;
mod engine;
mod error;
mod events;
mod exception;
mod exits;
mod exports;
mod extern_types;
mod fuel;
mod func;
mod global_handle;
mod handle;
mod host;
mod host_module;
mod instance;
mod instantiate;
mod interp;
mod jit;
mod ladder;
mod limits;
mod linker;
mod matching;
mod memory;
mod memory_handle;
mod offers;
mod planted;
mod profiling;
mod queue;
mod references;
mod spool;
mod store;
mod store_limits;
mod sys;
mod table;
mod table_handle;
mod trap;
mod tunables;
mod typed;
mod value;

pub use backtrace::{Backtrace, FrameInfo};
pub use code::{Module, Purpose};
pub use context::{AsContext, AsContextMut, StoreContext, StoreContextMut};
pub use counters::{Counters, EngineCounters};
pub use engine::{Config, Engine};
pub use error::{Error, LinkError};
pub use events::{CompilationEvent, CompilationHook, Task};
pub use exception::Exception;
pub use exits::TakenExit;
pub use exports::{Extern, Instance, Tag};
pub use extern_types::{ExportType, ExternType, ImportType};
pub use func::Func;
pub use global_handle::{Global, GlobalType};
pub use host::OwnedFuncType as FuncType;
pub use host::{Caller, OwnedFuncType};
pub use instantiate::Limits;
#[cfg(feature = "frame-log")]
pub use interp::frame_log::{FrameHook, ShownFrame};
pub use limits::ResourceLimiter;
pub use linker::{InstancePre, Linker};
pub use memory_handle::{Memory, MemoryAccessError, MemoryType};
#[cfg(feature = "planted-bugs")]
pub use planted::WatchBug;
pub use profiling::ProfileError;
pub use spool::{DEFAULT_WORKLOAD, SPOOL_VARIABLE, WORKLOAD_VARIABLE};
pub use store::Store;
pub use store_limits::{StoreLimits, StoreLimitsBuilder};
pub use sys::InterruptHandle;
pub use table_handle::{Table, TableType};
pub use trap::{HostError, HostTrap, Reason, Trap};
pub use tunables::{Tunable, Tunables};
pub use typed::{IntoFunc, TypedFunc, WasmRet, WasmTy, WasmValues};
pub use value::Val;

pub use trjit_trace::{Profile, RunInfo};

sys::builtin_shims!(crate::builtins);
