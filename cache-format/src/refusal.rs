//! Why a cache is not used. Checks run in the order of the variants; the first that fails is the answer.

use crate::header::Architecture;
use crate::manifest::ModuleId;
use crate::version::Version;
use trjit_code::CpuLevel;

/// A refusal: [`code`](Refusal::code) for programs, the message (found and expected) and [`help`](Refusal::help) for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the cache can not be read: {reason}")]
    Unreadable { reason: String },
    #[error("found {found}, expected a trjit cache (an ELF file with the magic TRJITC)")]
    NotACache { found: String },
    #[error("the cache has format version {found}, this build reads version {expected}")]
    OtherFormat { found: u32, expected: u32 },
    #[error("the cache holds code for {found}, this build runs {expected}", expected = .expected.name())]
    OtherArchitecture { found: String, expected: Architecture },
    #[error("the cache is damaged in {section}: {reason}")]
    Corrupt { section: String, reason: String },
    #[error("the cache belongs to module {found}, the module given is {expected}")]
    OtherModule { found: ModuleId, expected: ModuleId },
    #[error("the cache was made for another engine: its {what} is {found}, this engine's is {expected}")]
    OtherEngine { what: &'static str, found: String, expected: String },
    #[error("the cache was made by trjit {found}, whose code is known to be unsafe: {minimum} or newer is expected")]
    UnsafeBuilder { found: Version, minimum: Version },
    #[error("the cache (level {level}) needs CPU features that the CPU lacks: {}", .missing.join(", "))]
    CpuFeatures { missing: Vec<String>, level: String, host_level: CpuLevel },
}

impl Refusal {
    /// Damage in a section or another named part of the file.
    pub fn corrupt(section: &str, reason: impl Into<String>) -> Refusal {
        Refusal::Corrupt { section: section.to_string(), reason: reason.into() }
    }

    /// A stable name, for scripts and JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::Unreadable { .. } => "unreadable",
            Refusal::NotACache { .. } => "not-a-cache",
            Refusal::OtherFormat { .. } => "other-format",
            Refusal::OtherArchitecture { .. } => "other-architecture",
            Refusal::Corrupt { .. } => "corrupt",
            Refusal::OtherModule { .. } => "other-module",
            Refusal::OtherEngine { .. } => "other-engine",
            Refusal::UnsafeBuilder { .. } => "unsafe-builder",
            Refusal::CpuFeatures { .. } => "cpu-features",
        }
    }

    /// What to do about it: one sentence.
    pub fn help(&self) -> String {
        match self {
            Refusal::Unreadable { .. } => "check the path, its permissions and how its file system is mounted".into(),
            Refusal::NotACache { .. } => "give the file that `trjit assemble` wrote (*.trjit)".into(),
            Refusal::OtherFormat { found, expected } if found > expected => {
                "use the trjit that made the cache, or assemble the module again with this one".into()
            }
            Refusal::OtherFormat { .. } => "assemble the module again with this version of trjit".into(),
            Refusal::OtherArchitecture { .. } => "assemble the module again on, or for, this architecture".into(),
            Refusal::Corrupt { .. } => "copy the file again, or assemble the module again".into(),
            Refusal::OtherModule { .. } => "assemble this module, or give the module that the cache was made from".into(),
            Refusal::OtherEngine { what: "fuel", .. } => {
                "assemble the module again, with fuel counted (`--fuel`) for engines that consume fuel, and without it for others".into()
            }
            Refusal::OtherEngine { what: "memory style", expected, .. } => {
                format!(
                    "assemble the module again with `--memory {expected}`; memories are checked where `ulimit -v` leaves too little to reserve them"
                )
            }
            Refusal::OtherEngine { .. } => "assemble the module again with this version of trjit and the same settings".into(),
            Refusal::UnsafeBuilder { .. } => "assemble the module again with this version of trjit".into(),
            Refusal::CpuFeatures { host_level, .. } => {
                format!("assemble the module again for {}, the highest level that this CPU has, or for a lower one", host_level.name())
            }
        }
    }
}
