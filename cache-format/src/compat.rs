//! Whether a cache that is whole may be used here: other module, other engine or settings, unsafe builder, lacking CPU features, in this order.
//!
//! Invariant: what is compared is destructured, so that a new field does not compile until someone decided whether it matters.

use crate::header::{Architecture, Facts};
use crate::manifest::ModuleId;
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

/// The checks behind "corrupt", in their order. `level` names the cache's CPU level for people, where it lacks something here.
pub fn check(facts: &Facts, expected: &Expectations, level: impl Fn() -> String) -> Result<(), Refusal> {
    let Facts { module_digest: _, wasm_len: _, abi, features: _, memory: _, fuel: _, reserved: _, builder: _, minimum_safe: _ } = facts;
    let Expectations { module, architecture: _, abi: expected_abi, memory, fuel, host, minimum_safe_builder } = expected;
    check_module(facts.module(), *module)?;
    check_engine(*abi, *expected_abi, facts, *memory, *fuel)?;
    check_builder(facts, *minimum_safe_builder)?;
    check_cpu(facts, *host, level)
}

fn check_module(found: ModuleId, expected: Option<ModuleId>) -> Result<(), Refusal> {
    match expected {
        Some(expected) if expected != found => Err(Refusal::OtherModule { found, expected }),
        _ => Ok(()),
    }
}

fn check_engine(abi: Digest, expected: Digest, facts: &Facts, memory: MemoryStyle, fuel: bool) -> Result<(), Refusal> {
    if abi != expected {
        return Err(Refusal::OtherEngine { what: "ABI fingerprint", found: abi.short(), expected: expected.short() });
    }
    if facts.memory() != Some(memory) {
        let found = facts.memory().map_or_else(|| format!("number {}", facts.memory), |style| style.name().to_string());
        return Err(Refusal::OtherEngine { what: "memory style", found, expected: memory.name().into() });
    }
    if facts.fuel != u8::from(fuel) {
        let name = |counts: bool| if counts { "counted" } else { "not counted" };
        return Err(Refusal::OtherEngine { what: "fuel", found: name(facts.fuel != 0).into(), expected: name(fuel).into() });
    }
    Ok(())
}

fn check_builder(facts: &Facts, minimum: Version) -> Result<(), Refusal> {
    let (found, minimum) = (facts.builder(), facts.minimum_safe().max(minimum));
    if found < minimum { Err(Refusal::UnsafeBuilder { found, minimum }) } else { Ok(()) }
}

fn check_cpu(facts: &Facts, host: CpuFeatures, level: impl Fn() -> String) -> Result<(), Refusal> {
    let (known, unknown) = facts.features();
    let mut missing: Vec<String> = known.minus(host).iter().map(|feature| feature.name().to_string()).collect();
    missing.extend((0..u32::BITS).filter(|bit| unknown & 1 << bit != 0).map(|bit| format!("feature {bit}, unknown to this build")));
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::CpuFeatures { missing, level: level(), host_level: CpuLevel::best_for(host) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use trjit_code::Settings;

    fn facts() -> Facts {
        let settings = Settings { features: CpuLevel::V2.features(), memory: MemoryStyle::Reserved, fuel: false };
        Facts::new(ModuleId::of_wasm(b"one"), abi_fingerprint(), settings, Version::current(), MINIMUM_SAFE_BUILDER)
    }

    fn expectations() -> Expectations {
        let module = Some(ModuleId::of_wasm(b"one"));
        Expectations { host: CpuLevel::V3.features(), ..Expectations::of_host(module, MemoryStyle::Reserved) }
    }

    fn refusal(facts: &Facts, expected: &Expectations) -> Result<(), Refusal> {
        check(facts, expected, || "level-of-test".into())
    }

    fn code(facts: &Facts, expected: &Expectations) -> Result<(), &'static str> {
        refusal(facts, expected).map_err(|refusal| refusal.code())
    }

    #[test]
    fn what_fits_is_accepted_with_and_without_a_module() {
        assert_eq!(refusal(&facts(), &expectations()), Ok(()));
        assert_eq!(refusal(&facts(), &Expectations { module: None, ..expectations() }), Ok(()));
    }

    #[test]
    fn each_mismatch_has_its_refusal() {
        let other = Some(ModuleId::of_wasm(b"two"));
        assert_eq!(code(&facts(), &Expectations { module: other, ..expectations() }), Err("other-module"));
        assert_eq!(code(&facts(), &Expectations { abi: Digest::of(b"x"), ..expectations() }), Err("other-engine"));
        assert_eq!(code(&facts(), &Expectations { memory: MemoryStyle::Checked, ..expectations() }), Err("other-engine"));
        assert_eq!(code(&facts(), &Expectations { fuel: true, ..expectations() }), Err("other-engine"));
        assert_eq!(code(&Facts { memory: 9, ..facts() }, &expectations()), Err("other-engine"));
        let newer = Version::new(99, 0, 0);
        assert_eq!(code(&facts(), &Expectations { minimum_safe_builder: newer, ..expectations() }), Err("unsafe-builder"));
        assert_eq!(code(&Facts { minimum_safe: [99, 0, 0], ..facts() }, &expectations()), Err("unsafe-builder"));
    }

    #[test]
    fn lacking_features_are_named_and_the_level_that_serves() {
        let features = CpuLevel::V3.features().with(trjit_code::CpuFeature::Avx512vbmi).bits() | 1 << 31;
        let refusal = refusal(&Facts { features, ..facts() }, &expectations()).unwrap_err();
        assert_eq!(refusal.code(), "cpu-features");
        assert!(refusal.to_string().ends_with("lacks: avx512vbmi, feature 31, unknown to this build"), "{refusal}");
        assert!(refusal.to_string().contains("(level level-of-test)"), "{refusal}");
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
        assert_eq!(code(&facts(), &wrong), Err("other-module"));
        wrong.module = None;
        assert_eq!(code(&facts(), &wrong), Err("other-engine"));
        wrong.abi = abi_fingerprint();
        assert_eq!(code(&facts(), &wrong), Err("unsafe-builder"));
        wrong.minimum_safe_builder = MINIMUM_SAFE_BUILDER;
        assert_eq!(code(&facts(), &wrong), Err("cpu-features"));
    }
}
