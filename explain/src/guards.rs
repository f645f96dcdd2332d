//! Indirect calls that were made direct: the code compares the reference with those of the functions that training counted there.
//!
//! Seen in the code, not asked of the compiler: a call (or an inlined body) whose function is known, at an instruction of the wasm that calls indirectly, stands behind a guard.

use crate::heat::Heat;
use crate::model::{Guard, GuardTarget, Inlined};
use crate::names;
use std::collections::BTreeMap;
use trjit_module::{FuncIndex, Module};

/// `call_indirect`, `return_call_indirect`, `call_ref`, `return_call_ref`.
const INDIRECT: [u8; 4] = [0x11, 0x13, 0x14, 0x15];

/// Whether the instruction at a position calls indirectly.
pub fn is_indirect(module: &Module, position: u32) -> bool {
    let opcode = module.function_at(position).and_then(|function| {
        let record = module.function(function)?;
        let body = module.body(record).ok()?;
        body.code.get(position.checked_sub(record.body.offset)? as usize).copied()
    });
    opcode.is_some_and(|opcode| INDIRECT.contains(&opcode))
}

/// A call in the machine code: where it comes from, the innermost first, and whom it reaches.
pub type Reached = (Vec<u32>, FuncIndex);

/// The guards, in the order of the wasm. `inlined` are those of the function.
pub fn guards(module: &Module, heat: &Heat<'_>, reached: &[Reached], inlined: &[Inlined]) -> Vec<Guard> {
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
        Guard { wasm, targets }
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
