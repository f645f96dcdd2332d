//! Makes the module of a difference or a dispute small: takes out runs of instructions, or puts a constant in their place, as long as the module is valid and
//! ends as before. Types, imports and exports stay, so that the case's calls stay, too.

use crate::case::Case;
use crate::mode::Mode;
use crate::oracle::{self, Verdict};
use crate::rewrite;
use anyhow::Result;
use std::path::Path;
use wasm_encoder::{Encode, Instruction};
use wasmparser::{BinaryReader, FunctionBody, Validator};

/// A body in parts: its local declarations, then each instruction.
type Parts = Vec<Vec<u8>>;

/// The smallest case found that still differs in one of these modes, or is still disputed; the case itself where all agree.
pub fn shrink(case: &Case, modes: &[Mode], scratch: &Path) -> Result<Case> {
    let mut bodies: Vec<Parts> = Vec::new();
    rewrite::map_bodies(&case.wasm, |body| {
        bodies.push(parts(body)?);
        Ok(body.to_vec())
    })?;
    let kind = |case: &Case| match oracle::check(case, modes, scratch) {
        Err(_) => Some("a difference"),
        Ok(Verdict::Disputed(..)) => Some("a dispute"),
        Ok(_) => None,
    };
    let Some(wanted) = kind(case) else { return Ok(case.clone()) };
    let differs = |bodies: &[Parts]| -> Option<Case> {
        let mut next = bodies.iter();
        let wasm = rewrite::map_bodies(&case.wasm, |_| Ok(next.next().map(|parts| parts.concat()).unwrap_or_default())).ok()?;
        Validator::new_with_features(trjit_module::FEATURES).validate_all(&wasm).ok()?;
        let smaller = Case { wasm, ..case.clone() };
        (kind(&smaller) == Some(wanted)).then_some(smaller)
    };
    let mut smallest = case.clone();
    loop {
        let before: usize = bodies.iter().map(Vec::len).sum();
        for at in 0..bodies.len() {
            let mut len = bodies[at].len();
            while len > 0 {
                let mut start = 1;
                while start + len <= bodies[at].len() {
                    match shorter(&mut bodies, at, start, len, &differs) {
                        Some(case) => smallest = case,
                        None => start += 1,
                    }
                }
                len /= 2;
            }
        }
        if bodies.iter().map(Vec::len).sum::<usize>() == before {
            return Ok(smallest);
        }
    }
}

/// Tries to do without a run of instructions of one body; the bodies keep what works.
fn shorter(bodies: &mut [Parts], at: usize, start: usize, len: usize, differs: &impl Fn(&[Parts]) -> Option<Case>) -> Option<Case> {
    let whole = bodies[at].clone();
    for replacement in replacements() {
        if replacement.len() >= len {
            continue;
        }
        bodies[at] = [&whole[..start], &replacement[..], &whole[start + len..]].concat();
        if let Some(case) = differs(bodies) {
            return Some(case);
        }
    }
    bodies[at] = whole;
    None
}

/// What may stand in the place of more: nothing, or a constant.
fn replacements() -> Vec<Parts> {
    let constants =
        [Instruction::I32Const(0), Instruction::I64Const(0), Instruction::F32Const(0f32.into()), Instruction::F64Const(0f64.into())];
    let mut all = vec![Vec::new()];
    all.extend(constants.iter().map(|instruction| {
        let mut bytes = Vec::new();
        instruction.encode(&mut bytes);
        vec![bytes]
    }));
    all
}

fn parts(body: &[u8]) -> Result<Parts> {
    let read = FunctionBody::new(BinaryReader::new(body, 0));
    let mut operators = read.get_operators_reader()?;
    let mut start = operators.original_position() as usize;
    let mut parts = vec![body[..start].to_vec()];
    while !operators.eof() {
        operators.read()?;
        let end = operators.original_position() as usize;
        parts.push(body[start..end].to_vec());
        start = end;
    }
    Ok(parts)
}
