//! Instructions by the types that they take and give.

use wasm_encoder::Instruction::{self, *};
use wasm_encoder::ValType;

/// The number types.
pub const NUMBERS: &[ValType] = &[ValType::I32, ValType::I64, ValType::F32, ValType::F64];

/// Two operands of the type, one result of it.
pub const fn binary(ty: ValType) -> &'static [Instruction<'static>] {
    match ty {
        ValType::I64 => {
            &[I64Add, I64Sub, I64Mul, I64And, I64Or, I64Xor, I64Shl, I64ShrS, I64ShrU, I64Rotl, I64Rotr, I64Add, I64Sub, I64ShrS, I64Sub]
        }
        ValType::F32 => &[F32Add, F32Sub, F32Mul, F32Div, F32Min, F32Max, F32Sub],
        ValType::F64 => &[F64Add, F64Sub, F64Mul, F64Div, F64Min, F64Max, F64Sub],
        _ => &[I32Add, I32Sub, I32Mul, I32And, I32Or, I32Xor, I32Shl, I32ShrS, I32ShrU, I32Rotl, I32Rotr, I32Add, I32Sub, I32ShrS, I32Sub],
    }
}

/// Two integers, one result; they trap on zero, and the signed quotient on overflow.
pub const fn divide(ty: ValType) -> &'static [Instruction<'static>] {
    match ty {
        ValType::I64 => &[I64DivS, I64DivU, I64RemS, I64RemU],
        _ => &[I32DivS, I32DivU, I32RemS, I32RemU],
    }
}

/// Two operands of the type, a truth value.
pub const fn compare(ty: ValType) -> &'static [Instruction<'static>] {
    match ty {
        ValType::I64 => &[I64Eq, I64Ne, I64LtS, I64LtU, I64GtS, I64GtU, I64LeS, I64LeU, I64GeS, I64GeU],
        ValType::F32 => &[F32Eq, F32Ne, F32Lt, F32Gt, F32Le, F32Ge],
        ValType::F64 => &[F64Eq, F64Ne, F64Lt, F64Gt, F64Le, F64Ge],
        _ => &[I32Eq, I32Ne, I32LtS, I32LtU, I32GtS, I32GtU, I32LeS, I32LeU, I32GeS, I32GeU],
    }
}

/// One operand, a result of type `ty`; none of them shows the bits of a NaN.
pub const fn unary(ty: ValType) -> &'static [(ValType, Instruction<'static>)] {
    use ValType::*;
    match ty {
        I64 => &[
            (I64, I64Clz),
            (I64, I64Ctz),
            (I64, I64Popcnt),
            (I32, I64ExtendI32S),
            (I32, I64ExtendI32U),
            (I64, I64Extend8S),
            (I64, I64Extend16S),
            (I64, I64Extend32S),
            (F32, I64TruncSatF32S),
            (F32, I64TruncSatF32U),
            (F64, I64TruncSatF64S),
            (F64, I64TruncSatF64U),
        ],
        F32 => &[
            (F32, F32Abs),
            (F32, F32Neg),
            (F32, F32Ceil),
            (F32, F32Floor),
            (F32, F32Trunc),
            (F32, F32Nearest),
            (F32, F32Sqrt),
            (I32, F32ConvertI32S),
            (I32, F32ConvertI32U),
            (I64, F32ConvertI64S),
            (I64, F32ConvertI64U),
            (F64, F32DemoteF64),
            (I32, F32ReinterpretI32),
        ],
        F64 => &[
            (F64, F64Abs),
            (F64, F64Neg),
            (F64, F64Ceil),
            (F64, F64Floor),
            (F64, F64Trunc),
            (F64, F64Nearest),
            (F64, F64Sqrt),
            (I32, F64ConvertI32S),
            (I32, F64ConvertI32U),
            (I64, F64ConvertI64S),
            (I64, F64ConvertI64U),
            (F32, F64PromoteF32),
            (I64, F64ReinterpretI64),
        ],
        _ => &[
            (I32, I32Eqz),
            (I64, I64Eqz),
            (I32, I32Clz),
            (I32, I32Ctz),
            (I32, I32Popcnt),
            (I64, I32WrapI64),
            (I32, I32Extend8S),
            (I32, I32Extend16S),
            (F32, I32TruncSatF32S),
            (F32, I32TruncSatF32U),
            (F64, I32TruncSatF64S),
            (F64, I32TruncSatF64U),
        ],
    }
}

/// A float to an integer, trapping where there is none.
pub const fn truncate(ty: ValType) -> &'static [(ValType, Instruction<'static>)] {
    use ValType::*;
    match ty {
        I64 => &[(F32, I64TruncF32S), (F32, I64TruncF32U), (F64, I64TruncF64S), (F64, I64TruncF64U)],
        _ => &[(F32, I32TruncF32S), (F32, I32TruncF32U), (F64, I32TruncF64S), (F64, I32TruncF64U)],
    }
}
