//! Handlers of locals, globals, constants, tables and references, and the way to everything behind the prefix 0xFC.

use super::cx::{Cx, Exit};
use super::dispatch::{Probe, Table};
use super::handlers::*;
use super::leb::{read_i32, read_i64, read_u32, skip, small};
use super::out;
use trjit_module::TrapCode;
use trjit_module::flat::SideTableEntry;
use trjit_module::vm::GlobalPlace;

handlers! { (ip, sp, fp, st, cx, mem);
    drop_value {
        sp = sp.sub(1);
    }
    select {
        let condition = pop::<bool>(&mut sp);
        sp = sp.sub(1);
        if !condition {
            *sp.sub(1) = *sp;
        }
    }
    /// `select t`: a vector of one type comes before.
    select_typed {
        for _ in 0..read_u32(&mut ip) {
            skip(&mut ip);
        }
        let condition = pop::<bool>(&mut sp);
        sp = sp.sub(1);
        if !condition {
            *sp.sub(1) = *sp;
        }
    }
}

indexed! { (ip, sp, fp, st, cx, mem);
    local_get, local_get_wide: |at, index| {
        push(&mut sp, *fp.add(index as usize));
    }
    local_set, local_set_wide: |at, index| {
        *fp.add(index as usize) = pop(&mut sp);
    }
    local_tee, local_tee_wide: |at, index| {
        *fp.add(index as usize) = *sp.sub(1);
    }
    global_get, global_get_wide: |at, index| {
        push(&mut sp, *global(cx, index));
    }
    global_set, global_set_wide: |at, index| {
        *global(cx, index) = pop(&mut sp);
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
        skip(&mut ip);
        push(&mut sp, ((*cx).mem_len >> 16) as u32);
    }
    memory_grow {
        skip(&mut ip);
        save!(ip, sp, fp, st, cx);
        *sp.sub(1) = out::memory_grow(cx, *sp.sub(1));
        mem = (*cx).mem_base;
    }
    table_get {
        let at = ip;
        let table = read_u32(&mut ip);
        let Some(reference) = out::table_get(cx, table, *sp.sub(1)) else { return trap(at, sp, cx, TrapCode::TableOutOfBounds) };
        *sp.sub(1) = reference;
    }
    table_set {
        let at = ip;
        let table = read_u32(&mut ip);
        sp = sp.sub(2);
        if let Err(code) = out::table_set(cx, table, *sp, *sp.add(1)) {
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
        save!(ip, sp, fp, st, cx);
        if let Err(code) = out::bulk_operation(cx, op) {
            return trap(at, sp, cx, code);
        }
        ip = (*cx).ip;
        sp = (*cx).sp;
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
