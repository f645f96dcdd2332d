//! What the binaries `trjit` and `trjit-run` share: running a program, and how a command speaks and ends.
//!
//! Invariant: nothing in here names the compiler, the assembler or the text format. [`Linked`] brings them, so that `trjit-run` is linked without them.

pub mod advice;
pub mod args;
pub mod code_name;
pub mod command_line;
pub mod compilation_log;
pub mod environment;
pub mod exit;
pub mod guest;
pub mod jit_dump;
pub mod linked;
pub mod observer;
pub mod options;
pub mod perf_map;
pub mod quick;
pub mod run;
pub mod run_only;
pub mod source;
pub mod spooled;
pub mod start;
pub mod statistics;
pub mod stop;
pub mod taken_exits;
pub mod timings;
pub mod ui;
pub mod version;

pub use linked::Linked;
