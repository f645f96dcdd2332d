//! Values at the border of the embedding API.

use trjit_module::{HeapType, ValType};

/// A WebAssembly value. Floats are kept as bits, so that NaNs survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Val {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    /// The lanes as one little-endian number.
    V128(u128),
    /// A store index; 0 is null. See [`Func::to_val`](crate::Func::to_val) and [`Func::from_val`](crate::Func::from_val).
    FuncRef(u64),
    /// A number that the host chose; 0 is null.
    ExternRef(u64),
    /// A reference to an exception of the store; 0 is null.
    ExnRef(u64),
}

impl Val {
    pub const fn ty(self) -> ValType {
        match self {
            Val::I32(_) => ValType::I32,
            Val::I64(_) => ValType::I64,
            Val::F32(_) => ValType::F32,
            Val::F64(_) => ValType::F64,
            Val::V128(_) => ValType::V128,
            Val::FuncRef(_) => ValType::FUNCREF,
            Val::ExternRef(_) => ValType::EXTERNREF,
            Val::ExnRef(_) => ValType::EXNREF,
        }
    }

    /// Whether the value may stand where one of type `ty` is expected. References to functions of one type are not told apart here.
    pub fn matches(self, ty: ValType) -> bool {
        match ty {
            ValType::Ref(wanted) => match self {
                Val::FuncRef(reference) => wanted.is_func() && (reference != 0 || wanted.nullable),
                Val::ExternRef(reference) => wanted.heap == HeapType::Extern && (reference != 0 || wanted.nullable),
                Val::ExnRef(reference) => wanted.heap == HeapType::Exn && (reference != 0 || wanted.nullable),
                _ => false,
            },
            _ => self.ty() == ty,
        }
    }

    /// Zero or null.
    pub const fn default_of(ty: ValType) -> Val {
        Val::from_slot(ty, 0)
    }

    /// The number in an `i32`, and so on for other types.
    pub const fn i32(self) -> Option<i32> {
        match self {
            Val::I32(value) => Some(value),
            _ => None,
        }
    }

    pub const fn i64(self) -> Option<i64> {
        match self {
            Val::I64(value) => Some(value),
            _ => None,
        }
    }

    pub const fn f32(self) -> Option<f32> {
        match self {
            Val::F32(bits) => Some(f32::from_bits(bits)),
            _ => None,
        }
    }

    pub const fn f64(self) -> Option<f64> {
        match self {
            Val::F64(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// The first word of a slot that holds this value.
    pub const fn to_slot(self) -> u64 {
        match self {
            Val::I32(value) => value as u32 as u64,
            Val::I64(value) => value as u64,
            Val::F32(bits) => bits as u64,
            Val::F64(bits) | Val::FuncRef(bits) | Val::ExternRef(bits) | Val::ExnRef(bits) => bits,
            Val::V128(bits) => bits as u64,
        }
    }

    /// The second word of a slot that holds this value, where slots have two.
    pub const fn high_word(self) -> u64 {
        match self {
            Val::V128(bits) => (bits >> 64) as u64,
            _ => 0,
        }
    }

    /// The value of type `ty` in the words of a slot, which has two for v128.
    pub fn from_words(ty: ValType, words: &[u64]) -> Val {
        let low = words.first().copied().unwrap_or(0);
        match ty {
            ValType::V128 => Val::V128(u128::from(low) | u128::from(words.get(1).copied().unwrap_or(0)) << 64),
            _ => Val::from_slot(ty, low),
        }
    }

    /// The value of a type other than v128 in a slot.
    pub const fn from_slot(ty: ValType, slot: u64) -> Val {
        match ty {
            ValType::I32 => Val::I32(slot as i32),
            ValType::I64 => Val::I64(slot as i64),
            ValType::V128 => Val::V128(slot as u128),
            ValType::F32 => Val::F32(slot as u32),
            ValType::F64 => Val::F64(slot),
            ValType::Ref(ty) => match ty.heap {
                HeapType::Func | HeapType::Concrete(_) => Val::FuncRef(slot),
                HeapType::Extern => Val::ExternRef(slot),
                HeapType::Exn => Val::ExnRef(slot),
            },
        }
    }

    /// The values of these types in the slots of a crossing, of so many words each.
    pub(crate) fn read_all(types: &[ValType], slots: &[u64], words: usize) -> Vec<Val> {
        types.iter().zip(slots.chunks(words)).map(|(&ty, slot)| Val::from_words(ty, slot)).collect()
    }

    /// Puts values into the slots of a crossing, of so many words each.
    pub(crate) fn write_all(values: &[Val], slots: &mut [u64], words: usize) {
        for (value, slot) in values.iter().zip(slots.chunks_mut(words)) {
            slot[0] = value.to_slot();
            slot[1..].fill(value.high_word());
        }
    }
}

macro_rules! from {
    ($($rust:ty: $value:ident => $val:expr;)*) => {$(
        impl From<$rust> for Val {
            fn from($value: $rust) -> Val {
                $val
            }
        }
    )*};
}

from! {
    i32: value => Val::I32(value);
    u32: value => Val::I32(value as i32);
    i64: value => Val::I64(value);
    u64: value => Val::I64(value as i64);
    f32: value => Val::F32(value.to_bits());
    u128: value => Val::V128(value);
    f64: value => Val::F64(value.to_bits());
}

impl std::fmt::Display for Val {
    /// As `wasmtime run --invoke` prints results.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Val::I32(value) => write!(f, "{value}"),
            Val::I64(value) => write!(f, "{value}"),
            Val::F32(bits) => write!(f, "{}", f32::from_bits(bits)),
            Val::F64(bits) => write!(f, "{}", f64::from_bits(bits)),
            Val::V128(bits) => write!(f, "{bits}"),
            Val::FuncRef(0) | Val::ExternRef(0) | Val::ExnRef(0) => write!(f, "null"),
            Val::FuncRef(_) => write!(f, "<funcref>"),
            Val::ExternRef(_) => write!(f, "<externref>"),
            Val::ExnRef(_) => write!(f, "<exnref>"),
        }
    }
}
