//! The handlers, one an opcode, and the operand stack's accessors.

use super::cx::{Cx, DONE, Exit, Frame, OSR, TRAP};
use super::dispatch::{Probe, Table};
use super::leb::{read_i32, read_i64, read_u32, skip, small};
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

/// Defines handlers of instructions whose immediate is an unsigned number: the first name for one byte, the second one for more.
macro_rules! indexed {
    (($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident);
     $($(#[$meta:meta])* $name:ident, $wide:ident: |$at:ident, $index:ident| $body:block)*) => {
        handlers! { ($ip, $sp, $fp, $st, $cx, $mem); $(
            $(#[$meta])*
            $name {
                let $at = $ip;
                let $index = u32::from(*$ip);
                if $index >= 0x80 {
                    return $wide::<P>($ip, $sp, $fp, $st, $cx, $mem);
                }
                $ip = $ip.add(1);
                $body
            }
            #[inline(never)]
            $wide {
                let $at = $ip;
                let $index = read_u32(&mut $ip);
                $body
            }
        )* }
    };
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
pub(super) unsafe fn pop<T: Slot>(sp: &mut *mut u64) -> T {
    // SAFETY: by contract.
    unsafe {
        *sp = sp.sub(1);
        T::from_slot(**sp)
    }
}

/// # Safety
/// The frame has room, as validation computed.
#[inline(always)]
pub(super) unsafe fn push<T: Slot>(sp: &mut *mut u64, value: T) {
    // SAFETY: by contract.
    unsafe {
        **sp = value.to_slot();
        *sp = sp.add(1);
    }
}

/// Ends the run with a trap at `ip`.
#[cold]
#[inline(never)]
pub(super) unsafe fn trap(ip: *const u8, sp: *mut u64, cx: *mut Cx, code: TrapCode) -> Exit {
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

/// A value at any address. Unlike `read_unaligned`, which with debug assertions copies through a local variable whose address it hands on,
/// an access to the field lets the handler's last call be a jump.
#[repr(C, packed)]
pub(super) struct Unaligned<T>(pub T);

/// Memory instructions: the immediate is the offset; the alignment before it is stepped over.
macro_rules! memory {
    (($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident); $($name:ident, $wide:ident: |$at:ident, $offset:ident| $body:block)*) => {
        handlers! { ($ip, $sp, $fp, $st, $cx, $mem); $(
            $name {
                let $at = $ip;
                let $offset = u64::from(*$ip.add(1));
                if (*$ip | *$ip.add(1)) >= 0x80 {
                    return $wide::<P>($ip, $sp, $fp, $st, $cx, $mem);
                }
                $ip = $ip.add(2);
                $body
            }
            #[inline(never)]
            $wide {
                let $at = $ip;
                skip(&mut $ip);
                let $offset = u64::from(read_u32(&mut $ip));
                $body
            }
        )* }
    };
}

macro_rules! load {
    ($($name:ident, $wide:ident: $memory:ty => $slot:ty;)*) => {
        memory! { (ip, sp, fp, st, cx, mem); $($name, $wide: |at, offset| {
            let address = u64::from(u32::from_slot(*sp.sub(1))) + offset;
            if address + size_of::<$memory>() as u64 > (*cx).mem_len {
                return trap(at, sp, cx, TrapCode::MemoryOutOfBounds);
            }
            let value = (*mem.add(address as usize).cast::<Unaligned<$memory>>()).0;
            *sp.sub(1) = Slot::to_slot(value as $slot);
        })* }
    };
}

macro_rules! store {
    ($($name:ident, $wide:ident: $slot:ty => $memory:ty;)*) => {
        memory! { (ip, sp, fp, st, cx, mem); $($name, $wide: |at, offset| {
            let address = u64::from(u32::from_slot(*sp.sub(2))) + offset;
            if address + size_of::<$memory>() as u64 > (*cx).mem_len {
                return trap(at, sp, cx, TrapCode::MemoryOutOfBounds);
            }
            sp = sp.sub(2);
            (*mem.add(address as usize).cast::<Unaligned<$memory>>()).0 = <$slot>::from_slot(*sp.add(1)) as $memory;
        })* }
    };
}

load! {
    i32_load, i32_load_wide: u32 => u32;
    i64_load, i64_load_wide: u64 => u64;
    i32_load8_s, i32_load8_s_wide: i8 => i32;
    i32_load8_u, i32_load8_u_wide: u8 => u32;
    i32_load16_s, i32_load16_s_wide: i16 => i32;
    i32_load16_u, i32_load16_u_wide: u16 => u32;
    i64_load8_s, i64_load8_s_wide: i8 => i64;
    i64_load8_u, i64_load8_u_wide: u8 => u64;
    i64_load16_s, i64_load16_s_wide: i16 => i64;
    i64_load16_u, i64_load16_u_wide: u16 => u64;
    i64_load32_s, i64_load32_s_wide: i32 => i64;
    i64_load32_u, i64_load32_u_wide: u32 => u64;
}

store! {
    i32_store, i32_store_wide: u32 => u32;
    i64_store, i64_store_wide: u64 => u64;
    i32_store8, i32_store8_wide: u32 => u8;
    i32_store16, i32_store16_wide: u32 => u16;
    i64_store8, i64_store8_wide: u64 => u8;
    i64_store16, i64_store16_wide: u64 => u16;
    i64_store32, i64_store32_wide: u64 => u32;
}

/// Counts a back-edge; true where the loop shall be left for compiled code or the guest shall stop.
///
/// # Safety
/// `cx` is the running activation's.
#[inline(always)]
pub(super) unsafe fn back_edge_is_hot<P: Probe>(cx: *mut Cx) -> bool {
    // SAFETY: by contract; the running function is a defined one.
    unsafe {
        let mut hot = false;
        if !P::RECORD {
            let counter = (*cx).hotness.add(((*cx).function - (*cx).imported_functions) as usize);
            let count = (*counter).wrapping_add(1);
            *counter = count;
            hot = count >= (*cx).loop_threshold;
        }
        hot || (*(*cx).vm_store).interrupt != 0
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
            let counter = (*$cx).branches.offset(entry.offset_from((*$cx).side_table));
            *counter = (*counter).wrapping_add(1);
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
        if P::RECORD {
            (*$cx).code_end = (*$cx).end_of_function();
        }
    }};
}

/// Goes on in the caller's frame, the results being in place, or ends the activation.
macro_rules! leave_frame {
    ($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident) => {{
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
        if !interpreted {
            (*$cx).callee = callee;
            (*$cx).callee_vmctx = vmctx;
            return call_outside::<P>($ip, $sp, $fp, $st, $cx, $mem);
        }
        let defined = (callee - (*$cx).imported_functions) as usize;
        let first_or_hot = if P::RECORD {
            let entries = (*$cx).entries.add(defined);
            *entries = (*entries).wrapping_add(1);
            *entries == 1
        } else {
            let hot = (*$cx).hotness.add(defined);
            let before = *hot;
            *hot = before.wrapping_add(1);
            // One comparison for both: 0 wraps.
            before.wrapping_sub(1) >= (*$cx).hot_after
        };
        if first_or_hot {
            (*$cx).callee = callee;
            return enter_first_or_hot::<P>($ip, $sp, $fp, $st, $cx, $mem);
        }
        return enter::<P>($ip, $sp, $fp, $st, $cx, callee as usize as *mut u8);
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
        if frame_slots as usize >= ((*$cx).stack_end as usize - frame_start as usize) >> 3 || (*$cx).frame_top == (*$cx).frame_end {
            return trap($ip, $sp, $cx, TrapCode::StackOverflow);
        }
        let frame = (*$cx).frame_top;
        *frame = Frame { ip: $ip, fp: $fp, st: $st, function: (*$cx).function };
        (*$cx).frame_top = frame.add(1);
        run_function!($cx, callee);
        let operands = frame_start.add(locals as usize);
        // Volatile, since a call of memset would cost the handler a prologue.
        while $sp < operands {
            $sp.write_volatile(0);
            $sp.add(1).write_volatile(0);
            $sp = $sp.add(2);
        }
        $fp = frame_start;
        $sp = operands;
        $ip = (*$cx).code.add(code_start as usize);
        $st = (*$cx).side_table.add(side_table_start as usize);
    }};
}

/// Calls the function with this reference, which is not null; `$at` stands behind the opcode.
macro_rules! call_reference {
    ($reference:expr, $ty:expr, $at:expr; $ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident) => {{
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
        call_function!(function, callee_vmctx; $ip, $sp, $fp, $st, $cx, $mem);
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
pub(super) unsafe fn hot_loop<P: Probe>(
    ip: *const u8,
    sp: *mut u64,
    fp: *mut u64,
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
        if !P::RECORD && out::osr_code_ready(cx) {
            return OSR;
        }
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
            let counter = (*cx).branches.offset(st.offset_from((*cx).side_table));
            *counter = (*counter).wrapping_add(1);
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
        sp = (*cx).sp;
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
        if P::RECORD {
            out::record_first_entry(cx, callee);
        } else {
            out::function_is_new_or_hot(cx, callee);
        }
        enter_function!(callee; ip, sp, fp, st, cx);
    }
    /// An indirect call by a table element that is to be filled first; `ip` stands behind the opcode.
    #[cold]
    #[inline(never)]
    call_indirect_unfilled {
        let at = ip;
        let ty = read_u32(&mut ip);
        let table = read_u32(&mut ip);
        let index = pop::<u32>(&mut sp);
        let reference = out::fill_element(cx, table, index);
        if reference == 0 {
            return trap(at, sp, cx, TrapCode::IndirectCallToNull);
        }
        call_reference!(reference, ty, at; ip, sp, fp, st, cx, mem);
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

pub(super) use {branch, handlers};

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
    /// So many of them at once, in the quickened copy.
    blocks {
        ip = ip.add(2 * usize::from(*ip) - 1);
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
    /// The end of a block does nothing, the end of the function returns; in the quickened copy that has an opcode of its own.
    op_end {
        if P::RECORD && ip == (*cx).code_end {
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
        if element == 0 {
            return call_indirect_unfilled::<P>(at, sp.add(1), fp, st, cx, mem);
        }
        let reference = element >> 1;
        if reference == 0 {
            return trap(at, sp, cx, TrapCode::IndirectCallToNull);
        }
        call_reference!(reference, ty, at; ip, sp, fp, st, cx, mem);
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
