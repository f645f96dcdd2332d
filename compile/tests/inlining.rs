//! Which calls are replaced by bodies, and what the tables then tell of them.

mod common;

use common::*;
use trjit_code::{BranchCounts, CompileRequest, CompiledFunction, Compiler, Entry, NoAssumptions, NoCounts, SiteTargets, Tier, place};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, Module, TrapCode};

/// `$outer` calls `$middle`, which calls `$inner`, which loads.
const PROGRAM: &str = r#"(module
  (memory 1)
  (func $outer (param i32) (result i32) (call $middle (local.get 0)))
  (func $middle (param i32) (result i32) (i32.add (i32.const 1) (call $inner (local.get 0))))
  (func $inner (param i32) (result i32) (i32.load (local.get 0)))
  (func $tail (param i32) (result i32) (return_call $inner (local.get 0)))
  (func $calls_tail (param i32) (result i32) (call $tail (local.get 0)))
  (func $again (param i32) (result i32) (if (result i32) (local.get 0) (then (call $again (local.get 0))) (else (i32.const 0)))))"#;
const OUTER: FuncIndex = FuncIndex(0);
const MIDDLE: FuncIndex = FuncIndex(1);
const INNER: FuncIndex = FuncIndex(2);
const TAIL: FuncIndex = FuncIndex(3);
const CALLS_TAIL: FuncIndex = FuncIndex(4);
const AGAIN: FuncIndex = FuncIndex(5);

/// Every function was entered so often, and no branch taken.
struct Entered(u64);

impl BranchCounts for Entered {
    fn entries(&self, _function: FuncIndex) -> Option<u64> {
        Some(self.0)
    }

    fn taken(&self, _function: FuncIndex, _entry: u32) -> u64 {
        0
    }

    fn targets(&self, _function: FuncIndex, _site: u32) -> SiteTargets {
        SiteTargets::default()
    }
}

fn compile(module: &Module, function: FuncIndex, tier: Tier, counts: &dyn BranchCounts) -> CompiledFunction {
    let settings = Way::plain(tier).settings;
    let request = CompileRequest {
        module,
        function,
        tier,
        entry: Entry::Start,
        settings,
        direct_calls: &AllDirect,
        counts,
        assumptions: &NoAssumptions,
    };
    CraneliftCompiler::new().compile(&request).expect("it compiles")
}

fn callees(code: &CompiledFunction) -> Vec<FuncIndex> {
    code.relocations.iter().map(|relocation| relocation.target).collect()
}

/// The functions that a place stands in, the innermost first.
fn functions(module: &Module, code: &CompiledFunction, at: u32) -> Vec<FuncIndex> {
    let positions = place::positions(at, |number| code.inlined.get(number as usize).copied());
    positions.map(|position| module.function_at(position).expect("the position is in a body")).collect()
}

#[test]
fn hot_calls_are_replaced_and_places_tell_the_frames() {
    let module = module(PROGRAM);
    let code = compile(&module, OUTER, Tier::Ap4, &Entered(5000));
    assert_eq!(callees(&code), []);
    let load = code.traps.iter().find(|trap| trap.code == TrapCode::MemoryOutOfBounds).expect("the load may trap");
    assert_eq!(functions(&module, &code, load.wasm), [INNER, MIDDLE, OUTER]);
    // Nothing but what sites refer to is kept: the load, and the call that it was inlined at.
    assert_eq!(code.inlined.len(), 2, "{:?}", code.inlined);
}

#[test]
fn calls_stay_where_a_body_would_not_do() {
    let module = module(PROGRAM);
    let hot = Entered(5000);
    assert_eq!(callees(&compile(&module, OUTER, Tier::A1, &hot)), [MIDDLE], "the cheap tier");
    assert_eq!(callees(&compile(&module, TAIL, Tier::Ap4, &hot)), [INNER], "the frame of a tail call vanishes");
    assert_eq!(callees(&compile(&module, CALLS_TAIL, Tier::Ap4, &hot)), [TAIL], "and that of its caller with it");
    assert_eq!(callees(&compile(&module, AGAIN, Tier::Ap4, &hot)), [AGAIN], "a function is not put into itself");
}

#[test]
fn call_sites_in_bodies_have_their_frames() {
    let text = r#"(module
      (import "host" "f" (func $host))
      (func $outer (call $inner))
      (func $inner (call $host) (call $host)))"#;
    let module = module(text);
    let code = compile(&module, FuncIndex(1), Tier::Ap4, &Entered(5000));
    let frames: Vec<_> = code.call_sites.iter().map(|site| functions(&module, &code, site.wasm)).collect();
    assert_eq!(frames, vec![vec![FuncIndex(2), FuncIndex(1)]; 2]);
}

/// A function of about `len` bytes, and one that calls it.
fn of_length(len: usize) -> Module {
    let adds = "(i32.add (local.get 0)".repeat(len / 3);
    module(&format!(
        "(module (func $caller (param i32) (result i32) (call $callee (local.get 0))) (func $callee (param i32) (result i32) {adds} (local.get 0) {}))",
        ")".repeat(len / 3)
    ))
}

#[test]
fn how_long_a_body_may_be_depends_on_what_is_known_of_the_call() {
    let is_inlined = |len, counts: &dyn BranchCounts| callees(&compile(&of_length(len), FuncIndex(0), Tier::Ap4, counts)).is_empty();
    // It is all calls of its callee.
    assert!(is_inlined(390, &Entered(1000)) && !is_inlined(420, &Entered(1000)), "hot");
    assert!(is_inlined(30, &Entered(999)) && !is_inlined(50, &Entered(999)), "executed");
    assert!(is_inlined(70, &NoCounts) && !is_inlined(90, &NoCounts), "nothing is known");
    assert!(is_inlined(70, &Entered(0)) && !is_inlined(90, &Entered(0)), "never entered");
}

#[test]
fn cold_calls_stay_calls() {
    let text = r#"(module
      (func $caller (param i32) (if (local.get 0) (then (call $callee))))
      (func $callee))"#;
    struct NeverThen;
    impl BranchCounts for NeverThen {
        fn entries(&self, _function: FuncIndex) -> Option<u64> {
            Some(5000)
        }

        fn taken(&self, _function: FuncIndex, _entry: u32) -> u64 {
            5000
        }

        fn targets(&self, _function: FuncIndex, _site: u32) -> SiteTargets {
            SiteTargets::default()
        }
    }
    assert_eq!(callees(&compile(&module(text), FuncIndex(0), Tier::Ap4, &NeverThen)), [FuncIndex(1)]);
}
