//! Lanes of floats: arithmetic, comparisons, conversions from and to integers.

use super::lanes::*;
use super::{Cx, Next, SimdOp, Wide};
use crate::interp::numeric::*;

/// `a * b + c` with two roundings; `$sign` of the product.
macro_rules! multiply_add {
    ($vector:ty, $product:ident => $signed:expr) => {
        ternary!(|a: $vector, b: $vector, c: $vector| zip(
            zip(a, b, |a, b| {
                let $product = a * b;
                $signed
            }),
            c,
            |product, c| product + c
        ))
    };
}

fn trunc_sat_low_s([a, b]: f64x2) -> i32x4 {
    [a as i32, b as i32, 0, 0]
}

fn trunc_sat_low_u([a, b]: f64x2) -> u32x4 {
    [a as u32, b as u32, 0, 0]
}

/// By number.
pub const OPS: &[(u16, SimdOp)] = &[
    (0x41, compare!(f32x4, u32, |a, b| a == b)),
    (0x42, compare!(f32x4, u32, |a, b| a != b)),
    (0x43, compare!(f32x4, u32, |a, b| a < b)),
    (0x44, compare!(f32x4, u32, |a, b| a > b)),
    (0x45, compare!(f32x4, u32, |a, b| a <= b)),
    (0x46, compare!(f32x4, u32, |a, b| a >= b)),
    (0x47, compare!(f64x2, u64, |a, b| a == b)),
    (0x48, compare!(f64x2, u64, |a, b| a != b)),
    (0x49, compare!(f64x2, u64, |a, b| a < b)),
    (0x4a, compare!(f64x2, u64, |a, b| a > b)),
    (0x4b, compare!(f64x2, u64, |a, b| a <= b)),
    (0x4c, compare!(f64x2, u64, |a, b| a >= b)),
    (0x5e, unary!(|x: f64x2| [x[0] as f32, x[1] as f32, 0.0, 0.0])),
    (0x5f, unary!(|x: f32x4| [f64::from(x[0]), f64::from(x[1])])),
    (0x67, each!(f32x4, |x| f32_ceil(x))),
    (0x68, each!(f32x4, |x| f32_floor(x))),
    (0x69, each!(f32x4, |x| f32_trunc(x))),
    (0x6a, each!(f32x4, |x| f32_nearest(x))),
    (0x74, each!(f64x2, |x| f64_ceil(x))),
    (0x75, each!(f64x2, |x| f64_floor(x))),
    (0x7a, each!(f64x2, |x| f64_trunc(x))),
    (0x94, each!(f64x2, |x| f64_nearest(x))),
    (0xe0, each!(u32x4, |x| x & 0x7fff_ffff)),
    (0xe1, each!(u32x4, |x| x ^ 0x8000_0000)),
    (0xe3, each!(f32x4, |x| x.sqrt())),
    (0xe4, each!(f32x4, |a, b| a + b)),
    (0xe5, each!(f32x4, |a, b| a - b)),
    (0xe6, each!(f32x4, |a, b| a * b)),
    (0xe7, each!(f32x4, |a, b| a / b)),
    (0xe8, each!(f32x4, |a, b| f32_min(a, b))),
    (0xe9, each!(f32x4, |a, b| f32_max(a, b))),
    (0xea, each!(f32x4, |a, b| if b < a { b } else { a })),
    (0xeb, each!(f32x4, |a, b| if a < b { b } else { a })),
    (0xec, each!(u64x2, |x| x & !(1 << 63))),
    (0xed, each!(u64x2, |x| x ^ 1 << 63)),
    (0xef, each!(f64x2, |x| x.sqrt())),
    (0xf0, each!(f64x2, |a, b| a + b)),
    (0xf1, each!(f64x2, |a, b| a - b)),
    (0xf2, each!(f64x2, |a, b| a * b)),
    (0xf3, each!(f64x2, |a, b| a / b)),
    (0xf4, each!(f64x2, |a, b| f64_min(a, b))),
    (0xf5, each!(f64x2, |a, b| f64_max(a, b))),
    (0xf6, each!(f64x2, |a, b| if b < a { b } else { a })),
    (0xf7, each!(f64x2, |a, b| if a < b { b } else { a })),
    // `as` saturates, and makes 0 of NaN.
    (0xf8, each!(f32x4, |x| x as i32)),
    (0xf9, each!(f32x4, |x| x as u32)),
    (0xfa, each!(i32x4, |x| x as f32)),
    (0xfb, each!(u32x4, |x| x as f32)),
    (0xfc, unary!(|x: f64x2| trunc_sat_low_s(x))),
    (0xfd, unary!(|x: f64x2| trunc_sat_low_u(x))),
    (0xfe, unary!(|x: i32x4| [f64::from(x[0]), f64::from(x[1])])),
    (0xff, unary!(|x: u32x4| [f64::from(x[0]), f64::from(x[1])])),
    // Relaxed: truncations, multiply-add, min and max.
    (0x101, each!(f32x4, |x| x as i32)),
    (0x102, each!(f32x4, |x| x as u32)),
    (0x103, unary!(|x: f64x2| trunc_sat_low_s(x))),
    (0x104, unary!(|x: f64x2| trunc_sat_low_u(x))),
    (0x105, multiply_add!(f32x4, product => product)),
    (0x106, multiply_add!(f32x4, product => -product)),
    (0x107, multiply_add!(f64x2, product => product)),
    (0x108, multiply_add!(f64x2, product => -product)),
    (0x10d, each!(f32x4, |a, b| f32_min(a, b))),
    (0x10e, each!(f32x4, |a, b| f32_max(a, b))),
    (0x10f, each!(f64x2, |a, b| f64_min(a, b))),
    (0x110, each!(f64x2, |a, b| f64_max(a, b))),
];
