//! The outside engines: wasmi, which every build has, and wasmtime, which runs more of the language and is built on demand (feature `wasmtime`).

pub mod command;
mod wasmi;
#[cfg(feature = "wasmtime")]
mod wasmtime;

use crate::case::Case;
use crate::observation::Observation;
use anyhow::Result;
use std::sync::OnceLock;

/// An outside engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Reference {
    #[default]
    Wasmi,
    /// Runs exceptions, too.
    #[cfg(feature = "wasmtime")]
    Wasmtime,
}

static CHOSEN: OnceLock<Reference> = OnceLock::new();

/// Decides which engine this process compares with; the first choice holds.
pub fn choose(reference: Reference) {
    CHOSEN.get_or_init(|| reference);
}

/// Whether a difference of this engine alone may well be its own mistake.
pub fn is_doubtful() -> bool {
    *CHOSEN.get_or_init(Reference::default) == Reference::Wasmi
}

/// Runs the case. An error: the engine can not run it.
pub fn run(case: &Case) -> Result<Observation> {
    match CHOSEN.get_or_init(Reference::default) {
        Reference::Wasmi => wasmi::run(case),
        #[cfg(feature = "wasmtime")]
        Reference::Wasmtime => wasmtime::run(case),
    }
}
