//! `.trjit.manifest`: what the cache is, as JSON, so that people and other tools can read it with `readelf -p`.
//!
//! ```text
//! { "format": 1, "builder": {..}, "architecture": "x86-64", "module": {..}, "abi": "<digest>", "settings": {..},
//!   "profile": "all" | { "profiles": ["<digest>", ..] }, "tiers": { "AP4": 12, .. },
//!   "sections": { ".text": { "size": 4096, "digest": "<digest>" }, .. } }
//! ```
//! Digests are BLAKE3, 64 hexadecimal digits. Keys come in this order, maps sorted by key; no time, path or host name is in it. Unknown keys are refused: the
//! format version grows with every new one.

use crate::header::{Architecture, FORMAT_VERSION, Facts};
use crate::section::SectionId;
use crate::version::{MINIMUM_SAFE_BUILDER, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trjit_code::{CpuFeatures, CpuLevel, MemoryStyle, Settings};
use trjit_module::{Digest, Module};

/// Longest manifest that a reader looks at, in bytes.
pub const MAX_MANIFEST: usize = 16 << 20;

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    pub builder: Builder,
    /// [`Architecture::name`].
    pub architecture: String,
    pub module: ModuleId,
    /// [`trjit_module::fingerprint::abi_fingerprint`] of the builder.
    pub abi: HexDigest,
    pub settings: ManifestSettings,
    pub profile: ProfileSource,
    /// Functions with code, by [`Tier::name`](trjit_code::Tier::name).
    pub tiers: BTreeMap<String, u32>,
    /// By [`SectionId::name`].
    pub sections: BTreeMap<String, SectionDigest>,
}

/// Who made the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Builder {
    pub name: String,
    /// A [`Version`].
    pub version: String,
    /// Name and version of the code generator.
    pub code_generator: String,
    /// The oldest builder that this builder held safe; a reader takes the newer of this and its own.
    pub minimum_safe: String,
}

impl Builder {
    /// This build, with that code generator ([`Compiler::version`](trjit_code::Compiler::version)).
    pub fn current(code_generator: String) -> Builder {
        Builder {
            name: "trjit".into(),
            version: Version::current().to_string(),
            code_generator,
            minimum_safe: MINIMUM_SAFE_BUILDER.to_string(),
        }
    }
}

/// Which wasm file a cache belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleId {
    /// Digest of the wasm bytes.
    pub digest: HexDigest,
    /// Length of the wasm bytes.
    pub wasm_len: u64,
}

impl ModuleId {
    pub fn of(module: &Module) -> ModuleId {
        ModuleId { digest: HexDigest(module.digest()), wasm_len: module.header().wasm_len }
    }

    /// The identity of a wasm file, without parsing it.
    pub fn of_wasm(wasm: &[u8]) -> ModuleId {
        ModuleId { digest: HexDigest(Digest::of(wasm)), wasm_len: wasm.len() as u64 }
    }

    /// The identity of a wasm file, without keeping it in memory.
    pub fn of_file(wasm: &std::fs::File) -> std::io::Result<ModuleId> {
        let wasm_len = wasm.metadata()?.len();
        Ok(ModuleId { digest: HexDigest(Digest::of_file(wasm, wasm_len)?), wasm_len })
    }
}

impl std::fmt::Display for ModuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.digest.0.short(), self.wasm_len)
    }
}

/// Settings that change code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestSettings {
    /// [`MemoryStyle::name`].
    pub memory: String,
    /// Whether the code counts fuel.
    pub fuel: bool,
    /// [`CpuLevel::name`], for people: what counts is `features`.
    pub level: String,
    /// CPU features that the code may use: [`CpuFeature::name`](trjit_code::CpuFeature::name).
    pub features: Vec<String>,
}

impl ManifestSettings {
    pub fn new(settings: Settings, level: CpuLevel) -> ManifestSettings {
        let Settings { features, memory, fuel } = settings;
        ManifestSettings {
            memory: memory.name().into(),
            fuel,
            level: level.name().into(),
            features: features.iter().map(|feature| feature.name().to_string()).collect(),
        }
    }

    /// The settings as values; the error is a name that this build does not know.
    pub fn decode(&self) -> Result<Settings, String> {
        let memory = MemoryStyle::parse(&self.memory).ok_or_else(|| format!("memory style {:?}", self.memory))?;
        let features = CpuFeatures::parse(self.features.iter().map(String::as_str)).map_err(|name| format!("CPU feature {name:?}"))?;
        Ok(Settings { features, memory, fuel: self.fuel })
    }

    /// The features that this build knows; the others can not be had on this host, as far as it can tell.
    pub fn known_features(&self) -> CpuFeatures {
        self.features.iter().fold(CpuFeatures::NONE, |set, name| match CpuFeatures::parse([name.as_str()]) {
            Ok(feature) => set.union(feature),
            Err(_) => set,
        })
    }
}

/// What chose the functions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileSource {
    /// Every function was compiled.
    All,
    /// Digests of the profile files, sorted.
    Profiles(Vec<HexDigest>),
}

/// Size in bytes and digest of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionDigest {
    pub size: u64,
    pub digest: HexDigest,
}

/// A digest as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct HexDigest(pub Digest);

impl From<HexDigest> for String {
    fn from(digest: HexDigest) -> String {
        digest.0.to_string()
    }
}

impl TryFrom<String> for HexDigest {
    type Error = String;

    fn try_from(text: String) -> Result<HexDigest, String> {
        Digest::from_hex(&text).map(HexDigest).ok_or_else(|| format!("{text:?} is no digest of 64 hexadecimal digits"))
    }
}

impl Manifest {
    /// The bytes of the section; their number depends on no digest's value.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let mut out = serde_json::to_vec_pretty(self)?;
        out.push(b'\n');
        Ok(out)
    }

    /// Reads the section and checks that it is complete and agrees with the file's header; the error is the reason.
    pub fn decode(bytes: &[u8], architecture: Architecture) -> Result<Manifest, String> {
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.format != FORMAT_VERSION {
            return Err(format!("format version {}, but the header has {FORMAT_VERSION}", manifest.format));
        }
        if manifest.architecture != architecture.name() {
            return Err(format!("architecture {:?}, but the ELF header has {}", manifest.architecture, architecture.name()));
        }
        if let Some(id) = SectionId::digested().find(|id| !manifest.sections.contains_key(id.name())) {
            return Err(format!("no digest of section {id}"));
        }
        let expected = SectionId::digested().count();
        if manifest.sections.len() != expected {
            return Err(format!("digests of {} sections, expected {expected}", manifest.sections.len()));
        }
        for version in [&manifest.builder.version, &manifest.builder.minimum_safe] {
            Version::parse(version).ok_or_else(|| format!("builder version {version:?} is not three numbers"))?;
        }
        Ok(manifest)
    }

    /// Checks that the manifest says what the header says; the error is the first difference.
    pub fn check_facts(&self, facts: &Facts) -> Result<(), String> {
        let features = self.settings.features.len() == facts.features().0.iter().count() + facts.features().1.count_ones() as usize;
        let agree = [
            ("module", self.module == facts.module()),
            ("ABI fingerprint", self.abi.0 == facts.abi),
            ("builder", Version::parse(&self.builder.version) == Some(facts.builder())),
            ("minimum safe builder", Version::parse(&self.builder.minimum_safe) == Some(facts.minimum_safe())),
            ("memory style", Some(self.settings.memory.as_str()) == facts.memory().map(MemoryStyle::name)),
            ("fuel", u8::from(self.settings.fuel) == facts.fuel),
            ("CPU features", self.settings.known_features() == facts.features().0 && features),
        ];
        match agree.iter().find(|(_, same)| !same) {
            Some((what, _)) => Err(format!("its {what} is not what the header says")),
            None => Ok(()),
        }
    }
}
