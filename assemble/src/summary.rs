//! What an assembly tells about itself: for people, for `--json`, and for the figures of a build.

use crate::check::Checked;
use crate::progress::Phase;
use serde::Serialize;

/// The result in numbers. All sizes are bytes, all times seconds, all shares 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Functions of the module that have a body.
    pub functions: u32,
    /// Those that the profile saw entered.
    pub recorded: u32,
    /// Functions with code in the cache, by tier.
    pub compiled: Vec<TierCount>,
    /// Functions that are left to the interpreter though they were planned.
    pub failed: Vec<Failure>,
    /// Crossings between slots and registers.
    pub trampolines: u32,
    /// Pairs of functions of which one calls the other directly.
    pub direct_edges: u64,
    /// Size of the whole file.
    pub cache_bytes: u64,
    /// Size of each section of the file, in the order of the file.
    pub sections: Vec<SectionSize>,
    /// Share of the recorded calls that go to functions with code; `None` without a profile, or with an empty one.
    pub share_of_calls: Option<f64>,
    /// Share of the module's code bytes that belong to functions with code.
    pub share_of_code: f64,
    pub cpu_level: String,
    pub memory_style: String,
    /// The code counts fuel.
    pub fuel: bool,
    pub compiler: String,
    pub threads: u32,
    pub seconds: Vec<PhaseTime>,
    /// What a check found to be right; `None` where none was asked for.
    pub checked: Option<Checked>,
    pub warnings: Vec<String>,
}

impl Summary {
    /// Functions with code in the cache.
    pub fn compiled_functions(&self) -> u32 {
        self.compiled.iter().map(|tier| tier.functions).sum()
    }

    /// Notes that the written file was checked.
    pub fn add_check(&mut self, checked: Checked) {
        self.seconds.push(PhaseTime { phase: Phase::Check.name(), seconds: checked.seconds });
        self.checked = Some(checked);
    }

    /// Time of all phases.
    pub fn total_seconds(&self) -> f64 {
        self.seconds.iter().map(|phase| phase.seconds).sum()
    }
}

/// How much code of a tier there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TierCount {
    pub tier: &'static str,
    pub functions: u32,
    pub code_bytes: u64,
}

/// A function without code, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub function: u32,
    pub name: Option<String>,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SectionSize {
    pub name: String,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseTime {
    pub phase: &'static str,
    pub seconds: f64,
}
