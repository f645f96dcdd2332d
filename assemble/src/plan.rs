//! Phase 1: which function gets which tier, and where in the text. All decisions that span functions are taken here, one after another, so that
//! the same inputs give the same plan on any machine.
//!
//! Order: recorded functions in the order of first use, then the others that get code, in the order of the module: with `--all` and in small modules all of them, else kernels.

use crate::options::TierRule;
use std::collections::HashSet;
use trjit_code::Tier;
use trjit_module::flat::FunctionRecord;
use trjit_module::{FuncIndex, Module};

/// What a profile says about one function, already in terms of the module that is assembled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub function: FuncIndex,
    /// Times that the function was entered, over all runs.
    pub entries: u64,
    /// Times that one of its loops went back.
    pub back_edges: u64,
}

/// What the profile gives to the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Entered functions, in the order of first use.
    pub functions: Vec<Recorded>,
    /// Runs that the profile holds.
    pub runs: u64,
}

/// A function that shall get code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    pub function: FuncIndex,
    pub tier: Tier,
}

/// The functions that shall get code, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub functions: Vec<Planned>,
}

impl Plan {
    /// Decides. A function of the recording that the module does not define, or a second mention, is left out.
    pub fn new(module: &Module, recording: &Recording, all: bool, rule: TierRule) -> Plan {
        let mut planned = HashSet::new();
        let mut plan = Plan::default();
        for recorded in recording.functions.iter().filter(|recorded| recorded.entries > 0) {
            let Some(record) = module.function(recorded.function) else { continue };
            if planned.insert(recorded.function) {
                let tier = if all { Tier::Ap4 } else { tier(record, recorded, recording.runs, rule) };
                plan.functions.push(Planned { function: recorded.function, tier });
            }
        }
        if all { plan.with(module, Unseen::All) } else { plan }
    }

    /// The plan, and behind it those functions that it lacks.
    pub fn with(mut self, module: &Module, unseen: Unseen) -> Plan {
        let planned: HashSet<FuncIndex> = self.functions.iter().map(|planned| planned.function).collect();
        let is_wanted = |record: &FunctionRecord| match unseen {
            Unseen::All => true,
            Unseen::Kernels => is_kernel(record),
            Unseen::None => false,
        };
        let functions = (module.imported_functions()..).map(FuncIndex).zip(module.functions());
        let rest = functions.filter(|(function, record)| !planned.contains(function) && is_wanted(record));
        self.functions.extend(rest.map(|(function, _)| Planned { function, tier: Tier::Ap4 }));
        self
    }
}

/// Which functions get code that no training run entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    All,
    /// Those that loop and call nothing: checksums, searches, codecs. They are few, and what an input spends in one of them the interpreter multiplies.
    Kernels,
    None,
}

fn is_kernel(record: &FunctionRecord) -> bool {
    record.flags & (FunctionRecord::HAS_LOOP | FunctionRecord::HAS_CALL) == FunctionRecord::HAS_LOOP
}

/// AP4, but A1 for code that a run hardly enters and that can not loop.
fn tier(record: &FunctionRecord, recorded: &Recorded, runs: u64, rule: TierRule) -> Tier {
    let once = recorded.entries <= rule.a1_entries_per_run.saturating_mul(runs.max(1));
    let loops = recorded.back_edges > 0 || record.flags & FunctionRecord::HAS_LOOP != 0;
    if once && !loops { Tier::A1 } else { Tier::Ap4 }
}
