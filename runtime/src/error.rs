//! Errors of the embedding API.

use crate::trap::{HostError, Trap};
use trjit_module::ParseError;

/// What can go wrong between bytes and results.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Trap(#[from] Box<Trap>),
    #[error("{what}: {detail}")]
    Resource { what: &'static str, detail: String },
    #[error("no function is exported as `{name}`{}", suggestion(.names))]
    NoSuchExport { name: String, names: Vec<String> },
    #[error("function expects {expected} arguments, {found} were given")]
    ArgumentCount { expected: usize, found: usize },
    #[error("the function has type {found}, expected {expected}")]
    FunctionType { found: String, expected: String },
    /// The store's limiter ended an instantiation or a call of the API.
    #[error("the store's limiter: {0}")]
    Limiter(#[source] HostError),
    #[error("guests of this engine do not consume fuel; `Config::consume_fuel(true)` makes one whose do")]
    FuelNotConsumed,
    #[error("argument {position} {found}, expected {expected}")]
    ArgumentType { position: usize, found: String, expected: String },
    #[error("a constant global can not be set")]
    ConstantGlobal,
}

fn suggestion(names: &[String]) -> String {
    if names.is_empty() { "; the module exports no functions".to_string() } else { format!("; exported functions: {}", names.join(", ")) }
}

/// An import that can not be satisfied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("unknown import: `{module}::{name}` has not been defined; the module expects {expected}")]
    Unknown { module: String, name: String, expected: String },
    #[error("incompatible import type for `{module}::{name}`: the module expects {expected}, found {found}")]
    Incompatible { module: String, name: String, expected: String, found: String },
    #[error("the module has {expected} imports, {found} definitions were given")]
    Count { expected: usize, found: usize },
    #[error(
        "the module belongs to another engine than the store: types are known by the engine's numbers; make both with one `Engine` or clones of it"
    )]
    OtherEngine,
}

impl From<Trap> for Error {
    fn from(trap: Trap) -> Error {
        Error::Trap(Box::new(trap))
    }
}
