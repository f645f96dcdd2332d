//! What became of one function, for people who look inside: what training counted, what was compiled and why so, and the machine code with names for all it touches.
//!
//! ```text
//! cache | module, profile, function -> explain -> Explanation -> text | JSON | page (HTML with the control flow drawn)
//! ```
//! [`explain`] compiles the function again on the terms of the cache. Where the bytes are equal, all that the compiler knows is shown; where they are not (another
//! profile, or none), what the cache's own tables tell. [`find`] resolves what a user typed.
//!
//! Invariant: same inputs, same text: no time, path or hash order is in it. What is not known is absent or said to be so, never guessed.
#![forbid(unsafe_code)]

mod clif;
mod explain;
mod flow;
mod guards;
mod heat;
mod inlined;
mod layout;
mod listing;
mod machine;
mod model;
mod names;
mod page;
mod sites;
mod text;
mod vm_names;

pub use explain::{ExplainError, Input, Subject, explain};
pub use model::*;
pub use names::{FindError, find, label};
pub use page::page;
pub use text::{Show, text};
