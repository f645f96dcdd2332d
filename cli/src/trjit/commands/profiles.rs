//! The profiles that a command was given, as one.

use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trjit_cli::exit::{Failure, PROFILE_REFUSED};
use trjit_cli::ui;
use trjit_code::{BranchCounts, NoCounts};
use trjit_module::Module;
use trjit_trace::{Merger, Profile};

/// Reads profiles and merges them; none gives none.
pub fn read(paths: &[PathBuf]) -> Result<Option<Profile>> {
    let mut merger = Merger::default();
    for path in paths {
        merger.add(read_one(path)?).map_err(|error| refused(path, &error))?;
    }
    merger.module().is_some().then(|| merger.finish()).transpose().map_err(Into::into)
}

/// Reads one profile.
pub fn read_one(path: &Path) -> Result<Profile, Failure> {
    Profile::read(path).map_err(|error| refused(path, &error))
}

/// A profile that can not be used, and why.
pub fn refused(path: &Path, error: &dyn std::error::Error) -> Failure {
    let reason = error.source().map_or(String::new(), |source| format!(": {source}"));
    let failure = Failure::new(PROFILE_REFUSED, format!("profile `{}` can not be used: {error}{reason}", path.display()));
    failure.with_help("give a file that `trjit train` wrote (*.trprof), and profiles of one module only")
}

/// The counts that profiles hold of a module, for its compiler; says what of them does not fit.
pub fn counts(paths: &[PathBuf], module: &Module) -> Result<Arc<dyn BranchCounts + Send>> {
    let Some(profile) = read(paths)? else { return Ok(Arc::new(NoCounts)) };
    let reading = trjit_assemble::recording::read(module, &profile);
    reading.warnings.iter().for_each(|warning| ui::warning(warning));
    Ok(Arc::new(reading.counts))
}
