//! What a binary has that running alone does not need: injected, never named by the code that uses it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use trjit_code::{BranchCounts, Compiler};
use trjit_module::Module;

/// Converts the text format, or says why it can not; the path is for the message.
pub type TextFormat = fn(&Path, &[u8]) -> anyhow::Result<Vec<u8>>;

/// Counts of a module from profiles, for its compiler.
pub type ReadCounts = fn(&[PathBuf], &Module) -> anyhow::Result<Arc<dyn BranchCounts + Send>>;

/// The optional parts of this binary.
#[derive(Clone, Copy)]
pub struct Linked {
    /// The command as messages name it.
    pub program: &'static str,
    /// Makes the compiler of what gets hot.
    pub compiler: Option<fn() -> Arc<dyn Compiler>>,
    /// Reads modules in the text format.
    pub text: Option<TextFormat>,
    /// Reads counts to compile by.
    pub counts: Option<ReadCounts>,
}

impl Linked {
    /// The interpreter and caches alone, for modules in the binary format.
    pub const fn run_only(program: &'static str) -> Linked {
        Linked { program, compiler: None, text: None, counts: None }
    }
}
