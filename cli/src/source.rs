//! Reading modules: bytes of a file, in the binary or the text format.

use crate::exit::{FAILURE, Failure};
use anyhow::{Context, Result};
use std::path::Path;

/// First bytes of a cache file (ELF).
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Whether a file looks like a cache. A cache is never used because of its looks: this only tells which message helps.
pub fn looks_precompiled(bytes: &[u8]) -> bool {
    bytes.starts_with(ELF_MAGIC)
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("can not read `{}`", path.display()))
}

/// The wasm bytes of a module's file; the text format is converted.
pub fn read_wasm(path: &Path) -> Result<Vec<u8>> {
    let bytes = read(path)?;
    if looks_precompiled(&bytes) {
        let failure = Failure::new(FAILURE, format!("`{}` is not a WebAssembly module but an ELF file, perhaps a cache", path.display()));
        return Err(failure.with_help("`trjit run --allow-precompiled FILE.trjit` runs a cache by itself").into());
    }
    let text = path.extension().is_some_and(|extension| extension == "wat") || bytes.trim_ascii_start().starts_with(b"(module");
    if !text {
        return Ok(bytes);
    }
    let parsed = wat::parse_bytes(&bytes).map_err(|mut error| {
        error.set_path(path);
        anyhow::anyhow!("{error}")
    });
    Ok(parsed?.into_owned())
}

/// Parses and validates a module, with its path in the error.
pub fn parse(path: &Path, wasm: Vec<u8>) -> Result<trjit_module::Module> {
    trjit_module::Module::parse(wasm).with_context(|| format!("`{}` can not be used", path.display()))
}
