//! A short pass of every target with fixed seeds, and the parts that the targets rest on.

use std::collections::BTreeSet;
use trjit_fuzz::mode::Mode;
use trjit_fuzz::observation::{Observation, Outcome};
use trjit_fuzz::oracle::Verdict;
use trjit_fuzz::target::Target;
use trjit_fuzz::value::Value;
use trjit_fuzz::{bytes, case::Case, oracle, rng::Rng};
use trjit_module::TrapCode;

/// Deep guests run on the testing thread's stack.
fn on_a_large_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(test).expect("a thread");
    thread.join().expect("the test passes");
}

/// Runs seeds; returns how many agreed.
fn pass(target: Target, seeds: std::ops::Range<u64>) -> (u64, u64) {
    let scratch = tempfile::tempdir().expect("a directory");
    let (mut agreed, mut returned) = (0, 0);
    for seed in seeds {
        match target.run(seed, Mode::ALL, scratch.path()) {
            Ok(Verdict::Agree(agreement)) => {
                agreed += 1;
                returned += agreement.returned;
            }
            Ok(Verdict::Skipped | Verdict::Settled(_)) => {}
            Ok(Verdict::Disputed(difference, _)) => panic!("{target:?} seed {seed}, all modes against wasmi: {difference}"),
            Err(difference) => panic!("{target:?} seed {seed}: {difference}"),
        }
    }
    (agreed, returned)
}

#[test]
fn modules_of_wasm_smith_agree_in_all_modes() {
    on_a_large_stack(|| {
        let (agreed, returned) = pass(Target::Smith, 1..120);
        assert!(agreed > 60 && returned > 150, "{agreed} cases, {returned} calls returned");
    });
}

#[test]
fn programs_agree_in_all_modes() {
    on_a_large_stack(|| {
        let (agreed, returned) = pass(Target::Programs, 1..80);
        assert!(agreed > 75 && returned > 400, "{agreed} cases, {returned} calls returned");
    });
}

#[test]
fn damaged_modules_are_parsed_as_they_are_valid() {
    let (agreed, accepted) = pass(Target::Parser, 1..400);
    assert!(agreed > 300 && accepted > 100, "{agreed} modules, {accepted} valid mutations");
}

#[test]
fn a_seed_is_always_the_same_case() {
    for target in [Target::Smith, Target::Programs] {
        let (one, other) = (target.case(7).expect("a case"), target.case(7).expect("a case"));
        assert!(one.wasm == other.wasm && format!("{:?}", one.calls) == format!("{:?}", other.calls));
    }
}

#[test]
fn programs_use_what_they_are_for() {
    let mut seen = BTreeSet::new();
    for seed in 0..60 {
        let case = Target::Programs.case(seed).expect("a case");
        for payload in wasmparser::Parser::new(0).parse_all(&case.wasm) {
            let wasmparser::Payload::CodeSectionEntry(body) = payload.expect("a valid module") else { continue };
            for operator in body.get_operators_reader().expect("a body") {
                let text = format!("{:?}", operator.expect("an operator"));
                seen.insert(text.split([' ', '{']).next().unwrap_or_default().to_string());
            }
        }
    }
    let wanted = [
        "Loop",
        "BrTable",
        "CallIndirect",
        "I32Load8S",
        "I64Load32S",
        "I32DivS",
        "I64RemU",
        "MemoryCopy",
        "MemoryInit",
        "MemoryGrow",
        "TableSet",
        "TableGrow",
        "TableInit",
        "RefFunc",
        "TypedSelect",
        "I32TruncF32S",
        "I64TruncSatF64U",
        "F32Copysign",
        "I64ReinterpretF64",
        "Return",
    ];
    let missing: Vec<_> = wanted.iter().filter(|&&name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "no program uses {missing:?}");
}

#[test]
fn differences_are_found_where_they_are() {
    let run = |outcome: Outcome| Observation { outcomes: vec![outcome], memories: vec![vec![1, 2, 3]], ..Observation::default() };
    let expected = run(Outcome::Returned(vec![Value::I32(1)]));
    assert_eq!(expected.difference(&expected), None);
    assert!(expected.difference(&run(Outcome::Returned(vec![Value::I32(2)]))).is_some_and(|what| what.contains("call 0")));
    let trapped = |code| run(Outcome::Trapped(code));
    assert!(trapped(TrapCode::Unreachable).difference(&trapped(TrapCode::IntegerOverflow)).is_some());
    let mut other = expected.clone();
    other.memories[0][2] = 9;
    assert!(expected.difference(&other).is_some_and(|what| what.contains("byte 0x2: expected 0x3, found 0x9")));
    other.exhausted = true;
    assert_eq!(expected.difference(&other), None, "nothing after exhaustion is compared");
}

#[test]
fn nans_are_one_value() {
    assert_eq!(Value::f32(0xffc0_0001), Value::f32(f32::NAN.to_bits()));
    assert_eq!(Value::f64(0x7ff0_0000_0000_0001), Value::f64(f64::NAN.to_bits()));
    assert_ne!(Value::f64((-0.0f64).to_bits()), Value::f64(0));
}

#[test]
fn the_oracle_runs_imports_of_all_kinds() {
    on_a_large_stack(|| {
        let text = r#"(module
            (import "host" "f" (func $f (param i32 f64) (result i64 f32)))
            (import "other" "g" (global $g (mut i64)))
            (import "other" "h" (func $h (param i64) (result i64)))
            (import "other" "m" (memory 1 3))
            (import "other" "t" (table 4 8 funcref))
            (func (export "run") (param i32 f64) (result i64 f32)
                (global.set $g (call $h (i64.const 77)))
                (i64.store (i32.const 8) (global.get $g))
                (table.set (i32.const 1) (ref.func $own))
                (drop (call_indirect (result i32) (i32.const 1)))
                (call $f (local.get 0) (local.get 1)))
            (func $own (result i32) (i32.const 5))
            (elem declare func $own)
            (export "g" (global $g)) (export "m" (memory 0)) (export "t" (table 0)))"#;
        let wasm = wat::parse_str(text).expect("valid text");
        let case = Case::new(wasm, 8, 0, &mut Rng::new(1)).expect("a case");
        assert_eq!((case.hosts.len(), case.providers.len(), case.memories.len(), case.calls.len()), (1, 1, 1, 8));
        let scratch = tempfile::tempdir().expect("a directory");
        let verdict = oracle::check(&case, Mode::ALL, scratch.path()).expect("no difference");
        assert!(matches!(verdict, Verdict::Agree(agreement) if agreement.returned > 4), "{verdict:?}");
    });
}

#[test]
fn the_parser_target_tells_refusals_from_acceptance() {
    assert!(bytes::check(b"\0asm\x01\0\0\0").expect("no difference"));
    assert!(!bytes::check(b"\0asm\x01\0\0\0\x01").expect("no difference"));
}

/// wasmi 2.0.0 swaps the operands of a `select` of a constant by `i32.eqz`. When this fails after an update, the arbiter has less to do.
#[test]
fn the_reference_has_a_known_bug() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/wat/select-eqz.wat");
    let case = Case::new(wat::parse_file(path).expect("valid text"), 3, 0, &mut Rng::new(1)).expect("a case");
    let scratch = tempfile::tempdir().expect("a directory");
    let verdict = oracle::check(&case, Mode::ALL, scratch.path()).expect("all modes agree");
    let Verdict::Disputed(_, outcomes) = verdict else { panic!("wasmi agrees: {verdict:?}") };
    let argument = case.calls[0].arguments[0];
    assert_ne!(argument, Value::I32(0));
    assert_eq!(outcomes[1], Outcome::Returned(vec![argument]));
    assert_ne!(trjit_fuzz::arbiter::sides_with(&case, &outcomes, scratch.path()), Some(false));
}
