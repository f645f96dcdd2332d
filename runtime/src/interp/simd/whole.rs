//! Whole vectors and single lanes: constants, shuffles, splats, lanes in and out, bitwise operations.

use super::lanes::*;
use super::{Cx, Next, SimdOp, Wide};

/// A lane, whose number is the immediate, as a scalar.
macro_rules! extract {
    ($vector:ty => |$lane:ident| $scalar:expr) => {{
        unsafe fn op(ip: *const u8, sp: *mut Wide, _: *mut Cx) -> Next<Wide> {
            // SAFETY: validation has proved the operand and the lane's number.
            unsafe {
                let vector: $vector = read(sp.sub(1));
                let $lane = vector[usize::from(*ip)];
                write(sp.sub(1), $scalar);
                Next { ip: ip.add(1), sp }
            }
        }
        op as SimdOp
    }};
}

/// A vector with a scalar put into the lane whose number is the immediate.
macro_rules! replace {
    ($vector:ty => |$scalar:ident: $ty:ty| $lane:expr) => {{
        unsafe fn op(ip: *const u8, sp: *mut Wide, _: *mut Cx) -> Next<Wide> {
            // SAFETY: validation has proved the operands and the lane's number.
            unsafe {
                let mut vector: $vector = read(sp.sub(2));
                let $scalar: $ty = read(sp.sub(1));
                vector[usize::from(*ip)] = $lane;
                write(sp.sub(2), vector);
                Next { ip: ip.add(1), sp: sp.sub(1) }
            }
        }
        op as SimdOp
    }};
}

unsafe fn constant(ip: *const u8, sp: *mut Wide, _: *mut Cx) -> Next<Wide> {
    // SAFETY: 16 bytes follow the number, and validation has made room for one more operand.
    unsafe {
        write(sp, ip.cast::<u128>().read_unaligned());
        Next { ip: ip.add(16), sp: sp.add(1) }
    }
}

unsafe fn shuffle(ip: *const u8, sp: *mut Wide, _: *mut Cx) -> Next<Wide> {
    // SAFETY: 16 lane numbers below 32 follow; validation has proved the operands.
    unsafe {
        let (a, b): (u8x16, u8x16) = (read(sp.sub(2)), read(sp.sub(1)));
        let lanes = *ip.cast::<u8x16>();
        let byte = |lane: usize| if lane < 16 { a[lane] } else { b[lane & 15] };
        write(sp.sub(2), lanes.map(|lane| byte(usize::from(lane))));
        Next { ip: ip.add(16), sp: sp.sub(1) }
    }
}

fn swizzle(a: u8x16, lanes: u8x16) -> u8x16 {
    lanes.map(|lane| a.get(usize::from(lane)).copied().unwrap_or(0))
}

fn select(a: u128, b: u128, mask: u128) -> u128 {
    a & mask | b & !mask
}

/// By number.
pub const OPS: &[(u16, SimdOp)] = &[
    (0x0c, constant),
    (0x0d, shuffle),
    (0x0e, binary!(|a: u8x16, b: u8x16| swizzle(a, b))),
    (0x0f, unary!(|x: u32| [x as u8; 16])),
    (0x10, unary!(|x: u32| [x as u16; 8])),
    (0x11, unary!(|x: u32| [x; 4])),
    (0x12, unary!(|x: u64| [x; 2])),
    (0x13, unary!(|x: u32| [x; 4])),
    (0x14, unary!(|x: u64| [x; 2])),
    (0x15, extract!(i8x16 => |lane| i32::from(lane))),
    (0x16, extract!(u8x16 => |lane| u32::from(lane))),
    (0x17, replace!(u8x16 => |x: u32| x as u8)),
    (0x18, extract!(i16x8 => |lane| i32::from(lane))),
    (0x19, extract!(u16x8 => |lane| u32::from(lane))),
    (0x1a, replace!(u16x8 => |x: u32| x as u16)),
    (0x1b, extract!(u32x4 => |lane| lane)),
    (0x1c, replace!(u32x4 => |x: u32| x)),
    (0x1d, extract!(u64x2 => |lane| lane)),
    (0x1e, replace!(u64x2 => |x: u64| x)),
    (0x1f, extract!(u32x4 => |lane| lane)),
    (0x20, replace!(u32x4 => |x: u32| x)),
    (0x21, extract!(u64x2 => |lane| lane)),
    (0x22, replace!(u64x2 => |x: u64| x)),
    (0x4d, unary!(|x: u128| !x)),
    (0x4e, binary!(|a: u128, b: u128| a & b)),
    (0x4f, binary!(|a: u128, b: u128| a & !b)),
    (0x50, binary!(|a: u128, b: u128| a | b)),
    (0x51, binary!(|a: u128, b: u128| a ^ b)),
    (0x52, ternary!(|a: u128, b: u128, mask: u128| select(a, b, mask))),
    (0x53, unary!(|x: u128| x != 0)),
    // Relaxed: swizzle, lane selects.
    (0x100, binary!(|a: u8x16, b: u8x16| swizzle(a, b))),
    (0x109, ternary!(|a: u128, b: u128, mask: u128| select(a, b, mask))),
    (0x10a, ternary!(|a: u128, b: u128, mask: u128| select(a, b, mask))),
    (0x10b, ternary!(|a: u128, b: u128, mask: u128| select(a, b, mask))),
    (0x10c, ternary!(|a: u128, b: u128, mask: u128| select(a, b, mask))),
];
