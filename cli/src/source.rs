//! Reading modules: bytes of a file, in the binary or (where [`Linked`] has it) the text format.

use crate::Linked;
use crate::exit::{FAILURE, Failure};
use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use trjit_cache_format::ModuleId;

/// First bytes of a cache file (ELF).
const ELF_MAGIC: &[u8] = b"\x7fELF";
/// First bytes of a module in the binary format.
const WASM_MAGIC: [u8; 4] = *b"\0asm";

/// Whether a file looks like a cache. A cache is never used because of its looks: this only tells which message helps.
pub fn looks_precompiled(bytes: &[u8]) -> bool {
    bytes.starts_with(ELF_MAGIC)
}

/// Whether the file begins as a cache does, by its first bytes alone.
pub fn begins_precompiled(path: &Path) -> Result<bool> {
    Ok(looks_precompiled(&first_bytes(&open(path)?, path)?))
}

/// What a cache must have been made from to go with this module. Of a binary module nothing is kept in memory: with a cache that fits, nobody reads it.
pub fn identity(path: &Path, linked: &Linked) -> Result<ModuleId> {
    let file = open(path)?;
    if first_bytes(&file, path)? == WASM_MAGIC {
        return ModuleId::of_file(&file).with_context(|| unreadable(path));
    }
    Ok(ModuleId::of_wasm(&read_wasm(path, linked)?))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| unreadable(path))
}

fn first_bytes(file: &File, path: &Path) -> Result<[u8; 4]> {
    let mut bytes = [0; 4];
    // What is shorter begins like nothing that is looked for.
    let _ = file.read_at(&mut bytes, 0).with_context(|| unreadable(path))?;
    Ok(bytes)
}

fn unreadable(path: &Path) -> String {
    format!("can not read `{}`", path.display())
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| unreadable(path))
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
