//! A short pass of every target with fixed seeds, and the parts that the targets rest on.

use std::collections::BTreeSet;
use trjit_fuzz::case::{Call, Case};
use trjit_fuzz::mode::{Mode, Training};
use trjit_fuzz::observation::{Observation, Outcome};
use trjit_fuzz::oracle::Verdict;
use trjit_fuzz::target::Target;
use trjit_fuzz::value::Value;
use trjit_fuzz::{bytes, canonical, oracle, reference, rng::Rng, subject};
use trjit_module::TrapCode;

/// Deep guests run on the testing thread's stack.
fn on_a_large_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(test).expect("a thread");
    thread.join().expect("the test passes");
}

/// What came of a range of seeds.
#[derive(Default, Debug)]
struct Passed {
    /// Cases whose modes agreed, those without a reference included.
    agreed: u64,
    /// Of those, the cases that the reference could not run.
    alone: u64,
    /// Calls of one mode that returned.
    returned: u64,
}

/// Runs seeds.
fn pass(target: Target, seeds: std::ops::Range<u64>) -> Passed {
    let scratch = tempfile::tempdir().expect("a directory");
    let mut passed = Passed::default();
    for seed in seeds {
        match target.run(seed, Mode::ALL, scratch.path()) {
            Ok(verdict @ (Verdict::Agree(agreement) | Verdict::Alone(agreement))) => {
                passed.agreed += 1;
                passed.alone += u64::from(matches!(verdict, Verdict::Alone(_)));
                passed.returned += agreement.returned;
            }
            Ok(Verdict::Skipped | Verdict::Settled(_)) => {}
            Ok(Verdict::Disputed(difference, _)) => panic!("{target:?} seed {seed}, all modes against wasmi: {difference}"),
            Err(difference) => panic!("{target:?} seed {seed}: {difference}"),
        }
    }
    passed
}

#[test]
fn modules_of_wasm_smith_agree_in_all_modes() {
    on_a_large_stack(|| {
        let passed = pass(Target::Smith, 1..160);
        assert!(passed.agreed - passed.alone > 100 && passed.alone > 20 && passed.returned > 200, "{passed:?}");
    });
}

#[test]
fn programs_agree_in_all_modes() {
    on_a_large_stack(|| {
        let passed = pass(Target::Programs, 1..90);
        assert!(passed.agreed > 85 && passed.alone > 30 && passed.alone < 55 && passed.returned > 600, "{passed:?}");
    });
}

#[test]
fn the_same_fuel_ends_at_the_same_point() {
    on_a_large_stack(|| {
        let passed = pass(Target::Fuel, 1..120);
        assert!(passed.alone > 90 && passed.returned > 300, "{passed:?}: `returned` are calls that used up their fuel");
    });
}

#[test]
fn threads_agree_while_their_code_comes_and_goes() {
    on_a_large_stack(|| {
        let passed = pass(Target::Threads, 1..80);
        assert!(passed.alone > 75 && passed.returned > 100, "{passed:?}: `returned` are withdrawals");
    });
}

#[test]
fn damaged_modules_are_parsed_as_they_are_valid() {
    let passed = pass(Target::Parser, 1..400);
    assert!(passed.agreed > 300 && passed.returned > 100, "{passed:?}: `returned` are valid mutations");
}

#[test]
fn a_seed_is_always_the_same_case() {
    for target in [Target::Smith, Target::Programs] {
        let (one, other) = (target.case(7).expect("a case"), target.case(7).expect("a case"));
        assert!(one.wasm == other.wasm && format!("{:?}", one.calls) == format!("{:?}", other.calls));
    }
}

/// Every operator that wasmparser knows, with the proposal that it came with.
macro_rules! operators {
    ($(@$proposal:ident $operator:ident $({ $($field:ident: $ty:ty),* })? => $visit:ident ($($note:tt)*))*) => {
        &[$((stringify!($proposal), stringify!($operator))),*]
    };
}

const OPERATORS: &[(&str, &str)] = wasmparser::for_each_operator!(operators);

/// The proposals that trjit accepts.
const PROPOSALS: &[&str] = &[
    "mvp",
    "sign_extension",
    "saturating_float_to_int",
    "bulk_memory",
    "reference_types",
    "simd",
    "relaxed_simd",
    "tail_call",
    "exceptions",
    "function_references",
    "threads",
];

#[test]
fn programs_use_every_instruction() {
    let mut seen = BTreeSet::new();
    for seed in 0..1000 {
        let case = Target::Programs.case(seed).unwrap_or_else(|| panic!("the program of seed {seed} is not valid"));
        for payload in wasmparser::Parser::new(0).parse_all(&case.wasm) {
            let wasmparser::Payload::CodeSectionEntry(body) = payload.expect("a valid module") else { continue };
            for operator in body.get_operators_reader().expect("a body") {
                let text = format!("{:?}", operator.expect("an operator"));
                seen.insert(text.split([' ', '{']).next().unwrap_or_default().to_string());
            }
        }
    }
    // A `select` of several values is not valid yet.
    let wanted = OPERATORS.iter().filter(|(proposal, name)| PROPOSALS.contains(proposal) && *name != "TypedSelectMulti");
    let missing: Vec<_> = wanted.filter(|(_, name)| !seen.contains(*name)).collect();
    assert!(seen.len() > 450 && missing.is_empty(), "{} instructions; no program uses {missing:?}", seen.len());
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
fn computed_nans_are_canonical_where_wasm_smith_leaves_them_open() {
    let text = r#"(module (memory (export "m") 1)
        (func (export "f") (param i64) (result i32 i64) (local i32)
            (i32.reinterpret_f32 (f32.demote_f64 (f64.reinterpret_i64 (i64.const 0xfff4_0000_0000_0001))))
            (i64.reinterpret_f64 (f64.promote_f32 (f32.reinterpret_i32 (i32.const 0xffa0_0001))))
            (v128.store (i32.const 0) (f32x4.relaxed_madd
                (v128.const i32x4 0xffa00001 0x3f800000 0x7f800000 0) (v128.const i32x4 0x3f800000 0x40000000 0 0) (v128.const i64x2 0 0)))))"#;
    let wasm = canonical::nans(&wat::parse_str(text).expect("valid text")).expect("a module");
    let case = Case::new(wasm, 1, 0, &mut Rng::new(1)).expect("a case");
    let observation = reference::run(&case).expect("wasmi runs it");
    assert_eq!(observation.outcomes[1], Outcome::Returned(vec![Value::I32(0x7fc0_0000), Value::I64(0x7ff8 << 48)]));
    let lanes: Vec<u32> = observation.memories[0].chunks(4).take(4).map(|lane| u32::from_le_bytes(lane.try_into().expect("4"))).collect();
    assert_eq!(lanes, [0x7fc0_0000, 0x4000_0000, 0x7fc0_0000, 0], "numbers stay, NaNs are one");
}

/// Calls of a fixture that was a difference, in all modes; the arguments of each call and how it ends.
fn stays_mended(fixture: &str, calls: &[(&str, Value, Outcome)]) {
    let path = format!("{}/../fixtures/wat/{fixture}.wat", env!("CARGO_MANIFEST_DIR"));
    let mut case = Case::new(wat::parse_file(path).expect("valid text"), 0, 0, &mut Rng::new(1)).expect("a case");
    case.calls = calls.iter().map(|(export, argument, _)| Call { export: export.to_string(), arguments: vec![*argument] }).collect();
    let scratch = tempfile::tempdir().expect("a directory");
    let parsed = trjit_module::Module::parse(case.wasm.clone()).expect("a module");
    let (_, profile) = subject::train(&case, &parsed, Training::Interpreted).expect("a training run");
    for &mode in Mode::ALL {
        let found = subject::run(&case, &parsed, mode, Some(&profile), scratch.path()).expect("a run");
        let expected: Vec<_> = calls.iter().map(|(.., outcome)| outcome.clone()).collect();
        assert_eq!(found.outcomes[1..], expected, "{fixture}, {mode:?}");
    }
}

#[test]
fn a_narrow_exchange_cuts_what_it_expects() {
    let returns = |value| Outcome::Returned(vec![Value::I32(value)]);
    let calls = [
        ("exchange8", Value::I32(0xee), returns(0xc0ff55)),
        ("exchange8", Value::I32(0x1ee), returns(0xc0ff55)),
        ("exchange8", Value::I32(0xef), returns(0xc0ffee)),
        ("exchange16", Value::I32(0x7777_ffee), returns(0xc00055)),
        ("exchange32", Value::I64(0x1_00c0_ffee), Outcome::Returned(vec![Value::I64(0x55)])),
    ];
    on_a_large_stack(move || stays_mended("atomic-narrow-exchange", &calls));
}

#[test]
fn a_misaligned_atomic_access_is_told_before_an_overflow() {
    let calls = [
        ("add", Value::I64(3), Outcome::Trapped(TrapCode::HeapMisaligned)),
        ("add", Value::I64(-3), Outcome::Trapped(TrapCode::HeapMisaligned)),
        ("add", Value::I64(-8), Outcome::Trapped(TrapCode::MemoryOutOfBounds)),
        ("add", Value::I64(16), Outcome::Returned(vec![Value::I64(7)])),
    ];
    on_a_large_stack(move || stays_mended("atomic-misaligned-first", &calls));
}

#[test]
fn a_name_that_is_imported_twice_is_provided_once() {
    let case = |second: &str| {
        let text =
            format!(r#"(module (import "a" "b" (func (result i32))) (import "a" "b" (func (result {second}))) (export "f" (func 1)))"#);
        Case::new(wat::parse_str(text).expect("valid text"), 1, 0, &mut Rng::new(1))
    };
    assert_eq!(case("i32").expect("a case").hosts.len(), 1);
    assert!(case("i64").is_err(), "nobody can provide both");
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
    let Verdict::Disputed(_, sides) = verdict else { panic!("wasmi agrees: {verdict:?}") };
    let argument = case.calls[0].arguments[0];
    assert_ne!(argument, Value::I32(0));
    assert_eq!(sides.ours[1], Outcome::Returned(vec![argument]));
    assert_ne!(sides.ours, sides.reference);
    assert_ne!(trjit_fuzz::arbiter::sides_with(&case, &sides.ours, scratch.path()), Some(false));
}
