//! The third count of what training records: programs that count themselves, run by another engine. Generated ones are counted where their modes are compared.

mod recorded;

use recorded::{c_programs, files, on_a_large_stack, quickjs};
use std::path::Path;
use trjit_fuzz::case::{Call, Case};
use trjit_fuzz::command::Command;
use trjit_fuzz::instrument::{Branch, Counter, Event, instrument};
use trjit_fuzz::mode::Training;
use trjit_fuzz::observation::Outcome;
use trjit_fuzz::outside::{self, By};
use trjit_fuzz::rng::Rng;
use trjit_fuzz::shape::{self, Item};
use trjit_fuzz::subject;
use trjit_fuzz::target::Target;
use trjit_fuzz::value::Value;
use trjit_module::{TrapCode, ValType};

/// An argument as fixtures write it.
fn argument(ty: ValType, word: &str) -> Option<Value> {
    Some(match ty {
        ValType::I32 => Value::I32(word.parse::<i64>().ok()? as i32),
        ValType::I64 => Value::I64(word.parse::<i128>().ok()? as i64),
        ValType::F32 => Value::F32(word.parse::<f32>().ok()?.to_bits()),
        ValType::F64 => Value::F64(word.parse::<f64>().ok()?.to_bits()),
        ValType::V128 | ValType::Ref(_) => return None,
    })
}

/// Fixtures whose calls another engine would work at for seconds each; others have such loops, too.
const LONG: [&str; 3] = ["collatz.wat", "matmul.wat", "sieve.wat"];

/// What a text fixture is.
enum Text {
    /// The calls that it lists, one after another in one instance.
    Calls(Case),
    /// A run of a program of WASI for each list of arguments.
    Commands(Vec<Command>),
    /// No module, one whose imports nobody can provide, arguments that are no numbers, or too long.
    Other,
}

fn text_fixture(path: &Path) -> Text {
    let text = std::fs::read_to_string(path).expect("the fixture is readable");
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let Some(wasm) = wat::parse_str(&text).ok().filter(|_| !LONG.contains(&&*name)) else { return Text::Other };
    let runs: Vec<Vec<&str>> =
        text.lines().filter_map(|line| line.strip_prefix(";; run:")).map(|words| words.split_whitespace().collect()).collect();
    if text.contains("\"wasi_") {
        let of = |args: &Vec<&str>| Command::new(wasm.clone(), args.iter().map(|arg| arg.to_string()).collect());
        return Text::Commands(runs.iter().filter(|run| run.first() != Some(&"--invoke")).map(of).collect());
    }
    calls(wasm, &runs).map_or(Text::Other, Text::Calls)
}

fn calls(wasm: Vec<u8>, runs: &[Vec<&str>]) -> Option<Case> {
    let exports = shape::of(&wasm).ok()?.exports;
    let mut case = Case::new(wasm, 0, 0, &mut Rng::new(1)).ok()?;
    for run in runs {
        let ["--invoke", export, words @ ..] = &run[..] else { return None };
        let Some((_, Item::Func { params, .. })) = exports.iter().find(|(name, _)| name == export) else { return None };
        let arguments = params.iter().zip(words).map(|(&ty, word)| argument(ty, word)).collect::<Option<Vec<_>>>()?;
        case.calls.push(Call { export: export.to_string(), arguments });
    }
    Some(case)
}

/// Compares what a case counts with each kind of training; `None` where there is nothing to compare.
fn check_case(case: &Case, name: &str, scratch: &Path) -> Option<By> {
    let parsed = trjit_module::Module::parse(case.wasm.clone()).expect("a module");
    let train = |training| subject::train(case, &parsed, training).unwrap_or_else(|error| panic!("{name}, {training:?}: {error:#}"));
    let (expected, _) = train(Training::Interpreted);
    let counted = outside::count(case, &expected, |_| 1, scratch).unwrap_or_else(|error| panic!("{name}: {error:#}"))?;
    for &training in Training::ALL {
        assert_eq!(outside::difference(&counted, &train(training).1), None, "{name}, {training:?}");
    }
    Some(counted.by)
}

#[test]
fn text_fixtures_count_what_training_records() {
    on_a_large_stack(|| {
        let scratch = tempfile::tempdir().expect("a directory");
        let (mut outside, mut inside, mut commands) = (0, 0, 0);
        for path in files("wat", ".wat") {
            let name = path.to_string_lossy();
            match text_fixture(&path) {
                Text::Calls(case) => match check_case(&case, &name, scratch.path()) {
                    Some(By::OtherEngine) => outside += 1,
                    Some(By::Interpreter) => inside += 1,
                    None => {}
                },
                Text::Commands(runs) => commands += runs.iter().filter(|command| check(command, &name)).count(),
                Text::Other => {}
            }
        }
        assert!(outside > 40 && inside > 0 && commands > 3, "{outside} on the other engine, {inside} not, {commands} commands");
    });
}

/// Counts a run of a command, and compares it with training of each kind; false where the stack is exhausted, and nothing comparable.
fn check(command: &Command, name: &str) -> bool {
    let module = instrument(&command.wasm, |_| 1).expect("the program is valid");
    let (answer, counted) = command.count(module).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    if answer.outcome == Outcome::Trapped(TrapCode::StackOverflow) {
        return false;
    }
    for &training in Training::ALL {
        let (expected, profile) = command.train(training).unwrap_or_else(|error| panic!("{name}, {training:?}: {error:#}"));
        assert_eq!(answer, expected, "{name}, {training:?}");
        assert_eq!(outside::difference(&counted, &profile), None, "{name}, {training:?}");
    }
    true
}

#[test]
fn c_fixtures_count_what_training_records() {
    on_a_large_stack(|| {
        let compared = c_programs().iter().filter(|(name, command)| check(command, name)).count();
        assert!(compared > 20, "{compared} runs");
    });
}

#[test]
fn quickjs_counts_what_training_records() {
    let Some(commands) = quickjs() else { return };
    on_a_large_stack(move || assert!(commands.iter().all(|(_, command)| check(command, "quickjs-ng"))));
}

/// A mistake in counting: which counters it concerns, and what an event adds to them instead of 1.
type Mistake = (&'static str, fn(&Counter) -> bool, i64);

fn is_branch(counter: &Counter, kind: Branch) -> bool {
    matches!(counter.event, Event::Taken { branch, .. } if branch == kind)
}

const MISTAKES: &[Mistake] = &[
    ("an entry is counted twice", |counter| counter.event == Event::Entry, 2),
    ("a call of a site is left out", |counter| matches!(counter.event, Event::Called { .. }), 0),
    ("br is left out", |counter| is_branch(counter, Branch::Br), 0),
    ("br_if is left out", |counter| is_branch(counter, Branch::BrIf), 0),
    ("br_if is counted twice", |counter| is_branch(counter, Branch::BrIf), 2),
    ("if is left out", |counter| is_branch(counter, Branch::If), 0),
    ("else is left out", |counter| is_branch(counter, Branch::Else), 0),
    ("a label of br_table is left out", |counter| is_branch(counter, Branch::BrTable), 0),
    ("the default of br_table is left out", |counter| is_branch(counter, Branch::BrTableDefault), 0),
    ("br_on_null is left out", |counter| is_branch(counter, Branch::BrOnNull), 0),
    ("br_on_non_null is left out", |counter| is_branch(counter, Branch::BrOnNonNull), 0),
];

/// Generated programs hardly ever have references that are not null at a branch.
fn a_case_with_references() -> Case {
    let text = r#"(module (type $t (func (result i32))) (elem declare func $f) (func $f (type $t) (i32.const 1))
        (func (export "run") (param i32) (result i32) (local $r (ref null $t))
            (if (local.get 0) (then (local.set $r (ref.func $f))))
            (block $on (result (ref $t)) (br_on_non_null $on (local.get $r)) (return (i32.const 9)))
            (call_ref $t)))"#;
    let runs: Vec<Vec<&str>> = ["0", "1", "1"].iter().map(|argument| vec!["--invoke", "run", argument]).collect();
    calls(wat::parse_str(text).expect("valid text"), &runs).expect("a case")
}

#[test]
fn mistakes_in_counting_are_found() {
    on_a_large_stack(|| {
        let scratch = tempfile::tempdir().expect("a directory");
        let mut found = vec![0; MISTAKES.len()];
        let generated = (1..60).flat_map(|seed| [(Target::Smith, seed), (Target::Programs, seed)]);
        let cases = generated.filter_map(|(target, seed)| Some((format!("{target:?} {seed}"), target.case(seed)?)));
        for (name, case) in cases.chain([("references".to_string(), a_case_with_references())]) {
            let parsed = trjit_module::Module::parse(case.wasm.clone()).expect("a module");
            let (expected, profile) = subject::train(&case, &parsed, Training::Compiled).expect("a training run");
            let count = |weight: &dyn Fn(&Counter) -> i64| outside::count(&case, &expected, weight, scratch.path()).expect("a count");
            let Some(right) = count(&|_| 1) else { continue };
            assert_eq!(outside::difference(&right, &profile), None, "{name}");
            for (at, &(mistake, concerns, weight)) in MISTAKES.iter().enumerate() {
                let matters = |(counter, &count): (&Counter, &u64)| concerns(counter) && count != 0;
                if right.module.counters.iter().zip(&right.counts).any(matters) {
                    let wrong = count(&|counter| if concerns(counter) { weight } else { 1 }).expect("it is counted as before");
                    assert!(outside::difference(&wrong, &profile).is_some(), "{name}: {mistake}, and nobody sees it");
                    found[at] += 1;
                }
            }
        }
        for (&found, (mistake, ..)) in found.iter().zip(MISTAKES) {
            println!("{mistake}: seen in all of {found} programs");
            assert!(found > 0, "{mistake}: there is no program to see it in");
        }
    });
}

#[test]
fn a_call_that_reaches_nobody_is_none() {
    let text = r#"(module (table 3 funcref) (elem (i32.const 0) $one) (elem (i32.const 2) $other)
        (type $t (func (result i32)))
        (func $one (type $t) (i32.const 7)) (func $other)
        (func (export "run") (param i32) (result i32) (call_indirect (type $t) (local.get 0))))"#;
    let wasm = wat::parse_str(text).expect("valid text");
    let runs: Vec<Vec<&str>> = ["0", "1", "2", "3", "0"].iter().map(|index| vec!["--invoke", "run", index]).collect();
    let case = calls(wasm, &runs).expect("a case");
    let scratch = tempfile::tempdir().expect("a directory");
    let parsed = trjit_module::Module::parse(case.wasm.clone()).expect("a module");
    let (expected, _) = subject::train(&case, &parsed, Training::Interpreted).expect("a training run");
    let counted = outside::count(&case, &expected, |_| 1, scratch.path()).expect("a count").expect("it is counted");
    let calls = counted.module.counters.iter().zip(&counted.counts).find(|(counter, _)| counter.event == Event::Called { site: 0 });
    assert_eq!((calls.expect("a site").1, counted.by), (&2, By::OtherEngine));
    assert_eq!(check_case(&case, "indirect calls", scratch.path()), Some(By::OtherEngine));
}
