//! How much of what runs did a cache has compiled code for.
//!
//! ```text
//! profiles of runs + functions with code -> calls and instructions in all | covered | in functions that training knew
//! ```
//! Instructions are those of [`trjit_compile::work`]: executed ones, structure free.

use crate::outcome::{Failure, Kind};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use trjit_assemble::recording;
use trjit_cache_format::{CacheFile, CodeItem};
use trjit_compile::work::work;
use trjit_module::{FuncIndex, Module};
use trjit_trace::Profile;

/// Shares of what runs did, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Calls of functions of the module in these runs, and executed instructions.
    pub calls: u64,
    pub instructions: u64,
    /// Shares that compiled code takes.
    pub calls_covered: f64,
    pub instructions_covered: f64,
    /// Shares that functions take which training has entered.
    pub calls_trained: f64,
    pub instructions_trained: f64,
    /// Functions entered, and those among them without compiled code.
    pub functions: u32,
    pub functions_uncovered: u32,
}

/// The functions that have code in a cache.
pub fn functions_with_code(file: &CacheFile) -> HashSet<FuncIndex> {
    let functions = file.functions();
    functions.iter().filter_map(|placed| if let CodeItem::Function(function) = placed.what { Some(function) } else { None }).collect()
}

/// What executed where: calls and instructions of each function that these runs entered.
pub struct Executed(Vec<(FuncIndex, u64, u64)>);

impl Executed {
    /// The runs of one profile, or of several together.
    pub fn of(module: &Module, profiles: &[Profile]) -> Result<Executed, Failure> {
        let merged =
            Profile::merge(profiles.iter().cloned()).map_err(|error| Failure::of(Kind::Profile, "profiles can not be merged", &error))?;
        let counts = recording::read(module, &merged).counts;
        let mut rows = Vec::new();
        for function in merged.functions().iter().filter(|function| function.entries != 0) {
            let index = module.func_index(function.identity.index);
            let done = work(module, index, &counts)
                .map_err(|error| Failure::of(Kind::Failed, format!("function {index} can not be read"), &error))?;
            rows.push((index, function.entries, done.instructions));
        }
        Ok(Executed(rows))
    }

    /// Measured by the functions with code, and those that training entered.
    pub fn coverage(&self, compiled: &HashSet<FuncIndex>, trained: &HashSet<FuncIndex>) -> Coverage {
        let sum = |among: &dyn Fn(&FuncIndex) -> bool| {
            let rows = self.0.iter().filter(|(function, ..)| among(function));
            rows.fold((0u64, 0u64, 0u32), |(calls, instructions, functions), row| {
                (calls.saturating_add(row.1), instructions.saturating_add(row.2), functions + 1)
            })
        };
        let (calls, instructions, functions) = sum(&|_| true);
        let covered = sum(&|function| compiled.contains(function));
        let known = sum(&|function| trained.contains(function));
        let share = |part: u64, whole: u64| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
        Coverage {
            calls,
            instructions,
            calls_covered: share(covered.0, calls),
            instructions_covered: share(covered.1, instructions),
            calls_trained: share(known.0, calls),
            instructions_trained: share(known.1, instructions),
            functions,
            functions_uncovered: functions - covered.2,
        }
    }
}

/// The functions that a profile saw entered.
pub fn entered(module: &Module, profile: &Profile) -> HashSet<FuncIndex> {
    profile.functions().iter().filter(|function| function.entries != 0).map(|function| module.func_index(function.identity.index)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_calls_and_of_instructions() {
        let function = |index| FuncIndex(index);
        let executed = Executed(vec![(function(1), 9, 100), (function(2), 1, 300)]);
        let coverage = executed.coverage(&[function(1), function(7)].into(), &[function(2)].into());
        assert_eq!((coverage.calls, coverage.instructions), (10, 400));
        assert_eq!((coverage.calls_covered, coverage.instructions_covered), (0.9, 0.25));
        assert_eq!((coverage.calls_trained, coverage.instructions_trained), (0.1, 0.75));
        assert_eq!((coverage.functions, coverage.functions_uncovered), (2, 1));
    }
}
