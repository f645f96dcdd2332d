//! A vector as lanes, lane 0 in the lowest bytes, and the macros that make an instruction of an expression over lanes.

/// An array of lanes that fills a vector, or a scalar that fills (the low part of) a slot.
pub trait Lanes: Copy {
    fn of(bits: u128) -> Self;
    fn bits(self) -> u128;
}

macro_rules! vectors {
    ($($name:ident = [$lane:ty; $count:literal];)*) => {$(
        #[allow(non_camel_case_types, reason = "named as WebAssembly does")]
        pub type $name = [$lane; $count];

        impl Lanes for $name {
            #[inline(always)]
            fn of(bits: u128) -> $name { zerocopy::transmute!(bits) }
            #[inline(always)]
            fn bits(self) -> u128 { zerocopy::transmute!(self) }
        }
    )*};
}

vectors! {
    i8x16 = [i8; 16];
    u8x16 = [u8; 16];
    i16x8 = [i16; 8];
    u16x8 = [u16; 8];
    i32x4 = [i32; 4];
    u32x4 = [u32; 4];
    i64x2 = [i64; 2];
    u64x2 = [u64; 2];
    f32x4 = [f32; 4];
    f64x2 = [f64; 2];
}

impl Lanes for u128 {
    #[inline(always)]
    fn of(bits: u128) -> u128 {
        bits
    }

    #[inline(always)]
    fn bits(self) -> u128 {
        self
    }
}

macro_rules! scalars {
    ($($ty:ty: $bits:ident => $from:expr, $value:ident => $to:expr;)*) => {$(
        impl Lanes for $ty {
            #[inline(always)]
            fn of($bits: u128) -> $ty { $from }
            #[inline(always)]
            fn bits(self) -> u128 { let $value = self; u128::from($to) }
        }
    )*};
}

scalars! {
    u32: bits => bits as u32, value => value;
    u64: bits => bits as u64, value => value;
    i32: bits => bits as i32, value => value as u32;
    f32: bits => f32::from_bits(bits as u32), value => value.to_bits();
    f64: bits => f64::from_bits(bits as u64), value => value.to_bits();
    bool: bits => bits as u32 != 0, value => u32::from(value);
}

/// The value of a slot.
///
/// # Safety
/// The slot is part of the operand stack.
#[inline(always)]
pub unsafe fn read<T: Lanes>(slot: *const super::Wide) -> T {
    // SAFETY: by contract.
    let [low, high] = unsafe { *slot };
    T::of(u128::from(low) | u128::from(high) << 64)
}

/// # Safety
/// As [`read`].
#[inline(always)]
pub unsafe fn write<T: Lanes>(slot: *mut super::Wide, value: T) {
    let bits = value.bits();
    // SAFETY: by contract.
    unsafe { *slot = [bits as u64, (bits >> 64) as u64] };
}

/// Lane by lane.
#[inline(always)]
pub fn zip<A: Copy, B: Copy, R, const N: usize>(a: [A; N], b: [B; N], f: impl Fn(A, B) -> R) -> [R; N] {
    std::array::from_fn(|at| f(a[at], b[at]))
}

/// `|x: type| expression` as an instruction that replaces the topmost operand.
macro_rules! unary {
    (|$x:ident: $ty:ty| $result:expr) => {{
        unsafe fn op(ip: *const u8, sp: *mut Wide, _: *mut Cx) -> Next<Wide> {
            // SAFETY: validation has proved the operand.
            unsafe {
                let $x: $ty = read(sp.sub(1));
                write(sp.sub(1), $result);
            }
            Next { ip, sp }
        }
        op as SimdOp
    }};
}

/// The same with two operands.
macro_rules! binary {
    (|$a:ident: $first:ty, $b:ident: $second:ty| $result:expr) => {{
        unsafe fn op(ip: *const u8, sp: *mut Wide, _: *mut Cx) -> Next<Wide> {
            // SAFETY: validation has proved the operands.
            unsafe {
                let $a: $first = read(sp.sub(2));
                let $b: $second = read(sp.sub(1));
                write(sp.sub(2), $result);
                Next { ip, sp: sp.sub(1) }
            }
        }
        op as SimdOp
    }};
}

/// The same with three operands.
macro_rules! ternary {
    (|$a:ident: $first:ty, $b:ident: $second:ty, $c:ident: $third:ty| $result:expr) => {{
        unsafe fn op(ip: *const u8, sp: *mut Wide, _: *mut Cx) -> Next<Wide> {
            // SAFETY: validation has proved the operands.
            unsafe {
                let $a: $first = read(sp.sub(3));
                let $b: $second = read(sp.sub(2));
                let $c: $third = read(sp.sub(1));
                write(sp.sub(3), $result);
                Next { ip, sp: sp.sub(2) }
            }
        }
        op as SimdOp
    }};
}

/// All bits of a lane, where the comparison holds.
macro_rules! compare {
    ($vector:ty, $mask:ty, |$a:ident, $b:ident| $holds:expr) => {
        binary!(|a: $vector, b: $vector| zip(a, b, |$a, $b| if $holds { <$mask>::MAX } else { 0 }))
    };
}

/// An instruction of one or two vectors, lane by lane.
macro_rules! each {
    ($vector:ty, |$x:ident| $result:expr) => {
        unary!(|vector: $vector| vector.map(|$x| $result))
    };
    ($vector:ty, |$a:ident, $b:ident| $result:expr) => {
        binary!(|a: $vector, b: $vector| zip(a, b, |$a, $b| $result))
    };
}

pub(super) use {binary, compare, each, ternary, unary};
