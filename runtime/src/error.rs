//! Errors of the embedding API.

use crate::trap::{HostError, Trap};
use trjit_module::ParseError;

/// What can go wrong between bytes and results.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no module, or one with a feature that is not supported.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The imports are not satisfied.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The guest, or a host function, ended the call.
    #[error(transparent)]
    Trap(#[from] Box<Trap>),
    /// The system, a limit or the store's limiter does not give what is needed.
    #[error("{what}: {detail}")]
    Resource {
        /// What is needed: "memory", "instance", ..
        what: &'static str,
        /// Why it can not be had.
        detail: String,
    },
    /// No function has that name.
    #[error("no function is exported as `{name}`{}", suggestion(.names))]
    NoSuchExport {
        /// The name that was asked for.
        name: String,
        /// The functions that are exported.
        names: Vec<String>,
    },
    /// A call with too few or too many arguments.
    #[error("function expects {expected} arguments, {found} were given")]
    ArgumentCount {
        /// Parameters of the function.
        expected: usize,
        /// Arguments of the call.
        found: usize,
    },
    /// The Rust types are not those of the function.
    #[error("the function has type {found}, expected {expected}")]
    FunctionType {
        /// The function's type.
        found: String,
        /// That of the Rust types.
        expected: String,
    },
    /// The store's limiter ended an instantiation or a call of the API.
    #[error("the store's limiter: {0}")]
    Limiter(#[source] HostError),
    /// Fuel is asked for, or given, where none is counted.
    #[error("guests of this engine do not consume fuel; `Config::consume_fuel(true)` makes one whose do")]
    FuelNotConsumed,
    /// An argument of another type than the parameter.
    #[error("argument {position} {found}, expected {expected}")]
    ArgumentType {
        /// Which one, from 1.
        position: usize,
        /// What the argument has or is.
        found: String,
        /// The parameter's type.
        expected: String,
    },
    /// A constant global is set.
    #[error("a constant global can not be set")]
    ConstantGlobal,
}

fn suggestion(names: &[String]) -> String {
    if names.is_empty() { "; the module exports no functions".to_string() } else { format!("; exported functions: {}", names.join(", ")) }
}

/// An import that can not be satisfied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nobody defined it.
    #[error("unknown import: `{module}::{name}` has not been defined; the module expects {expected}")]
    Unknown {
        /// The module name of the import.
        module: String,
        /// Its name.
        name: String,
        /// What the module imports under it, with its type.
        expected: String,
    },
    /// It was defined as something else.
    #[error("incompatible import type for `{module}::{name}`: the module expects {expected}, found {found}")]
    Incompatible {
        /// The module name of the import.
        module: String,
        /// Its name.
        name: String,
        /// What the module imports, with its type.
        expected: String,
        /// What was defined, with its type.
        found: String,
    },
    /// As many definitions as imports are needed where they go by order.
    #[error("the module has {expected} imports, {found} definitions were given")]
    Count {
        /// Imports of the module.
        expected: usize,
        /// Definitions that were given.
        found: usize,
    },
    /// Module and store do not belong together.
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
