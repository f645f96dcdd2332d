//! Ways out of the interpreter's handlers: calls that leave the activation, tier-up, recording, and operations too large for a handler.

use super::crossing::{Place, move_values};
use super::cx::Cx;
use super::leb::read_u32;
use crate::driver;
use crate::instance::InstanceInner;
use crate::jit;
use crate::trap::{Reason, Unwinding};
use std::mem::offset_of;
use std::sync::atomic::Ordering;
use trjit_module::flat::{MemoryRecord, TableRecord};
use trjit_module::vm::{VmHeader, VmTable};
use trjit_module::{CodeError, DefinedFuncIndex, FuncIndex, TrapCode};

/// The running instance.
///
/// # Safety
/// `cx` is the running activation's, and no other reference to the instance is used at the same time.
unsafe fn instance<'a>(cx: *const Cx) -> &'a mut InstanceInner {
    // SAFETY: by contract; instances live as long as their store.
    unsafe { &mut *instance_of((*cx).vmctx) }
}

/// The instance that a vmctx belongs to.
///
/// # Safety
/// `vmctx` is an instance's.
pub unsafe fn instance_of(vmctx: *mut u8) -> *mut InstanceInner {
    // SAFETY: by contract, the header is there.
    unsafe { *vmctx.add(offset_of!(VmHeader, instance)).cast::<*mut InstanceInner>() }
}

/// Refreshes what handlers know of memory 0.
///
/// # Safety
/// `cx` is the running activation's.
pub unsafe fn refresh_memory(cx: *mut Cx) {
    // SAFETY: by contract; definitions live as long as the store.
    unsafe {
        if (*cx).simple_memory
            && let Some(memory) = instance(cx).memory_definition(0)
        {
            (*cx).mem_base = (*memory).base;
            (*cx).mem_len = (*memory).len;
        }
    }
}

/// Calls `cx.callee` of `cx.callee_vmctx` by compiled code, a host function or another activation; arguments are on top of the operand stack, and `cx.sp` ends
/// behind the results. False when a trap or an exception is pending.
///
/// # Safety
/// The registers are saved in `cx`.
#[inline(never)]
pub unsafe fn call(cx: *mut Cx) -> bool {
    // SAFETY: by contract; the store outlives its activations.
    unsafe {
        let callee = instance_of((*cx).callee_vmctx);
        let function = FuncIndex((*cx).callee);
        let ty = (*callee).func_type(function);
        let params = ty.params().len();
        let start = (*cx).sp.sub(params * (*cx).slot_words);
        move_values(Place { start, words: (*cx).slot_words }, Place { start, words: ty.slot_words() }, params);
        call_crossed(cx, callee, function, start).is_ok()
    }
}

/// As [`call`], the arguments being in crossing slots at `slots`, where the results go.
///
/// # Safety
/// As [`call`]; `callee` is an instance of the store.
pub unsafe fn call_crossed(cx: *mut Cx, callee: *mut InstanceInner, function: FuncIndex, slots: *mut u64) -> Result<(), Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let ty = (*callee).func_type(function);
        let store = (*cx).store;
        let saved = ((*store).stack_top, (*store).frame_top);
        (*store).stack_top = slots.add(ty.crossing_words());
        (*store).frame_top = (*cx).frame_top;
        let done = driver::call_function(store, callee, function, slots);
        ((*store).stack_top, (*store).frame_top) = saved;
        let results = ty.results().len();
        if done.is_ok() {
            move_values(Place { start: slots, words: ty.slot_words() }, Place { start: slots, words: (*cx).slot_words }, results);
        }
        (*cx).sp = slots.add(results * (*cx).slot_words);
        refresh_memory(cx);
        done
    }
}

/// How many parameters `cx.callee` of `cx.callee_vmctx` has.
///
/// # Safety
/// `cx` is the running activation's.
#[inline(never)]
pub unsafe fn callee_params(cx: *const Cx) -> usize {
    // SAFETY: by contract.
    unsafe { (*instance_of((*cx).callee_vmctx)).func_type(FuncIndex((*cx).callee)).params().len() }
}

/// Leaves the activation's first frame for `cx.callee` of `cx.callee_vmctx`: moves the arguments from the top of the operand stack to the frame's start, and
/// notes the tail call for the driver.
///
/// # Safety
/// The registers are saved in `cx`.
#[inline(never)]
pub unsafe fn leave_tail_call(cx: *mut Cx) {
    // SAFETY: by contract.
    unsafe {
        let ty = (*instance_of((*cx).callee_vmctx)).func_type(FuncIndex((*cx).callee));
        let params = ty.params().len();
        let words = (*cx).slot_words;
        std::ptr::copy((*cx).sp.sub(params * words), (*cx).fp, params * words);
        move_values(Place { start: (*cx).fp, words }, Place { start: (*cx).fp, words: ty.slot_words() }, params);
        let vm = (*cx).vm_store;
        (*vm).tail_vmctx = (*cx).callee_vmctx;
        (*vm).tail_function = (*cx).callee.into();
        (*vm).tail_args = (*cx).fp;
    }
}

/// Whether compiled code exists for the loop header at `cx.ip`; asks for it where not.
///
/// # Safety
/// The registers are saved in `cx`.
#[inline(never)]
pub unsafe fn osr_code_ready(cx: *mut Cx) -> bool {
    // SAFETY: by contract.
    unsafe {
        let hot = (*cx).hotness.add(((*cx).function - (*cx).imported_functions) as usize);
        let instance = instance(cx);
        let counted = *hot;
        *hot = (*cx).loop_threshold.saturating_sub(instance.code.engine().tunables().recheck_interval);
        let offset = (*cx).code_offset((*cx).ip);
        (*cx).osr_entry = jit::loop_entry(instance, FuncIndex((*cx).function), offset, counted.saturating_sub(*hot));
        !(*cx).osr_entry.is_null()
    }
}

/// A function was entered that was new (it gets its copy now, where copies run, and its place in the recorded order) or has become hot (asks for its compiled
/// code). Its entry is counted already. False: see [`code_is_missing`].
///
/// # Safety
/// `cx` is the running activation's.
#[cold]
#[inline(never)]
#[must_use]
pub unsafe fn function_is_new_or_hot(cx: *mut Cx, callee: u32) -> bool {
    // SAFETY: by contract.
    unsafe {
        let instance = instance(cx);
        let defined = (callee - (*cx).imported_functions) as usize;
        let module = instance.code.module();
        if instance.copies.fill(module, &*(*cx).functions.add(defined)).is_err() {
            return false;
        }
        let hotness = (*cx).hotness.add(defined);
        if let Some(recorder) = instance.recorder.as_ref().filter(|_| *hotness == 1) {
            recorder.record_entry(DefinedFuncIndex(defined as u32));
        }
        if *hotness >= (*cx).call_threshold {
            let counted = *hotness;
            *hotness = (*cx).call_threshold.saturating_sub(instance.code.engine().tunables().recheck_interval);
            jit::request_function(instance, FuncIndex(callee), counted.saturating_sub(*hotness));
        }
        true
    }
}

/// Makes sure that a function can be interpreted that was not entered here. False: see [`code_is_missing`].
///
/// # Safety
/// `cx` is the running activation's.
#[cold]
#[must_use]
pub unsafe fn has_code(cx: *mut Cx, function: FuncIndex) -> bool {
    // SAFETY: by contract.
    unsafe {
        let instance = instance(cx);
        let record = &*(*cx).functions.add((function.0 - (*cx).imported_functions) as usize);
        instance.copies.fill(instance.code.module(), record).is_ok()
    }
}

/// A function was to be entered whose code can not be had, since the cache that it comes from is damaged there: the run ends with that error. The entry
/// does not count, so that the next one ends in the same way.
///
/// # Safety
/// The registers are saved in `cx`.
#[cold]
#[inline(never)]
pub unsafe fn code_is_missing(cx: *mut Cx, function: FuncIndex) -> Unwinding {
    // SAFETY: by contract; counters have a place for every defined function.
    unsafe {
        let defined = (function.0 - (*cx).imported_functions) as usize;
        *(*cx).hotness.add(defined) = 0;
        if !(*cx).entries.is_null() {
            (*(*cx).entries.add(defined)).store(0, Ordering::Relaxed);
        }
        let instance = instance(cx);
        let error = match instance.copies.fill(instance.code.module(), &*(*cx).functions.add(defined)) {
            Err(error) => error,
            Ok(()) => CodeError::new("the function's code could not be had a moment ago"),
        };
        driver::raise((*cx).store, Reason::Host(error.into()))
    }
}

/// # Safety
/// `cx` is the running activation's.
#[inline(never)]
pub unsafe fn record_indirect(cx: *mut Cx, site: u32, callee_vmctx: *mut u8, function: u32) {
    // SAFETY: by contract.
    unsafe {
        let own = callee_vmctx == (*cx).vmctx;
        if let Some(recorder) = &instance(cx).recorder {
            recorder.record_indirect(site, own.then_some(FuncIndex(function)));
        }
    }
}

/// The reference in a table element that is filled on first use.
///
/// # Safety
/// `cx` is the running activation's.
#[cold]
#[inline(never)]
pub unsafe fn fill_element(cx: *mut Cx, table: u32, index: u64) -> u64 {
    // SAFETY: by contract. The index was checked by the caller.
    unsafe { instance(cx).table_get(table, index).unwrap_or(0) }
}

/// `None`: the limiter's error is pending.
///
/// # Safety
/// The registers are saved in `cx`.
#[inline(never)]
pub unsafe fn memory_grow(cx: *mut Cx, memory: u32, delta: u64) -> Option<u64> {
    // SAFETY: by contract.
    unsafe {
        let instance = instance(cx);
        let old = instance.memory_grow(memory, delta).map_err(|error| driver::raise((*cx).store, Reason::Host(error))).ok()?;
        let is_64 = instance.code.module().memories()[memory as usize].flags & MemoryRecord::MEMORY64 != 0;
        refresh_memory(cx);
        Some(if is_64 { old } else { u64::from(old as u32) })
    }
}

/// `None`: out of bounds. No `Result`, which would be returned in memory of the handler's: its last call could not be a jump.
///
/// # Safety
/// `cx` is the running activation's.
#[inline(never)]
pub unsafe fn table_get(cx: *mut Cx, table: u32, index: u64) -> Option<u64> {
    // SAFETY: by contract.
    unsafe { instance(cx).table_get(table, index).ok() }
}

/// # Safety
/// `cx` is the running activation's.
#[inline(never)]
pub unsafe fn table_set(cx: *mut Cx, table: u32, index: u64, value: u64) -> Result<(), TrapCode> {
    // SAFETY: by contract.
    unsafe { instance(cx).table_set(table, index, value) }
}

/// # Safety
/// `cx` is the running activation's.
#[inline(never)]
pub unsafe fn ref_func(cx: *mut Cx, function: u32) -> u64 {
    // SAFETY: by contract.
    unsafe { instance(cx).ref_func(FuncIndex(function)) }
}

/// Runs an operation behind the prefix 0xFC (8..=17); reads its immediates at `ip`, behind the operation's number, and its operands below `cx.sp`, and moves both. Not a code but
/// none: the limiter's error is pending.
///
/// # Safety
/// The registers are saved in `cx`.
#[inline(never)]
pub unsafe fn bulk_operation(cx: *mut Cx, op: u32, mut ip: *const u8) -> Result<(), Option<TrapCode>> {
    // SAFETY: validation has proved immediates and operands.
    unsafe {
        let instance = instance(cx);
        let words = (*cx).slot_words;
        // Operands of 32 bits are zero-extended.
        let pop = || {
            (*cx).sp = (*cx).sp.sub(words);
            *(*cx).sp
        };
        match op {
            8 => {
                let (segment, memory) = (read_u32(&mut ip), read_u32(&mut ip));
                let (len, src, dst) = (pop(), pop(), pop());
                instance.charge_bulk(len)?;
                instance.memory_init(memory, segment, dst, src, len)?;
            }
            9 => instance.data_drop(read_u32(&mut ip)),
            10 => {
                let (dst_memory, src_memory) = (read_u32(&mut ip), read_u32(&mut ip));
                let (len, src, dst) = (pop(), pop(), pop());
                instance.charge_bulk(len)?;
                instance.memory_copy(dst_memory, src_memory, dst, src, len)?;
            }
            11 => {
                let memory = read_u32(&mut ip);
                let (len, value, dst) = (pop(), pop(), pop());
                instance.charge_bulk(len)?;
                instance.memory_fill(memory, dst, value as u8, len)?;
            }
            12 => {
                let (segment, table) = (read_u32(&mut ip), read_u32(&mut ip));
                let (len, src, dst) = (pop(), pop(), pop());
                instance.charge_bulk(len)?;
                instance.table_init(table, segment, dst, src, len)?;
            }
            13 => instance.elem_drop(read_u32(&mut ip)),
            14 => {
                let (dst_table, src_table) = (read_u32(&mut ip), read_u32(&mut ip));
                let (len, src, dst) = (pop(), pop(), pop());
                instance.charge_bulk(len)?;
                instance.table_copy(dst_table, src_table, dst, src, len)?;
            }
            15 => {
                let table = read_u32(&mut ip);
                let (delta, value) = (pop(), pop());
                instance.charge_bulk(delta)?;
                let old = instance.table_grow(table, value, delta).map_err(|error| {
                    driver::raise((*cx).store, Reason::Host(error));
                    None
                })?;
                let is_64 = instance.code.module().tables()[table as usize].flags & TableRecord::TABLE64 != 0;
                *(*cx).sp = if is_64 { old } else { u64::from(old as u32) };
                (*cx).sp = (*cx).sp.add(words);
            }
            16 => {
                let table = read_u32(&mut ip);
                *(*cx).sp = table_len(instance, table);
                (*cx).sp = (*cx).sp.add(words);
            }
            17 => {
                let table = read_u32(&mut ip);
                let (len, value, dst) = (pop(), pop(), pop());
                instance.charge_bulk(len)?;
                instance.table_fill(table, dst, value, len)?;
            }
            // Validation lets no other number through.
            _ => return Err(Some(TrapCode::Unreachable)),
        }
        (*cx).ip = ip;
        Ok(())
    }
}

/// # Safety
/// The table's definition is alive.
unsafe fn table_len(instance: &InstanceInner, table: u32) -> u64 {
    let definition: *const VmTable = instance.table_definition(table);
    // SAFETY: by contract.
    unsafe { (*definition).len }
}
