//! What an instruction needs of the CPU, in the words of [`CpuFeature`].
//!
//! Invariant: what is neither of x86-64's base nor a [`CpuFeature`] can not be declared, and so is always a violation.

use iced_x86::{CpuidFeature, Instruction};
use trjit_code::{CpuFeature, CpuFeatures};

/// A need that `declared` does not meet, by its name.
pub fn lacking(instruction: &Instruction, declared: CpuFeatures) -> Option<String> {
    let needs = instruction.cpuid_features();
    let lacks = |need: &&CpuidFeature| match feature(**need) {
        Need::Base => false,
        Need::Feature(feature) => !declared.has(feature),
        Need::Unknown => true,
    };
    if !needs.iter().any(|need| lacks(&need)) {
        return None;
    }
    Some(needs.iter().filter(lacks).map(|&need| name(need)).collect::<Vec<_>>().join(" and "))
}

/// What a feature of the disassembler is to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Need {
    /// Part of every x86-64, for user programs.
    Base,
    Feature(CpuFeature),
    Unknown,
}

fn feature(need: CpuidFeature) -> Need {
    use CpuidFeature as C;
    Need::Feature(match need {
        C::INTEL8086 | C::INTEL186 | C::INTEL286 | C::INTEL386 | C::INTEL486 | C::X64 => return Need::Base,
        C::CMOV | C::CX8 | C::SSE | C::SSE2 | C::MULTIBYTENOP | C::PAUSE => return Need::Base,
        C::SSE3 => CpuFeature::Sse3,
        C::SSSE3 => CpuFeature::Ssse3,
        C::SSE4_1 => CpuFeature::Sse41,
        C::SSE4_2 => CpuFeature::Sse42,
        C::POPCNT => CpuFeature::Popcnt,
        C::AVX => CpuFeature::Avx,
        C::AVX2 => CpuFeature::Avx2,
        C::BMI1 => CpuFeature::Bmi1,
        C::BMI2 => CpuFeature::Bmi2,
        C::LZCNT => CpuFeature::Lzcnt,
        C::FMA => CpuFeature::Fma,
        C::CMPXCHG16B => CpuFeature::Cx16,
        C::AVX512F => CpuFeature::Avx512f,
        C::AVX512VL => CpuFeature::Avx512vl,
        C::AVX512DQ => CpuFeature::Avx512dq,
        C::AVX512_BITALG => CpuFeature::Avx512bitalg,
        C::AVX512_VBMI => CpuFeature::Avx512vbmi,
        _ => return Need::Unknown,
    })
}

fn name(need: CpuidFeature) -> String {
    match feature(need) {
        Need::Feature(feature) => feature.name().to_string(),
        Need::Base | Need::Unknown => format!("{need:?}").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions};
    use trjit_code::CpuLevel;

    fn lacks(bytes: &[u8], level: CpuLevel) -> Option<String> {
        let instruction = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
        assert_eq!(instruction.len(), bytes.len(), "one instruction");
        lacking(&instruction, level.features())
    }

    #[test]
    fn each_level_allows_its_own_instructions() {
        let popcnt = [0xf3, 0x0f, 0xb8, 0xc1];
        let pext = [0xc4, 0xe2, 0xf2, 0xf5, 0xc2];
        let vpaddd_ymm = [0xc5, 0xf5, 0xfe, 0xc2];
        let vaddps_zmm = [0x62, 0xf1, 0x74, 0x48, 0x58, 0xc2];
        assert_eq!(lacks(&popcnt, CpuLevel::V1).as_deref(), Some("popcnt"));
        assert_eq!(lacks(&popcnt, CpuLevel::V2), None);
        assert_eq!(lacks(&pext, CpuLevel::V2).as_deref(), Some("bmi2"));
        assert_eq!(lacks(&vpaddd_ymm, CpuLevel::V2).as_deref(), Some("avx2"));
        assert_eq!((lacks(&pext, CpuLevel::V3), lacks(&vpaddd_ymm, CpuLevel::V3)), (None, None));
        assert_eq!(lacks(&vaddps_zmm, CpuLevel::V3).as_deref(), Some("avx512f"));
        // addsd is of the base, rdrand of no feature that could be declared.
        assert_eq!(lacks(&[0xf2, 0x0f, 0x58, 0xc1], CpuLevel::V1), None);
        assert_eq!(lacks(&[0x0f, 0xc7, 0xf0], CpuLevel::V3).as_deref(), Some("rdrand"));
    }

    #[test]
    fn every_feature_that_can_be_declared_has_instructions() {
        let known: Vec<Need> = CpuidFeature::values().map(feature).collect();
        for &wanted in CpuFeature::ALL {
            assert!(known.contains(&Need::Feature(wanted)), "{wanted:?}");
        }
    }
}
