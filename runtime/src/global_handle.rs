//! Globals at the border of the embedding API.

use crate::context::{AsContext, AsContextMut};
use crate::error::Error;
use crate::handle::Handle;
use crate::host_module;
use crate::instance::InstanceInner;
use crate::matching::canonical;
use crate::value::Val;
use trjit_module::ValType;

/// Type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalType {
    /// The type of its value.
    pub content: ValType,
    /// Whether it can be set.
    pub mutable: bool,
}

impl GlobalType {
    /// The type of a global.
    pub const fn new(content: ValType, mutable: bool) -> GlobalType {
        GlobalType { content, mutable }
    }
}

/// A global of a store.
#[derive(Clone, Copy)]
pub struct Global {
    /// An instance that has it.
    instance: Handle<InstanceInner>,
    index: u32,
    ty: GlobalType,
}

impl Global {
    pub(crate) fn of(instance: Handle<InstanceInner>, index: u32, content: ValType, mutable: bool) -> Global {
        Global { instance, index, ty: GlobalType { content, mutable } }
    }

    /// Makes a global.
    pub fn new(store: &mut impl AsContextMut, ty: GlobalType, value: Val) -> Result<Global, Error> {
        let instance = host_module::global(store.as_context_mut().inner, ty)?;
        let global = Global { instance: instance.handle(), index: 0, ty };
        global.check(store, value)?;
        global.write(store, value);
        Ok(global)
    }

    /// The type.
    pub fn ty(&self, store: &impl AsContext) -> GlobalType {
        self.instance.get(store);
        self.ty
    }

    /// The value.
    ///
    /// # Panics
    /// This and the other functions here: when the global is of another store.
    pub fn get(&self, store: &impl AsContext) -> Val {
        let cell = self.instance.get(store).global(self.index);
        let words = if self.ty.content == ValType::V128 { 2 } else { 1 };
        // SAFETY: the cell has 16 bytes and lives as long as the store, and guests need the store, which is borrowed.
        unsafe { Val::from_words(store.as_context().inner, self.ty.content, std::slice::from_raw_parts(cell, words)) }
    }

    /// Changes the value. Fails where the global is constant or of another type.
    pub fn set(&self, store: &mut impl AsContextMut, value: Val) -> Result<(), Error> {
        if !self.ty.mutable {
            return Err(Error::ConstantGlobal);
        }
        self.check(store, value)?;
        self.write(store, value);
        Ok(())
    }

    fn write(&self, store: &mut impl AsContextMut, value: Val) {
        let cell = self.instance.get(store).global(self.index);
        let [low, high] = value.to_raw(store);
        // SAFETY: as in `get`.
        unsafe {
            *cell = low;
            if self.ty.content == ValType::V128 {
                *cell.add(1) = high;
            }
        }
    }

    /// Whether the global may have this value.
    fn check(&self, store: &impl AsContext, value: Val) -> Result<(), Error> {
        let content = canonical(&self.instance.get(store).code, self.ty.content);
        // SAFETY: contexts are of living stores.
        match unsafe { value.fault(store.as_context().inner, content) } {
            Some(found) => Err(Error::ArgumentType { position: 1, found, expected: self.ty.content.to_string() }),
            None => Ok(()),
        }
    }

    pub(crate) fn cell(&self) -> *mut u64 {
        // SAFETY: the store was checked by whoever asks.
        unsafe { (*self.instance.address()).global(self.index) }
    }

    pub(crate) fn instance(&self) -> &Handle<InstanceInner> {
        &self.instance
    }
}
