//! What became of functions in another build: a recorded run, then modules with changed bodies, other names, other places.

mod support;

use support::{defined, enter, info, parse};
use trjit_module::Module;
use trjit_trace::{Fate, Profile, Recorder};

const OLD: &str = r#"(module
  (func $kept (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $constant (param i32) (result i32) (if (local.get 0) (then (drop (i32.const 7)))) (i32.const 5))
  (func $branches (param i32) (loop (br_if 0 (local.get 0))))
  (func $removed (param i64) (result i64) (i64.mul (local.get 0) (local.get 0))))"#;

const NEW: &str = r#"(module
  (func $other (param f32) (result f32) (f32.neg (local.get 0)))
  (func $branches (param i32) (loop (br_if 0 (local.get 0))) (loop (br_if 0 (local.get 0))))
  (func $constant (param i32) (result i32) (if (local.get 0) (then (drop (i32.const 8)))) (i32.const 5))
  (func $renamed (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))"#;

const FUNCTIONS: [&str; 4] = ["kept", "constant", "branches", "removed"];

fn recorded(module: &Module) -> Profile {
    let recorder = Recorder::new(module);
    FUNCTIONS.iter().for_each(|name| enter(&recorder, module, name, 2));
    Profile::from_trace(module, recorder.finish(info("old"))).expect("the trace is of this module")
}

#[test]
fn a_function_is_the_same_changed_or_gone() {
    let (old, new) = (parse(OLD), parse(NEW));
    let profile = recorded(&old);
    let expected = [
        Fate::Same { index: defined(&new, "renamed") },
        Fate::Changed { index: defined(&new, "constant"), same_shape: true },
        Fate::Changed { index: defined(&new, "branches"), same_shape: false },
        Fate::Gone,
    ];
    assert_eq!(profile.fates(&new), expected);
    let same = FUNCTIONS.map(|name| Fate::Same { index: defined(&old, name) });
    assert_eq!(profile.fates(&old), same);
}

/// What is told is what rebasing does.
#[test]
fn what_is_the_same_is_what_rebasing_carries_over() {
    let new = parse(NEW);
    let profile = recorded(&parse(OLD));
    let (rebased, coverage) = profile.rebase(&new);
    let same: Vec<_> = profile.fates(&new).into_iter().filter(|fate| matches!(fate, Fate::Same { .. })).collect();
    assert_eq!(coverage.functions_matched as usize, same.len());
    assert_eq!(rebased.functions().iter().map(|function| Fate::Same { index: function.identity.index }).collect::<Vec<_>>(), same);
}
