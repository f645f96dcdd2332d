//! Values at the border of the embedding API.

use crate::context::{AsContext, AsContextMut};
use crate::func::Func;
use crate::references;
use crate::store::StoreInner;
use trjit_module::{HeapType, ValType};

/// A WebAssembly value. Floats are kept as bits, so that NaNs survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Val {
    /// An integer of 32 bits, whatever its sign means.
    I32(i32),
    /// The same of 64 bits.
    I64(i64),
    /// The bits of a float of 32 bits.
    F32(u32),
    /// The same of 64 bits.
    F64(u64),
    /// The lanes as one little-endian number.
    V128(u128),
    /// `None` is null.
    FuncRef(Option<Func>),
    /// A number below 2^63 that the host chose; 0 is null.
    ExternRef(u64),
    /// An exception of the store, by the number that the guest knows it by; 0 is null.
    ExnRef(u64),
}

impl Val {
    /// The type that the value has by itself: references are nullable, and of all functions.
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

    /// What the value "has" or "is", where it may not stand for one of type `ty` (whose types of functions are the engine's numbers).
    ///
    /// # Panics
    /// When the value is a function of another store.
    ///
    /// # Safety
    /// `store` is alive and borrowed.
    pub(crate) unsafe fn fault(self, store: *mut StoreInner, ty: ValType) -> Option<String> {
        let same_kind = match ty {
            ValType::Ref(wanted) => match self {
                Val::FuncRef(_) => wanted.is_func(),
                Val::ExternRef(_) => wanted.heap == HeapType::Extern,
                Val::ExnRef(_) => matches!(wanted.heap, HeapType::Exn | HeapType::NoExn),
                _ => false,
            },
            _ => self.ty() == ty,
        };
        if !same_kind {
            return Some(format!("has type {}", self.ty()));
        }
        // SAFETY: by contract.
        unsafe { references::fault(store, ty, self.to_words(store)[0]) }.map(|what| format!("is {what}"))
    }

    /// Zero or null.
    pub const fn default_of(ty: ValType) -> Val {
        match ty {
            ValType::I32 => Val::I32(0),
            ValType::I64 => Val::I64(0),
            ValType::F32 => Val::F32(0),
            ValType::F64 => Val::F64(0),
            ValType::V128 => Val::V128(0),
            ValType::Ref(ty) => match ty.heap {
                HeapType::Func | HeapType::Concrete(_) => Val::FuncRef(None),
                HeapType::Extern => Val::ExternRef(0),
                HeapType::Exn | HeapType::NoExn => Val::ExnRef(0),
            },
        }
    }

    /// The number in an `i32`, and so on for other types.
    pub const fn i32(self) -> Option<i32> {
        match self {
            Val::I32(value) => Some(value),
            _ => None,
        }
    }

    /// See [`i32`](Self::i32).
    pub const fn i64(self) -> Option<i64> {
        match self {
            Val::I64(value) => Some(value),
            _ => None,
        }
    }

    /// See [`i32`](Self::i32).
    pub const fn f32(self) -> Option<f32> {
        match self {
            Val::F32(bits) => Some(f32::from_bits(bits)),
            _ => None,
        }
    }

    /// See [`i32`](Self::i32).
    pub const fn f64(self) -> Option<f64> {
        match self {
            Val::F64(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// See [`i32`](Self::i32).
    pub const fn v128(self) -> Option<u128> {
        match self {
            Val::V128(lanes) => Some(lanes),
            _ => None,
        }
    }

    /// The function in a `funcref`, itself none where that is null.
    pub const fn func_ref(self) -> Option<Option<Func>> {
        match self {
            Val::FuncRef(func) => Some(func),
            _ => None,
        }
    }

    /// The words of a slot that holds this value, for host functions on slots. The second one counts where slots have two.
    ///
    /// # Panics
    /// When the value is a function of another store.
    pub fn to_raw(self, store: &mut impl AsContextMut) -> [u64; 2] {
        // SAFETY: contexts are of living stores.
        unsafe { self.to_words(store.as_context_mut().inner) }
    }

    /// The value of type `ty` in the words of a slot, which has two where the type of its function has a v128.
    ///
    /// # Panics
    /// When the words are a reference to a function that the store never gave out.
    pub fn from_raw(store: &impl AsContext, words: &[u64], ty: ValType) -> Val {
        // SAFETY: contexts are of living stores.
        unsafe { Val::from_words(store.as_context().inner, ty, words) }
    }

    /// As [`to_raw`](Self::to_raw).
    ///
    /// # Safety
    /// `store` is alive and borrowed.
    pub(crate) unsafe fn to_words(self, store: *mut StoreInner) -> [u64; 2] {
        match self {
            Val::I32(value) => [u64::from(value as u32), 0],
            Val::I64(value) => [value as u64, 0],
            Val::F32(bits) => [u64::from(bits), 0],
            Val::F64(bits) | Val::ExternRef(bits) | Val::ExnRef(bits) => [bits, 0],
            Val::V128(lanes) => [lanes as u64, (lanes >> 64) as u64],
            // SAFETY: by contract.
            Val::FuncRef(func) => [func.map_or(0, |func| unsafe { func.reference(store) }), 0],
        }
    }

    /// As [`from_raw`](Self::from_raw).
    ///
    /// # Safety
    /// `store` is alive and borrowed.
    pub(crate) unsafe fn from_words(store: *mut StoreInner, ty: ValType, words: &[u64]) -> Val {
        let low = words.first().copied().unwrap_or(0);
        match ty {
            ValType::I32 => Val::I32(low as i32),
            ValType::I64 => Val::I64(low as i64),
            ValType::F32 => Val::F32(low as u32),
            ValType::F64 => Val::F64(low),
            ValType::V128 => Val::V128(u128::from(low) | u128::from(words.get(1).copied().unwrap_or(0)) << 64),
            ValType::Ref(ty) => match ty.heap {
                // SAFETY: by contract.
                HeapType::Func | HeapType::Concrete(_) => Val::FuncRef(unsafe { Func::of_reference(store, low) }),
                HeapType::Extern => Val::ExternRef(low),
                HeapType::Exn | HeapType::NoExn => Val::ExnRef(low),
            },
        }
    }

    /// The values of these types in the slots of a crossing, of so many words each.
    ///
    /// # Safety
    /// `store` is alive and borrowed.
    pub(crate) unsafe fn read_all(store: *mut StoreInner, types: &[ValType], slots: &[u64], words: usize) -> Vec<Val> {
        // SAFETY: by contract.
        types.iter().zip(slots.chunks(words)).map(|(&ty, slot)| unsafe { Val::from_words(store, ty, slot) }).collect()
    }

    /// Puts values into the slots of a crossing, of so many words each.
    ///
    /// # Safety
    /// `store` is alive and borrowed.
    pub(crate) unsafe fn write_all(store: *mut StoreInner, values: &[Val], slots: &mut [u64], words: usize) {
        for (value, slot) in values.iter().zip(slots.chunks_mut(words)) {
            // SAFETY: by contract.
            slot.copy_from_slice(&unsafe { value.to_words(store) }[..words]);
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
    Func: value => Val::FuncRef(Some(value));
    Option<Func>: value => Val::FuncRef(value);
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
            Val::FuncRef(None) | Val::ExternRef(0) | Val::ExnRef(0) => write!(f, "null"),
            Val::FuncRef(_) => write!(f, "<funcref>"),
            Val::ExternRef(_) => write!(f, "<externref>"),
            Val::ExnRef(_) => write!(f, "<exnref>"),
        }
    }
}
