//! Host functions: what the guest imports from the embedder.

use crate::instance::InstanceInner;
use crate::store::StoreInner;
use crate::trap::HostTrap;
use std::marker::PhantomData;
use std::sync::Arc;
use trjit_module::ValType;

/// A function type that is not tied to a module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnedFuncType {
    /// Codes of the value types.
    pub params: Vec<u32>,
    pub results: Vec<u32>,
}

impl OwnedFuncType {
    pub fn new(params: impl IntoIterator<Item = ValType>, results: impl IntoIterator<Item = ValType>) -> OwnedFuncType {
        OwnedFuncType { params: params.into_iter().map(ValType::code).collect(), results: results.into_iter().map(ValType::code).collect() }
    }

    pub fn view(&self) -> trjit_module::FuncType<'_> {
        trjit_module::FuncType::new(&self.params, &self.results)
    }

    /// Words that arguments and results need.
    pub fn crossing_words(&self) -> usize {
        self.view().crossing_words()
    }
}

/// What runs when the guest calls: arguments come in the slots, results go there.
pub(crate) type HostCall = dyn Fn(&mut HostContext, &mut [u64]) -> Result<(), HostTrap> + Send + Sync;

/// A host function.
#[derive(Clone)]
pub(crate) struct HostFunction {
    pub ty: Arc<OwnedFuncType>,
    pub call: Arc<HostCall>,
}

/// Who is calling; [`Caller`] is the typed view of it.
pub(crate) struct HostContext {
    store: *mut StoreInner,
    caller: *mut InstanceInner,
}

impl HostContext {
    pub fn new(store: *mut StoreInner, caller: *mut InstanceInner) -> HostContext {
        HostContext { store, caller }
    }
}

/// A host function's view of the store and of the instance that called it.
pub struct Caller<'a, T> {
    store: *mut StoreInner,
    caller: *mut InstanceInner,
    data: PhantomData<&'a mut T>,
}

impl<'a, T> Caller<'a, T> {
    /// # Safety
    /// The context's store was made with data of type `T`.
    pub(crate) unsafe fn new(context: &'a mut HostContext) -> Caller<'a, T> {
        Caller { store: context.store, caller: context.caller, data: PhantomData }
    }

    /// The store's data.
    pub fn data_mut(&mut self) -> &mut T {
        // SAFETY: the store's data is a `T` by the contract of `new`, and is borrowed through this caller only while the guest waits.
        unsafe { &mut *(*self.store).data.cast::<T>() }
    }

    /// The memory that the caller exports as `memory` (empty where it exports none), and the store's data.
    pub fn memory_and_data(&mut self) -> (&mut [u8], &mut T) {
        // SAFETY: as above; the memory is no part of the data, and does not move or shrink while borrowed, since the guest waits.
        unsafe {
            let memory = match (*self.caller).exported_memory() {
                Some(definition) if (*definition).len != 0 => {
                    std::slice::from_raw_parts_mut((*definition).base, (*definition).len as usize)
                }
                _ => &mut [],
            };
            (memory, &mut *(*self.store).data.cast::<T>())
        }
    }
}
