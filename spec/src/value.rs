//! Arguments of scripts as values of the embedding API, and whether results are what a script expects.

use anyhow::{Result, bail};
use trjit_runtime::Val;
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

/// The value that a script passes. A host reference `n` is the number n + 1, since 0 is null.
pub fn argument(argument: &WastArg<'_>) -> Result<Val> {
    let WastArg::Core(argument) = argument else { bail!("an argument of a component: {argument:?}") };
    Ok(match argument {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::V128(value) => Val::V128(u128::from_le_bytes(value.to_le_bytes())),
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Extern | AbstractHeapType::NoExtern, .. }) => Val::ExternRef(0),
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Exn | AbstractHeapType::NoExn, .. }) => Val::ExnRef(0),
        WastArgCore::RefNull(_) => Val::FuncRef(None),
        WastArgCore::RefExtern(number) => Val::ExternRef(u64::from(*number) + 1),
        WastArgCore::RefHost(_) => bail!("an argument that the embedding API can not hold: {argument:?}"),
    })
}

/// Whether results are those that a script expects.
pub fn check(found: &[Val], expected: &[WastRet<'_>]) -> Result<()> {
    if found.len() != expected.len() {
        bail!("{} results, expected {}", found.len(), expected.len());
    }
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let WastRet::Core(pattern) = expected else { bail!("a result of a component: {expected:?}") };
        if !matches(*found, pattern) {
            bail!("result {at} is {}, expected {pattern:?}", show(*found));
        }
    }
    Ok(())
}

fn show(value: Val) -> String {
    match value {
        Val::F32(bits) => format!("F32({bits:#x})"),
        Val::F64(bits) => format!("F64({bits:#x})"),
        Val::V128(bits) => format!("V128({bits:#034x})"),
        other => format!("{other:?}"),
    }
}

fn matches(found: Val, pattern: &WastRetCore<'_>) -> bool {
    match (pattern, found) {
        (WastRetCore::I32(expected), Val::I32(found)) => *expected == found,
        (WastRetCore::I64(expected), Val::I64(found)) => *expected == found,
        (WastRetCore::F32(expected), Val::F32(found)) => matches_f32(expected, found),
        (WastRetCore::F64(expected), Val::F64(found)) => matches_f64(expected, found),
        (WastRetCore::V128(expected), Val::V128(found)) => matches_v128(expected, found),
        (WastRetCore::RefNull(_), Val::FuncRef(None) | Val::ExternRef(0) | Val::ExnRef(0)) => true,
        (WastRetCore::RefExtern(None), Val::ExternRef(found)) => found != 0,
        (WastRetCore::RefExtern(Some(expected)), Val::ExternRef(found)) => found == u64::from(*expected) + 1,
        (WastRetCore::RefFunc(_), Val::FuncRef(found)) => found.is_some(),
        (WastRetCore::Either(patterns), found) => patterns.iter().any(|pattern| matches(found, pattern)),
        _ => false,
    }
}

fn matches_f32(pattern: &NanPattern<F32>, found: u32) -> bool {
    match pattern {
        NanPattern::CanonicalNan => found & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => found & 0x7fc0_0000 == 0x7fc0_0000,
        NanPattern::Value(expected) => expected.bits == found,
    }
}

fn matches_f64(pattern: &NanPattern<F64>, found: u64) -> bool {
    match pattern {
        NanPattern::CanonicalNan => found & 0x7fff_ffff_ffff_ffff == 0x7ff8_0000_0000_0000,
        NanPattern::ArithmeticNan => found & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        NanPattern::Value(expected) => expected.bits == found,
    }
}

/// Whether the 128 bits of a vector are what a script expects, lane by lane.
fn matches_v128(pattern: &V128Pattern, found: u128) -> bool {
    let bytes = found.to_le_bytes();
    let lane32 = |at: usize| (found >> (32 * at)) as u32;
    let lane64 = |at: usize| (found >> (64 * at)) as u64;
    match pattern {
        V128Pattern::I8x16(lanes) => lanes.iter().zip(bytes).all(|(lane, byte)| *lane as u8 == byte),
        V128Pattern::I16x8(lanes) => lanes.iter().enumerate().all(|(at, lane)| *lane as u16 == (found >> (16 * at)) as u16),
        V128Pattern::I32x4(lanes) => lanes.iter().enumerate().all(|(at, lane)| *lane as u32 == lane32(at)),
        V128Pattern::I64x2(lanes) => lanes.iter().enumerate().all(|(at, lane)| *lane as u64 == lane64(at)),
        V128Pattern::F32x4(lanes) => lanes.iter().enumerate().all(|(at, lane)| matches_f32(lane, lane32(at))),
        V128Pattern::F64x2(lanes) => lanes.iter().enumerate().all(|(at, lane)| matches_f64(lane, lane64(at))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_patterns() {
        let canonical = WastRetCore::F32(NanPattern::CanonicalNan);
        assert!(matches(Val::F32(0x7fc0_0000), &canonical) && matches(Val::F32(0xffc0_0000), &canonical));
        assert!(!matches(Val::F32(0x7fc0_0001), &canonical) && !matches(Val::F32(0x7fa0_0000), &canonical));
        let arithmetic = WastRetCore::F64(NanPattern::ArithmeticNan);
        assert!(matches(Val::F64(0x7ff8_0000_0000_0001), &arithmetic));
        assert!(!matches(Val::F64(0x7ff0_0000_0000_0001), &arithmetic) && !matches(Val::F64(0), &arithmetic));
    }

    #[test]
    fn vectors_are_compared_by_lanes() {
        assert!(matches_v128(&V128Pattern::I16x8([1, 2, 3, 4, 5, 6, 7, -1]), 0xffff_0007_0006_0005_0004_0003_0002_0001));
        assert!(!matches_v128(&V128Pattern::I64x2([0, 1]), 1));
        let lanes = V128Pattern::F64x2([NanPattern::CanonicalNan, NanPattern::Value(F64 { bits: 5 })]);
        assert!(matches_v128(&lanes, 5 << 64 | 0x7ff8_0000_0000_0000));
    }

    #[test]
    fn null_is_not_the_host_reference_zero() {
        assert!(!matches(Val::ExternRef(0), &WastRetCore::RefExtern(Some(0))));
        assert!(matches(Val::ExternRef(0), &WastRetCore::RefNull(None)));
        assert!(!matches(Val::FuncRef(None), &WastRetCore::RefFunc(None)));
    }
}
