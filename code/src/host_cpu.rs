//! Which features the running CPU has, asked of the CPU itself: under a hypervisor each `cpuid` leaves the guest and takes microseconds (7 where it was measured), and the
//! detection of the standard library executes nine of them for features that nobody here asks about. This one executes three, once a process.
//!
//! Bits: Intel's Software Developer's Manual, volume 2A, `CPUID`, leaves 1, 7 and 80000001H; volume 1, 13.3, for what the operating system must have enabled.

use crate::target::{CpuFeature, CpuFeatures};
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::sync::OnceLock;

/// Where a feature is told: the registers of [`Answers`], and what the operating system must save for it.
const PLACES: &[(CpuFeature, Register, u32, State)] = &[
    (CpuFeature::Sse3, Register::Leaf1C, 0, State::Base),
    (CpuFeature::Ssse3, Register::Leaf1C, 9, State::Base),
    (CpuFeature::Fma, Register::Leaf1C, 12, State::Ymm),
    (CpuFeature::Cx16, Register::Leaf1C, 13, State::Base),
    (CpuFeature::Sse41, Register::Leaf1C, 19, State::Base),
    (CpuFeature::Sse42, Register::Leaf1C, 20, State::Base),
    (CpuFeature::Popcnt, Register::Leaf1C, 23, State::Base),
    (CpuFeature::Avx, Register::Leaf1C, 28, State::Ymm),
    (CpuFeature::Bmi1, Register::Leaf7B, 3, State::Base),
    (CpuFeature::Avx2, Register::Leaf7B, 5, State::Ymm),
    (CpuFeature::Bmi2, Register::Leaf7B, 8, State::Base),
    (CpuFeature::Avx512f, Register::Leaf7B, 16, State::Zmm),
    (CpuFeature::Avx512dq, Register::Leaf7B, 17, State::Zmm),
    (CpuFeature::Avx512vl, Register::Leaf7B, 31, State::Zmm),
    (CpuFeature::Avx512vbmi, Register::Leaf7C, 1, State::Zmm),
    (CpuFeature::Avx512bitalg, Register::Leaf7C, 12, State::Zmm),
    (CpuFeature::Lzcnt, Register::ExtendedC, 5, State::Base),
];
/// In leaf 1's ECX: the operating system has enabled `xgetbv`, which tells what it saves.
const OSXSAVE: u32 = 1 << 27;

#[derive(Clone, Copy)]
enum Register {
    Leaf1C,
    Leaf7B,
    Leaf7C,
    ExtendedC,
}

/// Registers that the operating system saves, as bits of XCR0.
#[derive(Clone, Copy)]
#[repr(u64)]
enum State {
    Base = 0,
    Ymm = 0b110,
    Zmm = 0b1110_0110,
}

/// What the CPU answers.
#[derive(Clone, Copy)]
struct Answers {
    leaf1_c: u32,
    leaf7_b: u32,
    leaf7_c: u32,
    extended_c: u32,
    xcr0: u64,
}

impl Answers {
    fn ask() -> Answers {
        let leaf1_c = __cpuid(1).ecx;
        // The extended leaf is that of long mode, so that there is one.
        let extended_c = __cpuid(0x8000_0001).ecx;
        if leaf1_c & OSXSAVE == 0 {
            return Answers { leaf1_c, leaf7_b: 0, leaf7_c: 0, extended_c, xcr0: 0 };
        }
        // XSAVE is described by leaf 13, so that there is a leaf 7.
        let leaf7 = __cpuid_count(7, 0);
        // SAFETY: `xgetbv` is there and enabled, OSXSAVE says; register 0 always exists.
        let xcr0 = unsafe { _xgetbv(0) };
        Answers { leaf1_c, leaf7_b: leaf7.ebx, leaf7_c: leaf7.ecx, extended_c, xcr0 }
    }

    fn register(&self, register: Register) -> u32 {
        match register {
            Register::Leaf1C => self.leaf1_c,
            Register::Leaf7B => self.leaf7_b,
            Register::Leaf7C => self.leaf7_c,
            Register::ExtendedC => self.extended_c,
        }
    }

    fn features(&self) -> CpuFeatures {
        let has = |register, bit: u32, state: State| self.register(register) & 1 << bit != 0 && self.xcr0 & state as u64 == state as u64;
        let found = PLACES.iter().filter(|&&(_, register, bit, state)| has(register, bit, state));
        found.fold(CpuFeatures::NONE, |set, &(feature, ..)| set.with(feature))
    }
}

/// The features of the running CPU, as the operating system enables them.
pub(crate) fn features() -> CpuFeatures {
    static FEATURES: OnceLock<CpuFeatures> = OnceLock::new();
    *FEATURES.get_or_init(|| Answers::ask().features())
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! detected {
        ($($name:ident = $text:tt;)*) => { [$((CpuFeature::$name, std::arch::is_x86_feature_detected!($text))),*] };
    }

    #[test]
    fn the_standard_library_finds_the_same() {
        let detected = detected! {
            Sse3 = "sse3"; Ssse3 = "ssse3"; Sse41 = "sse4.1"; Sse42 = "sse4.2"; Popcnt = "popcnt"; Avx = "avx"; Avx2 = "avx2"; Bmi1 = "bmi1"; Bmi2 = "bmi2";
            Lzcnt = "lzcnt"; Fma = "fma"; Cx16 = "cmpxchg16b"; Avx512f = "avx512f"; Avx512vl = "avx512vl"; Avx512dq = "avx512dq";
            Avx512bitalg = "avx512bitalg"; Avx512vbmi = "avx512vbmi";
        };
        assert_eq!(detected.len(), CpuFeature::ALL.len());
        for (feature, is_there) in detected {
            assert_eq!(features().has(feature), is_there, "{}", feature.name());
        }
    }

    #[test]
    fn what_the_system_does_not_save_is_not_there() {
        let all = Answers { leaf1_c: !0, leaf7_b: !0, leaf7_c: !0, extended_c: !0, xcr0: !0 };
        assert!(CpuFeature::ALL.iter().all(|&feature| all.features().has(feature)));
        let ymm = Answers { xcr0: 0b111, ..all }.features();
        assert!(ymm.has(CpuFeature::Avx2) && ymm.has(CpuFeature::Fma) && !ymm.has(CpuFeature::Avx512f));
        let base = Answers { xcr0: 0b011, ..all }.features();
        assert!(base.has(CpuFeature::Bmi2) && base.has(CpuFeature::Sse42) && !base.has(CpuFeature::Avx));
        let none = Answers { leaf1_c: 0, leaf7_b: 0, leaf7_c: 0, extended_c: 0, xcr0: !0 };
        assert!(none.features().is_empty());
    }
}
