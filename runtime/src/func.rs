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
use crate::store::StoreInner;
use crate::sys;
use crate::trap::{HostTrap, Reason};
use crate::typed::{IntoFunc, TypedFunc, WasmValues};
use crate::value::Val;
use trjit_module::{FuncIndex, TrapCode, ValType};

/// A function of a store: a guest's, or one of the host.
#[derive(Clone, Copy)]
pub struct Func {
    instance: Handle<InstanceInner>,
    function: FuncIndex,
}

impl Func {
    pub(crate) fn of_instance(instance: Handle<InstanceInner>, function: FuncIndex) -> Func {
        Func { instance, function }
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
    /// When the function is of another store.
    pub fn call(&self, store: &mut impl AsContextMut, arguments: &[Val]) -> Result<Vec<Val>, Error> {
        let (instance, function) = self.target(store);
        let (params, results) = self.ty(store);
        if params.len() != arguments.len() {
            return Err(Error::ArgumentCount { expected: params.len(), found: arguments.len() });
        }
        for (at, (param, argument)) in params.iter().zip(arguments).enumerate() {
            if !argument.matches(*param) {
                return Err(Error::ArgumentType { position: at + 1, found: argument.ty().to_string(), expected: param.to_string() });
            }
        }
        let words = self.instance.get(store).func_type(function).slot_words();
        let mut slots = vec![0; params.len().max(results.len()).max(1) * words];
        Val::write_all(arguments, &mut slots, words);
        // SAFETY: the store and the instance are alive (checked by `target`), and borrowed for this call.
        unsafe {
            enter_guest(store.as_context_mut().inner, instance, function, slots.as_mut_ptr())?;
            driver::pin_exceptions(store.as_context_mut().inner, results.iter().copied(), words, slots.as_ptr());
        }
        Ok(Val::read_all(&results, &slots, words))
    }

    /// The function as a value, to be passed to guests.
    pub fn to_val(&self, store: &mut impl AsContextMut) -> Val {
        self.instance.pointer(store);
        // SAFETY: the store is alive and borrowed, and the function is of it (checked above).
        Val::FuncRef(unsafe { self.reference(store.as_context_mut().inner) })
    }

    /// The function that a value refers to; none for null and for values that are no functions.
    ///
    /// # Panics
    /// When the value is no reference that this store gave out.
    pub fn from_val(store: &mut impl AsContextMut, value: Val) -> Option<Func> {
        match value {
            // SAFETY: the store is alive and borrowed.
            Val::FuncRef(reference) => unsafe { Func::of_reference(store.as_context_mut().inner, reference) },
            _ => None,
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
            assert!(own.same(&self.instance), "a function was used with a store that it is not of");
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
