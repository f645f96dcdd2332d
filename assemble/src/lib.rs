//! From a profile to one cache file, as a table of contents:
//!
//! ```text
//! Profile -> recording   what the profile says of this module
//!         -> plan        which function gets which tier, where          (one thread: decisions)
//!         -> compile_all machine code, tables beside it                 (all threads)
//!         -> emit        relocatable ELF objects                        (all threads)
//!         -> link        one text in plan order, calls resolved         (one thread)
//!         -> write       the bytes of the cache file (trjit-cache-format)
//!         -> verify      read back what was written, with every check of the loader
//! ```
//! With `--verify` a further step follows: [`check`] compiles everything again, compares it with the file that was written, and reads each instruction of it.
//! [`assemble`] runs them; [`Options`] is what the user chooses, [`Summary`] what is told at the end, [`Progress`] what is told meanwhile.
//! Every number that is a choice stands in [`tunables`].
//!
//! Invariant: same inputs, same bytes, on any machine and any number of threads. Deliberately absent: a clock in the file, a compiler (the caller brings
//! its own [`Compiler`](trjit_code::Compiler)), file access.
#![forbid(unsafe_code)]

mod assemble;
pub mod check;
pub mod compile_all;
pub mod emit;
pub mod link;
pub mod options;
pub mod plan;
pub mod progress;
pub mod recording;
pub mod summary;
pub mod tunables;
pub mod unit;

pub use assemble::{AssembleError, Assembled, assemble, plan};
pub use check::{CheckError, Checked, check};
pub use options::Options;
pub use progress::{Phase, Progress, Silent};
pub use summary::Summary;
