//! `--version` of both binaries.

use crate::{Linked, exit, ui};
use anyhow::Result;

/// Version and commit of this build.
pub fn text() -> String {
    format!("{} ({})", env!("CARGO_PKG_VERSION"), env!("TRJIT_COMMIT"))
}

/// Prints the version; as JSON with what a cache must fit.
pub fn print(linked: &Linked, json: bool) -> Result<u8> {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("TRJIT_COMMIT"));
    if json {
        let document = serde_json::json!({
            "version": version,
            "commit": commit,
            "compiler": linked.compiler.map(|make| make().version()),
            "cache_format": trjit_cache_format::FORMAT_VERSION,
            "profile_format": trjit_trace::FORMAT_VERSION,
            "abi_fingerprint": trjit_module::fingerprint::abi_fingerprint().to_string(),
        });
        ui::line(&format!("{document:#}"));
    } else {
        let name = linked.program.split(' ').next().unwrap_or_default();
        ui::line(&format!("{name} {}", text()));
    }
    Ok(exit::OK)
}
