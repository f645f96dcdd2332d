//! Reading modules: bytes of a file, in the binary or (where [`Linked`] has it) the text format.

use crate::Linked;
use crate::exit::{FAILURE, Failure};
use anyhow::{Context, Result};
use std::path::Path;

/// First bytes of a cache file (ELF).
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Whether a file looks like a cache. A cache is never used because of its looks: this only tells which message helps.
pub fn looks_precompiled(bytes: &[u8]) -> bool {
    bytes.starts_with(ELF_MAGIC)
}

/// Whether the file begins as a cache does, by its first bytes alone.
pub fn begins_precompiled(path: &Path) -> Result<bool> {
    use std::io::Read;
    let unreadable = || format!("can not read `{}`", path.display());
    let mut magic = Vec::with_capacity(ELF_MAGIC.len());
    let file = std::fs::File::open(path).with_context(unreadable)?;
    file.take(ELF_MAGIC.len() as u64).read_to_end(&mut magic).with_context(unreadable)?;
    Ok(looks_precompiled(&magic))
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("can not read `{}`", path.display()))
}

/// The wasm bytes of a module's file; the text format is converted.
pub fn read_wasm(path: &Path, linked: &Linked) -> Result<Vec<u8>> {
    let bytes = read(path)?;
    if looks_precompiled(&bytes) {
        let failure = Failure::new(FAILURE, format!("`{}` is not a WebAssembly module but an ELF file, perhaps a cache", path.display()));
        return Err(failure.with_help(format!("`{} --allow-precompiled FILE.trjit` runs a cache by itself", linked.program)).into());
    }
    let text = path.extension().is_some_and(|extension| extension == "wat") || bytes.trim_ascii_start().starts_with(b"(module");
    match linked.text {
        _ if !text => Ok(bytes),
        Some(parse) => parse(path, &bytes),
        None => {
            let failure =
                Failure::new(FAILURE, format!("`{}` is in the text format, which {} does not read", path.display(), linked.program));
            Err(failure.with_help("convert it to the binary format, or use `trjit run`").into())
        }
    }
}

/// Parses and validates a module, with its path in the error.
pub fn parse(path: &Path, wasm: Vec<u8>) -> Result<trjit_module::Module> {
    trjit_module::Module::parse(wasm).with_context(|| format!("`{}` can not be used", path.display()))
}
