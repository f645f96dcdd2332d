//! Handlers of arithmetic, comparisons and conversions: the operators by their names, over [`Slot`] types.

use super::cx::{Cx, Exit};
use super::dispatch::{Probe, Table};
use super::handlers::*;
use super::numeric::*;
use trjit_module::TrapCode;
use trjit_module::flat::SideTableEntry;

macro_rules! unary {
    ($(#[$meta:meta])* $($name:ident: $from:ty, |$x:ident| $e:expr;)*) => {
        handlers! { (ip, sp, fp, st, cx, mem); $($name {
            let slot = sp.sub(1);
            let $x = <$from>::from_slot(word!(slot));
            word!(slot) = Slot::to_slot($e);
        })* }
    };
}

macro_rules! binary {
    ($($name:ident: $from:ty, |$a:ident, $b:ident| $e:expr;)*) => {
        handlers! { (ip, sp, fp, st, cx, mem); $($name {
            let $b = <$from>::from_slot(word!(sp.sub(1)));
            let $a = <$from>::from_slot(word!(sp.sub(2)));
            sp = sp.sub(1);
            word!(sp.sub(1)) = Slot::to_slot($e);
        })* }
    };
}

/// As `binary`, where the expression is a `Result` whose error is a trap.
macro_rules! binary_trapping {
    ($($name:ident: $from:ty, |$a:ident, $b:ident| $e:expr;)*) => {
        handlers! { (ip, sp, fp, st, cx, mem); $($name {
            let $b = <$from>::from_slot(word!(sp.sub(1)));
            let $a = <$from>::from_slot(word!(sp.sub(2)));
            match $e {
                Ok(value) => { sp = sp.sub(1); word!(sp.sub(1)) = Slot::to_slot(value); }
                Err(code) => return trap(ip, sp, cx, code),
            }
        })* }
    };
}

macro_rules! unary_trapping {
    ($($name:ident: $from:ty, |$x:ident| $e:expr;)*) => {
        handlers! { (ip, sp, fp, st, cx, mem); $($name {
            let $x = <$from>::from_slot(word!(sp.sub(1)));
            match $e {
                Ok(value) => word!(sp.sub(1)) = Slot::to_slot(value),
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
