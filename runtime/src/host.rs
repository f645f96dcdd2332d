//! Host functions: what the guest imports from the embedder.

use crate::engine::Engine;
use crate::error::Error;
use crate::exports::{Extern, Instance};
use crate::instance::InstanceInner;
use crate::store::StoreInner;
use crate::trap::{HostError, HostTrap};
use crate::value::Val;
use std::marker::PhantomData;
use std::sync::Arc;
use trjit_module::{HeapType, RefType, TrapCode, TypeIndex, ValType};

/// A function type that is not tied to a module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnedFuncType {
    /// Codes of the value types ([`ValType::code`]).
    pub params: Vec<u32>,
    /// As [`params`](Self::params).
    pub results: Vec<u32>,
}

impl OwnedFuncType {
    /// A type by its parameters and results.
    pub fn new(params: impl IntoIterator<Item = ValType>, results: impl IntoIterator<Item = ValType>) -> OwnedFuncType {
        OwnedFuncType { params: params.into_iter().map(ValType::code).collect(), results: results.into_iter().map(ValType::code).collect() }
    }

    /// The same as the modules have it.
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
    /// References among parameters or results: looked at on the way.
    pub has_references: bool,
}

impl HostFunction {
    pub fn new(
        ty: OwnedFuncType,
        call: impl Fn(&mut HostContext, &mut [u64]) -> Result<(), HostTrap> + Send + Sync + 'static,
    ) -> HostFunction {
        let has_references = ty.view().params().chain(ty.view().results()).any(ValType::is_ref);
        HostFunction { ty: Arc::new(ty), call: Arc::new(call), has_references }
    }

    /// A function on slots. It must be called in stores with data of type `T` only.
    pub fn raw<T: 'static>(
        ty: OwnedFuncType,
        function: impl Fn(Caller<'_, T>, &mut [u64]) -> Result<(), HostTrap> + Send + Sync + 'static,
    ) -> HostFunction {
        // SAFETY: linkers and stores hand host functions to stores of this `T` only.
        HostFunction::new(ty, move |context: &mut HostContext, slots: &mut [u64]| function(unsafe { Caller::new(context) }, slots))
    }

    /// A function on values, whose kinds are checked.
    pub fn on_values<T: 'static>(
        ty: OwnedFuncType,
        function: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), HostTrap> + Send + Sync + 'static,
    ) -> HostFunction {
        let (params, results): (Vec<ValType>, Vec<ValType>) = (ty.view().params().collect(), ty.view().results().collect());
        let words = ty.view().slot_words();
        HostFunction::raw(ty, move |caller, slots| {
            let store = caller.inner();
            // SAFETY: the store is alive while it calls, here and below.
            let arguments = unsafe { Val::read_all(store, &params, slots, words) };
            let mut values: Vec<Val> = results.iter().map(|&ty| Val::default_of(ty)).collect();
            function(caller, &arguments, &mut values)?;
            for (at, (value, &ty)) in values.iter().zip(&results).enumerate() {
                // SAFETY: as above.
                if let Some(found) = unsafe { value.fault(store, host_type(ty)) } {
                    return Err(bad_result(at, &found, ty));
                }
            }
            // SAFETY: as above.
            unsafe { Val::write_all(store, &values, slots, words) };
            Ok(())
        })
    }
}

/// A type of a host function's type as references are checked by: the host has no types of functions that it could name by number, so that such a type has null
/// alone.
pub(crate) fn host_type(ty: ValType) -> ValType {
    match ty {
        ValType::Ref(RefType { nullable, heap: HeapType::Concrete(_) }) => {
            ValType::Ref(RefType::new(nullable, HeapType::Concrete(TypeIndex(u32::MAX))))
        }
        other => other,
    }
}

/// Result `at` is not what the function's type says.
pub(crate) fn bad_result(at: usize, found: &str, expected: ValType) -> HostTrap {
    HostTrap::new(format!("result {} of a host function {found}, expected {expected}", at + 1))
}

/// Who is calling; [`Caller`] is the typed view of it.
pub(crate) struct HostContext {
    pub store: *mut StoreInner,
    caller: *mut InstanceInner,
}

impl HostContext {
    pub fn new(store: *mut StoreInner, caller: *mut InstanceInner) -> HostContext {
        HostContext { store, caller }
    }
}

/// A host function's view of the store and of the instance that called it. It gives access to the store as the store itself does: guests can be called
/// through it while the caller waits.
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

    pub(crate) fn inner(&self) -> *mut StoreInner {
        self.store
    }

    /// The store's data.
    pub fn data(&self) -> &T {
        // SAFETY: as in `data_mut`.
        unsafe { &*(*self.store).data.cast::<T>() }
    }

    /// The store's data.
    pub fn data_mut(&mut self) -> &mut T {
        // SAFETY: the store's data is a `T` by the contract of `new`, and is borrowed through this caller only while the guest waits.
        unsafe { &mut *(*self.store).data.cast::<T>() }
    }

    /// The engine of the store.
    pub fn engine(&self) -> &Engine {
        // SAFETY: the store is alive while it calls.
        unsafe { &(*self.store).engine }
    }

    /// What the calling instance exports under that name. A function that is called through a table or a reference rather than as an import
    /// may see no exports.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        self.instance().get_export(self, name)
    }

    fn instance(&self) -> Instance {
        // SAFETY: the caller is an instance of this store.
        unsafe { Instance::new_handle(self.store, self.caller) }
    }

    /// Whether the guest shall stop: functions that take long look here, and return `TrapCode::Interrupt`.
    pub fn interrupt_requested(&self) -> bool {
        // SAFETY: the store is alive while it calls.
        unsafe { (*self.store).interrupted() }
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

impl HostTrap {
    /// The error of a host function, from a text or another error.
    pub fn new(error: impl Into<HostError>) -> HostTrap {
        HostTrap::Error(error.into())
    }
}

impl From<TrapCode> for HostTrap {
    fn from(code: TrapCode) -> HostTrap {
        HostTrap::Trap(code)
    }
}

impl From<Error> for HostTrap {
    /// What a guest called from a host function ended with goes on through its caller: traps stay traps, exceptions can be caught.
    fn from(error: Error) -> HostTrap {
        match error {
            Error::Trap(trap) => trap.reason.into(),
            error => HostTrap::Error(error.into()),
        }
    }
}
