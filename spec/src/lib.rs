//! The official WebAssembly test suite on every mode of trjit.
//!
//! ```text
//! suite (groups of scripts, what is left out and why) -> script (one run: directives against a store) -> report (passed, failed, skipped)
//!     mode (interpreter, compiled, from a cache file, mixed) ---^                                         report + ledger -> verdict
//! ```
//! Invariant: an assertion is passed, failed or skipped with a reason; none vanishes. A failure must stand in the ledger of its mode, and what
//! stands there must fail.
#![forbid(unsafe_code)]

pub mod host;
pub mod ledger;
pub mod message;
pub mod mode;
pub mod report;
pub mod scope;
pub mod script;
pub mod suite;
pub mod value;
