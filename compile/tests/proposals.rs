//! Exceptions, tail calls, SIMD, atomics, 64-bit and several memories, typed references, fuel: every function compiles in every way, from its start and from each
//! of its loops, with Cranelift's verifier on.

mod common;

use common::{Way, defined, module, walk};
use trjit_code::{CompileError, CompiledFunction, Compiler, CpuLevel, Entry, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::wasmparser::Operator;
use trjit_module::{FuncIndex, Module, TrapCode, TypeIndex};

const EXCEPTIONS: &str = r#"(module
  (type $f (func (param i32) (result i32 f64)))
  (type $seven (func (param i32) (result i32 i32 i32 i32 i32 i32 f32)))
  (import "env" "host" (func $host (param i32)))
  (import "env" "far" (tag $far (param i64)))
  (tag $e (param i32 f32))
  (tag $wide (param v128 i32))
  (tag $none)
  (table 2 funcref)
  (func $throws (param i32) (result i32 f64)
    (if (i32.eqz (local.get 0)) (then (throw $e (i32.const 1) (f32.const 2))))
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $wide (v128.const i32x4 1 2 3 4) (i32.const 3))))
    local.get 0 f64.const 5)
  (func $many (type $seven) unreachable)
  (func $catches (param i32) (result i32)
    (local f64 i32 exnref)
    (local.set 2 (i32.const 7))
    (block $all
      (block $caught (result i32 f32)
        (block $ref (result i32 f32 exnref)
          (try_table (catch $e $caught) (catch_ref $e $ref) (catch_all $all)
            (local.set 2 (i32.const 8))
            (call $throws (local.get 0)) (local.set 1) (local.set 2)
            (call_indirect (type $f) (local.get 0) (local.get 0)) (local.set 1) (local.set 2)
            (call $host (local.get 2)))
          (return (local.get 2)))
        (local.set 3) (drop) (drop) (throw_ref (local.get 3)))
      (drop) (return (i32.add (local.get 2))))
    (i32.const -1))
  (func $nested (param i32) (result i64)
    (block $outer (result i64)
      (block $inner (result i32 f32)
        (try_table (catch $far $outer)
          (try_table (catch $e $inner)
            (if (local.get 0) (then (throw $none)))
            (throw $far (i64.const 3)))
          unreachable)
        unreachable)
      (drop) (i64.extend_i32_u)))
  (func $in_loop (param i32) (result i32)
    (i32.const 5)
    (block $done (result v128 i32)
      (loop $again
        (try_table (catch $wide $done)
          (loop $inner
            (call $throws (local.get 0)) (drop) (drop)
            (br_if $again (i32.eqz (local.get 0)))
            (br_if $inner (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (br $again))
      unreachable)
    (local.set 0) (drop) (i32.add (local.get 0)))
  (func $by_pointer (param i32) (result i32 i32 i32 i32 i32 i32 f32)
    (block $all (try_table (catch_all $all) (return (call $many (local.get 0)))))
    (return_call $many (local.get 0)))
  (func $empty (param i32) (result i32) (try_table (result i32) (local.get 0)))
  (func $result (param i32) (result i32)
    (block $h (result exnref)
      (try_table (result i32 f64) (catch_all_ref $h) (call $throws (local.get 0)))
      (drop) (return))
    (throw_ref))
  (func $dead (unreachable) (try_table (catch_all 0) (call $host (i32.const 1)))))"#;

const TAIL_CALLS: &str = r#"(module
  (type $f (func (param i32 i64 f32) (result i64)))
  (type $mem (func (param i32) (result i32 i32 i32 i32 i32 i32 v128)))
  (type $vec (func (param v128 i32) (result v128)))
  (import "env" "g" (func $import (type $f)))
  (table $t 4 funcref)
  (elem declare func $a)
  (func $a (type $f) (return_call $b (local.get 0) (local.get 1) (local.get 2)))
  (func $b (type $f) (if (local.get 0) (then (return_call $import (local.get 0) (local.get 1) (local.get 2))))
    (return_call_indirect $t (type $f) (local.get 0) (local.get 1) (local.get 2) (i32.const 3)))
  (func $many (type $mem) (loop (br_if 0 (local.get 0))) (return_call $many (local.get 0)))
  (func $vectors (type $vec) (loop (br_if 0 (local.get 1))) (return_call $vectors (local.get 0) (local.get 1)))
  (func $stack (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 v128) (result i64)
    (return_call $a (local.get 9) (i64.const 1) (f32.const 2)))
  (func $grow (param i32) (result i64)
    (loop (br_if 0 (i32.eqz (local.get 0))))
    (return_call $stack (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0)
      (local.get 0) (local.get 0) (local.get 0) (v128.const i64x2 1 2)))
  (func $ref (param i32) (result i64)
    (return_call_ref $f (local.get 0) (i64.const 0) (f32.const 0) (ref.func $a))))"#;

const REFERENCES: &str = r#"(module
  (type $f (func (param i32) (result i32)))
  (elem declare func $id)
  (table $t 3 (ref null $f))
  (func $id (type $f) (local.get 0))
  (func $call (param i32 (ref null $f)) (result i32)
    (call_ref $f (local.get 0) (local.get 1)))
  (func $nulls (param (ref null $f)) (result i32)
    (i32.const 4)
    (block $null (result i32)
      (i32.const 9)
      (br_on_null $null (local.get 0))
      (call_ref $f))
    (i32.add)
    (block $some (result (ref $f)) (br_on_non_null $some (local.get 0)) (return (i32.const 3)))
    (call_ref $f))
  (func $non_null (param (ref null $f)) (result (ref $f)) (ref.as_non_null (local.get 0)))
  (func $select (param (ref null $f) i32) (result (ref null $f))
    (select (result (ref null $f)) (local.get 0) (ref.func $id) (local.get 1))))"#;

const MEMORIES: &str = r#"(module
  (memory $a 1) (memory $b i64 1 2) (memory $c 1 3 shared) (memory $d i64 1 1 shared)
  (table $t i64 3 funcref) (table $u 3 funcref)
  (data $data "data") (elem $e func $wide)
  (func $wide (param i64 i32) (result i64)
    (i64.store $b offset=0xffffffffffff (local.get 0) (i64.load $b (local.get 0)))
    (i32.store8 $b offset=3 (local.get 0) (i32.load16_s $a offset=3 (local.get 1)))
    (v128.store $b (local.get 0) (v128.load $c (local.get 1)))
    (memory.copy $a $b (local.get 1) (local.get 0) (local.get 1))
    (memory.copy $b $d (local.get 0) (local.get 0) (local.get 0))
    (memory.fill $b (local.get 0) (local.get 1) (local.get 0))
    (memory.init $b $data (local.get 0) (local.get 1) (local.get 1))
    (i64.add (memory.size $b) (memory.grow $b (i64.const 1))))
  (func $tables (param i64 i32) (result i64)
    (table.set $t (local.get 0) (table.get $u (local.get 1)))
    (table.copy $t $u (local.get 0) (local.get 1) (local.get 1))
    (table.copy $t $t (local.get 0) (local.get 0) (local.get 0))
    (table.init $t $e (local.get 0) (local.get 1) (local.get 1))
    (table.fill $t (local.get 0) (ref.null func) (local.get 0))
    (call_indirect $t (param i64 i32) (result i64) (local.get 0) (local.get 1) (local.get 0))
    (i64.add (i64.add (table.size $t) (table.grow $t (ref.null func) (local.get 0)))))
  (func $atomics (param i32 i64) (result i64)
    (atomic.fence)
    (i32.atomic.store8 $c (local.get 0) (i32.const 1))
    (i64.atomic.store $d offset=8 (local.get 1) (i64.atomic.load32_u $c (local.get 0)))
    (drop (i32.atomic.rmw16.add_u $c (local.get 0) (i32.const 5)))
    (drop (i64.atomic.rmw.xchg $d (local.get 1) (i64.const 5)))
    (drop (i32.atomic.rmw8.and_u $a (local.get 0) (i32.const 5)))
    (drop (i64.atomic.rmw32.cmpxchg_u $c (local.get 0) (i64.const 5) (local.get 1)))
    (drop (i32.atomic.rmw.cmpxchg $c (local.get 0) (i32.const 5) (local.get 0)))
    (drop (memory.atomic.wait32 $c offset=4 (local.get 0) (i32.const 1) (i64.const 0)))
    (drop (memory.atomic.wait64 $d offset=4 (local.get 1) (i64.const 1) (i64.const 0)))
    (i64.extend_i32_u (memory.atomic.notify $d (local.get 1) (i32.const 1)))))"#;

/// Every SIMD instruction without immediates by its shape, and those with immediates.
fn simd() -> String {
    let mut functions = String::new();
    let mut add = |params: &str, result: &str, body: String| {
        functions += &format!("(func (param {params}) (result {result}) {body})\n");
    };
    let both = |shapes: &[&str], names: &[&str]| -> Vec<String> {
        shapes.iter().flat_map(|shape| names.iter().map(move |name| format!("{shape}.{name}"))).collect()
    };
    let ints = ["i8x16", "i16x8", "i32x4", "i64x2"];
    let small = ["i8x16", "i16x8"];
    let floats = ["f32x4", "f64x2"];
    let mut binary = both(&ints, &["eq", "ne", "lt_s", "gt_s", "le_s", "ge_s", "add", "sub"]);
    binary.extend(both(&ints[..3], &["lt_u", "gt_u", "le_u", "ge_u", "min_s", "min_u", "max_s", "max_u"]));
    binary.extend(both(&small, &["add_sat_s", "add_sat_u", "sub_sat_s", "sub_sat_u", "avgr_u"]));
    binary.extend(both(&ints[1..], &["mul"]));
    binary.extend(both(&floats, &["eq", "ne", "lt", "gt", "le", "ge", "add", "sub", "mul", "div", "min", "max", "pmin", "pmax"]));
    binary.extend(both(&floats, &["relaxed_min", "relaxed_max"]));
    binary.extend(both(&["v128"], &["and", "andnot", "or", "xor"]));
    let named = "i8x16.swizzle i8x16.relaxed_swizzle i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u \
        i16x8.q15mulr_sat_s i16x8.relaxed_q15mulr_s i32x4.dot_i16x8_s i16x8.relaxed_dot_i8x16_i7x16_s";
    binary.extend(named.split_whitespace().map(str::to_string));
    let mut unary = both(&ints, &["abs", "neg"]);
    unary.extend(both(&floats, &["abs", "neg", "sqrt", "ceil", "floor", "trunc", "nearest"]));
    for (wide, narrow) in [("i16x8", "i8x16"), ("i32x4", "i16x8"), ("i64x2", "i32x4")] {
        for sign in ["s", "u"] {
            for half in ["low", "high"] {
                unary.push(format!("{wide}.extend_{half}_{narrow}_{sign}"));
                binary.push(format!("{wide}.extmul_{half}_{narrow}_{sign}"));
            }
            if wide != "i64x2" {
                unary.push(format!("{wide}.extadd_pairwise_{narrow}_{sign}"));
            }
        }
    }
    let named = "v128.not i8x16.popcnt i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero \
        f32x4.convert_i32x4_s f32x4.convert_i32x4_u f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u f32x4.demote_f64x2_zero \
        f64x2.promote_low_f32x4 i32x4.relaxed_trunc_f32x4_s i32x4.relaxed_trunc_f32x4_u i32x4.relaxed_trunc_f64x2_s_zero \
        i32x4.relaxed_trunc_f64x2_u_zero";
    unary.extend(named.split_whitespace().map(str::to_string));
    for name in &binary {
        add("v128 v128", "v128", format!("({name} (local.get 0) (local.get 1))"));
    }
    for name in &unary {
        add("v128", "v128", format!("({name} (local.get 0))"));
    }
    let mut ternary = vec!["v128.bitselect".to_string(), "i32x4.relaxed_dot_i8x16_i7x16_add_s".to_string()];
    ternary.extend(both(&floats, &["relaxed_madd", "relaxed_nmadd"]));
    ternary.extend(both(&ints, &["relaxed_laneselect"]));
    for name in &ternary {
        add("v128 v128 v128", "v128", format!("({name} (local.get 0) (local.get 1) (local.get 2))"));
    }
    for name in both(&ints, &["shl", "shr_s", "shr_u"]) {
        add("v128 i32", "v128", format!("({name} (local.get 0) (local.get 1))"));
    }
    for name in both(&ints, &["all_true", "bitmask"]).into_iter().chain(["v128.any_true".to_string()]) {
        add("v128", "i32", format!("({name} (local.get 0))"));
        add("v128", "i32", format!("(if (result i32) ({name} (local.get 0)) (then (i32.const 1)) (else (i32.const 2)))"));
    }
    for (shape, scalar) in [("i8x16", "i32"), ("i16x8", "i32"), ("i32x4", "i32"), ("i64x2", "i64"), ("f32x4", "f32"), ("f64x2", "f64")] {
        add(scalar, "v128", format!("({shape}.splat (local.get 0))"));
        add(&format!("v128 {scalar}"), "v128", format!("({shape}.replace_lane 1 (local.get 0) (local.get 1))"));
        for sign in if small.contains(&shape) { &["_s", "_u"][..] } else { &[""] } {
            add("v128", scalar, format!("({shape}.extract_lane{sign} 1 (local.get 0))"));
        }
    }
    for load in "8x8_s 8x8_u 16x4_s 16x4_u 32x2_s 32x2_u 8_splat 16_splat 32_splat 64_splat 32_zero 64_zero".split_whitespace() {
        add("i32", "v128", format!("(v128.load{load} offset=5 (local.get 0))"));
    }
    for lane in [8, 16, 32, 64] {
        add("i32 v128", "v128", format!("(v128.load{lane}_lane offset=5 1 (local.get 0) (local.get 1))"));
        add("i32 v128", "v128", format!("(v128.store{lane}_lane offset=5 1 (local.get 0) (local.get 1)) (local.get 1)"));
    }
    add("v128 v128", "v128", "(i8x16.shuffle 0 31 1 30 2 29 3 28 4 27 5 26 6 25 7 24 (local.get 0) (local.get 1))".to_string());
    add(
        "v128 i32 f32",
        "v128",
        "(local v128 i64) (global.set $g (local.get 0)) (i32.const 3) (f32x4.splat (local.get 2))
         (loop $l (param v128) (result v128)
           (local.set 3) (f64x2.add (local.get 3) (global.get $g))
           (select (local.get 3) (local.get 1)) (br_if $l (i32.eqz (local.get 1)))
           (if (param v128) (result v128) (local.get 1) (then (i64x2.neg)) (else (call $many (local.get 1)) drop drop drop drop drop drop drop)))
         (local.set 0) (drop) (local.get 0)"
            .to_string(),
    );
    format!("(module (memory 1) (global $g (mut v128) (v128.const i32x4 0 0 0 0)) {functions}
      (func $many (param i32) (result v128 i32 f64 v128 i64 f32 v128)
        (v128.const f32x4 1 2 3 4) (local.get 0) (f64.const 1) (v128.const i64x2 0 0) (i64.const 1) (f32.const 3) (v128.const i32x4 1 1 1 1)))")
}

fn ways(levels: &[CpuLevel]) -> Vec<Way> {
    let all = Way::all().into_iter().filter(|way| way.settings.features == CpuLevel::V1.features());
    all.flat_map(|way| {
        levels.iter().flat_map(move |level| {
            [false, true].map(|fuel| {
                let mut way = way;
                way.settings.features = level.features();
                way.settings.fuel = fuel;
                way
            })
        })
    })
    .collect()
}

fn check(code: &CompiledFunction) {
    let end = code.bytes.len() as u32;
    assert!(code.handlers.is_sorted_by(|x, y| x.offset < y.offset), "handlers are out of order");
    for site in &code.handlers {
        assert!(code.call_sites.iter().any(|call| call.offset == site.offset), "{site:?} is no call");
        assert!(site.landing < end && site.frame_offset % 16 == 0, "{site:?}");
    }
}

fn compile_all(name: &str, module: &Module, levels: &[CpuLevel]) {
    let compiler = CraneliftCompiler::new();
    for way in ways(levels) {
        for function in defined(module) {
            let code = way.compile(&compiler, module, function, Entry::Start).unwrap_or_else(|error| panic!("{name}, {way:?}: {error}"));
            check(&code);
            let mut loops = Vec::new();
            walk(module, function, |operator, _, after, reachable| {
                if reachable && matches!(operator, Operator::Loop { .. }) {
                    loops.push(after);
                }
            });
            for offset in loops {
                match way.compile(&compiler, module, function, Entry::At(offset)) {
                    Ok(code) => check(&code),
                    Err(error) => panic!("{name}, {way:?}, loop at {offset}: {error}"),
                }
            }
        }
        for ty in (0..module.types().len() as u32).map(TypeIndex) {
            for made in [
                compiler.to_native(module, ty, way.settings),
                compiler.to_interpreter(module, ty, way.settings),
                compiler.tail_to_native(module, ty, way.settings),
            ] {
                made.unwrap_or_else(|error| panic!("{name}, type {ty}: {error}"));
            }
        }
    }
}

const ALL: &[CpuLevel] = CpuLevel::ALL;

#[test]
fn exceptions() {
    compile_all("exceptions", &module(EXCEPTIONS), ALL);
}

#[test]
fn tail_calls() {
    compile_all("tail calls", &module(TAIL_CALLS), ALL);
}

#[test]
fn typed_references() {
    compile_all("references", &module(REFERENCES), ALL);
}

#[test]
fn memories_tables_and_atomics() {
    compile_all("memories", &module(MEMORIES), ALL);
}

#[test]
fn every_simd_instruction() {
    compile_all("simd", &module(&simd()), &[CpuLevel::V2, CpuLevel::V3]);
}

#[test]
fn simd_needs_its_cpu_level() {
    let module = module("(module (func (param v128) (result v128) (f32x4.ceil (local.get 0))))");
    let made = Way::plain(Tier::Ap4).compile(&CraneliftCompiler::new(), &module, FuncIndex(0), Entry::Start);
    assert!(matches!(made, Err(CompileError::Unsupported { .. })), "{made:?}");
}

#[test]
fn calls_in_a_scope_have_handlers_and_others_none() {
    let module = module(
        "(module (func $f) (func $g (call $f) (block (try_table (catch_all 0) (call $f) (call $f))) (call $f) (try_table (call $f))))",
    );
    for tier in Tier::ALL {
        let code = Way::plain(*tier).compile(&CraneliftCompiler::new(), &module, FuncIndex(1), Entry::Start).expect("it compiles");
        assert_eq!(code.handlers.len(), 2, "{:?}", code.handlers);
    }
}

#[test]
fn code_that_counts_fuel_can_run_out_of_it() {
    let module = module("(module (func (loop (br 0))))");
    let mut way = Way::plain(Tier::Ap4);
    let runs_out = |way: Way| {
        let code = way.compile(&CraneliftCompiler::new(), &module, FuncIndex(0), Entry::Start).expect("it compiles");
        code.traps.iter().filter(|trap| trap.code == TrapCode::OutOfFuel).count()
    };
    assert_eq!(runs_out(way), 0);
    way.settings.fuel = true;
    assert_eq!(runs_out(way), 2);
}
