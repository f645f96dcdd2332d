//! The cache file: one ELF64 file an architecture that holds machine code, the tables beside it, and all that a start needs of the wasm module.
//!
//! ```text
//! CacheBuilder { module, LinkedText, .. } -> write -> bytes -> write_file
//! bytes -> Preamble (magic, version, architecture) -> header -> places -> digests of what a start needs -> compatibility -> CacheFile | Refusal
//! ```
//! Each section of the file is a module of this crate, with its layout at the top and writer and reader beside each other; `docs/format.md` tells the
//! same for readers of other languages.
//!
//! Invariant: the reader allocates little and trusts nothing: no input makes it panic, and what it hands out was checked against the digests of
//! the manifest. Invariant: same inputs, same bytes: no time, no map order, no path enters the file.
#![forbid(unsafe_code)]

pub mod builder;
pub mod calls;
pub mod code;
pub mod compat;
pub mod digests;
pub mod edges;
mod elf;
pub mod functions;
pub mod handlers;
pub mod header;
pub mod inlined;
pub mod jump_table;
pub mod manifest;
pub mod memory;
mod planes;
pub mod reader;
pub mod refusal;
pub mod section;
mod sites;
mod symbols;
mod table;
pub mod text;
pub mod trampolines;
pub mod traps;
pub mod version;

// The tests' common module names this crate as the tests outside of it do.
#[cfg(test)]
extern crate self as trjit_cache_format;
#[cfg(test)]
mod forged_tests;

pub use builder::{CacheBuilder, WriteError, write};
pub use compat::Expectations;
pub use header::{Architecture, FORMAT_VERSION, Facts, Preamble};
pub use manifest::{Builder, HexDigest, Manifest, ModuleId, ProfileSource};
pub use reader::{CacheFile, Damaged};
pub use refusal::Refusal;
pub use section::SectionId;
pub use text::{CodeItem, Edge, LinkedText, PlacedFunction, TextError};
/// Puts the bytes on disk, whole or not at all.
pub use trjit_trace::{OutputError, write_file, write_file_checked};
pub use version::Version;
