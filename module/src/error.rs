//! Why bytes are no module that trjit can run. Four different things are kept apart: not wasm at all, a component, a feature that is not
//! supported yet, and an invalid module.

use crate::module::FlatError;

/// The result of refusing wasm bytes. Offsets count bytes from the start of the wasm bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    #[error("not a WebAssembly module: {found}, expected \\0asm (00 61 73 6d)")]
    NotWasm {
        /// What the bytes begin with, as a phrase.
        found: String,
    },
    #[error(
        "this is a component, not a core module: take the core module out of it (for example with `wasm-tools component unbundle`), or build the program for WASI preview 1 (wasm32-wasip1)"
    )]
    Component,
    #[error("the module uses {feature} (first at offset {offset:#x}), which is not supported")]
    Unsupported {
        /// The feature's name, or all that the module needs, joined by " and ".
        feature: String,
        offset: u64,
    },
    #[error("invalid module: {message} (at offset {offset:#x})")]
    Invalid { offset: u64, message: String },
    #[error("the module's {what} take {found} bytes, the limit is {}", u32::MAX)]
    TooLarge { what: &'static str, found: u64 },
    #[error("the module's metadata is not what the parser should have written")]
    Flat(#[from] FlatError),
}

impl From<wasmparser::Error> for ParseError {
    fn from(error: wasmparser::Error) -> ParseError {
        ParseError::Invalid { offset: error.offset(), message: error.message().to_string() }
    }
}
