//! Which indirect calls are compared with the callees that training counted, and with how many.

mod common;

use common::*;
use trjit_code::{
    AllAssumptions, Assumption, Assumptions, BranchCounts, CompileRequest, CompiledFunction, Compiler, Entry, NoAssumptions, SiteTargets,
    Tier, place,
};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, Module, TableIndex, TrapCode};

/// Callees of one type, one of another type, an imported one, and callers in every way. `$big` is too large for a body to be put in place of a call.
fn program() -> Module {
    let big = "(i32.store (local.get 0) (i32.load (i32.const 100000)))".repeat(50);
    module(&format!(
        r#"(module
      (type $unary (func (param i32) (result i32)))
      (import "host" "f" (func $imported (param i32) (result i32)))
      (memory 1)
      (table $t 8 funcref)
      (func $small (type $unary) (i32.load (local.get 0)))
      (func $big (type $unary) {big} (local.get 0))
      (func $bigger (type $unary) {big} {big} (local.get 0))
      (func $biggest (type $unary) {big} {big} {big} (local.get 0))
      (func $other (param i64) (result i32) (i32.const 1))
      (func $in_table (type $unary) (i32.add (i32.const 1) (call_indirect $t (type $unary) (local.get 0) (local.get 0))))
      (func $by_reference (param (ref null $unary)) (result i32) (i32.add (i32.const 1) (call_ref $unary (i32.const 7) (local.get 0))))
      (func $tail (type $unary) (return_call_indirect $t (type $unary) (local.get 0) (local.get 0)))
      (func $tail_by_reference (param (ref null $unary)) (result i32) (return_call_ref $unary (i32.const 7) (local.get 0)))
      (elem declare func $small $big))"#
    ))
}

const IMPORTED: FuncIndex = FuncIndex(0);
const SMALL: FuncIndex = FuncIndex(1);
const BIG: FuncIndex = FuncIndex(2);
const BIGGER: FuncIndex = FuncIndex(3);
const BIGGEST: FuncIndex = FuncIndex(4);
const OTHER: FuncIndex = FuncIndex(5);
const IN_TABLE: FuncIndex = FuncIndex(6);
const CALLERS: [FuncIndex; 4] = [IN_TABLE, FuncIndex(7), FuncIndex(8), FuncIndex(9)];

/// Every function was entered 5,000 times, and every site called this.
struct Sites {
    calls: u64,
    functions: Vec<(FuncIndex, u64)>,
}

impl BranchCounts for Sites {
    fn entries(&self, _function: FuncIndex) -> Option<u64> {
        Some(5000)
    }

    fn taken(&self, _function: FuncIndex, _entry: u32) -> u64 {
        0
    }

    fn targets(&self, _function: FuncIndex, site: u32) -> SiteTargets {
        // Those of one function are alike.
        assert!(site < 3, "there is no site {site}");
        SiteTargets { calls: self.calls, functions: self.functions.clone() }
    }
}

fn compile(module: &Module, function: FuncIndex, tier: Tier, counts: &Sites) -> CompiledFunction {
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

/// Whom the code calls directly, in the order of the code.
fn callees(code: &CompiledFunction) -> Vec<FuncIndex> {
    code.relocations.iter().map(|relocation| relocation.target).collect()
}

fn called(function: FuncIndex, calls: u64, functions: &[(FuncIndex, u64)]) -> Vec<FuncIndex> {
    callees(&compile(&program(), function, Tier::Ap4, &Sites { calls, functions: functions.to_vec() }))
}

#[test]
fn an_expected_callee_is_called_directly_in_every_kind_of_call() {
    for caller in CALLERS {
        assert_eq!(called(caller, 5000, &[(BIG, 5000)]), [BIG], "{caller}");
        assert_eq!(called(caller, 0, &[]), [], "{caller}");
    }
}

#[test]
fn callees_are_compared_in_the_order_of_their_calls_and_few_of_them() {
    let all = [(BIGGEST, 1500), (BIGGER, 1700), (BIG, 1600)];
    assert_eq!(called(IN_TABLE, 5000, &all), [BIGGER, BIG, BIGGEST]);
    assert_eq!(called(IN_TABLE, 5000, &[(BIG, 3500), (BIGGER, 1499)]), [BIG], "less than three tenths");
    assert_eq!(called(IN_TABLE, 999, &[(BIG, 999)]), [], "it is not hot");
}

#[test]
fn what_can_not_be_the_callee_is_not_compared_with() {
    for wrong in [OTHER, IMPORTED, FuncIndex(100), FuncIndex(u32::MAX)] {
        assert_eq!(called(IN_TABLE, 5000, &[(wrong, 5000)]), [], "{wrong}");
        assert_eq!(called(IN_TABLE, 5000, &[(wrong, 3000), (BIG, 2000)]), [BIG], "{wrong}");
    }
    let cheap = compile(&program(), IN_TABLE, Tier::A1, &Sites { calls: 5000, functions: vec![(BIG, 5000)] });
    assert_eq!(callees(&cheap), []);
}

#[test]
fn types_need_the_same_number_in_every_engine() {
    let large = "nop ".repeat(500);
    let text = format!(
        r#"(module
      (type $named (func))
      (type $a (func (param (ref null $named))))
      (type $b (func (param (ref null $named))))
      (type $c (func (param i32)))
      (type $d (func (param i32)))
      (table $t 8 funcref)
      (func $f (type $a) {large})
      (func $g (type $c) {large})
      (func $of_b (call_indirect $t (type $b) (ref.null $named) (i32.const 0)))
      (func $of_a (call_indirect $t (type $a) (ref.null $named) (i32.const 0)))
      (func $of_d (call_indirect $t (type $d) (i32.const 0) (i32.const 0))))"#
    );
    let module = module(&text);
    let expecting = |caller, callee| {
        let code = compile(&module, FuncIndex(caller), Tier::Ap4, &Sites { calls: 5000, functions: vec![(FuncIndex(callee), 5000)] });
        !callees(&code).is_empty()
    };
    // Written alike, with a type's number in it: whether that means the same is not looked into.
    assert!(!expecting(2, 0));
    assert!(expecting(3, 0));
    assert!(expecting(4, 1));
}

#[test]
fn a_small_callee_is_put_in_place_of_the_call_and_both_paths_have_the_position() {
    let module = program();
    let code = compile(&module, IN_TABLE, Tier::Ap4, &Sites { calls: 5000, functions: vec![(SMALL, 5000)] });
    assert_eq!(callees(&code), []);
    let frames = |at: u32| -> Vec<FuncIndex> {
        let positions = place::positions(at, |number| code.inlined.get(number as usize).copied());
        positions.map(|position| module.function_at(position).expect("the position is in a body")).collect()
    };
    let trap = |wanted| code.traps.iter().find(|trap| trap.code == wanted).expect("it may trap").wasm;
    assert_eq!(frames(trap(TrapCode::MemoryOutOfBounds)), [SMALL, IN_TABLE]);
    // The generic path is still there, at the same instruction.
    let call = trap(TrapCode::IndirectCallToNull);
    assert_eq!((trap(TrapCode::BadSignature), trap(TrapCode::TableOutOfBounds), frames(call)), (call, call, vec![IN_TABLE]));
    let inlined = trap(TrapCode::MemoryOutOfBounds) & !place::INLINED;
    assert_eq!(code.inlined[inlined as usize].caller, call);
}

#[test]
fn an_index_tells_the_callee_of_a_table_that_lasts() {
    let big = "(i32.store (local.get 0) (i32.load (i32.const 100000)))".repeat(50);
    let code = |fields: &str| {
        let text = format!(
            "(module (type $unary (func (param i32) (result i32))) (memory 1) {fields}
               (func $big (type $unary) {big} (local.get 0))
               (func $site (type $unary) (i32.add (i32.const 1) (call_indirect (type $unary) (local.get 0) (local.get 0)))))"
        );
        let counts = Sites { calls: 5000, functions: vec![(FuncIndex(0), 5000)] };
        let code = compile(&module(&text), FuncIndex(1), Tier::Ap4, &counts);
        assert_eq!(callees(&code), [FuncIndex(0)], "{fields}");
        code.bytes
    };
    let by_index = code("(table 8 funcref) (elem (i32.const 3) func $big)");
    let by_element = code("(table (export \"t\") 8 funcref) (elem (i32.const 3) func $big)");
    assert!(by_index.len() < by_element.len());
    assert_ne!(by_index, code("(table 8 funcref) (elem (i32.const 4) func $big)"), "the place is in the code");
    for fields in ["(elem (i32.const 3) func $big $big)", "(elem (i32.const 3) func $site) (elem declare func $big)"] {
        assert_eq!(code(&format!("(table 8 funcref) {fields}")), by_element, "{fields}");
    }
}

#[test]
fn speculative_code_assumes_that_tables_last_where_that_is_worth_its_tests() {
    const SITE: &str = "(drop (call_indirect (type $unary) (local.get 0) (local.get 0)))";
    let big = "(i32.store (local.get 0) (i32.load (i32.const 100000)))".repeat(50);
    let compiled = |table: &str, body: &str, tier: Tier, assumptions: &dyn Assumptions| {
        let text = format!(
            "(module (type $unary (func (param i32) (result i32))) (memory 1) (tag $tag) (table {table} 8 funcref) (elem (i32.const 3) func $big)
               (func $big (type $unary) {big} (local.get 0)) (func $other (param i32) {big})
               (func (param i32) {body}))"
        );
        let counts = Sites { calls: 5000, functions: vec![(FuncIndex(0), 5000)] };
        let settings = Way::plain(tier).settings;
        let (module, function, entry) = (module(&text), FuncIndex(2), Entry::Start);
        let request =
            CompileRequest { module: &module, function, tier, entry, settings, direct_calls: &AllDirect, counts: &counts, assumptions };
        CraneliftCompiler::new().compile(&request).expect("it compiles")
    };
    let exported = "(export \"t\")";
    let assumes = |body: &str| !compiled(exported, body, Tier::T4, &AllAssumptions).assumptions.is_empty();
    assert_eq!(compiled(exported, SITE, Tier::T4, &AllAssumptions).assumptions, [Assumption::TableLasts(TableIndex(0))]);
    for (table, tier, assumptions) in
        [(exported, Tier::Ap4, &AllAssumptions as &dyn Assumptions), (exported, Tier::T4, &NoAssumptions), ("", Tier::T4, &AllAssumptions)]
    {
        assert_eq!(compiled(table, SITE, tier, assumptions).assumptions, [], "{table} {tier:?}");
    }
    let other = "(call $other (local.get 0))";
    assert!(assumes(&format!("{SITE} {other} {other}")), "nothing is called before it");
    assert!(!assumes(&format!("{other} {SITE}")), "as many tests as guards");
    assert!(assumes(&format!("{SITE} {SITE} {SITE}")), "fewer tests than guards");
    assert!(!assumes(&format!("(loop $l {SITE} (br_if $l (local.get 0)))")), "it follows upon itself");
    assert!(assumes(&format!("(block {SITE} (loop $l {other} (br_if $l (local.get 0))))")));
    assert!(!assumes(&format!("(block (try_table (catch $tag 0) {SITE}))")), "functions that catch");
}
