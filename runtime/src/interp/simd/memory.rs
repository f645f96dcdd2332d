//! Loads and stores of vectors, and of single lanes of them.

use super::lanes::*;
use super::{Cx, Next, SimdOp, Wide};
use crate::interp::memarg::{MemArg, trapped};
use trjit_module::TrapCode;

/// The address of an access of `$size` bytes whose index is operand `$depth` from the top, and its immediates behind `$ip`; leaves the instruction where it is out of
/// bounds.
macro_rules! reach {
    ($ip:ident, $sp:ident, $cx:ident, $depth:literal, $size:expr) => {{
        let at = MemArg::read(&mut $ip).locate($cx, read($sp.sub($depth)), $size);
        if at.is_null() {
            return trapped($sp, $cx, TrapCode::MemoryOutOfBounds);
        }
        at
    }};
}

/// A load of `$memory`, of which the expression makes a vector.
macro_rules! load {
    ($memory:ty => |$value:ident| $vector:expr) => {{
        unsafe fn op(mut ip: *const u8, sp: *mut Wide, cx: *mut Cx) -> Next<Wide> {
            // SAFETY: validation has proved operand and immediates; `locate` checks the range.
            unsafe {
                let at = reach!(ip, sp, cx, 1, size_of::<$memory>() as u64);
                let $value = at.cast::<$memory>().read_unaligned();
                write(sp.sub(1), $vector);
                Next { ip, sp }
            }
        }
        op as SimdOp
    }};
}

/// A load into the lane whose number follows the immediates of the access.
macro_rules! load_lane {
    ($vector:ty, $lane:ty) => {{
        unsafe fn op(mut ip: *const u8, sp: *mut Wide, cx: *mut Cx) -> Next<Wide> {
            // SAFETY: validation has proved operands and immediates; `locate` checks the range.
            unsafe {
                let at = reach!(ip, sp, cx, 2, size_of::<$lane>() as u64);
                let mut vector: $vector = read(sp.sub(1));
                vector[usize::from(*ip)] = at.cast::<$lane>().read_unaligned();
                write(sp.sub(2), vector);
                Next { ip: ip.add(1), sp: sp.sub(1) }
            }
        }
        op as SimdOp
    }};
}

/// A store of the lane whose number follows the immediates of the access.
macro_rules! store_lane {
    ($vector:ty, $lane:ty) => {{
        unsafe fn op(mut ip: *const u8, sp: *mut Wide, cx: *mut Cx) -> Next<Wide> {
            // SAFETY: as for loads.
            unsafe {
                let at = reach!(ip, sp, cx, 2, size_of::<$lane>() as u64);
                let vector: $vector = read(sp.sub(1));
                at.cast::<$lane>().write_unaligned(vector[usize::from(*ip)]);
                Next { ip: ip.add(1), sp: sp.sub(2) }
            }
        }
        op as SimdOp
    }};
}

unsafe fn store(mut ip: *const u8, sp: *mut Wide, cx: *mut Cx) -> Next<Wide> {
    // SAFETY: validation has proved operands and immediates; `locate` checks the range.
    unsafe {
        let at = reach!(ip, sp, cx, 2, 16);
        at.cast::<Wide>().write_unaligned(*sp.sub(1));
        Next { ip, sp: sp.sub(2) }
    }
}

/// By number.
pub const OPS: &[(u16, SimdOp)] = &[
    (0x00, load!(u128 => |x| x)),
    (0x01, load!([i8; 8] => |x| x.map(i16::from))),
    (0x02, load!([u8; 8] => |x| x.map(u16::from))),
    (0x03, load!([i16; 4] => |x| x.map(i32::from))),
    (0x04, load!([u16; 4] => |x| x.map(u32::from))),
    (0x05, load!([i32; 2] => |x| x.map(i64::from))),
    (0x06, load!([u32; 2] => |x| x.map(u64::from))),
    (0x07, load!(u8 => |x| [x; 16])),
    (0x08, load!(u16 => |x| [x; 8])),
    (0x09, load!(u32 => |x| [x; 4])),
    (0x0a, load!(u64 => |x| [x; 2])),
    (0x0b, store),
    (0x54, load_lane!(u8x16, u8)),
    (0x55, load_lane!(u16x8, u16)),
    (0x56, load_lane!(u32x4, u32)),
    (0x57, load_lane!(u64x2, u64)),
    (0x58, store_lane!(u8x16, u8)),
    (0x59, store_lane!(u16x8, u16)),
    (0x5a, store_lane!(u32x4, u32)),
    (0x5b, store_lane!(u64x2, u64)),
    (0x5c, load!(u32 => |x| u128::from(x))),
    (0x5d, load!(u64 => |x| u128::from(x))),
];
