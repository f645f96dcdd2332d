//! What code is compiled for: architecture, CPU features, and the settings that change code and so belong to a cache's identity.

/// CPU features beyond x86-64's base that generated code may use. Names are the ones of `/proc/cpuinfo` and of rustc's `target_feature`.
macro_rules! cpu_features {
    ($($name:ident = $bit:literal, $text:tt, $cranelift:literal;)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u32)]
        pub enum CpuFeature { $($name = $bit,)* }

        impl CpuFeature {
            pub const ALL: &'static [CpuFeature] = &[$(CpuFeature::$name,)*];

            /// The name that messages and manifests use.
            pub const fn name(self) -> &'static str {
                match self { $(CpuFeature::$name => $text,)* }
            }

            /// The setting of the code generator that allows it.
            pub const fn codegen_flag(self) -> &'static str {
                match self { $(CpuFeature::$name => $cranelift,)* }
            }
        }
    };
}

cpu_features! {
    Sse3 = 0, "sse3", "has_sse3";
    Ssse3 = 1, "ssse3", "has_ssse3";
    Sse41 = 2, "sse4.1", "has_sse41";
    Sse42 = 3, "sse4.2", "has_sse42";
    Popcnt = 4, "popcnt", "has_popcnt";
    Avx = 5, "avx", "has_avx";
    Avx2 = 6, "avx2", "has_avx2";
    Bmi1 = 7, "bmi1", "has_bmi1";
    Bmi2 = 8, "bmi2", "has_bmi2";
    Lzcnt = 9, "lzcnt", "has_lzcnt";
    Fma = 10, "fma", "has_fma";
    Cx16 = 11, "cmpxchg16b", "has_cmpxchg16b";
    Avx512f = 12, "avx512f", "has_avx512f";
    Avx512vl = 13, "avx512vl", "has_avx512vl";
    Avx512dq = 14, "avx512dq", "has_avx512dq";
    Avx512bitalg = 15, "avx512bitalg", "has_avx512bitalg";
    Avx512vbmi = 16, "avx512vbmi", "has_avx512vbmi";
}

/// A set of [`CpuFeature`]s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CpuFeatures(u32);

impl CpuFeatures {
    pub const NONE: CpuFeatures = CpuFeatures(0);

    /// The features of the running CPU, by feature bits (as the operating system enables them), never by CPU name. Asked of it once.
    #[cfg(target_arch = "x86_64")]
    pub fn host() -> CpuFeatures {
        crate::host_cpu::features()
    }

    pub const fn with(self, feature: CpuFeature) -> CpuFeatures {
        CpuFeatures(self.0 | 1 << feature as u32)
    }

    pub const fn has(self, feature: CpuFeature) -> bool {
        self.0 & 1 << feature as u32 != 0
    }

    /// A bit for each feature, by its number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The features that this build knows among `bits`, and the bits that it does not.
    pub fn from_bits(bits: u32) -> (CpuFeatures, u32) {
        let known = CpuFeature::ALL.iter().fold(CpuFeatures::NONE, |set, &feature| set.with(feature)).0;
        (CpuFeatures(bits & known), bits & !known)
    }

    /// What is in `self` and not in `other`.
    pub const fn minus(self, other: CpuFeatures) -> CpuFeatures {
        CpuFeatures(self.0 & !other.0)
    }

    pub const fn union(self, other: CpuFeatures) -> CpuFeatures {
        CpuFeatures(self.0 | other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = CpuFeature> {
        CpuFeature::ALL.iter().copied().filter(move |&feature| self.has(feature))
    }

    /// Parses names; the error is the first unknown one.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<CpuFeatures, &'a str> {
        names.into_iter().try_fold(CpuFeatures::NONE, |set, name| {
            let feature = CpuFeature::ALL.iter().find(|feature| feature.name() == name).ok_or(name)?;
            Ok(set.with(*feature))
        })
    }
}

impl std::fmt::Display for CpuFeatures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, feature) in self.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { ", " }, feature.name())?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for CpuFeatures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// A level of x86-64 as the psABI defines it: the unit in which caches hold code for several CPUs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CpuLevel {
    V1,
    V2,
    V3,
}

impl CpuLevel {
    pub const ALL: &'static [CpuLevel] = &[CpuLevel::V1, CpuLevel::V2, CpuLevel::V3];

    pub const fn name(self) -> &'static str {
        match self {
            CpuLevel::V1 => "x86-64",
            CpuLevel::V2 => "x86-64-v2",
            CpuLevel::V3 => "x86-64-v3",
        }
    }

    pub fn parse(name: &str) -> Option<CpuLevel> {
        CpuLevel::ALL.iter().copied().find(|level| level.name() == name)
    }

    /// The features of this level that code generation may use.
    pub const fn features(self) -> CpuFeatures {
        use CpuFeature::*;
        let none = CpuFeatures::NONE;
        match self {
            CpuLevel::V1 => none,
            CpuLevel::V2 => none.with(Sse3).with(Ssse3).with(Sse41).with(Sse42).with(Popcnt).with(Cx16),
            CpuLevel::V3 => CpuLevel::V2.features().with(Avx).with(Avx2).with(Bmi1).with(Bmi2).with(Lzcnt).with(Fma),
        }
    }

    /// The highest level whose features are all in `features`.
    pub fn best_for(features: CpuFeatures) -> CpuLevel {
        CpuLevel::ALL.iter().rev().copied().find(|level| level.features().minus(features).is_empty()).unwrap_or(CpuLevel::V1)
    }
}

/// How compiled code checks accesses to 32-bit memories.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MemoryStyle {
    /// The memory lies in a reservation of 4 GiB with a guard behind: out of bounds is a fault.
    Reserved,
    /// Explicit comparison with the memory's length.
    Checked,
}

impl MemoryStyle {
    pub const fn name(self) -> &'static str {
        match self {
            MemoryStyle::Reserved => "reserved",
            MemoryStyle::Checked => "checked",
        }
    }

    pub fn parse(name: &str) -> Option<MemoryStyle> {
        [MemoryStyle::Reserved, MemoryStyle::Checked].into_iter().find(|style| style.name() == name)
    }
}

/// All that changes the code of a function beside its body and tier.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Settings {
    pub features: CpuFeatures,
    pub memory: MemoryStyle,
    /// Code counts what it executes and traps when the store's fuel is used up.
    pub fuel: bool,
}
