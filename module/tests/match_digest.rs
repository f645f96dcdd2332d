//! Match digests survive what other builds of a program do to indices, and change with the code.

use trjit_module::{DefinedFuncIndex, Digest, MatchDigester, Module, match_digest};

fn parse(text: &str) -> Module {
    Module::parse(wat::parse_str(text).expect("the test's text is well-formed")).expect("the test's module is valid")
}

/// The digest of the function that is exported as `main`.
#[track_caller]
fn main_digest(text: &str) -> Digest {
    let module = parse(text);
    let export = module.export("main").expect("main is exported");
    let defined = export.index - module.imported_functions();
    let digest = match_digest(&module, DefinedFuncIndex(defined));
    assert_eq!(MatchDigester::new(&module).digest(DefinedFuncIndex(defined)), digest);
    digest
}

/// A module with all kinds of indices in `main`. `before`, which may be "imports|fields", stands in front of the rest.
fn program(before: &str) -> String {
    let text = r#"(module
        IMPORTS
        (import "env" "log" (func $log (param i32)))
        BEFORE
        (type $binary (func (param i32 i32) (result i32)))
        (table $t 4 funcref) (memory 1) (global $g (mut i32) (i32.const 0)) (global $h (mut i64) (i64.const 0))
        (elem $e func $add) (data $d "abc")
        (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))
        (func $main (export "main") (param i32) (result i32) (local i64)
            (call $log (i32.const 42))
            (global.set $g (call $add (local.get 0) (global.get $g)))
            (global.set $h (local.get 1))
            (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))
            (memory.init $d (i32.const 0) (i32.const 0) (i32.const 3))
            (drop (ref.func $add))
            (i32.const 1) (i32.const 2)
            (block (type $binary) (call_indirect $t (type $binary) (i32.const 0)))))"#;
    let (imports, fields) = before.split_once('|').unwrap_or(("", before));
    text.replace("IMPORTS", imports).replace("BEFORE", fields)
}

#[test]
fn indices_do_not_count() {
    let plain = main_digest(&program(""));
    for before in [
        "(type (func (param f32)))",
        "(func $unused (result i64) (i64.const 0))",
        "(global i32 (i32.const 1))",
        "(table 1 externref)",
        "(elem func) (data \"other\")",
        "(import \"env\" \"other\" (func (param i64)))|",
        "(import \"env\" \"global\" (global f32))|(type (func (result f32))) (func) (func (param i32)) (table 7 funcref) (data \"x\")",
    ] {
        assert_eq!(main_digest(&program(before)), plain, "{before}");
    }
}

#[test]
fn a_callees_body_and_data_and_limits_do_not_count() {
    let plain = main_digest(&program(""));
    for (old, new) in [
        ("i32.add", "i32.sub"),
        ("\"abc\"", "\"abcdef\""),
        ("$t 4", "$t 9"),
        ("(memory 1)", "(memory 3 9)"),
        ("func $add)", "func $add $add)"),
    ] {
        let edited = program("").replacen(old, new, 1);
        assert_ne!(edited, program(""));
        assert_eq!(main_digest(&edited), plain, "{old} -> {new}");
    }
}

#[test]
fn code_counts() {
    let plain = main_digest(&program(""));
    // Items for the edits to refer to; alone they change nothing.
    let more = "(import \"env\" \"v\" (table $v 1 funcref))|(global $k (export \"k\") (mut i32) (i32.const 0)) (data $active (i32.const 0) \"abc\")";
    let base = program(more);
    assert_eq!(main_digest(&base), plain);
    for (old, new) in [
        ("i32.const 42", "i32.const 43"),
        ("(local i64)", "(local i64 i64)"),
        ("call $add (local.get 0)", "call $add (local.get 0) (drop (local.get 0))"),
        ("(import \"env\" \"log\"", "(import \"env\" \"print\""),
        ("(import \"env\" \"log\"", "(import \"sys\" \"log\""),
        ("(global.set $g (call", "(global.set $k (call"),
        ("(type $binary) (call_indirect", "(type $binary) (i32.const 5) (drop) (call_indirect"),
        ("call_indirect $t", "call_indirect $v"),
        ("memory.init $d", "memory.init $active"),
    ] {
        let edited = base.replacen(old, new, 1);
        assert_ne!(edited, base, "{old} is there");
        assert_ne!(main_digest(&edited), plain, "{old} -> {new}");
    }
}

#[test]
fn the_own_type_counts() {
    let text = |ty: &str| format!("(module (func (export \"main\") (param {ty})))");
    assert_ne!(main_digest(&text("i32")), main_digest(&text("i64")));
}

#[test]
fn debug_names_tell_callees_apart() {
    let text = |callee: &str| format!("(module (func $one) (func $two) (func (export \"main\") call ${callee}))");
    assert_ne!(main_digest(&text("one")), main_digest(&text("two")));
    assert_eq!(main_digest(&text("one")), main_digest("(module (func) (func $two) (func $one) (func (export \"main\") call $one))"));
}

#[test]
fn a_missing_function_has_a_digest_and_no_panic() {
    let module = parse("(module)");
    assert_eq!(match_digest(&module, DefinedFuncIndex(3)), match_digest(&module, DefinedFuncIndex(4)));
}
