//! Functions at the border of the embedding API, and the way into the guest.

use crate::context::{AsContext, AsContextMut};
use crate::driver;
use crate::error::Error;
use crate::handle::Handle;
use crate::host::{Caller, HostFunction, OwnedFuncType};
use crate::host_module;
use crate::instance::{ImportedFunction, InstanceInner};
use crate::instantiate::take_trap;
use crate::interp::instance_of;
use crate::matching::canonical;
use crate::store::StoreInner;
use crate::sys;
use crate::trap::{HostTrap, Reason};
use crate::typed::{IntoFunc, TypedFunc, WasmValues};
use crate::value::Val;
use trjit_module::{FuncIndex, TrapCode, ValType};

/// A function of a store: a guest's, or one of the host. Two are equal where they are the same function of the same instance, which for what an instance imports
/// is the one that defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Func {
    instance: Handle<InstanceInner>,
    function: FuncIndex,
}

impl Func {
    pub(crate) fn of_instance(instance: Handle<InstanceInner>, function: FuncIndex) -> Func {
        Func { instance, function }
    }

    /// The same function where it is defined.
    ///
    /// # Safety
    /// `store` is the function's, and alive.
    pub(crate) unsafe fn defined(mut self, store: *mut StoreInner) -> Func {
        loop {
            // SAFETY: by contract.
            let imported = unsafe { (*self.instance.address()).imported_function(self.function) };
            let Some(ImportedFunction::Wasm { instance, function }) = imported else { return self };
            // SAFETY: instances live as long as their store; the chain ends, since they import from earlier ones only.
            self = Func { instance: unsafe { Handle::new(store, instance) }, function };
        }
    }

    /// Makes a function of a closure, whose types say which; see [`IntoFunc`](crate::IntoFunc).
    ///
    /// # Panics
    /// When the store has no room for another function (some ten million).
    pub fn wrap<C: AsContextMut, P, R>(store: &mut C, function: impl IntoFunc<C::Data, P, R>) -> Func {
        Func::of_host(store.as_context_mut().inner, function.into_host().0)
    }

    /// Makes a function of a closure on values. The closure finds zeros and nulls in its results and sets them.
    ///
    /// # Panics
    /// As [`wrap`](Self::wrap).
    pub fn new<C: AsContextMut>(
        store: &mut C,
        ty: OwnedFuncType,
        function: impl Fn(Caller<'_, C::Data>, &[Val], &mut [Val]) -> Result<(), HostTrap> + Send + Sync + 'static,
    ) -> Func
    where
        C::Data: 'static,
    {
        Func::of_host(store.as_context_mut().inner, HostFunction::on_values(ty, function))
    }

    pub(crate) fn of_host(store: *mut StoreInner, function: HostFunction) -> Func {
        // SAFETY: contexts are of living stores; the closure's data type was checked by the caller's signature.
        let instance = unsafe { host_module::function(store, function) };
        let instance = instance.unwrap_or_else(|error| panic!("a store has no room for another host function: {error}"));
        // SAFETY: the instance is of this store.
        Func { instance: unsafe { Handle::new(store, instance) }, function: FuncIndex(0) }
    }

    /// Types of parameters and results.
    pub fn ty(&self, store: &impl AsContext) -> (Vec<ValType>, Vec<ValType>) {
        let ty = self.instance.get(store).func_type(self.function);
        (ty.params().collect(), ty.results().collect())
    }

    pub(crate) fn owned_type(&self, store: &impl AsContext) -> OwnedFuncType {
        let (params, results) = self.ty(store);
        OwnedFuncType::new(params, results)
    }

    /// Instance and index, for a store that is about to run.
    pub(crate) fn target(&self, store: &impl AsContext) -> (*mut InstanceInner, FuncIndex) {
        (self.instance.pointer(store), self.function)
    }

    /// What an importer of this function gets.
    pub(crate) fn as_import(&self, store: &impl AsContext) -> ImportedFunction {
        let imported = self.instance.get(store).imported_function(self.function);
        imported.unwrap_or(ImportedFunction::Wasm { instance: self.instance.address(), function: self.function })
    }

    /// The function with Rust types, which are compared with its own once, here.
    ///
    /// # Panics
    /// When the function is of another store.
    pub fn typed<P: WasmValues, R: WasmValues>(&self, store: &impl AsContext) -> Result<TypedFunc<P, R>, Error> {
        TypedFunc::new(*self, store)
    }

    /// Calls the function.
    ///
    /// # Panics
    /// When the function, or one among the arguments, is of another store.
    pub fn call(&self, store: &mut impl AsContextMut, arguments: &[Val]) -> Result<Vec<Val>, Error> {
        let (instance, function) = self.target(store);
        let (params, results) = self.ty(store);
        if params.len() != arguments.len() {
            return Err(Error::ArgumentCount { expected: params.len(), found: arguments.len() });
        }
        let (code, inner) = (&self.instance.get(store).code, store.as_context().inner);
        for (at, (&param, argument)) in params.iter().zip(arguments).enumerate() {
            // SAFETY: the store is alive and borrowed.
            if let Some(found) = unsafe { argument.fault(inner, canonical(code, param)) } {
                return Err(Error::ArgumentType { position: at + 1, found, expected: param.to_string() });
            }
        }
        let words = self.instance.get(store).func_type(function).slot_words();
        let mut slots = vec![0; params.len().max(results.len()).max(1) * words];
        let store = store.as_context_mut().inner;
        // SAFETY: the store and the instance are alive (checked by `target`), and borrowed for this call.
        unsafe {
            Val::write_all(store, arguments, &mut slots, words);
            enter_guest(store, instance, function, slots.as_mut_ptr())?;
            driver::pin_exceptions(store, results.iter().copied(), words, slots.as_ptr());
            Ok(Val::read_all(store, &results, &slots, words))
        }
    }

    /// The store's number for this function.
    ///
    /// # Safety
    /// `store` is alive and borrowed.
    pub(crate) unsafe fn reference(&self, store: *mut StoreInner) -> u64 {
        // SAFETY: instances live as long as their store, which is checked.
        unsafe {
            let own = Handle::new(store, self.instance.address());
            assert!(own == self.instance, "a function was used with a store that it is not of");
            (*self.instance.address()).ref_func(self.function)
        }
    }

    /// # Safety
    /// `store` is alive and borrowed.
    pub(crate) unsafe fn of_reference(store: *mut StoreInner, reference: u64) -> Option<Func> {
        if reference == 0 {
            return None;
        }
        // SAFETY: by contract; the index is checked, and what was never written there is zero.
        unsafe {
            assert!(reference < (*store).func_refs_used, "{reference} is no reference to a function of this store");
            let record = (*store).func_refs.base().add(reference as usize).read();
            assert!(!record.vmctx.is_null(), "{reference} is no reference to a function that this store gave out");
            Some(Func { instance: Handle::new(store, instance_of(record.vmctx)), function: FuncIndex(record.function) })
        }
    }
}

/// Enters the guest from outside: notes the thread's stack, makes the store current, and runs the function.
///
/// # Safety
/// As [`driver::call_function`].
pub(crate) unsafe fn enter_guest(
    store: *mut StoreInner,
    instance: *mut InstanceInner,
    function: FuncIndex,
    slots: *mut u64,
) -> Result<(), Error> {
    // SAFETY: by contract.
    unsafe {
        sys::alt_stack::ensure().map_err(|error| Error::Resource { what: "alternate signal stack", detail: error.to_string() })?;
        let outermost = (*store).activations.is_null();
        if outermost {
            (*store).vm.stack_limit = sys::stack::native_stack_limit((*store).engine.tunables().max_wasm_stack);
        }
        let scope = (*store).interruptible().enter_guest();
        let previous = sys::signals::set_current_store(&raw mut (*store).vm);
        let result = match outermost && (*store).deadline_passed() {
            true => Err(driver::raise(store, Reason::Trap(TrapCode::Interrupt))),
            false => driver::call_function(store, instance, function, slots),
        };
        sys::signals::set_current_store(previous);
        drop(scope);
        result.map_err(|_| take_trap(store))
    }
}
