//! Wasm functions to Cranelift IR to machine code: the one implementation of [`Compiler`](trjit_code::Compiler), for every tier.
//!
//! ```text
//! CompileRequest -> translate (one pass over the body, FunctionBuilder) -> Cranelift -> output -> CompiledFunction
//!                   trampoline (no body: between slots and registers)  -> Cranelift -> output -> CompiledFunction
//! ```
//! [`compiler`] drives; [`isa`] turns settings into a target; [`signature`], [`slots`] and [`env`] know how code of ours looks (calling
//! conventions, slots, vmctx); [`state`] is what the translator remembers of control flow; [`output`] checks what Cranelift made and
//! keeps the tables beside it. For people, [`stages`] keeps what a compilation was on the way, [`graph`] shows a body as blocks with their counts, and [`work`] sums them up.
//!
//! Invariants: bodies are validated before they come here, so translation only refuses what it does not support. A request's answer
//! depends on the request alone: no clock, no address, no hash order enters the code.
#![forbid(unsafe_code)]

mod compiler;
mod env;
mod fault;
pub mod graph;
pub mod heat;
mod inline;
mod isa;
pub mod liveness;
mod output;
#[doc(hidden)]
pub mod planted;
mod side_entries;
mod signature;
mod slots;
mod stages;
mod state;
mod targets;
mod trampoline;
mod translate;
mod wording;
pub mod work;

pub use compiler::CraneliftCompiler;
pub use stages::{PlaceRange, Stages};
