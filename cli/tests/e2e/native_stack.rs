//! The interpreter's handlers call each other in tail position. One that keeps a native frame would use up the stack within a loop: here
//! every instruction runs in a loop of its own, in the plain and in the recording interpreter, without and with fuel, on a stack too small for a frame an iteration.

use crate::support::{each, scratch, wat};
use std::path::Path;
use std::process::Command;

/// Iterations of each loop. Even 8 bytes an iteration are more than the stack.
const ITERATIONS: u32 = 200_000;
/// Native stack of the process, in KiB.
const STACK: u32 = 1024;

#[test]
fn no_instruction_uses_up_native_stack() {
    let folder = scratch();
    let cases = cases();
    let path = wat(folder.path(), "loops.wat", &module(&cases));
    each(&cases, |(name, _)| {
        let profile = folder.path().join(format!("{name}.trprof"));
        let profile = profile.to_str().expect("the scratch directory is UTF-8");
        let commands = [
            vec!["run", "--jit", "off"],
            vec!["train", "-o", profile],
            vec!["run", "--jit", "off", "-W", "fuel=1000000000"],
            vec!["train", "-W", "fuel=1000000000", "-o", profile],
        ];
        commands.iter().filter_map(|command| fault(command, name, &path)).collect()
    });
}

/// Runs one loop on a small stack.
fn fault(command: &[&str], name: &str, path: &Path) -> Option<String> {
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -s {STACK}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_trjit")])
        .args(command)
        .args(["--invoke", name])
        .arg(path)
        .output()
        .expect("there is a shell");
    (!output.status.success()).then(|| format!("{command:?} {name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_stack_of_these_tests_is_small_enough_to_tell() {
    // What a leak of one frame an iteration looks like: a process that needs so much stack does not get it.
    let script = format!("ulimit -s {STACK}; f() {{ f; }}; f");
    let output = Command::new("sh").args(["-c", &script]).output().expect("there is a shell");
    assert!(!output.status.success(), "the limit of the stack has no effect here");
}

/// Each instruction as a body of a loop, by a name for the export.
fn cases() -> Vec<(String, String)> {
    let mut cases = Vec::new();
    for ty in ["i32", "i64"] {
        integer(ty, &mut cases);
    }
    for ty in ["f32", "f64"] {
        float(ty, &mut cases);
    }
    conversions(&mut cases);
    memory(&mut cases);
    for (name, body) in OTHERS {
        cases.push((name.to_string(), body.to_string()));
    }
    cases
}

fn unary(op: &str, ty: &str, cases: &mut Vec<(String, String)>) {
    cases.push((op.to_string(), format!("(drop ({op} ({ty}.const 5)))")));
}

fn binary(op: &str, ty: &str, cases: &mut Vec<(String, String)>) {
    cases.push((op.to_string(), format!("(drop ({op} ({ty}.const 11) ({ty}.const 3)))")));
}

fn integer(ty: &str, cases: &mut Vec<(String, String)>) {
    let unaries = "eqz clz ctz popcnt extend8_s extend16_s".split(' ').chain((ty == "i64").then_some("extend32_s"));
    unaries.for_each(|op| unary(&format!("{ty}.{op}"), ty, cases));
    let binaries = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr";
    binaries.split(' ').for_each(|op| binary(&format!("{ty}.{op}"), ty, cases));
}

fn float(ty: &str, cases: &mut Vec<(String, String)>) {
    "abs neg ceil floor trunc nearest sqrt".split(' ').for_each(|op| unary(&format!("{ty}.{op}"), ty, cases));
    "eq ne lt gt le ge add sub mul div min max copysign".split(' ').for_each(|op| binary(&format!("{ty}.{op}"), ty, cases));
}

fn conversions(cases: &mut Vec<(String, String)>) {
    for (to, from) in [("i32", "f32"), ("i32", "f64"), ("i64", "f32"), ("i64", "f64")] {
        for sign in ["s", "u"] {
            unary(&format!("{to}.trunc_{from}_{sign}"), from, cases);
            unary(&format!("{to}.trunc_sat_{from}_{sign}"), from, cases);
            unary(&format!("{from}.convert_{to}_{sign}"), to, cases);
        }
    }
    let others = "i32.wrap_i64 i64.extend_i32_s i64.extend_i32_u f32.demote_f64 f64.promote_f32 i32.reinterpret_f32 i64.reinterpret_f64 \
                  f32.reinterpret_i32 f64.reinterpret_i64";
    for op in others.split_whitespace() {
        let from = op.split('_').find(|part| ["i32", "i64", "f32", "f64"].contains(part)).expect("conversions name what they convert");
        unary(op, from, cases);
    }
}

fn memory(cases: &mut Vec<(String, String)>) {
    let loads = "i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u i64.load8_s i64.load8_u i64.load16_s \
                 i64.load16_u i64.load32_s i64.load32_u";
    loads.split_whitespace().for_each(|op| cases.push((op.to_string(), format!("(drop ({op} offset=300 (i32.const 8)))"))));
    let stores = "i32.store i64.store f32.store f64.store i32.store8 i32.store16 i64.store8 i64.store16 i64.store32";
    for op in stores.split_whitespace() {
        cases.push((op.to_string(), format!("({op} offset=300 (i32.const 8) ({}.const 7))", &op[..3])));
    }
}

/// Control, variables, references, tables, bulk operations and calls.
const OTHERS: &[(&str, &str)] = &[
    ("nop", "nop"),
    ("block", "(block (result i32) (i32.const 1)) drop"),
    ("if-then", "(if (local.get $n) (then nop) (else nop))"),
    ("if-else", "(if (i32.const 0) (then nop) (else nop))"),
    ("if-false", "(if (i32.const 0) (then nop))"),
    ("br", "(block $out (br $out))"),
    ("br-values", "(block $out (result i32 i64) (i32.const 9) (i32.const 1) (i64.const 2) (br $out)) drop drop"),
    ("br-if", "(block $out (br_if $out (local.get $n)))"),
    ("br-if-not", "(block $out (br_if $out (i32.const 0)))"),
    ("br-table", "(block $a (block $b (br_table $a $b $a (i32.and (local.get $n) (i32.const 3)))))"),
    ("return", "(call $returns)"),
    ("call", "(drop (call $add (i32.const 1) (i32.const 2)))"),
    ("call-values", "(call $swap (i32.const 1) (i64.const 2)) drop drop"),
    ("call-with-locals", "(call $locals)"),
    ("call-host", "(drop (call $yield))"),
    ("call-indirect", "(drop (call_indirect (type $binary) (i32.const 1) (i32.const 2) (i32.const 0)))"),
    ("call-indirect-host", "(drop (call_indirect (type $nullary) (i32.const 1)))"),
    ("drop", "(drop (i64.const 1))"),
    ("select", "(drop (select (i32.const 1) (i32.const 2) (local.get $n)))"),
    ("select-typed", "(drop (select (result funcref) (ref.null func) (ref.func $add) (local.get $n)))"),
    ("local", "(local.set $n (local.tee $n (local.get $n)))"),
    ("global", "(global.set $g (i64.add (global.get $g) (i64.const 1)))"),
    ("constants", "(drop (i32.const -1)) (drop (i64.const -1234567890123)) (drop (f32.const 0.5)) (drop (f64.const -0.25))"),
    ("ref-null", "(drop (ref.is_null (ref.null extern)))"),
    ("ref-func", "(drop (ref.is_null (ref.func $add)))"),
    ("table-get", "(drop (table.get $t (i32.const 0)))"),
    ("table-set", "(table.set $u (i32.const 0) (ref.func $add))"),
    ("table-size", "(drop (table.size $t))"),
    ("table-grow", "(drop (table.grow $u (ref.null func) (i32.const 0)))"),
    ("table-fill", "(table.fill $u (i32.const 0) (ref.null func) (i32.const 3))"),
    ("table-copy", "(table.copy $u $t (i32.const 0) (i32.const 0) (i32.const 2))"),
    ("table-init", "(table.init $u $e (i32.const 0) (i32.const 0) (i32.const 1))"),
    ("memory-size", "(drop (memory.size))"),
    ("memory-grow", "(drop (memory.grow (i32.const 0)))"),
    ("memory-fill", "(memory.fill (i32.const 0) (i32.const 1) (i32.const 8))"),
    ("memory-copy", "(memory.copy (i32.const 0) (i32.const 64) (i32.const 8))"),
    ("memory-init", "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 4))"),
];

fn module(cases: &[(String, String)]) -> String {
    let mut text = String::from(
        r#"(module
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (type $binary (func (param i32 i32) (result i32)))
  (type $nullary (func (result i32)))
  (memory (export "memory") 1)
  (table $t 4 funcref) (table $u 4 funcref)
  (elem (table $t) (i32.const 0) func $add $yield)
  (elem $e func $add)
  (data $d "abcd")
  (global $g (mut i64) (i64.const 0))
  (func $returns (return))
  (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))
  (func $swap (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  (func $locals (local i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64))
"#,
    );
    for (name, body) in cases {
        text += &format!(
            "  (func (export \"{name}\") (local $n i32) (local.set $n (i32.const {ITERATIONS}))
    (loop $again {body} (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))\n"
        );
    }
    text + ")"
}
