//! From wasm bytes to a [`Module`], and the vocabulary that all other crates share.
//!
//! ```text
//! wasm bytes -> parse (walk sections, validate, side tables) -> flat tables -> Module (a view)
//! cache file ------------------------------------------------> flat tables -> Module (the same view)
//! ```
//! Invariant: the parser writes the very bytes that a cache stores; nothing in a `Module` needs parsing to be used.
#![forbid(unsafe_code)]

pub mod digest;
pub mod fingerprint;
pub mod flat;
pub mod index;
pub mod module;
pub mod trap;
pub mod types;
pub mod vm;

pub use digest::Digest;
pub use index::*;
pub use module::{FlatError, Module};
pub use trap::TrapCode;
pub use types::{FuncType, ValType};
