//! A profile of one build of a program, used with another build.

mod support;

use support::*;
use trjit_module::Module;
use trjit_trace::{Profile, Recorder};

const ENV: &str = r#"(import "env" "print" (func $print (param i32)))"#;
const TABLE: &str = r#"(type $unary (func (param i32))) (table funcref (elem $print $leaf))"#;
const MAIN: &str = r#"(func $main (export "_start")
    (call_indirect (type $unary) (i32.const 1) (i32.const 1))
    (call_indirect (type $unary) (i32.const 1) (i32.const 0))
    (call $loops (i32.const 10)) (call $print (i32.const 4)))"#;
const LOOPS: &str = r#"(func $loops (param i32)
    (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))"#;
const LEAF: &str = r#"(func $leaf (param i32) (if (local.get 0) (then (nop))))"#;
const TWIN_A: &str = r#"(func $a (result i32) (i32.const 7))"#;
const TWIN_B: &str = r#"(func $b (result i32) (i32.const 7))"#;
const TWIN_C: &str = r#"(func $c (result i32) (i32.const 7))"#;

fn build(parts: &[&str]) -> Module {
    parse(&format!("(module {})", parts.concat()))
}

/// main once, loops twice, leaf 3, a 10, b 20 times.
fn record(module: &Module) -> Profile {
    let recorder = Recorder::new(module);
    for (name, times) in [("main", 1), ("leaf", 3), ("b", 20), ("loops", 2), ("a", 10)] {
        enter(&recorder, module, name, times);
    }
    let site = module.function(index(module, "main")).unwrap().indirect_sites_start;
    recorder.record_indirect(site, Some(index(module, "leaf")));
    recorder.record_indirect(site + 1, Some(index(module, "print")));
    Profile::from_trace(module, recorder.finish(info("tests"))).unwrap()
}

fn original() -> Module {
    build(&[ENV, TABLE, MAIN, LOOPS, LEAF, TWIN_A, TWIN_B])
}

fn entries(profile: &Profile, module: &Module, name: &str) -> Option<u64> {
    of(profile, module, name).map(|function| function.entries)
}

#[test]
fn the_same_module_keeps_everything() {
    let module = original();
    let profile = record(&module);
    let (rebased, coverage) = profile.rebase(&module);
    assert_eq!(rebased, profile);
    assert!(coverage.same_module);
    assert_eq!((coverage.functions_matched, coverage.entries_matched, coverage.share_of_code()), (5, 36, 1.0));
}

#[test]
fn inserted_functions_and_imports_move_the_rest() {
    let old = original();
    let inserted = r#"(func $new (param i64) (drop (i64.const 5)))"#;
    let new = build(&[r#"(import "env" "more" (func))"#, ENV, inserted, TABLE, LEAF, TWIN_A, inserted_again(), MAIN, TWIN_B, LOOPS]);
    let profile = record(&old);
    assert_eq!(profile.coverage(&new), profile.rebase(&new).1);
    let (rebased, coverage) = profile.rebase(&new);
    assert!(!coverage.same_module);
    assert_eq!((coverage.share_of_functions(), coverage.share_of_entries()), (1.0, 1.0));
    assert!(coverage.share_of_code() < 1.0);

    // Exactly what recording the same in the new build gives, but for the time of first calls.
    let fresh = record(&new);
    assert_eq!(rebased.module(), fresh.module());
    assert_eq!(rebased.functions(), fresh.functions());
    assert_eq!(rebased.imports(), fresh.imports());
    assert_eq!(rebased.first_use_order(), fresh.first_use_order());
    assert_eq!(Profile::from_bytes(&rebased.to_bytes()), Ok(rebased));
}

fn inserted_again() -> &'static str {
    r#"(func $newer (result f64) (f64.const 5))"#
}

#[test]
fn a_changed_function_loses_only_its_own_counters() {
    let old = original();
    let changed = r#"(func $loops (param i32)
        (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 2))))))"#;
    let new = build(&[ENV, TABLE, MAIN, changed, LEAF, TWIN_A, TWIN_B]);
    let profile = record(&old);
    let (rebased, coverage) = profile.rebase(&new);
    assert_eq!((coverage.functions_matched, coverage.functions_recorded), (4, 5));
    assert_eq!((coverage.entries_matched, coverage.entries_recorded), (34, 36));
    assert!(of(&rebased, &new, "loops").is_none());
    for name in ["main", "leaf", "a", "b"] {
        assert_eq!(of(&rebased, &new, name), of(&profile, &old, name), "{name}");
    }
    let order: Vec<u32> = rebased.runs()[0].order.iter().map(|call| call.function).collect();
    assert_eq!(order, ["main", "leaf", "b", "a"].map(|name| defined(&new, name).0));
}

#[test]
fn a_lost_target_counts_as_other() {
    let changed = r#"(func $leaf (param i32) (if (i32.eqz (local.get 0)) (then (nop))))"#;
    let new = build(&[r#"(import "env" "print" (func $print (param i32)))"#, TABLE, MAIN, LOOPS, changed, TWIN_A, TWIN_B]);
    let (rebased, _) = record(&original()).rebase(&new);
    let main = of(&rebased, &new, "main").unwrap();
    assert_eq!((main.site(0).unwrap().targets.len(), main.site(0).unwrap().other), (0, 1));
    assert_eq!(main.site(1).unwrap().targets[0].function, index(&new, "print"));
}

#[test]
fn twins_match_by_order_then_by_name() {
    let profile = record(&original());
    // As many as before: order decides, whatever the names say.
    let renamed = build(&[ENV, TABLE, MAIN, TWIN_B, TWIN_A, LOOPS, LEAF]);
    let (rebased, _) = profile.rebase(&renamed);
    assert_eq!((entries(&rebased, &renamed, "b"), entries(&rebased, &renamed, "a")), (Some(10), Some(20)));
    // More than before: names decide.
    let more = build(&[ENV, TABLE, MAIN, TWIN_C, TWIN_B, TWIN_A, LOOPS, LEAF]);
    let (rebased, _) = profile.rebase(&more);
    assert_eq!((entries(&rebased, &more, "b"), entries(&rebased, &more, "a"), entries(&rebased, &more, "c")), (Some(20), Some(10), None));
    // Fewer, with another name for one: the named one first, the rest finds no place.
    let fewer = build(&[ENV, TABLE, MAIN, TWIN_B, LOOPS, LEAF]);
    let (rebased, coverage) = profile.rebase(&fewer);
    assert_eq!((entries(&rebased, &fewer, "b"), coverage.functions_matched), (Some(20), 4));
    // No name known: what is free, in order.
    let unnamed = build(&[ENV, TABLE, MAIN, TWIN_C, LOOPS, LEAF]);
    assert_eq!(entries(&profile.rebase(&unnamed).0, &unnamed, "c"), Some(10));
}

#[test]
fn nothing_is_left_for_another_program() {
    let new = parse("(module (func $other (result i64) (i64.const 1)))");
    let (rebased, coverage) = record(&original()).rebase(&new);
    assert_eq!((rebased.functions().len(), rebased.imports().len(), rebased.runs().len()), (0, 0, 1));
    assert_eq!((coverage.share_of_functions(), coverage.share_of_entries(), coverage.share_of_code()), (0.0, 0.0, 0.0));
    assert!(rebased.runs()[0].order.is_empty());
}

#[test]
fn rebased_profiles_merge_with_fresh_ones() {
    let (old, new) = (original(), build(&[ENV, TABLE, LEAF, MAIN, LOOPS, TWIN_A, TWIN_B]));
    let merged = Profile::merge([record(&old).rebase(&new).0, record(&new)]).unwrap();
    assert_eq!((merged.runs().len(), merged.total_calls()), (2, 72));
}
