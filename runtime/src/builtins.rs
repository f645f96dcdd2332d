//! The functions of the runtime that compiled code calls, in the signatures of [`trjit_module::vm::Builtin`]. Each runs behind a shim of `sys`, which notes where
//! compiled code was left and unwinds when a trap is pending.

use crate::driver;
use crate::exception;
use crate::instance::InstanceInner;
use crate::interp::{instance_of, numeric};
use crate::jit;
use crate::ladder::Ladder;
use crate::trap::{HostError, Reason, Unwinding};
use trjit_module::{FuncIndex, TrapCode};

/// The instance of the calling code.
///
/// # Safety
/// `vmctx` is an instance's, and the calling thread is the one that runs its store.
unsafe fn caller<'a>(vmctx: *mut u8) -> &'a mut InstanceInner {
    // SAFETY: by contract.
    unsafe { &mut *instance_of(vmctx) }
}

/// Tells the shim to unwind: to the landing pad of a compiled frame that catches the pending exception, or out of compiled code.
///
/// # Safety
/// As [`caller`].
unsafe fn unwind(vmctx: *mut u8, _: Unwinding) {
    // SAFETY: by contract.
    unsafe {
        let store = caller(vmctx).store;
        (*store).vm.unwind = exception::land(store).map_or(1, |frame_offset| frame_offset + 2);
    }
}

/// Passes a value on, or makes the trap pending and tells the shim to unwind.
///
/// # Safety
/// As [`caller`].
unsafe fn check<T: Default>(vmctx: *mut u8, result: Result<T, TrapCode>) -> T {
    match result {
        Ok(value) => value,
        Err(code) => {
            // SAFETY: by contract.
            unsafe {
                let unwinding = driver::raise(caller(vmctx).store, Reason::Trap(code));
                unwind(vmctx, unwinding);
            }
            T::default()
        }
    }
}

/// Runs a bulk operation on so many bytes or elements.
///
/// # Safety
/// As [`caller`].
unsafe fn bulk<T: Default>(vmctx: *mut u8, units: u64, operation: impl FnOnce(&mut InstanceInner) -> Result<T, TrapCode>) -> T {
    // SAFETY: by contract.
    unsafe {
        let instance = caller(vmctx);
        let result = instance.charge_bulk(units).and_then(|()| operation(instance));
        check(vmctx, result)
    }
}

/// Passes an old size on, or makes the limiter's error pending and tells the shim to unwind.
///
/// # Safety
/// As [`caller`].
unsafe fn grown(vmctx: *mut u8, result: Result<u64, HostError>) -> u64 {
    match result {
        Ok(old) => old,
        Err(error) => {
            // SAFETY: by contract.
            unsafe {
                let unwinding = driver::raise(caller(vmctx).store, Reason::Host(error));
                unwind(vmctx, unwinding);
            }
            0
        }
    }
}

macro_rules! builtins {
    ($($name:ident($vmctx:ident $(, $param:ident: $ty:ty)*) $(-> $ret:ty)? $body:block)*) => {$(
        /// See [`Builtin`](trjit_module::vm::Builtin).
        ///
        /// # Safety
        /// Called by compiled code through its shim only.
        #[allow(unused_unsafe)]
        pub unsafe extern "C" fn $name($vmctx: *mut u8 $(, $param: $ty)*) $(-> $ret)? {
            // SAFETY: by contract.
            unsafe { $body }
        }
    )*};
}

builtins! {
    enter_interpreter(vmctx, callee: u32, slots: *mut u64) -> *const u8 {
        let store = caller(vmctx).store;
        match driver::call_from_code(store, instance_of(vmctx), FuncIndex(callee), slots) {
            Ok(next) => next,
            Err(unwinding) => {
                unwind(vmctx, unwinding);
                std::ptr::null()
            }
        }
    }
    raise(vmctx, code: u32) {
        check(vmctx, Err(TrapCode::from_byte(code as u8).unwrap_or(TrapCode::Unreachable)))
    }
    memory_grow(vmctx, memory: u32, delta: u64) -> u64 {
        let result = caller(vmctx).memory_grow(memory, delta);
        grown(vmctx, result)
    }
    memory_copy(vmctx, dst_memory: u32, src_memory: u32, dst: u64, src: u64, len: u64) {
        bulk(vmctx, len, |instance| instance.memory_copy(dst_memory, src_memory, dst, src, len))
    }
    memory_fill(vmctx, memory: u32, dst: u64, value: u32, len: u64) {
        bulk(vmctx, len, |instance| instance.memory_fill(memory, dst, value as u8, len))
    }
    memory_init(vmctx, memory: u32, segment: u32, dst: u64, src: u64, len: u64) {
        bulk(vmctx, len, |instance| instance.memory_init(memory, segment, dst, src, len))
    }
    data_drop(vmctx, segment: u32) {
        caller(vmctx).data_drop(segment)
    }
    table_get(vmctx, table: u32, index: u64) -> u64 {
        check(vmctx, caller(vmctx).table_get(table, index))
    }
    table_set(vmctx, table: u32, index: u64, value: u64) {
        check(vmctx, caller(vmctx).table_set(table, index, value))
    }
    table_grow(vmctx, table: u32, value: u64, delta: u64) -> u64 {
        let result = bulk(vmctx, delta, |instance| Ok(Some(instance.table_grow(table, value, delta))));
        result.map_or(0, |result| grown(vmctx, result))
    }
    table_fill(vmctx, table: u32, dst: u64, value: u64, len: u64) {
        bulk(vmctx, len, |instance| instance.table_fill(table, dst, value, len))
    }
    table_copy(vmctx, dst_table: u32, src_table: u32, dst: u64, src: u64, len: u64) {
        bulk(vmctx, len, |instance| instance.table_copy(dst_table, src_table, dst, src, len))
    }
    table_init(vmctx, table: u32, segment: u32, dst: u64, src: u64, len: u64) {
        bulk(vmctx, len, |instance| instance.table_init(table, segment, dst, src, len))
    }
    elem_drop(vmctx, segment: u32) {
        caller(vmctx).elem_drop(segment)
    }
    ref_func(vmctx, function: u32) -> u64 {
        caller(vmctx).ref_func(FuncIndex(function))
    }
    record_indirect(vmctx, site: u32, function: u32, callee_vmctx: *mut u8) {
        let target = (callee_vmctx == vmctx).then_some(FuncIndex(function));
        let instance = caller(vmctx);
        if let Some(recorder) = &instance.recorder {
            recorder.record_indirect(site, target);
        } else if let Some(counts) = instance.code.ladder().and_then(Ladder::known) {
            counts.record_indirect(site, target);
        }
    }
    climb(vmctx, function: u32, from: u32) {
        jit::climb(caller(vmctx), FuncIndex(function), from)
    }
    climb_loop(vmctx, function: u32, position: u32, from: u32) -> u32 {
        let instance = caller(vmctx);
        let better = jit::climb_loop(instance, FuncIndex(function), position, from);
        (*instance.store).vm.exit_code = better;
        u32::from(!better.is_null())
    }
    alloc_exception(vmctx, tag: u32, slots: *const u64) -> u64 {
        let store = caller(vmctx).store;
        let top = (*store).stack_top;
        let exception = exception::create(store, instance_of(vmctx), tag, slots, top);
        check(vmctx, exception::activate(store, exception));
        exception
    }
    activate_exception(vmctx, exception: u64) {
        check(vmctx, exception::activate(caller(vmctx).store, exception))
    }
    throw_ref(vmctx, exception: u64) {
        let unwinding = exception::throw(caller(vmctx).store, exception);
        unwind(vmctx, unwinding)
    }
    memory_atomic_wait32(vmctx, memory: u32, address: u64, expected: u32, timeout: u64) -> u32 {
        check(vmctx, caller(vmctx).atomic_wait(memory, address, 4, expected.into(), timeout as i64))
    }
    memory_atomic_wait64(vmctx, memory: u32, address: u64, expected: u64, timeout: u64) -> u32 {
        check(vmctx, caller(vmctx).atomic_wait(memory, address, 8, expected, timeout as i64))
    }
    memory_atomic_notify(vmctx, memory: u32, address: u64, _count: u32) -> u32 {
        check(vmctx, caller(vmctx).atomic_notify(memory, address))
    }
    ceil_f32(_vmctx, x: u32) -> u32 { numeric::f32_ceil(f32::from_bits(x)).to_bits() }
    floor_f32(_vmctx, x: u32) -> u32 { numeric::f32_floor(f32::from_bits(x)).to_bits() }
    trunc_f32(_vmctx, x: u32) -> u32 { numeric::f32_trunc(f32::from_bits(x)).to_bits() }
    nearest_f32(_vmctx, x: u32) -> u32 { numeric::f32_nearest(f32::from_bits(x)).to_bits() }
    ceil_f64(_vmctx, x: u64) -> u64 { numeric::f64_ceil(f64::from_bits(x)).to_bits() }
    floor_f64(_vmctx, x: u64) -> u64 { numeric::f64_floor(f64::from_bits(x)).to_bits() }
    trunc_f64(_vmctx, x: u64) -> u64 { numeric::f64_trunc(f64::from_bits(x)).to_bits() }
    nearest_f64(_vmctx, x: u64) -> u64 { numeric::f64_nearest(f64::from_bits(x)).to_bits() }
}

/// The code of the trampoline from compiled code to slots for the type of function `callee`, made now if need be; for the lazy stub, which finds none.
/// Compilation has a thread of its own for the moment: of the guest's stack, on which this runs, there may be little left.
///
/// # Safety
/// Called by the lazy stub only.
pub unsafe extern "C" fn find_to_interpreter(vmctx: *mut u8, callee: u32) -> *const u8 {
    // SAFETY: by contract.
    let (code, store) = unsafe { (&caller(vmctx).code, caller(vmctx).store) };
    let ty = code.module().type_of(FuncIndex(callee));
    let own = code.to_interpreter(ty);
    if !own.is_null() {
        return own;
    }
    // A module without code of its own (one of the host) was called by one that has code, and so a trampoline for the type, or a place for one; trampolines
    // are of no instance.
    // SAFETY: the store outlives the call.
    let instances = unsafe { &(*store).instances };
    let type_id = code.type_ids()[ty.index()];
    let existing = instances.iter().find_map(|instance| instance.code.existing_to_interpreter(type_id));
    let found = existing.or_else(|| instances.iter().find_map(|instance| instance.code.new_to_interpreter(type_id)));
    found.unwrap_or(std::ptr::null())
}
