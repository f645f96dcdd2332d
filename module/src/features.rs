//! The WebAssembly features that trjit accepts, and the diagnosis of a refused module: which feature it uses that is missing here.
//!
//! Theory: wasmparser names the missing feature for some errors only. For the others the module is validated again with one more feature at a
//! time; a feature that lets the validator get past the error is the one that the module uses. Only refused modules pay for it.

use crate::error::ParseError;
use wasmparser::{BinaryReader, Error, Validator, WasmFeatures};

/// WebAssembly 2.0 without SIMD. Reference types include the overlong table index of `call_indirect`, bulk memory includes `bulk-memory-opt`.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::WASM2.difference(WasmFeatures::SIMD);

struct Candidate {
    name: &'static str,
    /// The flag that wasmparser reports as missing.
    flag: WasmFeatures,
    /// `flag` and all that it builds upon.
    all: WasmFeatures,
}

const fn candidate(name: &'static str, flag: WasmFeatures) -> Candidate {
    Candidate { name, flag, all: flag }
}

impl Candidate {
    const fn with(self, base: WasmFeatures) -> Candidate {
        Candidate { all: self.all.union(base), ..self }
    }
}

/// What users may meet, the more probable first: where two features accept the same bytes, the first one is named.
const CANDIDATES: &[Candidate] = &[
    candidate("SIMD", WasmFeatures::SIMD),
    candidate("exception handling", WasmFeatures::EXCEPTIONS),
    candidate("legacy exception handling", WasmFeatures::LEGACY_EXCEPTIONS).with(WasmFeatures::EXCEPTIONS),
    candidate("tail calls", WasmFeatures::TAIL_CALL),
    candidate("threads (atomics)", WasmFeatures::THREADS),
    candidate("multi-memory", WasmFeatures::MULTI_MEMORY),
    candidate("memory64", WasmFeatures::MEMORY64),
    candidate("relaxed SIMD", WasmFeatures::RELAXED_SIMD).with(WasmFeatures::SIMD),
    candidate("extended constant expressions", WasmFeatures::EXTENDED_CONST),
    candidate("typed function references", WasmFeatures::FUNCTION_REFERENCES),
    candidate("GC", WasmFeatures::GC).with(WasmFeatures::FUNCTION_REFERENCES),
    candidate("stack switching", WasmFeatures::STACK_SWITCHING).with(WasmFeatures::FUNCTION_REFERENCES).with(WasmFeatures::EXCEPTIONS),
    candidate("custom page sizes", WasmFeatures::CUSTOM_PAGE_SIZES),
    candidate("wide arithmetic", WasmFeatures::WIDE_ARITHMETIC),
    candidate("shared-everything threads", WasmFeatures::SHARED_EVERYTHING_THREADS).with(WasmFeatures::THREADS),
    candidate("memory control", WasmFeatures::MEMORY_CONTROL),
    candidate("compact imports", WasmFeatures::COMPACT_IMPORTS),
];

/// Turns the refusal of `wasm` into [`ParseError::Unsupported`] where a missing feature is the cause, else returns `refusal`.
pub(crate) fn diagnose(wasm: &[u8], refusal: ParseError) -> ParseError {
    let mut features = FEATURES;
    let mut found: Vec<&Candidate> = Vec::new();
    let mut first_offset = 0;
    while let Err(error) = validate(wasm, features) {
        let Some(candidate) = missing(wasm, features, &error) else { break };
        if found.is_empty() {
            first_offset = error.offset();
        }
        features |= candidate.all;
        found.push(candidate);
    }
    if found.is_empty() {
        return refusal;
    }
    // A feature that another one builds upon says nothing more: legacy exceptions need the tags of exception handling.
    let implied = |one: &Candidate| found.iter().any(|other| other.name != one.name && other.all.contains(one.all));
    let names: Vec<&str> = found.iter().filter(|one| !implied(one)).map(|one| one.name).collect();
    ParseError::Unsupported { feature: names.join(" and "), offset: first_offset }
}

fn validate(wasm: &[u8], features: WasmFeatures) -> Result<(), Error> {
    Validator::new_with_features(features).validate_all(wasm).map(|_| ())
}

/// The feature outside of `features` that gets past `error`.
fn missing(wasm: &[u8], features: WasmFeatures, error: &Error) -> Option<&'static Candidate> {
    let fresh = || CANDIDATES.iter().filter(|candidate| !features.contains(candidate.all));
    if let Some(name) = simd_opcode(wasm, error) {
        return fresh().find(|candidate| candidate.name == name);
    }
    if let Some(flag) = error.missing_wasm_feature() {
        return fresh().find(|candidate| candidate.flag == flag);
    }
    let helps = |more: WasmFeatures| validate(wasm, features | more).map_or_else(|next| next.offset() > error.offset(), |()| true);
    let everything = fresh().fold(WasmFeatures::empty(), |all, candidate| all | candidate.all);
    if !helps(everything) {
        return None;
    }
    fresh().find(|candidate| helps(candidate.all))
}

/// wasmparser is built without its SIMD decoder, so that the opcodes of SIMD are an error with any features.
fn simd_opcode(wasm: &[u8], error: &Error) -> Option<&'static str> {
    let at = usize::try_from(error.offset()).ok()?;
    let rest = wasm.get(at..)?;
    if rest.first() != Some(&0xfd) || !error.message().contains("SIMD opcode") {
        return None;
    }
    let opcode = BinaryReader::new(&rest[1..], 0).read_var_u32().ok()?;
    Some(if opcode < 0x100 { "SIMD" } else { "relaxed SIMD" })
}
