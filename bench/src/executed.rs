//! How many instructions a recorded run executed, function by function, from what its profile counted.
//!
//! A profile has the entries of each function and how often each branch was taken. Between branches control can only fall through, so walking the body once with a
//! running count gives how often each instruction was executed:
//! ```text
//! count = entries;  at each instruction: count += arrivals of branches here;  behind br_if, if: count -= taken;  behind br, else, return..: count = 0
//! ```
//! What a trap, an exit or an exception cut off is counted as if it had gone on; runs have few of those. Instructions are weighed as fuel is
//! ([`trjit_module::fuel`]): structure is free.

use anyhow::Result;
use std::collections::BTreeMap;
use trjit_module::flat::FunctionRecord;
use trjit_module::fuel::STEPS;
use trjit_module::{Module, body_reader};
use trjit_trace::FunctionProfile;
use wasmparser::Operator;

/// One instruction with what the walk needs of it.
struct Step {
    /// Bytes from the function's first instruction.
    ip: u32,
    cost: u64,
    flow: Flow,
    /// Its entries in the function's side table.
    first_entry: u32,
    entries: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Goes on behind it, however it is.
    On,
    /// Goes on unless its branch is taken.
    Unless,
    /// Never goes on behind it.
    Away,
}

/// Executed instructions of one function, without entering it.
pub fn instructions(module: &Module, profile: &FunctionProfile) -> Result<u64> {
    let record = &module.functions()[profile.identity.index.index()];
    let side_table = module.body(record)?.side_table;
    let steps = steps(module, record)?;
    let mut arrivals: BTreeMap<u32, u64> = BTreeMap::new();
    for step in &steps {
        for entry in step.first_entry..step.first_entry + step.entries {
            let target = &side_table[entry as usize];
            let to = step.ip.wrapping_add_signed(target.delta_ip);
            *arrivals.entry(to).or_default() += profile.taken(entry);
        }
    }
    let (mut count, mut executed) = (profile.entries, 0u64);
    for step in &steps {
        count = count.saturating_add(arrivals.get(&step.ip).copied().unwrap_or(0));
        executed = executed.saturating_add(count.saturating_mul(step.cost));
        count = match step.flow {
            Flow::On => count,
            Flow::Unless => count.saturating_sub(profile.taken(step.first_entry)),
            Flow::Away => 0,
        };
    }
    Ok(executed)
}

/// Walks the body as the side table was made: what validation knows to be unreachable has no entries.
fn steps(module: &Module, record: &FunctionRecord) -> Result<Vec<Step>> {
    let start = record.code_start;
    let code = &module.body(record)?.code[(start - record.body.offset) as usize..];
    let mut reader = body_reader(module, record)?.get_operators_reader()?;
    let mut steps = Vec::new();
    let (mut next_entry, mut reachable, mut outer) = (0, true, Vec::new());
    while !reader.eof() {
        let ip = (reader.original_position() - u64::from(start)) as u32;
        let operator = reader.read()?;
        let (flow, entries) = shape(&operator);
        let entries = if reachable { entries } else { 0 };
        steps.push(Step { ip, cost: u64::from(STEPS[code[ip as usize] as usize].cost), flow, first_entry: next_entry, entries });
        next_entry += entries;
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => outer.push(reachable),
            Operator::Else => reachable = outer.last().copied().unwrap_or(true),
            Operator::End => reachable = outer.pop().unwrap_or(true),
            _ if flow == Flow::Away => reachable = false,
            _ => {}
        }
    }
    Ok(steps)
}

/// Where control goes behind an instruction, and its entries in the side table.
fn shape(operator: &Operator<'_>) -> (Flow, u32) {
    match operator {
        Operator::Br { .. } | Operator::Else => (Flow::Away, 1),
        Operator::BrIf { .. } | Operator::If { .. } | Operator::BrOnNull { .. } | Operator::BrOnNonNull { .. } => (Flow::Unless, 1),
        Operator::BrTable { targets } => (Flow::Away, targets.len() + 1),
        Operator::TryTable { try_table } => (Flow::On, try_table.catches.len() as u32),
        Operator::CallIndirect { .. } | Operator::CallRef { .. } => (Flow::On, 1),
        Operator::ReturnCallIndirect { .. } | Operator::ReturnCallRef { .. } => (Flow::Away, 1),
        Operator::Return | Operator::Unreachable | Operator::Throw { .. } | Operator::ThrowRef | Operator::ReturnCall { .. } => {
            (Flow::Away, 0)
        }
        _ => (Flow::On, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trjit_runtime::{Config, Engine, Linker, Store};

    /// Loops, both arms, tables of branches, dead code, indirect and tail calls, recursion.
    const PROGRAM: &str = r#"(module
      (type $unary (func (param i32) (result i32)))
      (table funcref (elem $even $odd))
      (func $even (type $unary)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1)) (else (call $odd (i32.sub (local.get 0) (i32.const 1))))))
      (func $odd (type $unary)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (return_call $even (i32.sub (local.get 0) (i32.const 1))))
      (func $choose (type $unary)
        (block $a (block $b (block $c (br_table $a $b $c (local.get 0))) (return (i32.const 30)))
          (drop (i32.const 7)) (br $a) (drop (i32.const 8)) (block (br 0)))
        (i32.const 10))
      (func $never (type $unary) (if (result i32) (local.get 0) (then (unreachable)) (else (i32.const 3))))
      (func (export "run") (param $n i32) (result i32) (local $sum i32)
        (loop $again
          (local.set $sum (i32.add (local.get $sum) (call_indirect (type $unary) (local.get $n) (i32.and (local.get $n) (i32.const 1)))))
          (local.set $sum (i32.add (local.get $sum) (call $choose (i32.rem_u (local.get $n) (i32.const 4)))))
          (block $out
            (br_if $out (i32.eq (local.get $n) (i32.const 5)))
            (local.set $sum (i32.add (local.get $sum) (call $never (i32.const 0)))))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;

    #[test]
    fn the_sum_over_all_functions_is_the_fuel_that_the_run_consumed() {
        let mut config = Config::new();
        config.record_profile(true).consume_fuel(true);
        let engine = Engine::new(&config);
        let wasm = wat::parse_str(PROGRAM).expect("a module");
        let module = trjit_runtime::Module::new(&engine, wasm.clone()).expect("it is valid");
        let mut store = Store::new(&engine, ()).expect("a store");
        store.set_fuel(1 << 40).expect("fuel is counted");
        let instance = Linker::new().instantiate(&mut store, &module).expect("an instance");
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("the export");
        run.call(&mut store, 23).expect("it returns");
        let consumed = (1 << 40) - store.get_fuel().expect("fuel is counted");
        let profile = engine.take_profile(&module, "test").expect("a profile");
        let parsed = Module::parse(wasm).expect("it is valid");
        let executed: u64 = profile.functions().iter().map(|function| instructions(&parsed, function).expect("it can be walked")).sum();
        assert_eq!(executed + profile.total_calls(), consumed);
        assert!(executed > 1000, "{executed}");
    }
}
