//! Whether a cache that is whole may be used here: other module, other engine or settings, unsafe builder, lacking CPU features, in this order.
//!
//! Invariant: what is compared is destructured, so that a new field does not compile until someone decided whether it matters.

use crate::header::Architecture;
use crate::manifest::{Builder, HexDigest, Manifest, ManifestSettings, ModuleId};
use crate::refusal::Refusal;
use crate::version::{MINIMUM_SAFE_BUILDER, Version};
use trjit_code::{CpuFeatures, CpuLevel, MemoryStyle};
use trjit_module::Digest;
use trjit_module::fingerprint::abi_fingerprint;

/// What the host, the engine and the user expect of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectations {
    /// The module that shall run; `None` where the cache alone names it.
    pub module: Option<ModuleId>,
    pub architecture: Architecture,
    /// The engine's layouts.
    pub abi: Digest,
    /// How the engine lays out 32-bit memories.
    pub memory: MemoryStyle,
    /// Whether code counts fuel.
    pub fuel: bool,
    /// Features of the CPU that shall run the code.
    pub host: CpuFeatures,
    pub minimum_safe_builder: Version,
}

impl Expectations {
    /// What this build expects on this machine.
    pub fn of_host(module: Option<ModuleId>, memory: MemoryStyle) -> Expectations {
        Expectations {
            module,
            architecture: Architecture::HOST,
            abi: abi_fingerprint(),
            memory,
            fuel: false,
            host: CpuFeatures::host(),
            minimum_safe_builder: MINIMUM_SAFE_BUILDER,
        }
    }
}

/// The checks behind "corrupt", in their order.
pub fn check(manifest: &Manifest, expected: &Expectations) -> Result<(), Refusal> {
    // Not compared: `format` and `architecture` (checked before anything was read), `profile`, `tiers` and `sections` (they say what is inside).
    let Manifest { format: _, builder, architecture: _, module, abi, settings, profile: _, tiers: _, sections: _ } = manifest;
    let Expectations { module: expected_module, architecture: _, abi: expected_abi, memory, fuel, host, minimum_safe_builder } = expected;
    check_module(*module, *expected_module)?;
    check_engine(*abi, *expected_abi, settings, *memory, *fuel)?;
    check_builder(builder, *minimum_safe_builder)?;
    check_cpu(settings, *host)
}

fn check_module(found: ModuleId, expected: Option<ModuleId>) -> Result<(), Refusal> {
    match expected {
        Some(expected) if expected != found => Err(Refusal::OtherModule { found, expected }),
        _ => Ok(()),
    }
}

fn check_engine(abi: HexDigest, expected: Digest, settings: &ManifestSettings, memory: MemoryStyle, fuel: bool) -> Result<(), Refusal> {
    if abi.0 != expected {
        return Err(Refusal::OtherEngine { what: "ABI fingerprint", found: abi.0.short(), expected: expected.short() });
    }
    // The level is a name for people; features have a check of their own.
    let ManifestSettings { memory: found, fuel: found_fuel, level: _, features: _ } = settings;
    if found != memory.name() {
        return Err(Refusal::OtherEngine { what: "memory style", found: found.clone(), expected: memory.name().into() });
    }
    if *found_fuel != fuel {
        let name = |counts: bool| if counts { "counted" } else { "not counted" };
        return Err(Refusal::OtherEngine { what: "fuel", found: name(*found_fuel).into(), expected: name(fuel).into() });
    }
    Ok(())
}

fn check_builder(builder: &Builder, minimum: Version) -> Result<(), Refusal> {
    // Name and code generator are for people: what code relies on is in the ABI fingerprint, what is unsafe is told by the version.
    let Builder { name: _, version, code_generator: _, minimum_safe } = builder;
    // `Manifest::decode` refused versions that do not parse; 0.0.0 would be refused here.
    let parse = |text: &str| Version::parse(text).unwrap_or(Version::new(0, 0, 0));
    let (found, minimum) = (parse(version), parse(minimum_safe).max(minimum));
    if found < minimum { Err(Refusal::UnsafeBuilder { found, minimum }) } else { Ok(()) }
}

fn check_cpu(settings: &ManifestSettings, host: CpuFeatures) -> Result<(), Refusal> {
    let has = |name: &String| CpuFeatures::parse([name.as_str()]).is_ok_and(|feature| feature.minus(host).is_empty());
    let missing: Vec<String> = settings.features.iter().filter(|name| !has(name)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::CpuFeatures { missing, level: settings.level.clone(), host_level: CpuLevel::best_for(host) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ProfileSource;
    use trjit_code::Settings;

    fn manifest() -> Manifest {
        let settings = Settings { features: CpuLevel::V2.features(), memory: MemoryStyle::Reserved, fuel: false };
        Manifest {
            format: 1,
            builder: Builder::current("test 1".into()),
            architecture: "x86-64".into(),
            module: ModuleId::of_wasm(b"one"),
            abi: HexDigest(abi_fingerprint()),
            settings: ManifestSettings::new(settings, CpuLevel::V2),
            profile: ProfileSource::All,
            tiers: Default::default(),
            sections: Default::default(),
        }
    }

    fn expectations() -> Expectations {
        let module = Some(ModuleId::of_wasm(b"one"));
        Expectations { host: CpuLevel::V3.features(), ..Expectations::of_host(module, MemoryStyle::Reserved) }
    }

    #[test]
    fn what_fits_is_accepted_with_and_without_a_module() {
        assert_eq!(check(&manifest(), &expectations()), Ok(()));
        assert_eq!(check(&manifest(), &Expectations { module: None, ..expectations() }), Ok(()));
    }

    #[test]
    fn each_mismatch_has_its_refusal() {
        let code = |manifest: &Manifest, expected: &Expectations| check(manifest, expected).map_err(|refusal| refusal.code());
        let other = Some(ModuleId::of_wasm(b"two"));
        assert_eq!(code(&manifest(), &Expectations { module: other, ..expectations() }), Err("other-module"));
        assert_eq!(code(&manifest(), &Expectations { abi: Digest::of(b"x"), ..expectations() }), Err("other-engine"));
        assert_eq!(code(&manifest(), &Expectations { memory: MemoryStyle::Checked, ..expectations() }), Err("other-engine"));
        assert_eq!(code(&manifest(), &Expectations { fuel: true, ..expectations() }), Err("other-engine"));
        let newer = Version::new(99, 0, 0);
        assert_eq!(code(&manifest(), &Expectations { minimum_safe_builder: newer, ..expectations() }), Err("unsafe-builder"));
        let mut withdrawn = manifest();
        withdrawn.builder.minimum_safe = "99.0.0".into();
        assert_eq!(code(&withdrawn, &expectations()), Err("unsafe-builder"));
    }

    #[test]
    fn lacking_features_are_named_and_the_level_that_serves() {
        let mut forged = manifest();
        forged.settings.features.push("avx512vbmi".into());
        forged.settings.features.push("feature-of-the-future".into());
        let refusal = check(&forged, &expectations()).unwrap_err();
        assert_eq!(refusal.code(), "cpu-features");
        assert!(refusal.to_string().ends_with("lacks: avx512vbmi, feature-of-the-future"), "{refusal}");
        assert!(refusal.help().contains("x86-64-v3"), "{}", refusal.help());
    }

    #[test]
    fn the_order_is_module_engine_builder_cpu() {
        let mut wrong = Expectations {
            module: Some(ModuleId::of_wasm(b"two")),
            abi: Digest::of(b"x"),
            host: CpuFeatures::NONE,
            minimum_safe_builder: Version::new(99, 0, 0),
            ..expectations()
        };
        let code = |expected: &Expectations| check(&manifest(), expected).map_err(|refusal| refusal.code());
        assert_eq!(code(&wrong), Err("other-module"));
        wrong.module = None;
        assert_eq!(code(&wrong), Err("other-engine"));
        wrong.abi = abi_fingerprint();
        assert_eq!(code(&wrong), Err("unsafe-builder"));
        wrong.minimum_safe_builder = MINIMUM_SAFE_BUILDER;
        assert_eq!(code(&wrong), Err("cpu-features"));
    }
}
