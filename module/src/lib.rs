//! From wasm bytes to a [`Module`], and the vocabulary that all other crates share.
//!
//! ```text
//! wasm bytes -> parse (walk sections, validate, side tables) -> flat tables -> Module (a view)
//! cache file ------------------------------------------------> flat tables -> Module (the same view)
//! ```
//! ```
//! use trjit_module::{FuncIndex, Module};
//!
//! let wasm = wat::parse_str(r#"(module
//!     (func $double (export "double") (param i32) (result i32)
//!         (i32.add (local.get 0) (local.get 0))))"#)?;
//! let module = Module::parse(wasm)?;
//! assert_eq!(module.func_name(FuncIndex(0)), Some("double"));
//! assert_eq!(module.func_type(module.type_of(FuncIndex(0))).to_string(), "(param i32) (result i32)");
//!
//! // The same module from its flat form, as a cache has it: nothing is parsed.
//! let again = Module::from_flat(module.flat_bytes().clone(), module.code()?, module.data().clone())?;
//! assert_eq!(again.export("double").map(|export| export.index), Some(0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariant: the parser writes the very bytes that a cache stores; nothing in a `Module` needs parsing to be used.
#![forbid(unsafe_code)]

pub mod bodies;
mod body;
mod builder;
mod const_expr;
pub mod digest;
mod error;
mod features;
pub mod fingerprint;
pub mod flat;
pub mod fuel;
pub mod index;
mod match_digest;
pub mod memory_image;
pub mod module;
mod names;
mod parse;
mod sections;
mod segments;
mod side_table;
pub mod trap;
pub mod types;
pub mod vm;

pub use bodies::{Body, CodeError};
pub use body::body_reader;
pub use digest::Digest;
pub use error::ParseError;
pub use features::FEATURES;
pub use index::*;
pub use match_digest::{MatchDigester, match_digest};
pub use module::{FlatError, Module};
pub use segments::Changers;
pub use trap::TrapCode;
pub use types::{FuncType, HeapType, RefType, ValType};

/// The one version of wasmparser that trjit is built with.
pub use wasmparser;
