//! From wasm bytes to a [`Module`], and the vocabulary that all other crates share.
//!
//! ```text
//! wasm bytes -> parse (walk sections, validate, side tables) -> flat tables -> Module (a view)
//! cache file ------------------------------------------------> flat tables -> Module (the same view)
//! ```
//! Invariant: the parser writes the very bytes that a cache stores; nothing in a `Module` needs parsing to be used.
#![forbid(unsafe_code)]

mod body;
mod builder;
mod const_expr;
pub mod digest;
mod error;
mod features;
pub mod fingerprint;
pub mod flat;
pub mod index;
mod match_digest;
pub mod module;
mod names;
mod parse;
mod sections;
mod side_table;
pub mod trap;
pub mod types;
pub mod vm;

pub use body::body_reader;
pub use digest::Digest;
pub use error::ParseError;
pub use index::*;
pub use match_digest::{MatchDigester, match_digest};
pub use module::{FlatError, Module};
pub use trap::TrapCode;
pub use types::{FuncType, ValType};

/// The one version of wasmparser that trjit is built with.
pub use wasmparser;
