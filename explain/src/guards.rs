//! Indirect calls that were made direct: the code compares the reference, or the index into a table, with those of the functions that training counted there.
//!
//! Seen in the code, not asked of the compiler: a call (or an inlined body) whose function is known, at an instruction of the wasm that calls indirectly, stands behind a guard.

use crate::heat::Heat;
use crate::model::{Guard, GuardTarget, Inlined};
use crate::names;
use std::collections::BTreeMap;
use trjit_code::Assumption;
use trjit_module::wasmparser::{BinaryReader, Operator, OperatorsReader};
use trjit_module::{Changers, FEATURES, FuncIndex, Module, TableIndex};

/// Whom an instruction calls by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Through {
    Table(u32),
    Reference,
}

/// Whether the instruction at a position calls indirectly.
pub fn is_indirect(module: &Module, position: u32) -> bool {
    called_through(module, position).is_some()
}

/// None where the instruction at a position is no indirect call.
fn called_through(module: &Module, position: u32) -> Option<Through> {
    let record = module.function(module.function_at(position)?)?;
    let body = module.body(record).ok()?;
    let code = body.code.get(position.checked_sub(record.body.offset)? as usize..)?;
    let reader = BinaryReader::new_features(code, 0, FEATURES);
    match OperatorsReader::new(reader).read().ok()? {
        Operator::CallIndirect { table_index, .. } | Operator::ReturnCallIndirect { table_index, .. } => Some(Through::Table(table_index)),
        Operator::CallRef { .. } | Operator::ReturnCallRef { .. } => Some(Through::Reference),
        _ => None,
    }
}

/// The table whose index tells all of these callees of the call at a position, where the code compares that.
fn index_of(module: &Module, position: u32, targets: &[GuardTarget], assumptions: &[Assumption]) -> Option<u32> {
    let Through::Table(table) = called_through(module, position)? else { return None };
    let lasts = match module.changers(table) {
        Changers::Nobody => true,
        Changers::Others => assumptions.contains(&Assumption::TableLasts(TableIndex(table))),
        Changers::Anyone => false,
    };
    let are_told = || targets.iter().all(|target| module.only_index_of(table, FuncIndex(target.function)).is_some());
    (lasts && are_told()).then_some(table)
}

/// A call in the machine code: where it comes from, the innermost first, and whom it reaches.
pub type Reached = (Vec<u32>, FuncIndex);

/// The guards, in the order of the wasm. `inlined` are those of the function, whose code assumes something or nothing.
pub fn guards(module: &Module, heat: &Heat<'_>, reached: &[Reached], inlined: &[Inlined], assumptions: &[Assumption]) -> Vec<Guard> {
    let mut found: BTreeMap<u32, BTreeMap<u32, (&'static str, Option<u64>)>> = BTreeMap::new();
    for (chain, function) in reached {
        if let Some(&position) = chain.first().filter(|&&position| is_indirect(module, position)) {
            found.entry(module.wasm_offset(position)).or_default().insert(function.0, ("called", heat.calls(chain, *function)));
        }
    }
    add_inlined(&mut found, inlined);
    let target = |(function, (how, calls))| GuardTarget { function, name: names::label(module, FuncIndex(function)), how, calls };
    let guard = |(wasm, targets): (u32, BTreeMap<_, _>)| {
        let mut targets: Vec<GuardTarget> = targets.into_iter().map(target).collect();
        targets.sort_by_key(|target| (std::cmp::Reverse(target.calls), target.function));
        let position = wasm - module.wasm_offset(0);
        Guard { wasm, index_of: index_of(module, position, &targets, assumptions), targets }
    };
    found.into_iter().map(guard).collect()
}

fn add_inlined(found: &mut BTreeMap<u32, BTreeMap<u32, (&'static str, Option<u64>)>>, inlined: &[Inlined]) {
    for one in inlined {
        if one.is_guarded {
            found.entry(one.wasm).or_default().insert(one.function, ("inlined", one.calls));
        }
        add_inlined(found, &one.inlined);
    }
}
