//! Lanes of integers: arithmetic, comparisons, and conversions between their widths.

use super::lanes::*;
use super::{Cx, Next, SimdOp, Wide};

/// The shifts of Rust that wrap take the count modulo the width, as WebAssembly does.
macro_rules! shift {
    ($vector:ty, |$x:ident, $by:ident| $result:expr) => {
        binary!(|vector: $vector, count: u32| {
            let $by = count;
            vector.map(|$x| $result)
        })
    };
}

/// The lanes of two vectors as `$to` with saturation.
macro_rules! narrow {
    ($from:ty, $to:ty, $wide:ty) => {
        binary!(|a: $from, b: $from| {
            let (low, high) = (<$wide>::from(<$to>::MIN), <$wide>::from(<$to>::MAX));
            std::array::from_fn::<$to, { 16 / size_of::<$to>() }, _>(|at| {
                let lane = if at < a.len() { a[at] } else { b[at - a.len()] };
                lane.clamp(low, high) as $to
            })
        })
    };
}

/// The lanes from `$first` on, in twice the width.
macro_rules! extend {
    ($from:ty, $to:ty, $first:literal) => {
        unary!(|x: $from| std::array::from_fn::<$to, { 16 / size_of::<$to>() }, _>(|at| <$to>::from(x[at + $first])))
    };
}

/// The products of the lanes from `$first` on, in twice the width.
macro_rules! multiply_extended {
    ($from:ty, $to:ty, $first:literal) => {
        binary!(|a: $from, b: $from| {
            std::array::from_fn::<$to, { 16 / size_of::<$to>() }, _>(|at| <$to>::from(a[at + $first]) * <$to>::from(b[at + $first]))
        })
    };
}

/// The sums of neighbours, in twice the width.
macro_rules! add_pairwise {
    ($from:ty, $to:ty) => {
        unary!(|x: $from| {
            std::array::from_fn::<$to, { 16 / size_of::<$to>() }, _>(|at| <$to>::from(x[2 * at]) + <$to>::from(x[2 * at + 1]))
        })
    };
}

/// A bit for each lane, lane 0 in the lowest.
fn bitmask<const N: usize>(lanes: [bool; N]) -> u32 {
    lanes.iter().rev().fold(0, |mask, &set| mask << 1 | u32::from(set))
}

/// The rounded product of fractions of 15 bits; only -1 times -1 saturates.
fn q15_multiply(a: i16, b: i16) -> i16 {
    let product = (i32::from(a) * i32::from(b) + 0x4000) >> 15;
    product.min(i32::from(i16::MAX)) as i16
}

fn dot(a: i16x8, b: i16x8) -> i32x4 {
    let products = zip(a, b, |a, b| i32::from(a) * i32::from(b));
    std::array::from_fn(|at| products[2 * at].wrapping_add(products[2 * at + 1]))
}

/// Relaxed: both operands signed, sums wrap.
fn dot_bytes(a: i8x16, b: i8x16) -> i16x8 {
    let products = zip(a, b, |a, b| i16::from(a) * i16::from(b));
    std::array::from_fn(|at| products[2 * at].wrapping_add(products[2 * at + 1]))
}

fn dot_bytes_add(a: i8x16, b: i8x16, c: i32x4) -> i32x4 {
    let sums = dot_bytes(a, b).map(i32::from);
    std::array::from_fn(|at| sums[2 * at].wrapping_add(sums[2 * at + 1]).wrapping_add(c[at]))
}

/// By number.
pub const OPS: &[(u16, SimdOp)] = &[
    (0x23, compare!(u8x16, u8, |a, b| a == b)),
    (0x24, compare!(u8x16, u8, |a, b| a != b)),
    (0x25, compare!(i8x16, u8, |a, b| a < b)),
    (0x26, compare!(u8x16, u8, |a, b| a < b)),
    (0x27, compare!(i8x16, u8, |a, b| a > b)),
    (0x28, compare!(u8x16, u8, |a, b| a > b)),
    (0x29, compare!(i8x16, u8, |a, b| a <= b)),
    (0x2a, compare!(u8x16, u8, |a, b| a <= b)),
    (0x2b, compare!(i8x16, u8, |a, b| a >= b)),
    (0x2c, compare!(u8x16, u8, |a, b| a >= b)),
    (0x2d, compare!(u16x8, u16, |a, b| a == b)),
    (0x2e, compare!(u16x8, u16, |a, b| a != b)),
    (0x2f, compare!(i16x8, u16, |a, b| a < b)),
    (0x30, compare!(u16x8, u16, |a, b| a < b)),
    (0x31, compare!(i16x8, u16, |a, b| a > b)),
    (0x32, compare!(u16x8, u16, |a, b| a > b)),
    (0x33, compare!(i16x8, u16, |a, b| a <= b)),
    (0x34, compare!(u16x8, u16, |a, b| a <= b)),
    (0x35, compare!(i16x8, u16, |a, b| a >= b)),
    (0x36, compare!(u16x8, u16, |a, b| a >= b)),
    (0x37, compare!(u32x4, u32, |a, b| a == b)),
    (0x38, compare!(u32x4, u32, |a, b| a != b)),
    (0x39, compare!(i32x4, u32, |a, b| a < b)),
    (0x3a, compare!(u32x4, u32, |a, b| a < b)),
    (0x3b, compare!(i32x4, u32, |a, b| a > b)),
    (0x3c, compare!(u32x4, u32, |a, b| a > b)),
    (0x3d, compare!(i32x4, u32, |a, b| a <= b)),
    (0x3e, compare!(u32x4, u32, |a, b| a <= b)),
    (0x3f, compare!(i32x4, u32, |a, b| a >= b)),
    (0x40, compare!(u32x4, u32, |a, b| a >= b)),
    (0x60, each!(i8x16, |x| x.wrapping_abs())),
    (0x61, each!(i8x16, |x| x.wrapping_neg())),
    (0x62, each!(u8x16, |x| x.count_ones() as u8)),
    (0x63, unary!(|x: i8x16| x.iter().all(|&lane| lane != 0))),
    (0x64, unary!(|x: i8x16| bitmask(x.map(|lane| lane < 0)))),
    (0x65, narrow!(i16x8, i8, i16)),
    (0x66, narrow!(i16x8, u8, i16)),
    (0x6b, shift!(u8x16, |x, by| x.wrapping_shl(by))),
    (0x6c, shift!(i8x16, |x, by| x.wrapping_shr(by))),
    (0x6d, shift!(u8x16, |x, by| x.wrapping_shr(by))),
    (0x6e, each!(u8x16, |a, b| a.wrapping_add(b))),
    (0x6f, each!(i8x16, |a, b| a.saturating_add(b))),
    (0x70, each!(u8x16, |a, b| a.saturating_add(b))),
    (0x71, each!(u8x16, |a, b| a.wrapping_sub(b))),
    (0x72, each!(i8x16, |a, b| a.saturating_sub(b))),
    (0x73, each!(u8x16, |a, b| a.saturating_sub(b))),
    (0x76, each!(i8x16, |a, b| a.min(b))),
    (0x77, each!(u8x16, |a, b| a.min(b))),
    (0x78, each!(i8x16, |a, b| a.max(b))),
    (0x79, each!(u8x16, |a, b| a.max(b))),
    (0x7b, each!(u8x16, |a, b| (((u16::from(a)) + u16::from(b) + 1) >> 1) as u8)),
    (0x7c, add_pairwise!(i8x16, i16)),
    (0x7d, add_pairwise!(u8x16, u16)),
    (0x7e, add_pairwise!(i16x8, i32)),
    (0x7f, add_pairwise!(u16x8, u32)),
    (0x80, each!(i16x8, |x| x.wrapping_abs())),
    (0x81, each!(i16x8, |x| x.wrapping_neg())),
    (0x82, each!(i16x8, |a, b| q15_multiply(a, b))),
    (0x83, unary!(|x: i16x8| x.iter().all(|&lane| lane != 0))),
    (0x84, unary!(|x: i16x8| bitmask(x.map(|lane| lane < 0)))),
    (0x85, narrow!(i32x4, i16, i32)),
    (0x86, narrow!(i32x4, u16, i32)),
    (0x87, extend!(i8x16, i16, 0)),
    (0x88, extend!(i8x16, i16, 8)),
    (0x89, extend!(u8x16, u16, 0)),
    (0x8a, extend!(u8x16, u16, 8)),
    (0x8b, shift!(u16x8, |x, by| x.wrapping_shl(by))),
    (0x8c, shift!(i16x8, |x, by| x.wrapping_shr(by))),
    (0x8d, shift!(u16x8, |x, by| x.wrapping_shr(by))),
    (0x8e, each!(u16x8, |a, b| a.wrapping_add(b))),
    (0x8f, each!(i16x8, |a, b| a.saturating_add(b))),
    (0x90, each!(u16x8, |a, b| a.saturating_add(b))),
    (0x91, each!(u16x8, |a, b| a.wrapping_sub(b))),
    (0x92, each!(i16x8, |a, b| a.saturating_sub(b))),
    (0x93, each!(u16x8, |a, b| a.saturating_sub(b))),
    (0x95, each!(u16x8, |a, b| a.wrapping_mul(b))),
    (0x96, each!(i16x8, |a, b| a.min(b))),
    (0x97, each!(u16x8, |a, b| a.min(b))),
    (0x98, each!(i16x8, |a, b| a.max(b))),
    (0x99, each!(u16x8, |a, b| a.max(b))),
    (0x9b, each!(u16x8, |a, b| (((u32::from(a)) + u32::from(b) + 1) >> 1) as u16)),
    (0x9c, multiply_extended!(i8x16, i16, 0)),
    (0x9d, multiply_extended!(i8x16, i16, 8)),
    (0x9e, multiply_extended!(u8x16, u16, 0)),
    (0x9f, multiply_extended!(u8x16, u16, 8)),
    (0xa0, each!(i32x4, |x| x.wrapping_abs())),
    (0xa1, each!(i32x4, |x| x.wrapping_neg())),
    (0xa3, unary!(|x: i32x4| x.iter().all(|&lane| lane != 0))),
    (0xa4, unary!(|x: i32x4| bitmask(x.map(|lane| lane < 0)))),
    (0xa7, extend!(i16x8, i32, 0)),
    (0xa8, extend!(i16x8, i32, 4)),
    (0xa9, extend!(u16x8, u32, 0)),
    (0xaa, extend!(u16x8, u32, 4)),
    (0xab, shift!(u32x4, |x, by| x.wrapping_shl(by))),
    (0xac, shift!(i32x4, |x, by| x.wrapping_shr(by))),
    (0xad, shift!(u32x4, |x, by| x.wrapping_shr(by))),
    (0xae, each!(u32x4, |a, b| a.wrapping_add(b))),
    (0xb1, each!(u32x4, |a, b| a.wrapping_sub(b))),
    (0xb5, each!(u32x4, |a, b| a.wrapping_mul(b))),
    (0xb6, each!(i32x4, |a, b| a.min(b))),
    (0xb7, each!(u32x4, |a, b| a.min(b))),
    (0xb8, each!(i32x4, |a, b| a.max(b))),
    (0xb9, each!(u32x4, |a, b| a.max(b))),
    (0xba, binary!(|a: i16x8, b: i16x8| dot(a, b))),
    (0xbc, multiply_extended!(i16x8, i32, 0)),
    (0xbd, multiply_extended!(i16x8, i32, 4)),
    (0xbe, multiply_extended!(u16x8, u32, 0)),
    (0xbf, multiply_extended!(u16x8, u32, 4)),
    (0xc0, each!(i64x2, |x| x.wrapping_abs())),
    (0xc1, each!(i64x2, |x| x.wrapping_neg())),
    (0xc3, unary!(|x: i64x2| x.iter().all(|&lane| lane != 0))),
    (0xc4, unary!(|x: i64x2| bitmask(x.map(|lane| lane < 0)))),
    (0xc7, extend!(i32x4, i64, 0)),
    (0xc8, extend!(i32x4, i64, 2)),
    (0xc9, extend!(u32x4, u64, 0)),
    (0xca, extend!(u32x4, u64, 2)),
    (0xcb, shift!(u64x2, |x, by| x.wrapping_shl(by))),
    (0xcc, shift!(i64x2, |x, by| x.wrapping_shr(by))),
    (0xcd, shift!(u64x2, |x, by| x.wrapping_shr(by))),
    (0xce, each!(u64x2, |a, b| a.wrapping_add(b))),
    (0xd1, each!(u64x2, |a, b| a.wrapping_sub(b))),
    (0xd5, each!(u64x2, |a, b| a.wrapping_mul(b))),
    (0xd6, compare!(i64x2, u64, |a, b| a == b)),
    (0xd7, compare!(i64x2, u64, |a, b| a != b)),
    (0xd8, compare!(i64x2, u64, |a, b| a < b)),
    (0xd9, compare!(i64x2, u64, |a, b| a > b)),
    (0xda, compare!(i64x2, u64, |a, b| a <= b)),
    (0xdb, compare!(i64x2, u64, |a, b| a >= b)),
    (0xdc, multiply_extended!(i32x4, i64, 0)),
    (0xdd, multiply_extended!(i32x4, i64, 2)),
    (0xde, multiply_extended!(u32x4, u64, 0)),
    (0xdf, multiply_extended!(u32x4, u64, 2)),
    (0x111, each!(i16x8, |a, b| q15_multiply(a, b))),
    (0x112, binary!(|a: i8x16, b: i8x16| dot_bytes(a, b))),
    (0x113, ternary!(|a: i8x16, b: i8x16, c: i32x4| dot_bytes_add(a, b, c))),
];
