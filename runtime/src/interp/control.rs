//! Handlers of control: branches by the side table, calls, returns, and what they do rarely.

use super::cx::{Cx, DONE, Exit, Frame, OSR, TAIL_CALL, TRAP};
use super::dispatch::{Probe, Table};
use super::exceptions;
use super::frame_log;
use super::fuel;
use super::handlers::*;
use super::leb::{read_u32, skip};
use super::length::is_reference_prefix;
use super::out;
use std::sync::atomic::Ordering;
use trjit_module::flat::{FunctionRecord, SideTableEntry};
use trjit_module::vm::{VmFuncRef, VmTable, header};
use trjit_module::{FuncIndex, TrapCode};

/// Counts a back-edge; true where the loop shall be left for compiled code or the guest shall stop.
///
/// # Safety
/// `cx` is the running activation's.
#[inline(always)]
pub(super) unsafe fn back_edge_is_hot<P: Probe>(cx: *mut Cx) -> bool {
    // SAFETY: by contract; the running function is a defined one.
    unsafe {
        let counter = (*cx).hotness.add(((*cx).function - (*cx).imported_functions) as usize);
        let count = (*counter).wrapping_add(1);
        *counter = count;
        count >= (*cx).loop_threshold || (*(*cx).vm_store).interrupt != 0 || fuel::is_used_up::<P>(cx)
    }
}

/// Takes the branch of `$entry`, which belongs to the instruction whose opcode stands before `$origin`.
macro_rules! branch {
    ($entry:expr, $origin:expr; $ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident) => {{
        let entry: *const SideTableEntry = $entry;
        // Fields are read where they are used, for want of registers.
        let keep = (*entry).keep;
        if keep > 1 {
            return branch_with_many::<P>($origin, $sp, $fp, entry, $cx, $mem);
        }
        if P::RECORD {
            (*$cx).count_branch(entry);
        }
        let target = $fp.add((*entry).height as usize);
        if keep == 1 {
            *target = *$sp.sub(1);
            $sp = target.add(1);
        } else {
            $sp = target;
        }
        let delta_ip = (*entry).delta_ip as isize;
        $ip = $origin.sub(1).offset(delta_ip);
        $st = entry.offset((*entry).delta_st as isize);
        if delta_ip <= 0 && back_edge_is_hot::<P>($cx) {
            return hot_loop::<P>($ip, $sp, $fp, $st, $cx, $mem);
        }
    }};
}

/// Makes `$function` the running one.
macro_rules! run_function {
    ($cx:ident, $function:expr) => {{
        let function: u32 = $function;
        (*$cx).function = function;
        if P::ORIGINAL {
            (*$cx).code_end = (*$cx).end_of_function();
        }
    }};
}

/// Goes on in the caller's frame, the results being in place, or ends the activation.
macro_rules! leave_frame {
    ($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident) => {{
        if (*$cx).frame_top == (*$cx).frame_base {
            (*$cx).sp = $sp.cast();
            return DONE;
        }
        let frame = (*$cx).frame_top.sub(1);
        (*$cx).frame_top = frame;
        let Frame { ip: caller_ip, fp: caller_fp, st: caller_st, function } = *frame;
        ($ip, $fp, $st) = (caller_ip, caller_fp.cast(), caller_st);
        run_function!($cx, function);
    }};
}

/// Calls function `$callee` of the instance `$vmctx`: pushes a frame, or leaves the interpreter. The registers stand behind the call instruction.
macro_rules! call_function {
    ($callee:expr, $vmctx:expr; $ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident) => {{
        let (callee, vmctx): (u32, *mut u8) = ($callee, $vmctx);
        let interpreted = vmctx == (*$cx).vmctx
            && callee >= (*$cx).imported_functions
            && (*(*$cx).jump_table.add(callee as usize)).load(Ordering::Acquire) == 0;
        if !interpreted {
            (*$cx).callee = callee;
            (*$cx).callee_vmctx = vmctx;
            return call_outside::<P>($ip, $sp, $fp, $st, $cx, $mem);
        }
        let defined = (callee - (*$cx).imported_functions) as usize;
        if counts_as_first_or_hot!($cx, defined) {
            (*$cx).callee = callee;
            return enter_first_or_hot::<P>($ip, $sp, $fp, $st, $cx, $mem);
        }
        return enter::<P>($ip, $sp, $fp, $st, $cx, callee as usize as *mut u8);
    }};
}

/// Counts an entry of a defined function; whether it is the first one, or one of many.
macro_rules! counts_as_first_or_hot {
    ($cx:ident, $defined:expr) => {{
        if P::RECORD {
            (*$cx).count_entry($defined);
        }
        let hot = (*$cx).hotness.add($defined);
        let before = *hot;
        *hot = before.wrapping_add(1);
        // One comparison for both: 0 wraps.
        before.wrapping_sub(1) >= (*$cx).hot_after
    }};
}

/// Pushes a frame for function `$callee` of the running instance.
macro_rules! enter_function {
    ($callee:expr; $ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident) => {{
        let callee: u32 = $callee;
        let record: *const FunctionRecord = (*$cx).functions.add((callee - (*$cx).imported_functions) as usize);
        let FunctionRecord { params, locals, frame_slots, code_start, side_table_start, .. } = *record;
        let frame_start = $sp.sub(params as usize);
        // Not `>`: zeroing in pairs may write one slot behind the locals.
        if frame_slots as usize >= ((*$cx).stack_end as usize - frame_start as usize) / size_of::<P::Cell>()
            || (*$cx).frame_top == (*$cx).frame_end
        {
            return trap($ip, $sp, $cx, TrapCode::StackOverflow);
        }
        let frame = (*$cx).frame_top;
        *frame = Frame { ip: $ip, fp: $fp.cast(), st: $st, function: (*$cx).function };
        (*$cx).frame_top = frame.add(1);
        run_function!($cx, callee);
        zero_locals!($sp, frame_start.add(locals as usize));
        $fp = frame_start;
        $ip = (*$cx).code.add(code_start as usize);
        $st = (*$cx).side_table.add(side_table_start as usize);
        if !fuel::charge_entry::<P>($cx) {
            return trap($ip.add(1), $sp, $cx, TrapCode::OutOfFuel);
        }
    }};
}

/// Puts zeros into the slots from `$sp` to `$operands`, where `$sp` is then.
macro_rules! zero_locals {
    ($sp:ident, $operands:expr) => {{
        let operands = $operands;
        // Volatile, since a call of memset would cost the handler a prologue.
        while $sp < operands {
            let words = $sp.cast::<u64>();
            words.write_volatile(0);
            words.add(1).write_volatile(0);
            $sp = words.add(2).cast();
        }
        $sp = operands;
    }};
}

/// The callee that a reference names, after a check of its type and a note for the profile: `(function, vmctx)`. `$at` stands behind the opcode.
macro_rules! callee_of {
    ($reference:expr, $ty:expr, $at:expr; $sp:ident, $st:ident, $cx:ident) => {{
        let vmctx = (*$cx).vmctx;
        let VmFuncRef { vmctx: callee_vmctx, function, type_id } =
            *(*vmctx.add(header::FUNC_REFS).cast::<*const VmFuncRef>()).add($reference as usize);
        if type_id != *(*vmctx.add(header::TYPE_IDS).cast::<*const u32>()).add($ty as usize) {
            return trap($at, $sp, $cx, TrapCode::BadSignature);
        }
        if P::RECORD {
            out::record_indirect($cx, (*$st).keep, callee_vmctx, function);
        }
        $st = $st.add(1);
        (function, callee_vmctx)
    }};
}

/// Leaves the frame for another function: [`tail_call`] with the callee in `cx`.
macro_rules! tail_call_function {
    ($callee:expr, $vmctx:expr; $ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident) => {{
        let (callee, vmctx): (u32, *mut u8) = ($callee, $vmctx);
        (*$cx).callee = callee;
        (*$cx).callee_vmctx = vmctx;
        return tail_call::<P>($ip, $sp, $fp, $st, $cx, $mem);
    }};
}

/// Calls the function with this reference, which is not null; `$at` stands behind the opcode.
macro_rules! call_reference {
    ($reference:expr, $ty:expr, $at:expr; $ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident) => {{
        let (function, callee_vmctx) = callee_of!($reference, $ty, $at; $sp, $st, $cx);
        call_function!(function, callee_vmctx; $ip, $sp, $fp, $st, $cx, $mem);
    }};
}

/// Goes on at a loop header, in the interpreter or (exit [`OSR`]) in compiled code, or stops the guest.
#[cold]
#[inline(never)]
pub(super) unsafe fn hot_loop<P: Probe>(
    ip: *const u8,
    sp: *mut P::Cell,
    fp: *mut P::Cell,
    st: *const SideTableEntry,
    cx: *mut Cx,
    mem: *mut u8,
) -> Exit {
    // SAFETY: the registers stand at a loop header of the running function.
    unsafe {
        save!(ip, sp, fp, st, cx);
        if (*(*cx).vm_store).interrupt != 0 {
            return trap(ip.add(1), sp, cx, TrapCode::Interrupt);
        }
        if fuel::is_used_up::<P>(cx) {
            return trap(ip.add(1), sp, cx, TrapCode::OutOfFuel);
        }
        if out::osr_code_ready(cx) {
            return OSR;
        }
        frame_log::show::<P>(ip, sp, fp, st, cx);
        fuel::count::<P>(cx, *ip);
        (Table::<P>::OPS[*ip as usize])(ip.add(1), sp, fp, st, cx, mem)
    }
}

// What handlers of control do rarely: kept apart, because a handler that calls anything saves its registers at its start.
handlers! { (ip, sp, fp, st, cx, mem);
    /// A branch that carries several values; `ip` is its origin, `st` its entry.
    #[cold]
    #[inline(never)]
    branch_with_many {
        let SideTableEntry { delta_ip, delta_st, keep, height } = *st;
        if P::RECORD {
            (*cx).count_branch(st);
        }
        let target = fp.add(height as usize);
        std::ptr::copy(sp.sub(keep as usize), target, keep as usize);
        sp = target.add(keep as usize);
        st = st.offset(delta_st as isize);
        ip = ip.sub(1).offset(delta_ip as isize);
        if delta_ip <= 0 && back_edge_is_hot::<P>(cx) {
            return hot_loop::<P>(ip, sp, fp, st, cx, mem);
        }
    }
    /// Calls `cx.callee` of `cx.callee_vmctx`, which is not interpreted in this activation.
    #[inline(never)]
    call_outside {
        save!(ip, sp, fp, st, cx);
        if !out::call(cx) {
            return TRAP;
        }
        sp = (*cx).sp.cast();
        mem = (*cx).mem_base;
    }
    /// Enters the function whose index comes in the register `mem`: with its own registers this handler has enough of them.
    #[inline(never)]
    enter {
        let callee = mem as usize as u32;
        // Recursion without loops must end, too, when the guest shall stop.
        if (*(*cx).vm_store).interrupt != 0 {
            return trap(ip, sp, cx, TrapCode::Interrupt);
        }
        enter_function!(callee; ip, sp, fp, st, cx);
        mem = (*cx).mem_base;
    }
    /// Enters `cx.callee` for the first time, or when it has been called often.
    #[cold]
    #[inline(never)]
    enter_first_or_hot {
        let callee = (*cx).callee;
        if !out::function_is_new_or_hot(cx, callee) {
            return missing::<P>(ip, sp, fp, st, cx, mem);
        }
        enter_function!(callee; ip, sp, fp, st, cx);
    }
    /// `cx.callee` can not be entered for want of its code.
    #[cold]
    #[inline(never)]
    missing {
        save!(ip, sp, fp, st, cx);
        (*cx).ip = ip.sub(1);
        // The exit says so.
        let _ = out::code_is_missing(cx, FuncIndex((*cx).callee));
        return TRAP;
    }
    /// An indirect call by a table element that is to be filled first; `ip` stands behind the opcode.
    #[cold]
    #[inline(never)]
    call_indirect_unfilled {
        let at = ip;
        let ty = read_u32(&mut ip);
        let table = read_u32(&mut ip);
        let index = pop::<u64, _>(&mut sp);
        let reference = out::fill_element(cx, table, index);
        if reference == 0 {
            return trap(at, sp, cx, TrapCode::IndirectCallToNull);
        }
        call_reference!(reference, ty, at; ip, sp, fp, st, cx, mem);
    }
    /// Goes on with `cx.callee` of `cx.callee_vmctx` in place of the running function. The arguments are on top of the operand stack.
    #[inline(never)]
    tail_call {
        if (*(*cx).vm_store).interrupt != 0 {
            return trap(ip, sp, cx, TrapCode::Interrupt);
        }
        let callee = (*cx).callee;
        let interpreted = (*cx).callee_vmctx == (*cx).vmctx
            && callee >= (*cx).imported_functions
            && (*(*cx).jump_table.add(callee as usize)).load(Ordering::Acquire) == 0;
        if interpreted {
            return replace_frame::<P>(ip, sp, fp, st, cx, mem);
        }
        if (*cx).frame_top == (*cx).frame_base {
            save!(ip, sp, fp, st, cx);
            out::leave_tail_call(cx);
            return TAIL_CALL;
        }
        // The frame is gone, and its caller does the call.
        let params = out::callee_params(cx);
        std::ptr::copy(sp.sub(params), fp, params);
        sp = fp.add(params);
        leave_frame!(ip, sp, fp, st, cx);
        return call_outside::<P>(ip, sp, fp, st, cx, mem);
    }
    /// Enters `cx.callee`, which is interpreted, in the place of the running frame.
    #[inline(never)]
    replace_frame {
        let callee = (*cx).callee;
        let defined = (callee - (*cx).imported_functions) as usize;
        if counts_as_first_or_hot!(cx, defined) && !out::function_is_new_or_hot(cx, callee) {
            return missing::<P>(ip, sp, fp, st, cx, mem);
        }
        let FunctionRecord { params, locals, frame_slots, code_start, side_table_start, .. } = *(*cx).functions.add(defined);
        if frame_slots as usize >= ((*cx).stack_end as usize - fp as usize) / size_of::<P::Cell>() {
            return trap(ip, sp, cx, TrapCode::StackOverflow);
        }
        std::ptr::copy(sp.sub(params as usize), fp, params as usize);
        run_function!(cx, callee);
        sp = fp.add(params as usize);
        zero_locals!(sp, fp.add(locals as usize));
        ip = (*cx).code.add(code_start as usize);
        st = (*cx).side_table.add(side_table_start as usize);
        if !fuel::charge_entry::<P>(cx) {
            return trap(ip.add(1), sp, cx, TrapCode::OutOfFuel);
        }
    }
    /// Returns any number of results.
    #[cold]
    #[inline(never)]
    return_many {
        let results = (*(*cx).record()).results as usize;
        std::ptr::copy(sp.sub(results), fp, results);
        sp = fp.add(results);
        leave_frame!(ip, sp, fp, st, cx);
    }
}

pub(super) use branch;

handlers! { (ip, sp, fp, st, cx, mem);
    op_unreachable {
        return trap(ip, sp, cx, TrapCode::Unreachable);
    }
    /// An opcode that validation lets through nowhere.
    invalid {
        return trap(ip, sp, cx, TrapCode::Unreachable);
    }
    nop {}
    /// Nothing but the block type to step over.
    block {
        skip_block_type::<P>(&mut ip);
    }
    op_loop {
        skip_block_type::<P>(&mut ip);
        if fuel::is_used_up::<P>(cx) {
            return trap(ip.add(1), sp, cx, TrapCode::OutOfFuel);
        }
    }
    /// So many of them at once, in the quickened copy.
    blocks {
        ip = ip.add(2 * usize::from(*ip) - 1);
    }
    op_if {
        if pop::<bool, _>(&mut sp) {
            skip_block_type::<P>(&mut ip);
            st = st.add(1);
        } else {
            branch!(st, ip; ip, sp, fp, st, cx, mem);
        }
    }
    /// Reached from the end of the then-branch: goes behind the `end`.
    op_else {
        branch!(st, ip; ip, sp, fp, st, cx, mem);
    }
    /// The end of a block does nothing, the end of the function returns; in the quickened copy that has an opcode of its own.
    op_end {
        if P::ORIGINAL && ip == (*cx).code_end {
            return return_many::<P>(ip, sp, fp, st, cx, mem);
        }
    }
    op_return {
        return return_many::<P>(ip, sp, fp, st, cx, mem);
    }
    return_none {
        sp = fp;
        leave_frame!(ip, sp, fp, st, cx);
    }
    return_one {
        *fp = *sp.sub(1);
        sp = fp.add(1);
        leave_frame!(ip, sp, fp, st, cx);
    }
    br {
        branch!(st, ip; ip, sp, fp, st, cx, mem);
    }
    br_if {
        if pop::<bool, _>(&mut sp) {
            branch!(st, ip; ip, sp, fp, st, cx, mem);
        } else {
            skip(&mut ip);
            st = st.add(1);
        }
    }
    br_table {
        let origin = ip;
        let labels = read_u32(&mut ip);
        let index = pop::<u32, _>(&mut sp).min(labels);
        branch!(st.add(index as usize), origin; ip, sp, fp, st, cx, mem);
    }
    call {
        let callee = read_u32(&mut ip);
        call_function!(callee, (*cx).vmctx; ip, sp, fp, st, cx, mem);
    }
    call_indirect {
        let at = ip;
        let ty = read_u32(&mut ip);
        let table = read_u32(&mut ip);
        let index = pop::<u64, _>(&mut sp);
        let vmctx = (*cx).vmctx;
        let elements = *vmctx.add((*cx).layout.table(table) as usize).cast::<*const VmTable>();
        if index >= (*elements).len {
            return trap(at, sp, cx, TrapCode::TableOutOfBounds);
        }
        let element = *(*elements).elements.add(index as usize);
        if element == 0 {
            return call_indirect_unfilled::<P>(at, sp.add(1), fp, st, cx, mem);
        }
        let reference = element >> 1;
        if reference == 0 {
            return trap(at, sp, cx, TrapCode::IndirectCallToNull);
        }
        call_reference!(reference, ty, at; ip, sp, fp, st, cx, mem);
    }
    return_call {
        let callee = read_u32(&mut ip);
        tail_call_function!(callee, (*cx).vmctx; ip, sp, fp, st, cx, mem);
    }
    #[inline(never)]
    return_call_indirect {
        let at = ip;
        let ty = read_u32(&mut ip);
        let table = read_u32(&mut ip);
        let index = pop::<u64, _>(&mut sp);
        let Some(reference) = out::table_get(cx, table, index) else { return trap(at, sp, cx, TrapCode::TableOutOfBounds) };
        if reference == 0 {
            return trap(at, sp, cx, TrapCode::IndirectCallToNull);
        }
        let (function, vmctx) = callee_of!(reference, ty, at; sp, st, cx);
        tail_call_function!(function, vmctx; ip, sp, fp, st, cx, mem);
    }
    call_ref {
        let at = ip;
        let ty = read_u32(&mut ip);
        let reference = pop::<u64, _>(&mut sp);
        if reference == 0 {
            return trap(at, sp, cx, TrapCode::NullReference);
        }
        call_reference!(reference, ty, at; ip, sp, fp, st, cx, mem);
    }
    return_call_ref {
        let at = ip;
        let ty = read_u32(&mut ip);
        let reference = pop::<u64, _>(&mut sp);
        if reference == 0 {
            return trap(at, sp, cx, TrapCode::NullReference);
        }
        let (function, vmctx) = callee_of!(reference, ty, at; sp, st, cx);
        tail_call_function!(function, vmctx; ip, sp, fp, st, cx, mem);
    }
    br_on_null {
        if word!(sp.sub(1)) == 0 {
            sp = sp.sub(1);
            branch!(st, ip; ip, sp, fp, st, cx, mem);
        } else {
            skip(&mut ip);
            st = st.add(1);
        }
    }
    br_on_non_null {
        if word!(sp.sub(1)) != 0 {
            branch!(st, ip; ip, sp, fp, st, cx, mem);
        } else {
            sp = sp.sub(1);
            skip(&mut ip);
            st = st.add(1);
        }
    }
    /// Enters a block; its clauses, with an entry each, matter to exceptions only.
    #[inline(never)]
    try_table {
        ip = ip.add(usize::from(is_reference_prefix(*ip)));
        skip(&mut ip);
        for _ in 0..read_u32(&mut ip) {
            let has_tag = *ip < 2;
            ip = ip.add(1);
            if has_tag {
                skip(&mut ip);
            }
            skip(&mut ip);
            st = st.add(1);
        }
    }
    throw {
        let at = ip;
        let tag = read_u32(&mut ip);
        save!(at, sp, fp, st, cx);
        exceptions::throw(cx, tag);
        return TRAP;
    }
    throw_ref {
        save!(ip, sp, fp, st, cx);
        exceptions::throw_ref(cx, word!(sp.sub(1)));
        return TRAP;
    }
}

/// Steps over a block type. In quickened code it is always one number (see [`super::quicken`]).
///
/// # Safety
/// `ip` points to a validated block type.
#[inline(always)]
unsafe fn skip_block_type<P: Probe>(ip: &mut *const u8) {
    // SAFETY: by contract.
    unsafe {
        if P::ORIGINAL && is_reference_prefix(**ip) {
            *ip = ip.add(1);
        }
        skip(ip);
    }
}
