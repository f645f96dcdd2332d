//! Which tables go on to hold what they begin with, and where a function is in them.

use trjit_module::{Changers, FuncIndex, Module};

fn module(fields: &str) -> Module {
    let text = format!("(module (func $f) (func $g) (func $h) {fields})");
    Module::parse(wat::parse_str(text).expect("the test's text is well-formed")).expect("valid")
}

const TABLE: &str = "(table $t 8 8 funcref) (elem (table $t) (i32.const 2) func $f $g)";

fn changers(fields: &str) -> Changers {
    module(fields).changers(0)
}

#[test]
fn a_table_that_nobody_reaches_lasts() {
    assert_eq!(changers(TABLE), Changers::Nobody);
    assert_eq!(changers(&format!("{TABLE} (func (drop (table.get $t (i32.const 0))) (drop (table.size $t)))")), Changers::Nobody);
    assert_eq!(changers("(table 4 funcref)"), Changers::Nobody, "all of it is null for good");
    assert_eq!(module("").changers(0), Changers::Anyone, "there is none");
}

#[test]
fn each_instruction_that_changes_an_element_counts() {
    let changing = [
        "(table.set $t (i32.const 0) (ref.null func))",
        "(table.fill $t (i32.const 0) (ref.null func) (i32.const 1))",
        "(table.copy $t $other (i32.const 0) (i32.const 0) (i32.const 1))",
        "(table.init $t $segment (i32.const 0) (i32.const 0) (i32.const 1))",
    ];
    for instruction in changing {
        let fields = format!("{TABLE} (table $other 3 funcref) (elem $segment func $f) (func {instruction})");
        let module = module(&fields);
        assert_eq!((module.changers(0), module.changers(1)), (Changers::Anyone, Changers::Nobody), "{instruction}");
        let unreachable = format!("{TABLE} (table $other 3 funcref) (elem $segment func $f) (func unreachable {instruction})");
        assert_eq!(changers(&unreachable), Changers::Anyone, "{instruction}");
    }
    let from = format!("{TABLE} (table $other 3 funcref) (func (table.copy $other $t (i32.const 0) (i32.const 0) (i32.const 1)))");
    assert_eq!((module(&from).changers(0), module(&from).changers(1)), (Changers::Nobody, Changers::Anyone));
    let grows = "(table $t 8 funcref) (elem (table $t) (i32.const 2) func $f) (func (drop (table.grow $t (ref.null func) (i32.const 1))))";
    assert_eq!(changers(grows), Changers::Nobody, "what it has stays");
    let memory = format!(
        "{TABLE} (memory 1) (data $d \"\") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)) (elem.drop 0) (drop (i32.trunc_sat_f32_s (f32.const 1))))"
    );
    assert_eq!(changers(&memory), Changers::Nobody, "other instructions with the same first byte");
}

#[test]
fn tables_that_others_reach() {
    assert_eq!(changers(&format!("{TABLE} (export \"a\" (table $t)) (export \"b\" (table $t))")), Changers::Others);
    let both = format!("{TABLE} (export \"a\" (table $t)) (func (table.set $t (i32.const 0) (ref.null func)))");
    assert_eq!(changers(&both), Changers::Anyone);
    let wasm = wat::parse_str(r#"(module (import "a" "t" (table 8 funcref)) (func $f) (elem (i32.const 0) func $f))"#);
    let imported = Module::parse(wasm.expect("the test's text is well-formed")).expect("valid");
    assert_eq!((imported.changers(0), imported.only_index_of(0, FuncIndex(0))), (Changers::Anyone, None));
    assert_eq!(changers("(table 4 4 funcref (ref.func $f))"), Changers::Anyone, "its elements begin with one function");
    assert_eq!(changers("(table 4 4 funcref) (elem (i32.const 3) func $f $g)"), Changers::Anyone, "no instance comes to be");
}

#[test]
fn where_a_function_is() {
    let [f, g, h] = [0, 1, 2].map(FuncIndex);
    let places = |fields: &str| {
        let module = module(fields);
        [f, g, h].map(|function| module.only_index_of(0, function))
    };
    assert_eq!(places(TABLE), [Some(2), Some(3), None]);
    assert_eq!(places(&format!("{TABLE} (elem (i32.const 7) func $g $h)")), [None; 3], "a segment traps");
    assert_eq!(places(&format!("{TABLE} (elem (i32.const 6) func $g $h)")), [Some(2), None, Some(7)], "$g is at two places");
    assert_eq!(places(&format!("{TABLE} (elem (i32.const 3) func $h)")), [Some(2), None, Some(3)], "$g is covered");
    assert_eq!(
        places(&format!("{TABLE} (elem (i32.const 2) func $g $f)")),
        [None; 3],
        "at two places by the segments, of which one each is covered"
    );
    assert_eq!(places(&format!("{TABLE} (elem (i32.const 2) funcref (ref.null func))")), [None, Some(3), None]);
    assert_eq!(places("(table 9 funcref) (elem $passive func $f) (elem declare func $g)"), [None; 3]);
    assert_eq!(places("(table i64 9 funcref) (elem (i64.const 8) func $h)"), [None, None, Some(8)]);
    assert_eq!(places(&format!("{TABLE} (export \"a\" (table $t))")), [Some(2), Some(3), None], "what it begins with");
    assert_eq!(places(&format!("{TABLE} (func (table.fill $t (i32.const 0) (ref.null func) (i32.const 1)))")), [None; 3]);
    assert_eq!(module(TABLE).only_index_of(1, f), None);
}
