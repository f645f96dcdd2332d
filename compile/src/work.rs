//! What a function did in training: how many instructions it executed, and whom it called how often.
//!
//! Instructions are weighed as fuel is ([`trjit_module::fuel`]: structure is free), so that the sum over all functions and their entries is the fuel that the runs would have
//! consumed, but for bulk operations. Counts are those of [`executed`].

use crate::heat::{WalkError, executed};
use std::collections::BTreeMap;
use trjit_code::BranchCounts;
use trjit_module::fuel::STEPS;
use trjit_module::{FuncIndex, Module, body_reader};
use wasmparser::Operator;

/// The work of one function, without that of its callees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub instructions: u64,
    /// Calls by callee, tail calls and calls through tables and references included; of the latter those whose callee was told apart.
    pub calls: BTreeMap<FuncIndex, u64>,
}

/// What a defined function did; nothing where it was never entered.
pub fn work(module: &Module, function: FuncIndex, counts: &dyn BranchCounts) -> Result<Work, WalkError> {
    let mut work = Work::default();
    let (Some(record), Some(executed)) = (module.function(function), executed(module, function, counts)?) else { return Ok(work) };
    let code = &module.body(record)?.code[(record.code_start - record.body.offset) as usize..];
    let mut reader = body_reader(module, record)?.get_operators_reader()?;
    let mut called = |callee: FuncIndex, count: u64| {
        let calls = work.calls.entry(callee).or_default();
        *calls = calls.saturating_add(count);
    };
    for step in executed.iter() {
        let cost = code.get(step.ip as usize).map_or(0, |&opcode| u64::from(STEPS[usize::from(opcode)].cost));
        work.instructions = work.instructions.saturating_add(step.count.saturating_mul(cost));
        match reader.read()? {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } if step.count != 0 => {
                called(FuncIndex(function_index), step.count);
            }
            _ => {}
        }
        if let Some(site) = step.site {
            counts.targets(function, site).functions.iter().for_each(|&(callee, count)| called(callee, count));
        }
    }
    Ok(work)
}
