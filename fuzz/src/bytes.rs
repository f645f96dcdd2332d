//! The parser's target: bytes that are almost a module. `Module::parse` must not panic, and must accept what an independent validation accepts.

use crate::oracle::Difference;
use crate::rng::Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use trjit_module::{Module, ParseError};
use wasmparser::Validator;

/// Damages bytes in one of the ways in which files are damaged.
pub fn mutate(wasm: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = wasm.to_vec();
    for _ in 0..rng.range(1, 4) {
        let at = rng.below(bytes.len().max(1) as u64) as usize;
        match rng.below(7) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = rng.number() as u8,
            2 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            3 if at < bytes.len() => {
                bytes.remove(at);
            }
            4 => bytes.insert(at.min(bytes.len()), rng.number() as u8),
            5 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1),
            _ => {
                let len = rng.below(16) as usize;
                let end = (at + len).min(bytes.len());
                let copy = bytes[at.min(end)..end].to_vec();
                let to = rng.below(bytes.len() as u64 + 1) as usize;
                bytes.splice(to..to, copy);
            }
        }
    }
    bytes
}

/// Compares the parser's answer with the validator's.
pub fn check(wasm: &[u8]) -> Result<bool, Difference> {
    let difference = |what: String| Difference { mode: "parser".to_string(), what };
    let expected = Validator::new_with_features(trjit_module::FEATURES).validate_all(wasm);
    let found = catch_unwind(AssertUnwindSafe(|| Module::parse(wasm.to_vec()))).map_err(|_| difference("it panics".to_string()))?;
    match (&expected, &found) {
        (Ok(_), Ok(_)) => Ok(true),
        // What it refuses for another reason than validity, it may refuse.
        (Ok(_), Err(ParseError::TooLarge { .. })) | (Err(_), Err(_)) => Ok(false),
        (Ok(_), Err(error)) => Err(difference(format!("it refuses a valid module: {error}"))),
        (Err(error), Ok(_)) => Err(difference(format!("it accepts an invalid module: {error}"))),
    }
}
