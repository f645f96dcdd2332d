//! The profiles that a command was given, as one.

use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trjit_cli::exit::{Failure, PROFILE_REFUSED};
use trjit_cli::ui;
use trjit_code::{BranchCounts, NoCounts};
use trjit_module::Module;
use trjit_trace::Profile;

/// Reads profiles and merges them; none gives none.
pub fn read(paths: &[PathBuf]) -> Result<Option<Profile>> {
    let refused = |path: &Path, error: &dyn std::error::Error| {
        let reason = error.source().map_or(String::new(), |source| format!(": {source}"));
        let failure = Failure::new(PROFILE_REFUSED, format!("profile `{}` can not be used: {error}{reason}", path.display()));
        failure.with_help("give a file that `trjit train` wrote (*.trprof), and profiles of one module only")
    };
    let mut merged: Option<Profile> = None;
    for path in paths {
        let profile = Profile::read(path).map_err(|error| refused(path, &error))?;
        merged = Some(match merged {
            None => profile,
            Some(before) => Profile::merge([before, profile]).map_err(|error| refused(path, &error))?,
        });
    }
    Ok(merged)
}

/// The counts that profiles hold of a module, for its compiler; says what of them does not fit.
pub fn counts(paths: &[PathBuf], module: &Module) -> Result<Arc<dyn BranchCounts + Send>> {
    let Some(profile) = read(paths)? else { return Ok(Arc::new(NoCounts)) };
    let reading = trjit_assemble::recording::read(module, &profile);
    reading.warnings.iter().for_each(|warning| ui::warning(warning));
    Ok(Arc::new(reading.counts))
}
