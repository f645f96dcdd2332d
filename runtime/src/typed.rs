//! Functions with Rust types: closures that guests import, and guest functions that Rust calls. Types are checked once, where a function is wrapped, linked
//! or [typed](crate::Func::typed); calls then move values between Rust and slots without looking.

use crate::context::{AsContext, AsContextMut};
use crate::error::Error;
use crate::func::{Func, enter_guest};
use crate::host::{Caller, HostContext, HostFunction, OwnedFuncType};
use crate::store::StoreInner;
use crate::trap::HostTrap;
use std::marker::PhantomData;
use trjit_module::ValType;

/// Most parameters or results of a typed function.
const MAX_VALUES: usize = 16;
/// Words of the slots of a typed function: two a value at most.
const MAX_WORDS: usize = 2 * MAX_VALUES;

/// The store that values cross into or out of.
pub struct Crossing(*mut StoreInner);

/// A Rust type that stands for a value type: `i32`, `u32`, `i64`, `u64`, `f32`, `f64`, `u128` for `v128` (lane 0 in the low bits), and
/// `Option<Func>` for `funcref`.
pub trait WasmTy: Sized + 'static {
    /// The value type.
    fn ty() -> ValType;
    #[doc(hidden)]
    fn into_words(self, crossing: &Crossing) -> [u64; 2];
    #[doc(hidden)]
    fn from_words(words: [u64; 2], crossing: &Crossing) -> Self;
}

macro_rules! wasm_ty {
    ($($rust:ty = $ty:ident, $value:ident => $into:expr, $word:ident => $from:expr;)*) => {$(
        impl WasmTy for $rust {
            fn ty() -> ValType {
                ValType::$ty
            }

            fn into_words(self, _: &Crossing) -> [u64; 2] {
                let $value = self;
                [$into, 0]
            }

            fn from_words([$word, _]: [u64; 2], _: &Crossing) -> $rust {
                $from
            }
        }
    )*};
}

wasm_ty! {
    i32 = I32, value => u64::from(value as u32), word => word as i32;
    u32 = I32, value => u64::from(value), word => word as u32;
    i64 = I64, value => value as u64, word => word as i64;
    u64 = I64, value => value, word => word;
    f32 = F32, value => u64::from(value.to_bits()), word => f32::from_bits(word as u32);
    f64 = F64, value => value.to_bits(), word => f64::from_bits(word);
}

impl WasmTy for u128 {
    fn ty() -> ValType {
        ValType::V128
    }

    fn into_words(self, _: &Crossing) -> [u64; 2] {
        [self as u64, (self >> 64) as u64]
    }

    fn from_words([low, high]: [u64; 2], _: &Crossing) -> u128 {
        u128::from(low) | u128::from(high) << 64
    }
}

impl WasmTy for Option<Func> {
    fn ty() -> ValType {
        ValType::FUNCREF
    }

    fn into_words(self, crossing: &Crossing) -> [u64; 2] {
        // SAFETY: a crossing is of a living store, which no other reference is used on meanwhile.
        [self.map_or(0, |func| unsafe { func.reference(crossing.0) }), 0]
    }

    fn from_words([word, _]: [u64; 2], crossing: &Crossing) -> Option<Func> {
        // SAFETY: as above; the word was a reference of this store.
        unsafe { Func::of_reference(crossing.0, word) }
    }
}

/// Parameters or results: one [`WasmTy`], or a tuple of up to 16 of them.
pub trait WasmValues: Sized + 'static {
    /// The value types, in order.
    fn types() -> Vec<ValType>;
    /// Writes to slots of so many words.
    #[doc(hidden)]
    fn write(self, slots: &mut [u64], words: usize, crossing: &Crossing);
    #[doc(hidden)]
    fn read(slots: &[u64], words: usize, crossing: &Crossing) -> Self;
}

fn write_one<V: WasmTy>(value: V, at: usize, slots: &mut [u64], words: usize, crossing: &Crossing) {
    slots[at * words..][..words].copy_from_slice(&value.into_words(crossing)[..words]);
}

fn read_one<V: WasmTy>(at: usize, slots: &[u64], words: usize, crossing: &Crossing) -> V {
    V::from_words([slots[at * words], slots[at * words + words - 1]], crossing)
}

impl<V: WasmTy> WasmValues for V {
    fn types() -> Vec<ValType> {
        vec![V::ty()]
    }

    fn write(self, slots: &mut [u64], words: usize, crossing: &Crossing) {
        write_one(self, 0, slots, words, crossing);
    }

    fn read(slots: &[u64], words: usize, crossing: &Crossing) -> V {
        read_one(0, slots, words, crossing)
    }
}

/// What a closure that guests call returns: [`WasmValues`], or a `Result` of them.
pub trait WasmRet {
    /// What is returned where nothing fails.
    type Values: WasmValues;
    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Values, HostTrap>;
}

impl<V: WasmValues> WasmRet for V {
    type Values = V;

    fn into_result(self) -> Result<V, HostTrap> {
        Ok(self)
    }
}

impl<V: WasmValues, E: Into<HostTrap>> WasmRet for Result<V, E> {
    type Values = V;

    fn into_result(self) -> Result<V, HostTrap> {
        self.map_err(Into::into)
    }
}

/// Closures that can be host functions in stores with data of type `T`: those with a [`Caller`] as the first parameter, and those without.
pub trait IntoFunc<T, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_host(self) -> Wrapped;
}

/// A wrapped closure.
pub struct Wrapped(pub(crate) HostFunction);

/// Results of a closure go to the slots.
fn finish<R: WasmRet>(returned: R, slots: &mut [u64], words: usize, store: *mut StoreInner) -> Result<(), HostTrap> {
    returned.into_result()?.write(slots, words, &Crossing(store));
    Ok(())
}

fn wrapped<P: WasmValues, R: WasmRet>(
    call: impl Fn(&mut HostContext, P, &mut [u64], usize) -> Result<(), HostTrap> + Send + Sync + 'static,
) -> Wrapped {
    let ty = OwnedFuncType::new(P::types(), R::Values::types());
    let words = ty.view().slot_words();
    let call = move |context: &mut HostContext, slots: &mut [u64]| {
        let params = P::read(slots, words, &Crossing(context.store));
        call(context, params, slots, words)
    };
    Wrapped(HostFunction::new(ty, call))
}

macro_rules! tuples {
    ($($name:ident $at:tt),*) => {
        impl<$($name: WasmTy),*> WasmValues for ($($name,)*) {
            fn types() -> Vec<ValType> {
                vec![$($name::ty()),*]
            }

            #[allow(unused_variables)]
            fn write(self, slots: &mut [u64], words: usize, crossing: &Crossing) {
                $(write_one(self.$at, $at, slots, words, crossing);)*
            }

            #[allow(unused_variables, clippy::unused_unit)]
            fn read(slots: &[u64], words: usize, crossing: &Crossing) -> Self {
                ($(read_one::<$name>($at, slots, words, crossing),)*)
            }
        }

        impl<T, F, R, $($name: WasmTy),*> IntoFunc<T, ($($name,)*), R> for F
        where
            F: Fn($($name),*) -> R + Send + Sync + 'static,
            R: WasmRet,
        {
            fn into_host(self) -> Wrapped {
                #[allow(unused_variables)]
                wrapped::<($($name,)*), R>(move |context, params, slots, words| finish(self($(params.$at),*), slots, words, context.store))
            }
        }

        impl<T, F, R, $($name: WasmTy),*> IntoFunc<T, (Caller<'_, T>, $($name,)*), R> for F
        where
            T: 'static,
            F: Fn(Caller<'_, T>, $($name),*) -> R + Send + Sync + 'static,
            R: WasmRet,
        {
            fn into_host(self) -> Wrapped {
                #[allow(unused_variables)]
                wrapped::<($($name,)*), R>(move |context, params, slots, words| {
                    let store = context.store;
                    // SAFETY: linkers and stores hand host functions to stores of this `T` only.
                    let caller = unsafe { Caller::new(context) };
                    finish(self(caller, $(params.$at),*), slots, words, store)
                })
            }
        }
    };
}

tuples!();
tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5, H 6);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11, N 12);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11, N 12, O 13);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11, N 12, O 13, P 14);
tuples!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11, N 12, O 13, P 14, Q 15);

/// A function whose type was checked: calls check nothing and allocate nothing.
pub struct TypedFunc<P, R> {
    func: Func,
    words: usize,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> TypedFunc<P, R> {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P: WasmValues, R: WasmValues> TypedFunc<P, R> {
    /// Checks the function's type.
    pub(crate) fn new(func: Func, store: &impl AsContext) -> Result<TypedFunc<P, R>, Error> {
        let (found, expected) = (func.owned_type(store), OwnedFuncType::new(P::types(), R::types()));
        if found != expected {
            return Err(Error::FunctionType { found: found.view().to_string(), expected: expected.view().to_string() });
        }
        Ok(TypedFunc { func, words: found.view().slot_words(), types: PhantomData })
    }

    /// The function without its type.
    pub fn func(&self) -> &Func {
        &self.func
    }

    /// Calls the function.
    ///
    /// # Panics
    /// When the function is of another store.
    pub fn call(&self, store: &mut impl AsContextMut, params: P) -> Result<R, Error> {
        let (instance, function) = self.func.target(store);
        let crossing = Crossing(store.as_context_mut().inner);
        let mut slots = [0; MAX_WORDS];
        params.write(&mut slots, self.words, &crossing);
        // SAFETY: the store is alive and borrowed, the instance is of it (checked by `target`), and the slots have room for any typed function.
        unsafe { enter_guest(crossing.0, instance, function, slots.as_mut_ptr())? };
        Ok(R::read(&slots, self.words, &crossing))
    }
}
