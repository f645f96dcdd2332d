//! Phase 1: tiers and order.

mod common;

use common::{functions, module};
use trjit_assemble::options::TierRule;
use trjit_assemble::plan::{Plan, Planned, Recorded, Recording, Unseen};
use trjit_code::Tier::{self, A1, Ap4};
use trjit_module::FuncIndex;

fn recorded(function: u32, entries: u64, back_edges: u64) -> Recorded {
    Recorded { function: FuncIndex(function), entries, back_edges }
}

fn plan(text: &str, recording: &Recording, all: bool) -> Vec<(u32, Tier)> {
    let plan = Plan::new(&module(text), recording, all, TierRule::default());
    plan.functions.iter().map(|&Planned { function, tier }| (function.0, tier)).collect()
}

const WITH_LOOP: &str = "(module (import \"m\" \"f\" (func)) (func) (func (loop)) (func) (func))";

#[test]
fn what_ran_gets_code_in_order_of_first_use() {
    let functions = vec![recorded(3, 9, 0), recorded(1, 1, 0), recorded(2, 1, 0)];
    let recording = Recording { functions, runs: 1 };
    assert_eq!(plan(WITH_LOOP, &recording, false), [(3, Ap4), (1, A1), (2, Ap4)]);
}

#[test]
fn a_function_entered_once_in_each_run_is_still_cold() {
    let functions = vec![recorded(1, 3, 0), recorded(3, 4, 0), recorded(4, 1, 7)];
    let recording = Recording { functions, runs: 3 };
    assert_eq!(plan(WITH_LOOP, &recording, false), [(1, A1), (3, Ap4), (4, Ap4)]);
}

#[test]
fn the_rule_is_tunable() {
    let recording = Recording { functions: vec![recorded(1, 1, 0), recorded(3, 5, 0)], runs: 1 };
    let tiers = |a1_entries_per_run| {
        let plan = Plan::new(&module(WITH_LOOP), &recording, false, TierRule { a1_entries_per_run });
        plan.functions.iter().map(|planned| planned.tier).collect::<Vec<_>>()
    };
    assert_eq!(tiers(0), [Ap4, Ap4]);
    assert_eq!(tiers(5), [A1, A1]);
}

#[test]
fn all_means_every_function_with_recorded_ones_first() {
    let recording = Recording { functions: vec![recorded(4, 1, 0), recorded(2, 1, 0)], runs: 1 };
    assert_eq!(plan(WITH_LOOP, &recording, true), [(4, Ap4), (2, Ap4), (1, Ap4), (3, Ap4)]);
    assert_eq!(plan(WITH_LOOP, &Recording::default(), true), [(1, Ap4), (2, Ap4), (3, Ap4), (4, Ap4)]);
}

#[test]
fn the_rest_follows_without_changing_what_was_recorded() {
    let recording = Recording { functions: vec![recorded(4, 1, 0), recorded(2, 1, 0)], runs: 1 };
    let plan = Plan::new(&module(WITH_LOOP), &recording, false, TierRule::default()).with(&module(WITH_LOOP), Unseen::All);
    let found: Vec<(u32, Tier)> = plan.functions.iter().map(|planned| (planned.function.0, planned.tier)).collect();
    assert_eq!(found, [(4, A1), (2, Ap4), (1, Ap4), (3, Ap4)]);
}

#[test]
fn kernels_loop_and_call_nothing() {
    let text = r#"(module (type $t (func)) (table 1 funcref) (func) (func (loop)) (func (loop) (call 0)) (func (block (loop (br 1))))
        (func (loop) (call_indirect (type $t) (i32.const 0))) (func (loop) (return_call 0)) (func (call 0)) (func (loop)))"#;
    let recording = Recording { functions: vec![recorded(7, 1, 0)], runs: 1 };
    let with = |unseen| {
        let plan = Plan::new(&module(text), &recording, false, TierRule::default()).with(&module(text), unseen);
        plan.functions.iter().map(|planned| planned.function.0).collect::<Vec<_>>()
    };
    assert_eq!((with(Unseen::Kernels), with(Unseen::None)), (vec![7, 1, 3], vec![7]));
}

#[test]
fn nonsense_in_a_recording_is_left_out() {
    // Imported, unknown, mentioned twice, never entered.
    let functions = vec![recorded(0, 5, 0), recorded(77, 5, 0), recorded(3, 5, 0), recorded(3, 5, 0), recorded(1, 0, 0)];
    assert_eq!(plan(WITH_LOOP, &Recording { functions, runs: 1 }, false), [(3, Ap4)]);
}

#[test]
fn no_recording_no_functions() {
    assert_eq!(Plan::new(&functions(3), &Recording::default(), false, TierRule::default()), Plan::default());
}
