//! Float and conversion semantics where wasm's differ from Rust's operators. Shared by the interpreter, the builtins and constant evaluation.

use trjit_module::TrapCode;

macro_rules! float_semantics {
    ($min:ident, $max:ident, $ty:ty) => {
        /// wasm `min`: NaN if an operand is NaN, and -0 < +0.
        #[inline]
        pub fn $min(a: $ty, b: $ty) -> $ty {
            if a.is_nan() || b.is_nan() {
                a + b
            } else if a == b {
                <$ty>::from_bits(a.to_bits() | b.to_bits())
            } else if a < b {
                a
            } else {
                b
            }
        }

        /// wasm `max`: NaN if an operand is NaN, and -0 < +0.
        #[inline]
        pub fn $max(a: $ty, b: $ty) -> $ty {
            if a.is_nan() || b.is_nan() {
                a + b
            } else if a == b {
                <$ty>::from_bits(a.to_bits() & b.to_bits())
            } else if a > b {
                a
            } else {
                b
            }
        }
    };
}

float_semantics!(f32_min, f32_max, f32);
float_semantics!(f64_min, f64_max, f64);

macro_rules! round_semantics {
    ($($name:ident: $ty:ty = $method:ident;)*) => {$(
        /// As wasm defines it: a NaN operand gives a quiet NaN.
        #[inline]
        pub fn $name(x: $ty) -> $ty {
            // Adding keeps the value of a NaN and makes it quiet, which rounding by library functions need not do.
            if x.is_nan() { x + x } else { x.$method() }
        }
    )*};
}

round_semantics! {
    f32_ceil: f32 = ceil;
    f32_floor: f32 = floor;
    f32_trunc: f32 = trunc;
    f32_nearest: f32 = round_ties_even;
    f64_ceil: f64 = ceil;
    f64_floor: f64 = floor;
    f64_trunc: f64 = trunc;
    f64_nearest: f64 = round_ties_even;
}

macro_rules! trapping_truncation {
    ($($name:ident: $from:ty => $to:ty, $lo:literal, $hi:literal;)*) => {$(
        /// Truncates; NaN and values outside of the type (`lo < x < hi` does not hold) trap.
        #[inline]
        pub fn $name(x: $from) -> Result<$to, TrapCode> {
            if x.is_nan() {
                Err(TrapCode::BadConversionToInteger)
            } else if x > $lo && x < $hi {
                Ok(x as $to)
            } else {
                Err(TrapCode::IntegerOverflow)
            }
        }
    )*};
}

// The bounds are the nearest floats outside of the range that truncation can bring into it.
trapping_truncation! {
    i32_trunc_f32_s: f32 => i32, -2147483904.0, 2147483648.0;
    i32_trunc_f32_u: f32 => u32, -1.0, 4294967296.0;
    i32_trunc_f64_s: f64 => i32, -2147483649.0, 2147483648.0;
    i32_trunc_f64_u: f64 => u32, -1.0, 4294967296.0;
    i64_trunc_f32_s: f32 => i64, -9223373136366403584.0, 9223372036854775808.0;
    i64_trunc_f32_u: f32 => u64, -1.0, 18446744073709551616.0;
    i64_trunc_f64_s: f64 => i64, -9223372036854777856.0, 9223372036854775808.0;
    i64_trunc_f64_u: f64 => u64, -1.0, 18446744073709551616.0;
}
