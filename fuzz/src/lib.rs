//! Differential fuzzing: generators make modules, oracles compare trjit's modes with an outside engine, targets join them.
//!
//! ```text
//! seed -> smith | programs (a module) -> case (imports, calls) -> reference (wasmi, wasmtime) -> Observation \
//!                                                              -> subject (trjit, each mode) -> Observation -> oracle -> Difference
//!                                                              -> instrument -> reference -> Counts  \
//!                                                              -> subject (training)      -> Profile -> outside -> Difference
//!                                      all modes agree, the reference does not -> arbiter (V8)
//! seed -> smith | programs -> frames: interpreter -> Log of frames; speculative code that leaves everywhere -> its frames -----------> Difference
//! command (a program of the fixtures) -> frames: the same, at places that a first run chooses ----------------------------------> Difference
//! seed -> programs -> threads: one module, several stores, code that comes and goes meanwhile -> Observation of each -----------> Difference
//! seed -> smith -> bytes (damage) -> Module::parse and a validator ------------------------------------------> Difference
//! seed -> wasi (calls) -> trjit-wasi and a model of files -------------------------------------------------> Difference
//! ```
//! Invariant: a seed gives the same case on every machine. Not compared: what exhaustion of the stack leaves, and the bits of NaNs.
#![forbid(unsafe_code)]

pub mod arbiter;
pub mod bytes;
pub mod canonical;
pub mod case;
pub mod command;
pub mod compilers;
#[cfg(feature = "frames")]
pub mod fixed;
#[cfg(feature = "frames")]
pub mod frames;
pub mod fuel;
pub mod host;
pub mod instrument;
pub mod mode;
pub mod observation;
pub mod oracle;
pub mod outside;
pub mod programs;
pub mod provider;
pub mod reference;
pub mod rewrite;
pub mod rng;
pub mod shape;
pub mod shrink;
pub mod smith;
pub mod subject;
pub mod target;
pub mod threads;
pub mod value;
pub mod wasi;
