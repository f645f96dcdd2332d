//! Vector instructions by what they take; all of them give a vector unless a list says otherwise.

use super::memory::AtAddress;
use wasm_encoder::Instruction::{self, *};
use wasm_encoder::{Lane, ValType};

/// An instruction, and the lanes in which it may compute a NaN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nan {
    F32,
    F64,
}

/// Two vectors; no NaN is computed.
pub const BINARY: &[Instruction<'static>] = &[
    I8x16Swizzle,
    I8x16Eq,
    I8x16Ne,
    I8x16LtS,
    I8x16LtU,
    I8x16GtS,
    I8x16GtU,
    I8x16LeS,
    I8x16LeU,
    I8x16GeS,
    I8x16GeU,
    I16x8Eq,
    I16x8Ne,
    I16x8LtS,
    I16x8LtU,
    I16x8GtS,
    I16x8GtU,
    I16x8LeS,
    I16x8LeU,
    I16x8GeS,
    I16x8GeU,
    I32x4Eq,
    I32x4Ne,
    I32x4LtS,
    I32x4LtU,
    I32x4GtS,
    I32x4GtU,
    I32x4LeS,
    I32x4LeU,
    I32x4GeS,
    I32x4GeU,
    I64x2Eq,
    I64x2Ne,
    I64x2LtS,
    I64x2GtS,
    I64x2LeS,
    I64x2GeS,
    F32x4Eq,
    F32x4Ne,
    F32x4Lt,
    F32x4Gt,
    F32x4Le,
    F32x4Ge,
    F64x2Eq,
    F64x2Ne,
    F64x2Lt,
    F64x2Gt,
    F64x2Le,
    F64x2Ge,
    V128And,
    V128AndNot,
    V128Or,
    V128Xor,
    I8x16NarrowI16x8S,
    I8x16NarrowI16x8U,
    I8x16Add,
    I8x16AddSatS,
    I8x16AddSatU,
    I8x16Sub,
    I8x16SubSatS,
    I8x16SubSatU,
    I8x16MinS,
    I8x16MinU,
    I8x16MaxS,
    I8x16MaxU,
    I8x16AvgrU,
    I16x8Q15MulrSatS,
    I16x8NarrowI32x4S,
    I16x8NarrowI32x4U,
    I16x8Add,
    I16x8AddSatS,
    I16x8AddSatU,
    I16x8Sub,
    I16x8SubSatS,
    I16x8SubSatU,
    I16x8Mul,
    I16x8MinS,
    I16x8MinU,
    I16x8MaxS,
    I16x8MaxU,
    I16x8AvgrU,
    I16x8ExtMulLowI8x16S,
    I16x8ExtMulHighI8x16S,
    I16x8ExtMulLowI8x16U,
    I16x8ExtMulHighI8x16U,
    I32x4Add,
    I32x4Sub,
    I32x4Mul,
    I32x4MinS,
    I32x4MinU,
    I32x4MaxS,
    I32x4MaxU,
    I32x4DotI16x8S,
    I32x4ExtMulLowI16x8S,
    I32x4ExtMulHighI16x8S,
    I32x4ExtMulLowI16x8U,
    I32x4ExtMulHighI16x8U,
    I64x2Add,
    I64x2Sub,
    I64x2Mul,
    I64x2ExtMulLowI32x4S,
    I64x2ExtMulHighI32x4S,
    I64x2ExtMulLowI32x4U,
    I64x2ExtMulHighI32x4U,
    F32x4PMin,
    F32x4PMax,
    F64x2PMin,
    F64x2PMax,
];

/// Two vectors of floats.
pub const FLOAT_BINARY: &[(Instruction<'static>, Nan)] = &[
    (F32x4Add, Nan::F32),
    (F32x4Sub, Nan::F32),
    (F32x4Mul, Nan::F32),
    (F32x4Div, Nan::F32),
    (F32x4Min, Nan::F32),
    (F32x4Max, Nan::F32),
    (F64x2Add, Nan::F64),
    (F64x2Sub, Nan::F64),
    (F64x2Mul, Nan::F64),
    (F64x2Div, Nan::F64),
    (F64x2Min, Nan::F64),
    (F64x2Max, Nan::F64),
];

/// One vector; no NaN is computed.
pub const UNARY: &[Instruction<'static>] = &[
    V128Not,
    I8x16Abs,
    I8x16Neg,
    I8x16Popcnt,
    I16x8ExtAddPairwiseI8x16S,
    I16x8ExtAddPairwiseI8x16U,
    I16x8Abs,
    I16x8Neg,
    I16x8ExtendLowI8x16S,
    I16x8ExtendHighI8x16S,
    I16x8ExtendLowI8x16U,
    I16x8ExtendHighI8x16U,
    I32x4ExtAddPairwiseI16x8S,
    I32x4ExtAddPairwiseI16x8U,
    I32x4Abs,
    I32x4Neg,
    I32x4ExtendLowI16x8S,
    I32x4ExtendHighI16x8S,
    I32x4ExtendLowI16x8U,
    I32x4ExtendHighI16x8U,
    I64x2Abs,
    I64x2Neg,
    I64x2ExtendLowI32x4S,
    I64x2ExtendHighI32x4S,
    I64x2ExtendLowI32x4U,
    I64x2ExtendHighI32x4U,
    F32x4Abs,
    F32x4Neg,
    F64x2Abs,
    F64x2Neg,
    I32x4TruncSatF32x4S,
    I32x4TruncSatF32x4U,
    F32x4ConvertI32x4S,
    F32x4ConvertI32x4U,
    I32x4TruncSatF64x2SZero,
    I32x4TruncSatF64x2UZero,
    F64x2ConvertLowI32x4S,
    F64x2ConvertLowI32x4U,
];

/// One vector of floats.
pub const FLOAT_UNARY: &[(Instruction<'static>, Nan)] = &[
    (F32x4Ceil, Nan::F32),
    (F32x4Floor, Nan::F32),
    (F32x4Trunc, Nan::F32),
    (F32x4Nearest, Nan::F32),
    (F32x4Sqrt, Nan::F32),
    (F64x2Ceil, Nan::F64),
    (F64x2Floor, Nan::F64),
    (F64x2Trunc, Nan::F64),
    (F64x2Nearest, Nan::F64),
    (F64x2Sqrt, Nan::F64),
    (F32x4DemoteF64x2Zero, Nan::F32),
    (F64x2PromoteLowF32x4, Nan::F64),
];

/// A vector and an `i32`.
pub const SHIFTS: &[Instruction<'static>] =
    &[I8x16Shl, I8x16ShrS, I8x16ShrU, I16x8Shl, I16x8ShrS, I16x8ShrU, I32x4Shl, I32x4ShrS, I32x4ShrU, I64x2Shl, I64x2ShrS, I64x2ShrU];

/// A number.
pub const SPLATS: &[(ValType, Instruction<'static>)] = &[
    (ValType::I32, I8x16Splat),
    (ValType::I32, I16x8Splat),
    (ValType::I32, I32x4Splat),
    (ValType::I64, I64x2Splat),
    (ValType::F32, F32x4Splat),
    (ValType::F64, F64x2Splat),
];

/// A vector, a truth value or a mask.
pub const TESTS: &[Instruction<'static>] =
    &[V128AnyTrue, I8x16AllTrue, I16x8AllTrue, I32x4AllTrue, I64x2AllTrue, I8x16Bitmask, I16x8Bitmask, I32x4Bitmask, I64x2Bitmask];

/// An instruction for one of so many lanes.
pub type OfLane = (u8, fn(Lane) -> Instruction<'static>);

/// From a vector to a number of the type.
pub const fn extract(ty: ValType) -> &'static [OfLane] {
    match ty {
        ValType::I64 => &[(2, I64x2ExtractLane)],
        ValType::F32 => &[(4, F32x4ExtractLane)],
        ValType::F64 => &[(2, F64x2ExtractLane)],
        _ => &[(16, I8x16ExtractLaneS), (16, I8x16ExtractLaneU), (8, I16x8ExtractLaneS), (8, I16x8ExtractLaneU), (4, I32x4ExtractLane)],
    }
}

/// From a vector and a number to a vector.
pub const REPLACE: &[(ValType, OfLane)] = &[
    (ValType::I32, (16, I8x16ReplaceLane)),
    (ValType::I32, (8, I16x8ReplaceLane)),
    (ValType::I32, (4, I32x4ReplaceLane)),
    (ValType::I64, (2, I64x2ReplaceLane)),
    (ValType::F32, (4, F32x4ReplaceLane)),
    (ValType::F64, (2, F64x2ReplaceLane)),
];

pub const LOADS: &[AtAddress] = &[
    V128Load,
    V128Load,
    V128Load,
    V128Load8x8S,
    V128Load8x8U,
    V128Load16x4S,
    V128Load16x4U,
    V128Load32x2S,
    V128Load32x2U,
    V128Load8Splat,
    V128Load16Splat,
    V128Load32Splat,
    V128Load64Splat,
    V128Load32Zero,
    V128Load64Zero,
];

/// Two vectors of the relaxed instructions whose strict relatives compute no NaN.
pub const RELAXED_BINARY: &[Instruction<'static>] = &[I8x16RelaxedSwizzle, I16x8RelaxedQ15mulrS, I16x8RelaxedDotI8x16I7x16S];

pub const RELAXED_FLOAT_BINARY: &[(Instruction<'static>, Nan)] =
    &[(F32x4RelaxedMin, Nan::F32), (F32x4RelaxedMax, Nan::F32), (F64x2RelaxedMin, Nan::F64), (F64x2RelaxedMax, Nan::F64)];

pub const RELAXED_UNARY: &[Instruction<'static>] =
    &[I32x4RelaxedTruncF32x4S, I32x4RelaxedTruncF32x4U, I32x4RelaxedTruncF64x2SZero, I32x4RelaxedTruncF64x2UZero];

pub const RELAXED_TERNARY: &[Instruction<'static>] =
    &[I8x16RelaxedLaneselect, I16x8RelaxedLaneselect, I32x4RelaxedLaneselect, I64x2RelaxedLaneselect, I32x4RelaxedDotI8x16I7x16AddS];

pub const RELAXED_FLOAT_TERNARY: &[(Instruction<'static>, Nan)] =
    &[(F32x4RelaxedMadd, Nan::F32), (F32x4RelaxedNmadd, Nan::F32), (F64x2RelaxedMadd, Nan::F64), (F64x2RelaxedNmadd, Nan::F64)];
