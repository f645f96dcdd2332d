//! Canonical NaNs behind the instructions after which wasm-smith does not make any: conversions between floats, and relaxed SIMD.
//!
//! WebAssembly leaves the bits of most computed NaNs open, so a module whose integers, memories or vectors could see them has no one right answer. Here the
//! module loses the choice: all other bits stay comparable. A body is copied operator by operator; behind some follow
//! `local.tee; const NaN; local.get; local.get; eq; select`, with locals of its own. Branches count labels, so that nothing else changes.

use crate::rewrite;
use anyhow::{Context, Result};
use wasm_encoder::{Encode, Instruction};
use wasmparser::{BinaryReader, FunctionBody, Operator};

/// The number types whose NaNs are made canonical, and the locals that it takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Float {
    F32,
    F64,
    F32x4,
    F64x2,
}

const F32_NAN: u32 = 0x7fc0_0000;
const F64_NAN: u64 = 0x7ff8_0000_0000_0000;

impl Float {
    /// What the instruction computes, where its NaNs are still any.
    fn computed(operator: &Operator<'_>) -> Option<Float> {
        Some(match operator {
            Operator::F32DemoteF64 => Float::F32,
            Operator::F64PromoteF32 => Float::F64,
            Operator::F32x4DemoteF64x2Zero
            | Operator::F32x4RelaxedMadd
            | Operator::F32x4RelaxedNmadd
            | Operator::F32x4RelaxedMin
            | Operator::F32x4RelaxedMax => Float::F32x4,
            Operator::F64x2PromoteLowF32x4
            | Operator::F64x2RelaxedMadd
            | Operator::F64x2RelaxedNmadd
            | Operator::F64x2RelaxedMin
            | Operator::F64x2RelaxedMax => Float::F64x2,
            _ => return None,
        })
    }

    fn local_type(self) -> wasm_encoder::ValType {
        match self {
            Float::F32 => wasm_encoder::ValType::F32,
            Float::F64 => wasm_encoder::ValType::F64,
            Float::F32x4 | Float::F64x2 => wasm_encoder::ValType::V128,
        }
    }

    /// Replaces the NaNs of the value on top.
    fn canonical(self, local: u32) -> [Instruction<'static>; 6] {
        use Instruction::*;
        let spread = |nan: u128, width: u32| (0..128 / width).fold(0, |all, _| all << width | nan) as i128;
        let (nan, equal, choose) = match self {
            Float::F32 => (F32Const(f32::from_bits(F32_NAN).into()), F32Eq, Select),
            Float::F64 => (F64Const(f64::from_bits(F64_NAN).into()), F64Eq, Select),
            Float::F32x4 => (V128Const(spread(F32_NAN.into(), 32)), F32x4Eq, V128Bitselect),
            Float::F64x2 => (V128Const(spread(F64_NAN.into(), 64)), F64x2Eq, V128Bitselect),
        };
        [LocalTee(local), nan, LocalGet(local), LocalGet(local), equal, choose]
    }
}

/// The module with canonical NaNs behind those instructions.
pub fn nans(wasm: &[u8]) -> Result<Vec<u8>> {
    let params = parameters(wasm)?;
    let mut functions = params.iter();
    rewrite::map_bodies(wasm, |body| {
        let params = *functions.next().context("a function for each body")?;
        rewrite_body(&FunctionBody::new(BinaryReader::new(body, 0)), body, params)
    })
}

/// The number of parameters of each defined function.
fn parameters(wasm: &[u8]) -> Result<Vec<u32>> {
    let mut types = Vec::new();
    let mut functions = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        match payload? {
            wasmparser::Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    types.push(ty?.params().len() as u32);
                }
            }
            wasmparser::Payload::FunctionSection(section) => {
                for ty in section {
                    functions.push(*types.get(ty? as usize).context("a type for each function")?);
                }
            }
            _ => {}
        }
    }
    Ok(functions)
}

fn rewrite_body(read: &FunctionBody<'_>, body: &[u8], params: u32) -> Result<Vec<u8>> {
    let mut locals = Vec::new();
    let mut count = params;
    let mut reader = read.get_locals_reader()?;
    let groups = reader.get_count();
    let first_group = reader.original_position() as usize;
    for _ in 0..groups {
        count += reader.read()?.0;
    }
    let groups_end = reader.original_position() as usize;
    let mut code = Vec::new();
    let mut operators = read.get_operators_reader()?;
    while !operators.eof() {
        let start = operators.original_position() as usize;
        let operator = operators.read()?;
        code.extend(&body[start..operators.original_position() as usize]);
        let Some(float) = Float::computed(&operator) else { continue };
        let ty = float.local_type();
        let at = locals.iter().position(|&known| known == ty).unwrap_or_else(|| {
            locals.push(ty);
            locals.len() - 1
        });
        float.canonical(count + at as u32).iter().for_each(|instruction| instruction.encode(&mut code));
    }
    let mut made = Vec::new();
    (groups + locals.len() as u32).encode(&mut made);
    made.extend(&body[first_group..groups_end]);
    for ty in locals {
        1u32.encode(&mut made);
        ty.encode(&mut made);
    }
    made.extend(code);
    Ok(made)
}
