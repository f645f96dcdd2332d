//! Values as both sides of a comparison understand them: NaNs are one, function references are null or not.

use crate::rng::Rng;
use trjit_module::{HeapType, ValType};

/// A value that does not belong to an engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Value {
    I32(i32),
    I64(i64),
    /// Bits.
    F32(u32),
    /// Bits.
    F64(u64),
    /// Lanes, as one little-endian number. NaNs in lanes keep their bits: generators make them canonical.
    V128(u128),
    /// Whether it refers to a function.
    FuncRef(bool),
    /// A number that the host chose; 0 is null.
    ExternRef(u64),
    /// Whether it refers to an exception.
    ExnRef(bool),
}

/// Numbers at which integers, memories and conversions change their mind.
const SPOTS: &[u64] = &[
    0,
    1,
    2,
    3,
    7,
    8,
    31,
    32,
    33,
    63,
    64,
    65,
    127,
    128,
    255,
    256,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fff0,
    0xffff_ffff_ffff_ffff,
];

const FLOAT_SPOTS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    1e-45,
    f64::MIN_POSITIVE,
    f64::MAX,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    2147483647.0,
    2147483648.0,
    -2147483648.0,
    -2147483649.0,
    4294967295.0,
    4294967296.0,
    9223372036854775807.0,
    -9223372036854775808.0,
    18446744073709551616.0,
    16777217.0,
];

impl Value {
    /// An argument, often a special one.
    pub fn arbitrary(ty: ValType, rng: &mut Rng) -> Value {
        let bits = match rng.below(4) {
            0 => rng.number(),
            1 => rng.below(64),
            _ => *rng.pick(SPOTS),
        };
        let float = match rng.below(4) {
            0 => f64::from_bits(rng.number()),
            1 => rng.below(1000) as f64 / 8.0 - 50.0,
            _ => *rng.pick(FLOAT_SPOTS),
        };
        match ty {
            ValType::I32 => Value::I32(bits as i32),
            ValType::I64 => Value::I64(bits as i64),
            ValType::V128 => Value::V128(Value::lanes(bits, float, rng)),
            ValType::F32 => Value::f32((float as f32).to_bits()),
            ValType::F64 => Value::f64(float.to_bits()),
            ValType::Ref(ty) if ty.is_func() => Value::FuncRef(false),
            ValType::Ref(ty) if ty.heap == HeapType::Exn => Value::ExnRef(false),
            ValType::Ref(_) => Value::ExternRef(rng.below(5)),
        }
    }

    /// A vector of any number, of floats of either width, or of bytes that are special ones; no lane of a float has a NaN of its own.
    fn lanes(bits: u64, float: f64, rng: &mut Rng) -> u128 {
        let spread = |unit: u64, width: u32| (0..128 / width).fold(0u128, |all, _| all << width | u128::from(unit));
        let lanes = match rng.below(6) {
            0 => u128::from(bits),
            1 => u128::from(bits) << 64 | u128::from(rng.number()),
            2 => spread(u64::from((float as f32).to_bits()), 32),
            3 => spread(float.to_bits(), 64),
            4 => spread(bits & 0xffff, 16),
            _ => (0..16).fold(0, |all, _| all << 8 | u128::from(*rng.pick(&[0u8, 1, 2, 15, 16, 0x7f, 0x80, 0x81, 0xfe, 0xff]))),
        };
        if Value::has_nan_lanes(lanes) { u128::from(rng.below(1 << 30)) * 0x1_0001 } else { lanes }
    }

    fn has_nan_lanes(lanes: u128) -> bool {
        (0..4).any(|lane| f32::from_bits((lanes >> (lane * 32)) as u32).is_nan())
            || (0..2).any(|lane| f64::from_bits((lanes >> (lane * 64)) as u64).is_nan())
    }

    /// An `f32` by its bits; every NaN becomes the canonical one.
    pub fn f32(bits: u32) -> Value {
        Value::F32(if f32::from_bits(bits).is_nan() { 0x7fc0_0000 } else { bits })
    }

    /// An `f64` by its bits; every NaN becomes the canonical one.
    pub fn f64(bits: u64) -> Value {
        Value::F64(if f64::from_bits(bits).is_nan() { 0x7ff8_0000_0000_0000 } else { bits })
    }

    /// A number that stands for the value.
    pub fn bits(self) -> u64 {
        match self {
            Value::I32(value) => value as u32 as u64,
            Value::I64(value) => value as u64,
            Value::F32(bits) => bits.into(),
            Value::F64(bits) | Value::ExternRef(bits) => bits,
            Value::V128(lanes) => (lanes ^ (lanes >> 64)) as u64,
            Value::FuncRef(is) | Value::ExnRef(is) => is.into(),
        }
    }
}
