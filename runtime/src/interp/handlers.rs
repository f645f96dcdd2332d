//! The handlers, one an opcode, and the operand stack's accessors.

use super::cx::{Cx, DONE, Exit, Frame, OSR, TRAP};
use super::dispatch::{Probe, Table};
use super::leb::{read_i64, read_u32, skip};
use super::numeric::*;
use super::out;
use std::sync::atomic::Ordering;
use trjit_module::TrapCode;
use trjit_module::flat::{FunctionRecord, SideTableEntry};
use trjit_module::vm::{GlobalPlace, VmFuncRef, VmTable, header};

/// Defines handlers over the registers; the names in the first line are the registers' names in the bodies.
macro_rules! handlers {
    (($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident); $($(#[$meta:meta])* $name:ident $body:block)*) => {$(
        $(#[$meta])*
        /// # Safety
        /// The registers stand at this opcode in a validated function (see the module's table).
        #[allow(unused_mut, unused_assignments, unused_variables, unreachable_code, clippy::macro_metavars_in_unsafe)]
        pub unsafe fn $name<P: Probe>(
            mut $ip: *const u8,
            mut $sp: *mut u64,
            mut $fp: *mut u64,
            mut $st: *const SideTableEntry,
            $cx: *mut Cx,
            mut $mem: *mut u8,
        ) -> Exit {
            // SAFETY: validation has proved types, stack heights, indices and immediates; `record.frame_slots` bounds the stack.
            unsafe {
                $body
                let op = *$ip;
                (Table::<P>::OPS[op as usize])($ip.add(1), $sp, $fp, $st, $cx, $mem)
            }
        }
    )*};
}

/// A type that a slot holds.
pub trait Slot: Copy {
    fn from_slot(slot: u64) -> Self;
    fn to_slot(self) -> u64;
}

macro_rules! slot_types {
    ($($ty:ty: $slot:ident => $from:expr, $value:ident => $to:expr;)*) => {$(
        impl Slot for $ty {
            #[inline(always)]
            fn from_slot($slot: u64) -> $ty { $from }
            #[inline(always)]
            fn to_slot(self) -> u64 { let $value = self; $to }
        }
    )*};
}

slot_types! {
    i32: slot => slot as i32, value => u64::from(value as u32);
    u32: slot => slot as u32, value => u64::from(value);
    i64: slot => slot as i64, value => value as u64;
    u64: slot => slot, value => value;
    f32: slot => f32::from_bits(slot as u32), value => u64::from(value.to_bits());
    f64: slot => f64::from_bits(slot), value => value.to_bits();
    bool: slot => slot as u32 != 0, value => u64::from(value);
}

/// # Safety
/// The operand stack is not empty.
#[inline(always)]
unsafe fn pop<T: Slot>(sp: &mut *mut u64) -> T {
    // SAFETY: by contract.
    unsafe {
        *sp = sp.sub(1);
        T::from_slot(**sp)
    }
}

/// # Safety
/// The frame has room, as validation computed.
#[inline(always)]
unsafe fn push<T: Slot>(sp: &mut *mut u64, value: T) {
    // SAFETY: by contract.
    unsafe {
        **sp = value.to_slot();
        *sp = sp.add(1);
    }
}

/// Ends the run with a trap at `ip`.
#[cold]
#[inline(never)]
unsafe fn trap(ip: *const u8, sp: *mut u64, cx: *mut Cx, code: TrapCode) -> Exit {
    // SAFETY: `cx` is the running activation's.
    unsafe {
        (*cx).ip = ip.sub(1);
        (*cx).sp = sp;
        (*cx).trap = Some(code);
    }
    TRAP
}

macro_rules! unary {
    ($(#[$meta:meta])* $($name:ident: $from:ty, |$x:ident| $e:expr;)*) => {
        handlers! { (ip, sp, fp, st, cx, mem); $($name {
            let slot = sp.sub(1);
            let $x = <$from>::from_slot(*slot);
            *slot = Slot::to_slot($e);
        })* }
    };
}

macro_rules! binary {
    ($($name:ident: $from:ty, |$a:ident, $b:ident| $e:expr;)*) => {
        handlers! { (ip, sp, fp, st, cx, mem); $($name {
            let $b = <$from>::from_slot(*sp.sub(1));
            let $a = <$from>::from_slot(*sp.sub(2));
            sp = sp.sub(1);
            *sp.sub(1) = Slot::to_slot($e);
        })* }
    };
}

/// As `binary`, where the expression is a `Result` whose error is a trap.
macro_rules! binary_trapping {
    ($($name:ident: $from:ty, |$a:ident, $b:ident| $e:expr;)*) => {
        handlers! { (ip, sp, fp, st, cx, mem); $($name {
            let $b = <$from>::from_slot(*sp.sub(1));
            let $a = <$from>::from_slot(*sp.sub(2));
            match $e {
                Ok(value) => { sp = sp.sub(1); *sp.sub(1) = Slot::to_slot(value); }
                Err(code) => return trap(ip, sp, cx, code),
            }
        })* }
    };
}

macro_rules! unary_trapping {
    ($($name:ident: $from:ty, |$x:ident| $e:expr;)*) => {
        handlers! { (ip, sp, fp, st, cx, mem); $($name {
            let $x = <$from>::from_slot(*sp.sub(1));
            match $e {
                Ok(value) => *sp.sub(1) = Slot::to_slot(value),
                Err(code) => return trap(ip, sp, cx, code),
            }
        })* }
    };
}

unary! {
    i32_eqz: i32, |x| x == 0;
    i64_eqz: i64, |x| x == 0;
    i32_clz: u32, |x| x.leading_zeros();
    i32_ctz: u32, |x| x.trailing_zeros();
    i32_popcnt: u32, |x| x.count_ones();
    i64_clz: u64, |x| u64::from(x.leading_zeros());
    i64_ctz: u64, |x| u64::from(x.trailing_zeros());
    i64_popcnt: u64, |x| u64::from(x.count_ones());
    i32_extend8_s: i32, |x| i32::from(x as i8);
    i32_extend16_s: i32, |x| i32::from(x as i16);
    i64_extend8_s: i64, |x| i64::from(x as i8);
    i64_extend16_s: i64, |x| i64::from(x as i16);
    i64_extend32_s: i64, |x| i64::from(x as i32);
    i32_wrap_i64: u64, |x| x as u32;
    i64_extend_i32_s: i32, |x| i64::from(x);
    i64_extend_i32_u: u32, |x| u64::from(x);
    f32_abs: u32, |x| x & 0x7fff_ffff;
    f32_neg: u32, |x| x ^ 0x8000_0000;
    f64_abs: u64, |x| x & !(1 << 63);
    f64_neg: u64, |x| x ^ 1 << 63;
    op_f32_ceil: f32, |x| f32_ceil(x);
    op_f32_floor: f32, |x| f32_floor(x);
    op_f32_trunc: f32, |x| f32_trunc(x);
    op_f32_nearest: f32, |x| f32_nearest(x);
    f32_sqrt: f32, |x| x.sqrt();
    op_f64_ceil: f64, |x| f64_ceil(x);
    op_f64_floor: f64, |x| f64_floor(x);
    op_f64_trunc: f64, |x| f64_trunc(x);
    op_f64_nearest: f64, |x| f64_nearest(x);
    f64_sqrt: f64, |x| x.sqrt();
    f32_convert_i32_s: i32, |x| x as f32;
    f32_convert_i32_u: u32, |x| x as f32;
    f32_convert_i64_s: i64, |x| x as f32;
    f32_convert_i64_u: u64, |x| x as f32;
    f64_convert_i32_s: i32, |x| f64::from(x);
    f64_convert_i32_u: u32, |x| f64::from(x);
    f64_convert_i64_s: i64, |x| x as f64;
    f64_convert_i64_u: u64, |x| x as f64;
    f32_demote_f64: f64, |x| x as f32;
    f64_promote_f32: f32, |x| f64::from(x);
    i32_trunc_sat_f32_s: f32, |x| x as i32;
    i32_trunc_sat_f32_u: f32, |x| x as u32;
    i32_trunc_sat_f64_s: f64, |x| x as i32;
    i32_trunc_sat_f64_u: f64, |x| x as u32;
    i64_trunc_sat_f32_s: f32, |x| x as i64;
    i64_trunc_sat_f32_u: f32, |x| x as u64;
    i64_trunc_sat_f64_s: f64, |x| x as i64;
    i64_trunc_sat_f64_u: f64, |x| x as u64;
    ref_is_null: u64, |x| x == 0;
}

unary_trapping! {
    op_i32_trunc_f32_s: f32, |x| i32_trunc_f32_s(x);
    op_i32_trunc_f32_u: f32, |x| i32_trunc_f32_u(x);
    op_i32_trunc_f64_s: f64, |x| i32_trunc_f64_s(x);
    op_i32_trunc_f64_u: f64, |x| i32_trunc_f64_u(x);
    op_i64_trunc_f32_s: f32, |x| i64_trunc_f32_s(x);
    op_i64_trunc_f32_u: f32, |x| i64_trunc_f32_u(x);
    op_i64_trunc_f64_s: f64, |x| i64_trunc_f64_s(x);
    op_i64_trunc_f64_u: f64, |x| i64_trunc_f64_u(x);
}

binary! {
    i32_eq: u32, |a, b| a == b;
    i32_ne: u32, |a, b| a != b;
    i32_lt_s: i32, |a, b| a < b;
    i32_lt_u: u32, |a, b| a < b;
    i32_gt_s: i32, |a, b| a > b;
    i32_gt_u: u32, |a, b| a > b;
    i32_le_s: i32, |a, b| a <= b;
    i32_le_u: u32, |a, b| a <= b;
    i32_ge_s: i32, |a, b| a >= b;
    i32_ge_u: u32, |a, b| a >= b;
    i64_eq: u64, |a, b| a == b;
    i64_ne: u64, |a, b| a != b;
    i64_lt_s: i64, |a, b| a < b;
    i64_lt_u: u64, |a, b| a < b;
    i64_gt_s: i64, |a, b| a > b;
    i64_gt_u: u64, |a, b| a > b;
    i64_le_s: i64, |a, b| a <= b;
    i64_le_u: u64, |a, b| a <= b;
    i64_ge_s: i64, |a, b| a >= b;
    i64_ge_u: u64, |a, b| a >= b;
    f32_eq: f32, |a, b| a == b;
    f32_ne: f32, |a, b| a != b;
    f32_lt: f32, |a, b| a < b;
    f32_gt: f32, |a, b| a > b;
    f32_le: f32, |a, b| a <= b;
    f32_ge: f32, |a, b| a >= b;
    f64_eq: f64, |a, b| a == b;
    f64_ne: f64, |a, b| a != b;
    f64_lt: f64, |a, b| a < b;
    f64_gt: f64, |a, b| a > b;
    f64_le: f64, |a, b| a <= b;
    f64_ge: f64, |a, b| a >= b;
    i32_add: u32, |a, b| a.wrapping_add(b);
    i32_sub: u32, |a, b| a.wrapping_sub(b);
    i32_mul: u32, |a, b| a.wrapping_mul(b);
    i32_and: u32, |a, b| a & b;
    i32_or: u32, |a, b| a | b;
    i32_xor: u32, |a, b| a ^ b;
    i32_shl: u32, |a, b| a.wrapping_shl(b);
    i32_shr_s: i32, |a, b| a.wrapping_shr(b as u32);
    i32_shr_u: u32, |a, b| a.wrapping_shr(b);
    i32_rotl: u32, |a, b| a.rotate_left(b & 31);
    i32_rotr: u32, |a, b| a.rotate_right(b & 31);
    i64_add: u64, |a, b| a.wrapping_add(b);
    i64_sub: u64, |a, b| a.wrapping_sub(b);
    i64_mul: u64, |a, b| a.wrapping_mul(b);
    i64_and: u64, |a, b| a & b;
    i64_or: u64, |a, b| a | b;
    i64_xor: u64, |a, b| a ^ b;
    i64_shl: u64, |a, b| a.wrapping_shl(b as u32);
    i64_shr_s: i64, |a, b| a.wrapping_shr(b as u32);
    i64_shr_u: u64, |a, b| a.wrapping_shr(b as u32);
    i64_rotl: u64, |a, b| a.rotate_left(b as u32 & 63);
    i64_rotr: u64, |a, b| a.rotate_right(b as u32 & 63);
    f32_add: f32, |a, b| a + b;
    f32_sub: f32, |a, b| a - b;
    f32_mul: f32, |a, b| a * b;
    f32_div: f32, |a, b| a / b;
    op_f32_min: f32, |a, b| f32_min(a, b);
    op_f32_max: f32, |a, b| f32_max(a, b);
    f32_copysign: u32, |a, b| (a & 0x7fff_ffff) | (b & 0x8000_0000);
    f64_add: f64, |a, b| a + b;
    f64_sub: f64, |a, b| a - b;
    f64_mul: f64, |a, b| a * b;
    f64_div: f64, |a, b| a / b;
    op_f64_min: f64, |a, b| f64_min(a, b);
    op_f64_max: f64, |a, b| f64_max(a, b);
    f64_copysign: u64, |a, b| (a & !(1 << 63)) | (b & 1 << 63);
}

/// Division that traps on zero and on overflow; `checked` is Rust's operation that fails on both.
macro_rules! divide {
    ($a:ident, $b:ident, $checked:ident) => {
        if $b == 0 { Err(TrapCode::IntegerDivisionByZero) } else { $a.$checked($b).ok_or(TrapCode::IntegerOverflow) }
    };
}

binary_trapping! {
    i32_div_s: i32, |a, b| divide!(a, b, checked_div);
    i32_div_u: u32, |a, b| divide!(a, b, checked_div);
    i32_rem_s: i32, |a, b| if b == 0 { Err(TrapCode::IntegerDivisionByZero) } else { Ok(a.wrapping_rem(b)) };
    i32_rem_u: u32, |a, b| divide!(a, b, checked_rem);
    i64_div_s: i64, |a, b| divide!(a, b, checked_div);
    i64_div_u: u64, |a, b| divide!(a, b, checked_div);
    i64_rem_s: i64, |a, b| if b == 0 { Err(TrapCode::IntegerDivisionByZero) } else { Ok(a.wrapping_rem(b)) };
    i64_rem_u: u64, |a, b| divide!(a, b, checked_rem);
}

/// Reads a memory immediate (alignment, offset) and gives the offset.
///
/// # Safety
/// `ip` points to a validated memory immediate.
#[inline(always)]
unsafe fn memarg(ip: &mut *const u8) -> u64 {
    // SAFETY: by contract.
    unsafe {
        skip(ip);
        u64::from(read_u32(ip))
    }
}

macro_rules! load {
    ($($name:ident: $memory:ty => $slot:ty;)*) => {
        handlers! { (ip, sp, fp, st, cx, mem); $($name {
            let at = ip;
            let address = u64::from(u32::from_slot(*sp.sub(1))) + memarg(&mut ip);
            if address + size_of::<$memory>() as u64 > (*cx).mem_len {
                return trap(at, sp, cx, TrapCode::MemoryOutOfBounds);
            }
            let value = mem.add(address as usize).cast::<$memory>().read_unaligned();
            *sp.sub(1) = Slot::to_slot(value as $slot);
        })* }
    };
}

macro_rules! store {
    ($($name:ident: $slot:ty => $memory:ty;)*) => {
        handlers! { (ip, sp, fp, st, cx, mem); $($name {
            let at = ip;
            let value = <$slot>::from_slot(*sp.sub(1));
            let address = u64::from(u32::from_slot(*sp.sub(2))) + memarg(&mut ip);
            if address + size_of::<$memory>() as u64 > (*cx).mem_len {
                return trap(at, sp, cx, TrapCode::MemoryOutOfBounds);
            }
            sp = sp.sub(2);
            mem.add(address as usize).cast::<$memory>().write_unaligned(value as $memory);
        })* }
    };
}

load! {
    i32_load: u32 => u32;
    i64_load: u64 => u64;
    i32_load8_s: i8 => i32;
    i32_load8_u: u8 => u32;
    i32_load16_s: i16 => i32;
    i32_load16_u: u16 => u32;
    i64_load8_s: i8 => i64;
    i64_load8_u: u8 => u64;
    i64_load16_s: i16 => i64;
    i64_load16_u: u16 => u64;
    i64_load32_s: i32 => i64;
    i64_load32_u: u32 => u64;
}

store! {
    i32_store: u32 => u32;
    i64_store: u64 => u64;
    i32_store8: u32 => u8;
    i32_store16: u32 => u16;
    i64_store8: u64 => u8;
    i64_store16: u64 => u16;
    i64_store32: u64 => u32;
}

/// Counts a back-edge; true where the loop shall be left for compiled code or the guest shall stop.
///
/// # Safety
/// `cx` is the running activation's.
#[inline(always)]
unsafe fn back_edge_is_hot<P: Probe>(cx: *mut Cx) -> bool {
    // SAFETY: by contract; the running function is a defined one.
    unsafe {
        let hot = (*cx).hotness.add(((*cx).function - (*cx).imported_functions) as usize);
        *hot = (*hot).wrapping_add(1);
        (!P::RECORD && *hot >= (*cx).loop_threshold) || (*(*cx).vm_store).interrupt != 0
    }
}

/// Takes the branch of `$entry`, which belongs to the instruction whose opcode stands before `$origin`.
macro_rules! branch {
    ($entry:expr, $origin:expr; $ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident) => {{
        let entry: *const SideTableEntry = $entry;
        let SideTableEntry { delta_ip, delta_st, keep, height } = *entry;
        if P::RECORD {
            let counter = (*$cx).branches.offset(entry.offset_from((*$cx).side_table));
            *counter = (*counter).wrapping_add(1);
        }
        let target = $fp.add(height as usize);
        if keep == 1 {
            *target = *$sp.sub(1);
        } else if keep > 1 {
            std::ptr::copy($sp.sub(keep as usize), target, keep as usize);
        }
        $sp = target.add(keep as usize);
        $st = entry.offset(delta_st as isize);
        $ip = $origin.sub(1).offset(delta_ip as isize);
        if delta_ip <= 0 && back_edge_is_hot::<P>($cx) {
            return hot_loop::<P>($ip, $sp, $fp, $st, $cx, $mem);
        }
    }};
}

/// Makes `$function` the running one.
macro_rules! run_function {
    ($cx:ident, $function:expr) => {{
        let function: u32 = $function;
        let record = (*$cx).functions.add((function - (*$cx).imported_functions) as usize);
        (*$cx).function = function;
        (*$cx).record = record;
        (*$cx).code_end = (*$cx).code.add(((*record).body.offset + (*record).body.len) as usize);
        record
    }};
}

/// Returns to the caller's frame, or ends the activation.
macro_rules! return_from {
    ($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident) => {{
        let results = (*(*$cx).record).results as usize;
        if results == 1 {
            *$fp = *$sp.sub(1);
        } else if results > 1 {
            std::ptr::copy($sp.sub(results), $fp, results);
        }
        $sp = $fp.add(results);
        if (*$cx).frame_top == (*$cx).frame_base {
            (*$cx).sp = $sp;
            return DONE;
        }
        let frame = (*$cx).frame_top.sub(1);
        (*$cx).frame_top = frame;
        let Frame { ip: caller_ip, fp: caller_fp, st: caller_st, function } = *frame;
        ($ip, $fp, $st) = (caller_ip, caller_fp, caller_st);
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
        if interpreted {
            let defined = (callee - (*$cx).imported_functions) as usize;
            if P::RECORD {
                let entries = (*$cx).entries.add(defined);
                *entries = (*entries).wrapping_add(1);
                if *entries == 1 {
                    out::record_first_entry($cx, callee);
                }
            } else {
                let hot = (*$cx).hotness.add(defined);
                *hot = (*hot).wrapping_add(1);
                if *hot >= (*$cx).call_threshold {
                    out::function_is_hot($cx, callee);
                }
            }
            let record: *const FunctionRecord = (*$cx).functions.add(defined);
            let FunctionRecord { params, locals, frame_slots, code_start, side_table_start, .. } = *record;
            let frame_start = $sp.sub(params as usize);
            if frame_slots as usize > (*$cx).stack_end.offset_from(frame_start) as usize || (*$cx).frame_top == (*$cx).frame_end {
                return trap($ip, $sp, $cx, TrapCode::StackOverflow);
            }
            *(*$cx).frame_top = Frame { ip: $ip, fp: $fp, st: $st, function: (*$cx).function };
            (*$cx).frame_top = (*$cx).frame_top.add(1);
            run_function!($cx, callee);
            $fp = frame_start;
            $sp = frame_start.add(locals as usize);
            for local in params..locals {
                *$fp.add(local as usize) = 0;
            }
            $ip = (*$cx).code.add(code_start as usize);
            $st = (*$cx).side_table.add(side_table_start as usize);
        } else {
            save!($ip, $sp, $fp, $st, $cx);
            (*$cx).callee = callee;
            (*$cx).callee_vmctx = vmctx;
            if !out::call($cx) {
                return TRAP;
            }
            $sp = (*$cx).sp;
            $mem = (*$cx).mem_base;
        }
    }};
}

/// Saves the registers where backtraces and outlined functions find them.
macro_rules! save {
    ($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident) => {{
        (*$cx).ip = $ip;
        (*$cx).sp = $sp;
        (*$cx).fp = $fp;
        (*$cx).st = $st;
    }};
}

/// Goes on at a loop header, in the interpreter or (exit [`OSR`]) in compiled code, or stops the guest.
#[cold]
#[inline(never)]
unsafe fn hot_loop<P: Probe>(ip: *const u8, sp: *mut u64, fp: *mut u64, st: *const SideTableEntry, cx: *mut Cx, mem: *mut u8) -> Exit {
    // SAFETY: the registers stand at a loop header of the running function.
    unsafe {
        save!(ip, sp, fp, st, cx);
        if (*(*cx).vm_store).interrupt != 0 {
            return trap(ip.add(1), sp, cx, TrapCode::Interrupt);
        }
        if !P::RECORD && out::osr_code_ready(cx) {
            return OSR;
        }
        (Table::<P>::OPS[*ip as usize])(ip.add(1), sp, fp, st, cx, mem)
    }
}

handlers! { (ip, sp, fp, st, cx, mem);
    op_unreachable {
        return trap(ip, sp, cx, TrapCode::Unreachable);
    }
    /// An opcode that validation lets through nowhere.
    invalid {
        return trap(ip, sp, cx, TrapCode::Unreachable);
    }
    nop {}
    /// `block` and `loop`: nothing but the block type to step over.
    block {
        skip(&mut ip);
    }
    op_if {
        if pop::<bool>(&mut sp) {
            skip(&mut ip);
            st = st.add(1);
        } else {
            branch!(st, ip; ip, sp, fp, st, cx, mem);
        }
    }
    /// Reached from the end of the then-branch: goes behind the `end`.
    op_else {
        branch!(st, ip; ip, sp, fp, st, cx, mem);
    }
    /// The end of a block does nothing, the end of the function returns.
    op_end {
        if ip == (*cx).code_end {
            return_from!(ip, sp, fp, st, cx);
        }
    }
    op_return {
        return_from!(ip, sp, fp, st, cx);
    }
    br {
        branch!(st, ip; ip, sp, fp, st, cx, mem);
    }
    br_if {
        if pop::<bool>(&mut sp) {
            branch!(st, ip; ip, sp, fp, st, cx, mem);
        } else {
            skip(&mut ip);
            st = st.add(1);
        }
    }
    br_table {
        let origin = ip;
        let labels = read_u32(&mut ip);
        let index = pop::<u32>(&mut sp).min(labels);
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
        let index = pop::<u32>(&mut sp);
        let vmctx = (*cx).vmctx;
        let elements = *vmctx.add((*cx).layout.table(table) as usize).cast::<*const VmTable>();
        if u64::from(index) >= (*elements).len {
            return trap(at, sp, cx, TrapCode::TableOutOfBounds);
        }
        let element = *(*elements).elements.add(index as usize);
        let reference = if element == 0 { out::fill_element(cx, table, index) } else { element >> 1 };
        if reference == 0 {
            return trap(at, sp, cx, TrapCode::IndirectCallToNull);
        }
        let VmFuncRef { vmctx: callee_vmctx, function, type_id } = *(*vmctx.add(header::FUNC_REFS).cast::<*const VmFuncRef>()).add(reference as usize);
        if type_id != *(*vmctx.add(header::TYPE_IDS).cast::<*const u32>()).add(ty as usize) {
            return trap(at, sp, cx, TrapCode::BadSignature);
        }
        if P::RECORD {
            out::record_indirect(cx, (*st).keep, callee_vmctx, function);
        }
        st = st.add(1);
        call_function!(function, callee_vmctx; ip, sp, fp, st, cx, mem);
    }

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
    local_get {
        let index = read_u32(&mut ip);
        push(&mut sp, *fp.add(index as usize));
    }
    local_set {
        let index = read_u32(&mut ip);
        *fp.add(index as usize) = pop(&mut sp);
    }
    local_tee {
        let index = read_u32(&mut ip);
        *fp.add(index as usize) = *sp.sub(1);
    }
    global_get {
        let index = read_u32(&mut ip);
        push(&mut sp, *global(cx, index));
    }
    global_set {
        let index = read_u32(&mut ip);
        *global(cx, index) = pop(&mut sp);
    }
    i32_const {
        let value = read_i64(&mut ip) as i32;
        push(&mut sp, value);
    }
    i64_const {
        let value = read_i64(&mut ip);
        push(&mut sp, value);
    }
    f32_const {
        push(&mut sp, ip.cast::<u32>().read_unaligned());
        ip = ip.add(4);
    }
    f64_const {
        push(&mut sp, ip.cast::<u64>().read_unaligned());
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
        match out::table_get(cx, table, *sp.sub(1)) {
            Ok(reference) => *sp.sub(1) = reference,
            Err(code) => return trap(at, sp, cx, code),
        }
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
