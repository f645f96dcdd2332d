//! Values at the border of the embedding API.

use trjit_module::ValType;

/// A WebAssembly value. Floats are kept as bits, so that NaNs survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Val {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    /// A store index; 0 is null.
    FuncRef(u64),
    /// A number that the host chose; 0 is null.
    ExternRef(u64),
}

impl Val {
    pub const fn ty(self) -> ValType {
        match self {
            Val::I32(_) => ValType::I32,
            Val::I64(_) => ValType::I64,
            Val::F32(_) => ValType::F32,
            Val::F64(_) => ValType::F64,
            Val::FuncRef(_) => ValType::FuncRef,
            Val::ExternRef(_) => ValType::ExternRef,
        }
    }

    /// What a slot holds for this value.
    pub const fn to_slot(self) -> u64 {
        match self {
            Val::I32(value) => value as u32 as u64,
            Val::I64(value) => value as u64,
            Val::F32(bits) => bits as u64,
            Val::F64(bits) | Val::FuncRef(bits) | Val::ExternRef(bits) => bits,
        }
    }

    /// The value of type `ty` in a slot; `v128` has none yet.
    pub const fn from_slot(ty: ValType, slot: u64) -> Val {
        match ty {
            ValType::I32 => Val::I32(slot as i32),
            ValType::I64 | ValType::V128 => Val::I64(slot as i64),
            ValType::F32 => Val::F32(slot as u32),
            ValType::F64 => Val::F64(slot),
            ValType::FuncRef => Val::FuncRef(slot),
            ValType::ExternRef => Val::ExternRef(slot),
        }
    }
}

impl std::fmt::Display for Val {
    /// As `wasmtime run --invoke` prints results.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Val::I32(value) => write!(f, "{value}"),
            Val::I64(value) => write!(f, "{value}"),
            Val::F32(bits) => write!(f, "{}", f32::from_bits(bits)),
            Val::F64(bits) => write!(f, "{}", f64::from_bits(bits)),
            Val::FuncRef(0) | Val::ExternRef(0) => write!(f, "null"),
            Val::FuncRef(_) => write!(f, "<funcref>"),
            Val::ExternRef(_) => write!(f, "<externref>"),
        }
    }
}
