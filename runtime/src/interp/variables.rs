//! Handlers of locals, globals, constants, tables and references, and the way to everything behind the prefix 0xFC.

use super::atomics;
use super::cx::{Cx, Exit};
use super::dispatch::{Probe, Table};
use super::handlers::*;
use super::leb::{read_i32, read_i64, read_u32, skip, small};
use super::length::is_reference_prefix;
use super::memarg::MemArg;
use super::out;
use super::simd::OPS as SIMD;
use trjit_module::TrapCode;
use trjit_module::flat::SideTableEntry;
use trjit_module::vm::GlobalPlace;

handlers! { (ip, sp, fp, st, cx, mem);
    drop_value {
        sp = sp.sub(1);
    }
    select {
        let condition = pop::<bool, _>(&mut sp);
        sp = sp.sub(1);
        if !condition {
            *sp.sub(1) = *sp;
        }
    }
    /// `select t`: a vector of one type comes before.
    select_typed {
        for _ in 0..read_u32(&mut ip) {
            // In quickened code each type is one number.
            if P::ORIGINAL && is_reference_prefix(*ip) {
                ip = ip.add(1);
            }
            skip(&mut ip);
        }
        let condition = pop::<bool, _>(&mut sp);
        sp = sp.sub(1);
        if !condition {
            *sp.sub(1) = *sp;
        }
    }
}

indexed! { (ip, sp, fp, st, cx, mem);
    local_get, local_get_wide: |at, index| {
        *sp = *fp.add(index as usize);
        sp = sp.add(1);
    }
    local_set, local_set_wide: |at, index| {
        sp = sp.sub(1);
        *fp.add(index as usize) = *sp;
    }
    local_tee, local_tee_wide: |at, index| {
        *fp.add(index as usize) = *sp.sub(1);
    }
    global_get, global_get_wide: |at, index| {
        *sp = *global(cx, index).cast::<P::Cell>();
        sp = sp.add(1);
    }
    global_set, global_set_wide: |at, index| {
        sp = sp.sub(1);
        *global(cx, index).cast::<P::Cell>() = *sp;
    }
}

handlers! { (ip, sp, fp, st, cx, mem);
    i32_const {
        let value = read_i32(&mut ip);
        push(&mut sp, value);
    }
    i64_const {
        let first = *ip;
        if first >= 0x80 {
            return i64_const_wide::<P>(ip, sp, fp, st, cx, mem);
        }
        ip = ip.add(1);
        push(&mut sp, i64::from(small(first)));
    }
    #[inline(never)]
    i64_const_wide {
        let value = read_i64(&mut ip);
        push(&mut sp, value);
    }
    f32_const {
        push(&mut sp, (*ip.cast::<Unaligned<u32>>()).0);
        ip = ip.add(4);
    }
    f64_const {
        push(&mut sp, (*ip.cast::<Unaligned<u64>>()).0);
        ip = ip.add(8);
    }
    /// A reinterpretation: the bits in the slot are the same.
    reinterpret {}
    memory_size {
        let memory = read_u32(&mut ip);
        let definition = MemArg { memory, offset: 0 }.definition(cx);
        push(&mut sp, (*definition).len >> 16);
    }
    memory_grow {
        let at = ip;
        let memory = read_u32(&mut ip);
        let opcode = at.sub(1);
        save!(opcode, sp, fp, st, cx);
        let Some(old) = out::memory_grow(cx, memory, word!(sp.sub(1))) else { return stop(at, sp, cx) };
        word!(sp.sub(1)) = old;
        mem = (*cx).mem_base;
    }
    table_get {
        let at = ip;
        let table = read_u32(&mut ip);
        let Some(reference) = out::table_get(cx, table, word!(sp.sub(1))) else { return trap(at, sp, cx, TrapCode::TableOutOfBounds) };
        word!(sp.sub(1)) = reference;
    }
    table_set {
        let at = ip;
        let table = read_u32(&mut ip);
        sp = sp.sub(2);
        if let Err(code) = out::table_set(cx, table, word!(sp), word!(sp.add(1))) {
            return trap(at, sp, cx, code);
        }
    }
    ref_null {
        skip(&mut ip);
        push(&mut sp, 0u64);
    }
    ref_func {
        let function = read_u32(&mut ip);
        push(&mut sp, out::ref_func(cx, function));
    }
    /// Opcodes behind the prefix 0xFC: saturating truncations by their own handlers, bulk operations outlined.
    prefixed {
        let at = ip;
        let op = read_u32(&mut ip);
        if op < 8 {
            return (Table::<P>::SATURATING[op as usize])(ip, sp, fp, st, cx, mem);
        }
        let opcode = at.sub(1);
        save!(opcode, sp, fp, st, cx);
        if let Err(code) = out::bulk_operation(cx, op, ip) {
            (*cx).trap = code;
            return stop(at, sp, cx);
        }
        ip = (*cx).ip;
        sp = (*cx).sp.cast();
    }
    /// Opcodes behind the prefix 0xFD; only modules with wide slots have them.
    simd {
        let at = ip;
        let op = read_u32(&mut ip);
        let next = (SIMD[op as usize])(ip, sp.cast(), cx);
        if next.ip.is_null() {
            return stop(at, sp, cx);
        }
        ip = next.ip;
        sp = next.sp.cast();
    }
    /// Opcodes behind the prefix 0xFE.
    atomic {
        let at = ip;
        save!(ip, sp, fp, st, cx);
        let next = atomics::run(ip, sp, cx);
        if next.ip.is_null() {
            return stop(at, sp, cx);
        }
        (ip, sp) = (next.ip, next.sp);
    }
    ref_as_non_null {
        if word!(sp.sub(1)) == 0 {
            return trap(ip, sp, cx, TrapCode::NullReference);
        }
    }
}

/// Where a global's value is.
///
/// # Safety
/// `index` is a global of the running module.
#[inline(always)]
unsafe fn global(cx: *const Cx, index: u32) -> *mut u64 {
    // SAFETY: the layout's offsets lie inside of the vmctx.
    unsafe {
        match (*cx).layout.global(index) {
            GlobalPlace::Inline(offset) => (*cx).vmctx.add(offset as usize).cast(),
            GlobalPlace::Pointer(offset) => *(*cx).vmctx.add(offset as usize).cast::<*mut u64>(),
        }
    }
}
