//! The WebAssembly features that trjit accepts, and the diagnosis of a refused module: which feature it uses that is missing here.
//!
//! Theory: wasmparser names the missing feature for some errors only. For the others the module is validated again with one more feature at a
//! time; a feature that lets the validator get past the error is the one that the module uses. Only refused modules pay for it.

use crate::error::ParseError;
use wasmparser::{Error, Validator, WasmFeatures};

/// WebAssembly 2.0, and 3.0 without GC; atomics. Reference types include the overlong table index of `call_indirect`, bulk memory includes `bulk-memory-opt`.
pub const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::THREADS);

struct Candidate {
    name: &'static str,
    flag: WasmFeatures,
}

const fn candidate(name: &'static str, flag: WasmFeatures) -> Candidate {
    Candidate { name, flag }
}

/// What users may meet, the more probable first: where two features accept the same bytes, the first one is named.
const CANDIDATES: &[Candidate] = &[
    candidate("legacy exception handling", WasmFeatures::LEGACY_EXCEPTIONS),
    candidate("GC", WasmFeatures::GC),
    candidate("stack switching", WasmFeatures::STACK_SWITCHING),
    candidate("custom page sizes", WasmFeatures::CUSTOM_PAGE_SIZES),
    candidate("wide arithmetic", WasmFeatures::WIDE_ARITHMETIC),
    candidate("shared-everything threads", WasmFeatures::SHARED_EVERYTHING_THREADS),
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
        features |= candidate.flag;
        found.push(candidate);
    }
    if found.is_empty() {
        return refusal;
    }
    let names: Vec<&str> = found.iter().map(|one| one.name).collect();
    ParseError::Unsupported { feature: names.join(" and "), offset: first_offset }
}

fn validate(wasm: &[u8], features: WasmFeatures) -> Result<(), Error> {
    Validator::new_with_features(features).validate_all(wasm).map(|_| ())
}

/// The feature outside of `features` that gets past `error`.
fn missing(wasm: &[u8], features: WasmFeatures, error: &Error) -> Option<&'static Candidate> {
    let fresh = || CANDIDATES.iter().filter(|candidate| !features.contains(candidate.flag));
    if let Some(flag) = error.missing_wasm_feature() {
        return fresh().find(|candidate| candidate.flag == flag);
    }
    let helps = |more: WasmFeatures| validate(wasm, features | more).map_or_else(|next| next.offset() > error.offset(), |()| true);
    let everything = fresh().fold(WasmFeatures::empty(), |all, candidate| all | candidate.flag);
    if !helps(everything) {
        return None;
    }
    fresh().find(|candidate| helps(candidate.flag))
}
