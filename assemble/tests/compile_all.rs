//! Phase 2: what happens when functions fail, and that the number of threads has no influence.

mod common;

use common::{SETTINGS, Scripted, functions};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use trjit_assemble::compile_all::{CompiledPlan, Job, compile_all};
use trjit_assemble::plan::{Plan, Planned};
use trjit_assemble::progress::Silent;
use trjit_cache_format::CodeItem;
use trjit_code::{CompileError, NoCounts, Tier};
use trjit_module::{FuncIndex, TypeIndex};

fn plan(functions: impl IntoIterator<Item = u32>) -> Plan {
    Plan { functions: functions.into_iter().map(|function| Planned { function: FuncIndex(function), tier: Tier::Ap4 }).collect() }
}

fn compile(script: &Scripted, plan: &Plan) -> CompiledPlan {
    let module = functions(10);
    compile_all(Job { module: &module, settings: SETTINGS, compiler: script, counts: &NoCounts, progress: &Silent }, plan)
        .expect("trampolines compile")
}

fn chain(pairs: &[(u32, u32)]) -> HashMap<u32, Vec<u32>> {
    let mut calls: HashMap<u32, Vec<u32>> = HashMap::new();
    pairs.iter().for_each(|&(caller, callee)| calls.entry(caller).or_default().push(callee));
    calls
}

/// (function, its direct callees) of all functions with code.
fn direct(compiled: &CompiledPlan) -> Vec<(u32, Vec<u32>)> {
    let function = |what| if let CodeItem::Function(function) = what { Some(function.0) } else { None };
    let callees = |unit: &trjit_assemble::unit::Unit| unit.code.relocations.iter().map(|relocation| relocation.target.0).collect();
    compiled.units.iter().filter_map(|unit| Some((function(unit.what)?, callees(unit)))).collect()
}

#[test]
fn calls_inside_of_the_plan_are_direct() {
    let script = Scripted { calls: chain(&[(0, 1), (1, 2), (2, 3)]), ..Scripted::default() };
    let compiled = compile(&script, &plan([2, 0, 1]));
    assert_eq!(direct(&compiled), [(2, vec![]), (0, vec![1]), (1, vec![2])]);
    let trampolines: Vec<CodeItem> = compiled.units[3..].iter().map(|unit| unit.what).collect();
    assert_eq!(
        trampolines,
        [CodeItem::ToNative(TypeIndex(0)), CodeItem::ToInterpreter(TypeIndex(0)), CodeItem::TailToNative(TypeIndex(0))]
    );
    assert_eq!(script.compilations.load(Ordering::Relaxed), 3);
}

#[test]
fn callers_of_a_function_that_fails_use_the_jump_table() {
    let calls = chain(&[(0, 1), (0, 2), (3, 1), (4, 2)]);
    let script = Scripted { calls, fail: HashSet::from([1]), ..Scripted::default() };
    let compiled = compile(&script, &plan(0..5));
    assert_eq!(direct(&compiled), [(0, vec![2]), (2, vec![]), (3, vec![]), (4, vec![2])]);
    assert_eq!(compiled.failed.keys().copied().collect::<Vec<_>>(), [FuncIndex(1)]);
    // Five, then the two callers again.
    assert_eq!(script.compilations.load(Ordering::Relaxed), 7);
}

#[test]
fn a_failure_in_the_second_pass_starts_a_third() {
    let calls = chain(&[(0, 1), (1, 2)]);
    let script = Scripted { calls, fail: HashSet::from([2]), fail_unless_direct: HashSet::from([1]), ..Scripted::default() };
    let compiled = compile(&script, &plan(0..4));
    assert_eq!(direct(&compiled), [(0, vec![]), (3, vec![])]);
    assert_eq!(compiled.failed.keys().copied().collect::<Vec<_>>(), [FuncIndex(1), FuncIndex(2)]);
}

#[test]
fn code_that_calls_directly_what_it_must_not_is_dropped() {
    let calls = chain(&[(0, 1), (1, 7)]);
    let script = Scripted { calls, stubborn: HashSet::from([1]), ..Scripted::default() };
    let compiled = compile(&script, &plan([0, 1]));
    assert_eq!(direct(&compiled), [(0, vec![])]);
    assert!(matches!(compiled.failed[&FuncIndex(1)], CompileError::Internal { .. }), "{:?}", compiled.failed);
}

#[test]
fn recursion_survives_and_dies_with_the_function() {
    let calls = chain(&[(0, 0), (1, 2), (2, 1)]);
    let script = Scripted { calls, fail: HashSet::from([2]), ..Scripted::default() };
    assert_eq!(direct(&compile(&script, &plan(0..3))), [(0, vec![0]), (1, vec![])]);
}

#[test]
fn threads_do_not_matter() {
    let calls: Vec<(u32, u32)> = (0..10).flat_map(|caller| (0..10).map(move |callee| (caller, callee))).collect();
    let with = |threads| {
        let script = Scripted { calls: chain(&calls), fail: HashSet::from([3, 5]), ..Scripted::default() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        pool.install(|| compile(&script, &plan((0..10).rev()))).units
    };
    assert_eq!(with(1), with(4));
}
