//! Instructions by themselves, on a stack of three slots; what the specification's tests do not fix (the relaxed ones) above all.

use super::lanes::*;
use super::{OPS, Wide};

/// Runs an instruction without immediates that needs no memory.
fn run<R: Lanes>(number: usize, operands: &[u128]) -> R {
    let mut stack: [Wide; 4] = [[0; 2]; 4];
    for (slot, &bits) in stack.iter_mut().zip(operands) {
        *slot = [bits as u64, (bits >> 64) as u64];
    }
    let top = &raw mut stack[operands.len()];
    // SAFETY: these instructions read their operands only.
    let next = unsafe { OPS[number](std::ptr::NonNull::<u8>::dangling().as_ptr(), top, std::ptr::null_mut()) };
    assert!(!next.ip.is_null());
    assert_eq!(next.sp.cast_const(), &raw const stack[1], "one result is left");
    // SAFETY: the result's slot.
    unsafe { read(&raw const stack[0]) }
}

#[test]
fn every_number_of_the_specification_has_an_instruction() {
    const FREE: &[usize] =
        &[0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee];
    let unknown = super::unknown as *const () as usize;
    for (number, &op) in OPS.iter().enumerate() {
        assert_eq!(op as *const () as usize == unknown, FREE.contains(&number), "{number:#x}");
    }
}

#[test]
fn integers_wrap_or_saturate() {
    assert_eq!(run::<u8x16>(0x6e, &[[250u8; 16].bits(), [10u8; 16].bits()]), [4; 16]);
    assert_eq!(run::<u8x16>(0x70, &[[250u8; 16].bits(), [10u8; 16].bits()]), [255; 16]);
    assert_eq!(run::<i8x16>(0x6f, &[[100i8; 16].bits(), [100i8; 16].bits()]), [127; 16]);
    assert_eq!(run::<i16x8>(0x82, &[[i16::MIN; 8].bits(), [i16::MIN; 8].bits()]), [i16::MAX; 8]);
    let narrowed = [-129i16, 127, 128, 0, -128, 300, -300, 1];
    let expected = [-128i8, 127, 127, 0, -128, 127, -128, 1, 5, 5, 5, 5, 5, 5, 5, 5];
    assert_eq!(run::<i8x16>(0x65, &[narrowed.bits(), [5i16; 8].bits()]), expected);
    assert_eq!(run::<u8x16>(0x66, &[narrowed.bits(), [5i16; 8].bits()])[..6], [0, 127, 128, 0, 0, 255]);
}

#[test]
fn shifts_take_the_count_modulo_the_width() {
    assert_eq!(run::<i8x16>(0x6c, &[[-128i8; 16].bits(), 9]), [-64; 16]);
    assert_eq!(run::<u64x2>(0xcd, &[[1u64 << 63; 2].bits(), 127]), [1; 2]);
}

#[test]
fn lanes_are_found_and_counted() {
    assert_eq!(run::<u32>(0x64, &[[-1i8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1].bits()]), 0x8001);
    assert!(!run::<bool>(0xa3, &[[1u32, 1, 0, 1].bits()]));
    assert_eq!(run::<i32x4>(0xba, &[[1i16, 2, 3, 4, 5, 6, 7, 8].bits(), [10i16; 8].bits()]), [30, 70, 110, 150]);
    assert_eq!(run::<u16x8>(0x88, &[[-1i8; 16].bits()]), [u16::MAX; 8]);
    assert_eq!(run::<u16x8>(0x9f, &[[200u8; 16].bits(), [200u8; 16].bits()]), [40000; 8]);
}

#[test]
fn relaxed_instructions_do_what_the_strict_ones_do() {
    let lanes = [0u8, 15, 16, 127, 128, 255, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let bytes: u8x16 = std::array::from_fn(|at| at as u8 + 1);
    assert_eq!(run::<u8x16>(0x100, &[bytes.bits(), lanes.bits()])[..6], [1, 16, 0, 0, 0, 0]);
    assert_eq!(run::<i32x4>(0x101, &[[f32::NAN, 3e9, -3e9, -1.5].bits()]), [0, i32::MAX, i32::MIN, -1]);
    // 1 + 2^-12 squared loses its last bit when the product is rounded.
    let x = 1.0 + f32::powi(2.0, -12);
    let sum = run::<f32x4>(0x105, &[[x; 4].bits(), [x; 4].bits(), [-1.0f32; 4].bits()]);
    assert_eq!(sum, [x * x - 1.0; 4]);
    assert_ne!(sum[0], x.mul_add(x, -1.0));
    assert_eq!(run::<f64x2>(0x108, &[[2.0f64; 2].bits(), [3.0f64; 2].bits(), [1.0f64; 2].bits()]), [-5.0; 2]);
    assert_eq!(run::<u8x16>(0x109, &[[0xffu8; 16].bits(), [0u8; 16].bits(), [0x80u8; 16].bits()]), [0x80; 16]);
    assert_eq!(run::<i16x8>(0x112, &[[-128i8; 16].bits(), [-128i8; 16].bits()]), [i16::MIN; 8]);
    assert_eq!(run::<i32x4>(0x113, &[[2i8; 16].bits(), [3i8; 16].bits(), [100i32; 4].bits()]), [124; 4]);
}
