//! Instances and functions at the border of the embedding API.

use crate::driver;
use crate::error::Error;
use crate::instance::InstanceInner;
use crate::instantiate::take_trap;
use crate::store::{Store, StoreInner};
use crate::sys;
use crate::value::Val;
use trjit_module::flat::kind;
use trjit_module::{FuncIndex, ValType};

/// An instance of a module in a store.
#[derive(Clone, Copy)]
pub struct Instance {
    pub(crate) inner: *mut InstanceInner,
}

impl Instance {
    /// The exported function of that name.
    pub fn get_func<T>(&self, store: &mut Store<T>, name: &str) -> Option<Func> {
        let instance = self.alive_in(store);
        let export = instance.code.module().export(name)?;
        (export.kind == kind::FUNC).then_some(Func { instance: self.inner, function: FuncIndex(export.index) })
    }

    /// The exported function of that name, or an error that names those that exist.
    pub fn func<T>(&self, store: &mut Store<T>, name: &str) -> Result<Func, Error> {
        if let Some(func) = self.get_func(store, name) {
            return Ok(func);
        }
        let module = self.alive_in(store).code.module();
        let names = module.exports().iter().filter(|export| export.kind == kind::FUNC).map(|export| module.string(export.name).to_string());
        Err(Error::NoSuchExport { name: name.to_string(), names: names.collect() })
    }

    /// # Panics
    /// When the instance is of another store: a mistake of the embedder that must not reach freed memory.
    pub(crate) fn alive_in<'a, T>(&self, store: &'a mut Store<T>) -> &'a InstanceInner {
        // SAFETY: the store is alive, and so are its instances.
        let instances = unsafe { &(*store.inner()).instances };
        let found = instances.iter().find(|instance| std::ptr::eq(&raw const ***instance, self.inner));
        found.expect("an instance was used with a store that it is not of")
    }
}

/// A function of an instance.
#[derive(Clone, Copy)]
pub struct Func {
    instance: *mut InstanceInner,
    function: FuncIndex,
}

impl Func {
    /// Types of parameters and results.
    pub fn ty<T>(&self, store: &mut Store<T>) -> (Vec<ValType>, Vec<ValType>) {
        let ty = Instance { inner: self.instance }.alive_in(store).func_type(self.function);
        (ty.params().collect(), ty.results().collect())
    }

    /// Calls the function.
    pub fn call<T>(&self, store: &mut Store<T>, arguments: &[Val]) -> Result<Vec<Val>, Error> {
        let (params, results) = self.ty(store);
        if params.len() != arguments.len() {
            return Err(Error::ArgumentCount { expected: params.len(), found: arguments.len() });
        }
        for (at, (param, argument)) in params.iter().zip(arguments).enumerate() {
            if !argument.ty().is_subtype_of(*param) && !argument.may_be(*param) {
                return Err(Error::ArgumentType { position: at + 1, found: argument.ty().to_string(), expected: param.to_string() });
            }
        }
        // SAFETY: the instance is alive (checked by `ty`).
        let ty = unsafe { (*self.instance).func_type(self.function) };
        let words = ty.slot_words();
        let mut slots: Vec<u64> = arguments.iter().flat_map(|value| [value.to_slot(), value.high_word()].into_iter().take(words)).collect();
        slots.resize(ty.crossing_words().max(1), 0);
        // SAFETY: the store and the instance are alive, and borrowed for this call.
        unsafe {
            enter_guest(store.inner(), self.instance, self.function, slots.as_mut_ptr())?;
            driver::pin_exceptions(store.inner(), ty.results(), words, slots.as_ptr());
        }
        Ok(results.iter().zip(slots.chunks(words)).map(|(&ty, slot)| Val::from_words(ty, slot)).collect())
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
        let result = driver::call_function(store, instance, function, slots);
        sys::signals::set_current_store(previous);
        drop(scope);
        result.map_err(|_| take_trap(store))
    }
}
