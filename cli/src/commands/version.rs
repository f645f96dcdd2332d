//! `trjit --version`.

use crate::{exit, ui};
use anyhow::Result;
use trjit_code::Compiler;

pub fn print(json: bool) -> Result<u8> {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("TRJIT_COMMIT"));
    if json {
        let document = serde_json::json!({
            "version": version,
            "commit": commit,
            "compiler": trjit_compile::CraneliftCompiler::new().version(),
            "cache_format": trjit_cache_format::FORMAT_VERSION,
            "profile_format": trjit_trace::FORMAT_VERSION,
            "abi_fingerprint": trjit_module::fingerprint::abi_fingerprint().to_string(),
        });
        ui::line(&format!("{document:#}"));
    } else {
        ui::line(&format!("trjit {version} ({commit})"));
    }
    Ok(exit::OK)
}
