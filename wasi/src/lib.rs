//! WASI preview 1 for guest programs: `wasi_snapshot_preview1` and its older sibling `wasi_unstable`.
//!
//! The crate knows no engine. It is a table of host functions over three things: a [`WasiCtx`] (what the guest was
//! given), the guest's linear memory as bytes, and raw 64-bit argument slots. A runtime links [`functions`] by
//! module and name and calls them.
//!
//! ```text
//! WasiCtxBuilder -> WasiCtx -+
//! linear memory -------------+-> functions: slots -> handler -> errno (or WasiError: exit, interrupt, trap)
//! argument slots ------------+
//! ```
//!
//! | files | concept |
//! | --- | --- |
//! | `functions`, `preview1`, `unstable` | the import table; what differs between the two generations |
//! | `memory`, `types`, `errno` | checked guest access, layouts, error numbers |
//! | `ctx`, `builder`, `table`, `stdio`, `interrupt` | what a guest holds |
//! | `files`, `metadata`, `directory` | calls on open descriptors |
//! | `open`, `paths` | calls that resolve a path, all through cap-std |
//! | `clocks`, `environment`, `poll`, `process`, `random`, `sock` | the rest |
//!
//! Invariant: a guest reaches the file system only through a directory handle it was given. No path of a guest is
//! ever joined to a host path; cap-std resolves each one beneath its handle (`openat2` with `RESOLVE_BENEATH` where
//! the kernel has it, step by step elsewhere).
//!
//! Behaviour follows wasmtime's. Where it differs on purpose: one read or write uses all of the guest's buffers, not
//! the first; a directory being listed does not change under the guest, and names in it that are not UTF-8 do not
//! fail the listing; host errors keep their own numbers (`Xdev`, `Rofs`, `Mfile`) instead of `Io`; a socket in a
//! directory has a file type instead of trapping; an absolute real-time timeout in the future waits; slashes behind a
//! name mean what they do on Linux: only a directory has them, and they do not keep it from being removed.
//!
//! Absent on purpose: threads, locks on the I/O path, sockets (a guest has no way to get one).

#![forbid(unsafe_code)]

mod builder;
mod clocks;
mod ctx;
mod directory;
mod environment;
mod errno;
mod error;
mod files;
mod functions;
mod interrupt;
mod link;
mod memory;
mod metadata;
mod open;
mod paths;
mod poll;
mod preview1;
mod process;
mod random;
mod sock;
mod stdio;
mod table;
mod types;
mod unstable;

pub use builder::WasiCtxBuilder;
pub use ctx::WasiCtx;
pub use errno::Errno;
pub use error::{Error, WasiError};
pub use functions::{ValType, WasiFunction, functions};
pub use link::add_to_linker;
pub use stdio::{Input, Output, OutputBuffer};
