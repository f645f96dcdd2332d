//! The driver: runs a guest function by whatever it has at this moment, and raises traps. Every crossing between tiers comes through here.
//!
//! **Tail calls** that leave a tier end the native frame first: the interpreter returns [`Outcome::TailCall`] to the driver, which goes on with the callee in a loop. Where
//! the driver itself was called by compiled code and the callee is compiled, it returns to the trampoline it was called from, which jumps to the callee.
//! So any mix of them runs in constant stack.

use crate::activation::{Activation, Kind};
use crate::backtrace::Backtrace;
use crate::exception;
use crate::host::{HostContext, bad_result, host_type};
use crate::instance::{ImportedFunction, InstanceInner};
use crate::interp;
use crate::references;
use crate::store::StoreInner;
use crate::sys;
use crate::trap::{HostTrap, Reason, Trap, Unwinding};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use trjit_module::vm::VmStore;
use trjit_module::{FuncIndex, FuncType, TrapCode};

/// How a function ended that did not unwind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Outcome {
    /// The results are in the slots.
    Done,
    /// Its frame is gone, and its caller gets the results of function `VmStore::tail_function` of `tail_vmctx`, whose arguments are at `tail_args` (in crossing
    /// slots of its type, not below the store's `stack_top`).
    TailCall,
}

/// Calls a function of an instance: an imported one by its definition, another by its compiled code or the interpreter. Arguments and results are in
/// `slots`, in crossing slots of the function's type.
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
        match start(store, instance, function, slots)? {
            Outcome::Done => Ok(()),
            Outcome::TailCall => tail_calls(store, (*instance).func_type(function), slots, false).map(|_| ()),
        }
    }
}

/// As [`call_function`], called by a trampoline from compiled code: where the function ends in a tail call of compiled code, the result is the `tail_to_native`
/// trampoline that the caller shall jump to, with what `VmStore::tail_vmctx`, `tail_code` and `tail_args` say; else null.
///
/// # Safety
/// As [`call_function`].
pub unsafe fn call_from_code(
    store: *mut StoreInner,
    instance: *mut InstanceInner,
    function: FuncIndex,
    slots: *mut u64,
) -> Result<*const u8, Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let outcome = match (*store).vm.exit_pending {
            0 => start(store, instance, function, slots),
            _ => resume(store, instance, function, slots),
        };
        match outcome? {
            Outcome::Done => Ok(ptr::null()),
            Outcome::TailCall => tail_calls(store, (*instance).func_type(function), slots, true),
        }
    }
}

/// Runs a function up to its end, or to a tail call that the interpreter leaves to the driver.
///
/// # Safety
/// As [`call_function`].
unsafe fn start(store: *mut StoreInner, instance: *mut InstanceInner, function: FuncIndex, slots: *mut u64) -> Result<Outcome, Unwinding> {
    // SAFETY: by contract; instances live as long as their store.
    unsafe {
        let (instance, function) = match resolve(instance, function) {
            Callee::Host(host) => return call_host(store, instance, host, slots).map(|()| Outcome::Done),
            Callee::Wasm(instance, function) => (instance, function),
        };
        if let Some(entry) = entry(instance, function) {
            let code = &(*instance).code;
            match code.is_cached(function) {
                true => (*store).counters.cached += 1,
                false => (*store).counters.compiled += 1,
            }
            let trampoline = code.to_native(code.module().type_of(function));
            return enter_code(store, Kind::Native, (*instance).vmctx(), entry, trampoline, slots).map(|_| Outcome::Done);
        }
        check_stack(store)?;
        (*store).counters.interpreted += 1;
        interp::interpret(store, instance, function, slots)
    }
}

/// Goes on in the middle of a function whose code has just left for the interpreter: see `VmStore::exit_pending`.
///
/// # Safety
/// As [`call_function`]; `function` is the one whose frame is pending.
#[cold]
unsafe fn resume(store: *mut StoreInner, instance: *mut InstanceInner, function: FuncIndex, slots: *mut u64) -> Result<Outcome, Unwinding> {
    // SAFETY: by contract.
    unsafe {
        (*store).vm.exit_pending = 0;
        // Taken before anything may fail: what is left there would be taken for that of the next exit.
        let better = std::mem::replace(&mut (*store).vm.exit_code, ptr::null());
        check_stack(store)?;
        (*store).counters.interpreted += 1;
        interp::resume(store, instance, function, better, slots)
    }
}

/// Whether the native stack has room for another activation.
///
/// # Safety
/// `store` is alive.
unsafe fn check_stack(store: *mut StoreInner) -> Result<(), Unwinding> {
    // SAFETY: by contract.
    unsafe {
        if sys::stack::stack_pointer() < (*store).vm.stack_limit {
            return Err(raise(store, Reason::Trap(TrapCode::StackOverflow)));
        }
        Ok(())
    }
}

/// A function where it is defined.
enum Callee {
    /// Position among the store's host functions.
    Host(usize),
    Wasm(*mut InstanceInner, FuncIndex),
}

/// Follows imports to the definition.
///
/// # Safety
/// `instance` is alive.
unsafe fn resolve(mut instance: *mut InstanceInner, mut function: FuncIndex) -> Callee {
    loop {
        // SAFETY: by contract; instances live as long as their store, and import from earlier ones only.
        match unsafe { (*instance).imported_function(function) } {
            Some(ImportedFunction::Wasm { instance: exporter, function: exported }) => (instance, function) = (exporter, exported),
            Some(ImportedFunction::Host(host)) => return Callee::Host(host),
            None => return Callee::Wasm(instance, function),
        }
    }
}

/// The compiled code of a defined function, where it has some.
///
/// # Safety
/// `instance` is alive.
unsafe fn entry(instance: *mut InstanceInner, function: FuncIndex) -> Option<*const u8> {
    // SAFETY: by contract; the table has an entry for each function.
    unsafe {
        let entry = (*(*instance).jump_table().cast::<AtomicI32>().add(function.index())).load(Ordering::Acquire);
        (entry != 0).then(|| (*instance).code.address(entry))
    }
}

/// Goes on with the pending tail call until a function returns; its results go to `slots`, in the crossing slots of the type `ty`. With `from_code` it ends as
/// [`call_from_code`] does.
///
/// The arguments of each callee are moved to the store's `stack_top`, so that a chain of any length needs that place only.
///
/// # Safety
/// As [`call_function`]; `VmStore` has a tail call.
#[cold]
unsafe fn tail_calls(store: *mut StoreInner, ty: FuncType<'_>, slots: *mut u64, from_code: bool) -> Result<*const u8, Unwinding> {
    // SAFETY: by contract; instances live as long as their store.
    unsafe {
        let area = (*store).stack_top;
        loop {
            let instance = interp::instance_of((*store).vm.tail_vmctx);
            let function = FuncIndex((*store).vm.tail_function as u32);
            let callee = (*instance).func_type(function);
            let words = callee.crossing_words();
            if words > (*store).stack_end.offset_from(area) as usize {
                return Err(raise(store, Reason::Trap(TrapCode::StackOverflow)));
            }
            ptr::copy((*store).vm.tail_args, area, callee.params().len() * callee.slot_words());
            if (*store).interrupted() {
                return Err(raise(store, Reason::Trap(TrapCode::Interrupt)));
            }
            // The callee's results fit where the caller's caller reads them: they go to registers, or to slots whose width depends on them alone.
            if from_code && let Some(trampoline) = compiled_tail_callee(store, instance, function) {
                (*store).vm.tail_args = area;
                return Ok(trampoline);
            }
            (*store).stack_top = area.add(words);
            let outcome = start(store, instance, function, area);
            (*store).stack_top = area;
            if outcome? == Outcome::Done {
                move_results(callee, area, ty, slots);
                return Ok(ptr::null());
            }
        }
    }
}

/// The trampoline to a compiled callee, whose place is then in `VmStore`; none where the callee is not compiled, or the trampoline can not be had.
///
/// # Safety
/// `store` and `instance` are alive.
unsafe fn compiled_tail_callee(store: *mut StoreInner, instance: *mut InstanceInner, function: FuncIndex) -> Option<*const u8> {
    // SAFETY: by contract.
    unsafe {
        let Callee::Wasm(instance, function) = resolve(instance, function) else { return None };
        let address = entry(instance, function)?;
        let code = &(*instance).code;
        let trampoline = code.tail_to_native(code.module().type_of(function));
        if trampoline.is_null() {
            return None;
        }
        (*store).vm.tail_vmctx = (*instance).vmctx();
        (*store).vm.tail_code = address;
        Some(trampoline)
    }
}

/// Moves the results of a tail callee to where its caller's caller expects them: the types have the same results, but slots of another width where only one of them
/// has a v128 among its parameters.
///
/// # Safety
/// Both places have room for the results of their type.
unsafe fn move_results(from_type: FuncType<'_>, from: *const u64, to_type: FuncType<'_>, to: *mut u64) {
    let (step, target_step) = (from_type.slot_words(), to_type.slot_words());
    for at in 0..to_type.results().len() {
        // SAFETY: by contract.
        unsafe { ptr::copy(from.add(at * step), to.add(at * target_step), step.min(target_step)) };
    }
}

/// # Safety
/// As [`call_function`]; `host` is a position among the store's host functions.
unsafe fn call_host(store: *mut StoreInner, caller: *mut InstanceInner, host: usize, slots: *mut u64) -> Result<(), Unwinding> {
    // SAFETY: by contract; the slots hold the larger of arguments and results.
    unsafe {
        let host = (&(*store).host_functions)[host].clone();
        let ty = host.ty.view();
        if host.has_references {
            pin_exceptions(store, ty.params(), ty.slot_words(), slots);
        }
        let values: &mut [u64] = match ty.crossing_words() {
            0 => &mut [],
            words => std::slice::from_raw_parts_mut(slots, words),
        };
        (*store).counters.host += 1;
        let mut context = HostContext::new(store, caller);
        let mut result = (host.call)(&mut context, values);
        if host.has_references && result.is_ok() {
            result = check_results(store, ty, values);
        }
        result.map_err(|trap| match trap {
            HostTrap::Exception(exception) => exception::throw_from_host(store, exception),
            other => raise(store, other.into()),
        })
    }
}

/// Whether the references among a host function's results are some.
///
/// # Safety
/// `store` is alive; `slots` are the results in crossing slots of the type.
unsafe fn check_results(store: *mut StoreInner, ty: FuncType<'_>, slots: &[u64]) -> Result<(), HostTrap> {
    for (at, (expected, slot)) in ty.results().zip(slots.chunks(ty.slot_words())).enumerate() {
        // SAFETY: by contract.
        if let Some(found) = unsafe { references::fault(store, host_type(expected), slot[0]) } {
            return Err(bad_result(at, &format!("is {found}"), expected));
        }
    }
    Ok(())
}

/// Keeps the exceptions among values that the host will see.
///
/// # Safety
/// `store` is alive; there is a slot of `words` words for each type.
pub(crate) unsafe fn pin_exceptions(
    store: *mut StoreInner,
    types: impl Iterator<Item = trjit_module::ValType>,
    words: usize,
    slots: *const u64,
) {
    for (at, _) in types.enumerate().filter(|(_, ty)| exception::is_exception(*ty)) {
        // SAFETY: by contract.
        unsafe { (*store).exceptions.pin(*slots.add(at * words)) };
    }
}

/// Enters compiled code through a trampoline (or code for a loop, which has a trampoline's signature), and returns what that returns: 0, or how code for a loop
/// [ended](trjit_module::vm::ended).
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
) -> Result<u64, Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let mut activation = Activation::new(kind);
        activation.link(store);
        let status = sys::enter(vmctx, code, slots, trampoline, &raw mut (*store).vm);
        let result = if status == sys::UNWOUND { Err(Unwinding) } else { Ok(status) };
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
        // The trampoline on the way of a side exit may have found the stack at its end.
        (*vm).exit_pending = 0;
        (*vm).exit_code = ptr::null();
        let backtrace = Backtrace::capture(store, true);
        (*store).pending = Some(Trap { reason: Reason::Trap(code), backtrace });
    }
}

/// Makes a trap the pending one, with the backtrace of this moment. For exceptions see [`exception::throw`].
///
/// # Safety
/// `store` is alive.
pub unsafe fn raise(store: *mut StoreInner, reason: Reason) -> Unwinding {
    // SAFETY: by contract.
    unsafe {
        let backtrace = match reason {
            Reason::Exit(_) | Reason::Exception(_) => Backtrace::default(),
            Reason::Trap(_) | Reason::Host(_) => Backtrace::capture(store, false),
        };
        (*store).pending = Some(Trap { reason, backtrace });
    }
    Unwinding
}
