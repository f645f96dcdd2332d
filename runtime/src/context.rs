//! Borrowed stores: what gives access to a store, whether it is the [`Store`] itself or a host function's [`Caller`].

use crate::engine::Engine;
use crate::host::Caller;
use crate::store::{Store, StoreInner};
use std::marker::PhantomData;

/// A store borrowed to look at.
pub struct StoreContext<'a, T> {
    pub(crate) inner: *mut StoreInner,
    marker: PhantomData<&'a T>,
}

/// A store borrowed to run guests or to change what is in it.
pub struct StoreContextMut<'a, T> {
    pub(crate) inner: *mut StoreInner,
    marker: PhantomData<&'a mut T>,
}

/// Something that a store can be looked at through.
pub trait AsContext {
    /// The type of the store's data.
    type Data;

    /// The store, borrowed.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// Something through which a store can be changed: functions of the API take `&mut store` as well as `&mut caller`.
pub trait AsContextMut: AsContext {
    /// The store, borrowed mutably.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

impl<'a, T> StoreContext<'a, T> {
    /// # Safety
    /// `inner` is a store with data of type `T`, borrowed for `'a`.
    pub(crate) unsafe fn new(inner: *mut StoreInner) -> StoreContext<'a, T> {
        StoreContext { inner, marker: PhantomData }
    }

    /// The embedder's data.
    pub fn data(&self) -> &'a T {
        // SAFETY: by the contract of `new`.
        unsafe { &*(*self.inner).data.cast::<T>() }
    }

    /// The engine of the store.
    pub fn engine(&self) -> &'a Engine {
        // SAFETY: by the contract of `new`.
        unsafe { &(*self.inner).engine }
    }
}

impl<'a, T> StoreContextMut<'a, T> {
    /// # Safety
    /// `inner` is a store with data of type `T`, borrowed mutably for `'a`.
    pub(crate) unsafe fn new(inner: *mut StoreInner) -> StoreContextMut<'a, T> {
        StoreContextMut { inner, marker: PhantomData }
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        // SAFETY: by the contract of `new`.
        unsafe { &*(*self.inner).data.cast::<T>() }
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        // SAFETY: by the contract of `new`.
        unsafe { &mut *(*self.inner).data.cast::<T>() }
    }

    /// The engine of the store.
    pub fn engine(&self) -> &Engine {
        // SAFETY: by the contract of `new`.
        unsafe { &(*self.inner).engine }
    }
}

macro_rules! contexts {
    ($([$($generics:tt)*] $ty:ty: $data:ty;)*) => {$(
        impl<$($generics)*> AsContext for $ty {
            type Data = $data;

            fn as_context(&self) -> StoreContext<'_, $data> {
                // SAFETY: the store is borrowed through `self`, and its data is of that type.
                unsafe { StoreContext::new(self.inner()) }
            }
        }

        impl<$($generics)*> AsContextMut for $ty {
            fn as_context_mut(&mut self) -> StoreContextMut<'_, $data> {
                // SAFETY: the store is borrowed through `self`, and its data is of that type.
                unsafe { StoreContextMut::new(self.inner()) }
            }
        }
    )*};
}

contexts! {
    [T] Store<T>: T;
    [T] Caller<'_, T>: T;
    [T] StoreContextMut<'_, T>: T;
}

impl<T> StoreContextMut<'_, T> {
    fn inner(&self) -> *mut StoreInner {
        self.inner
    }
}

impl<T> AsContext for StoreContext<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        // SAFETY: the store is borrowed for longer.
        unsafe { StoreContext::new(self.inner) }
    }
}

impl<C: AsContext> AsContext for &C {
    type Data = C::Data;

    fn as_context(&self) -> StoreContext<'_, C::Data> {
        C::as_context(self)
    }
}

impl<C: AsContext> AsContext for &mut C {
    type Data = C::Data;

    fn as_context(&self) -> StoreContext<'_, C::Data> {
        C::as_context(self)
    }
}

impl<C: AsContextMut> AsContextMut for &mut C {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        C::as_context_mut(self)
    }
}
