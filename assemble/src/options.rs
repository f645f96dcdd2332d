//! What the user chooses: target, threads, tiers.

use crate::plan::Unseen;
use crate::tunables;
use trjit_code::{CpuFeatures, CpuLevel, MemoryStyle, Settings};
use trjit_module::Module;

/// Options of an assembly. [`Options::default`] compiles what the profile holds and no more; the command line adds [`tunables::UNSEEN_BELOW`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The CPU level that the code needs.
    pub level: CpuLevel,
    pub memory: MemoryStyle,
    /// Code counts fuel, for engines that do.
    pub fuel: bool,
    /// Compiling threads; `None`: one for each CPU.
    pub threads: Option<usize>,
    /// Compile every function, not only those that a profile holds.
    pub all: bool,
    /// Compile what the profile does not hold, too, in modules whose bodies together have at most so many bytes, and in larger ones [kernels](Unseen::Kernels); 0: nothing. See
    /// [`tunables::UNSEEN_BELOW`].
    pub unseen_below: u64,
    pub tiers: TierRule,
}

impl Default for Options {
    fn default() -> Options {
        let tiers = TierRule::default();
        Options { level: host_level(), memory: MemoryStyle::Reserved, fuel: false, threads: None, all: false, unseen_below: 0, tiers }
    }
}

impl Options {
    /// Which functions get code that the profile does not hold.
    pub(crate) fn unseen(&self, module: &Module) -> Unseen {
        match self.unseen_below {
            0 => Unseen::None,
            most if body_bytes(module) <= most => Unseen::All,
            _ => Unseen::Kernels,
        }
    }

    /// What changes the code.
    pub fn settings(&self) -> Settings {
        Settings { features: self.level.features(), memory: self.memory, fuel: self.fuel }
    }
}

/// Bytes of all bodies of a module.
pub(crate) fn body_bytes(module: &Module) -> u64 {
    module.functions().iter().map(|record| u64::from(record.body.len)).sum()
}

/// Which functions get the cheap tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierRule {
    /// See [`tunables::A1_ENTRIES_PER_RUN`]; 0: everything is AP4.
    pub a1_entries_per_run: u64,
}

impl Default for TierRule {
    fn default() -> TierRule {
        TierRule { a1_entries_per_run: tunables::A1_ENTRIES_PER_RUN }
    }
}

/// The best level that this machine can run.
pub fn host_level() -> CpuLevel {
    #[cfg(target_arch = "x86_64")]
    let features = CpuFeatures::host();
    #[cfg(not(target_arch = "x86_64"))]
    let features = CpuFeatures::NONE;
    CpuLevel::best_for(features)
}

/// Parses `x86-64`, `x86-64-v2`, `x86-64-v3` or `native`, which is the best level of this machine.
pub fn parse_level(text: &str) -> Result<CpuLevel, UnknownLevel> {
    if text == "native" {
        return Ok(host_level());
    }
    CpuLevel::parse(text).ok_or_else(|| UnknownLevel { found: text.to_string() })
}

/// A CPU level that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown CPU level '{found}', expected x86-64, x86-64-v2, x86-64-v3 or native")]
pub struct UnknownLevel {
    pub found: String,
}
