//! The driver: runs a guest function by whatever it has at this moment, and raises traps. Every crossing between tiers comes through here.

use crate::activation::{Activation, Kind};
use crate::backtrace::Backtrace;
use crate::host::HostContext;
use crate::instance::{ImportedFunction, InstanceInner};
use crate::interp;
use crate::store::StoreInner;
use crate::sys;
use crate::trap::{Reason, Trap, Unwinding};
use std::sync::atomic::{AtomicI32, Ordering};
use trjit_module::vm::VmStore;
use trjit_module::{FuncIndex, TrapCode};

/// Calls a function of an instance: an imported one by its definition, another by its compiled code or the interpreter. Arguments and results are in
/// `slots`.
///
/// # Safety
/// `store` and `instance` are alive and used by this thread only; `slots` has room for the arguments and the results of the function's type.
pub unsafe fn call_function(
    store: *mut StoreInner,
    instance: *mut InstanceInner,
    function: FuncIndex,
    slots: *mut u64,
) -> Result<(), Unwinding> {
    // SAFETY: by contract.
    unsafe {
        if let Some(import) = (*instance).imported_function(function) {
            return call_imported(store, instance, import, slots);
        }
        let entry = (*(*instance).jump_table().cast::<AtomicI32>().add(function.index())).load(Ordering::Acquire);
        if entry != 0 {
            let code = &(*instance).code;
            let trampoline = code.to_native(code.module().type_of(function));
            return enter_code(store, Kind::Native, (*instance).vmctx(), code.address(entry), trampoline, slots);
        }
        if sys::stack::stack_pointer() < (*store).vm.stack_limit {
            return Err(raise(store, Reason::Trap(TrapCode::StackOverflow)));
        }
        interp::interpret(store, instance, function, slots)
    }
}

/// # Safety
/// As [`call_function`].
unsafe fn call_imported(
    store: *mut StoreInner,
    caller: *mut InstanceInner,
    import: ImportedFunction,
    slots: *mut u64,
) -> Result<(), Unwinding> {
    match import {
        // SAFETY: instances live as long as their store.
        ImportedFunction::Wasm { instance, function } => unsafe { call_function(store, instance, function, slots) },
        ImportedFunction::Host(host) => {
            // SAFETY: by contract; the slots hold the larger of arguments and results.
            let (host, values) = unsafe {
                let host = (&(*store).host_functions)[host].clone();
                let values = std::slice::from_raw_parts_mut(slots, host.ty.crossing_slots());
                (host, values)
            };
            let mut context = HostContext::new(store, caller);
            // SAFETY: by contract.
            (host.call)(&mut context, values).map_err(|trap| unsafe { raise(store, trap.into()) })
        }
    }
}

/// Enters compiled code through a trampoline (or code for a loop, which has a trampoline's signature).
///
/// # Safety
/// `trampoline` is published code of that signature for `code`, `vmctx` its instance's; `slots` is what it expects.
pub unsafe fn enter_code(
    store: *mut StoreInner,
    kind: Kind,
    vmctx: *mut u8,
    code: *const u8,
    trampoline: *const u8,
    slots: *mut u64,
) -> Result<(), Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let mut activation = Activation::new(kind);
        activation.link(store);
        let status = sys::enter(vmctx, code, slots, trampoline, &raw mut (*store).vm);
        let result = if status == sys::UNWOUND { Err(Unwinding) } else { Ok(()) };
        activation.unlink(store);
        result
    }
}

/// Runs when a signal has become a trap, while the guest's frames stand: makes it the pending one.
///
/// # Safety
/// Called by the trap landing with the store that trapped.
pub unsafe extern "C" fn trap_hook(vm: *mut VmStore) {
    // SAFETY: `vm` is the first field of its store.
    unsafe {
        let store = vm.cast::<StoreInner>();
        let code = TrapCode::from_byte((*vm).trap_code as u8).unwrap_or(TrapCode::Unreachable);
        let backtrace = Backtrace::capture(store, true);
        (*store).pending = Some(Trap { reason: Reason::Trap(code), backtrace });
    }
}

/// Makes a trap the pending one, with the backtrace of this moment.
///
/// # Safety
/// `store` is alive.
pub unsafe fn raise(store: *mut StoreInner, reason: Reason) -> Unwinding {
    // SAFETY: by contract.
    unsafe {
        let backtrace = match reason {
            Reason::Exit(_) => Backtrace::default(),
            Reason::Trap(_) | Reason::Host(_) => Backtrace::capture(store, false),
        };
        (*store).pending = Some(Trap { reason, backtrace });
    }
    Unwinding
}
