//! The whole way with the real compiler: calls become direct exactly where the callee has code, and two assemblies give the same bytes.

mod common;

use bytes::Bytes;
use common::{cache, fixtures, module, profile};
use trjit_assemble::{Options, Silent, assemble};
use trjit_cache_format::{CacheFile, CodeItem, Edge};
use trjit_code::{CpuLevel, Steered};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, TrapCode};

const PROGRAM: &str = r#"(module
  (import "env" "log" (func $log (param i32)))
  (memory 1)
  (func $leaf (param i32) (result i32) LONG (i32.div_u (i32.const 100) (local.get 0)))
  (func $cold (param i32) (result i32) LONG (i32.load (local.get 0)))
  (func $main (param i32) (result i32)
    LONG
    (call $log (local.get 0))
    (i32.add (call $leaf (local.get 0)) (call $cold (local.get 0))))
  (func $count (param i32) (result i32)
    (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (call $main (i32.const 8))))"#;

fn options(all: bool, threads: usize) -> Options {
    Options { threads: Some(threads), all, ..common::options(CpuLevel::V3) }
}

fn edges(file: &CacheFile) -> Vec<(u32, u32)> {
    file.edges().iter().map(|Edge { caller, callee }| (caller.0, callee.0)).collect()
}

#[test]
fn calls_are_direct_where_the_callee_has_code() {
    let module = module(PROGRAM);
    let compiler = CraneliftCompiler::default();
    let all = cache(&module, None, &options(true, 2), &compiler);
    assert_eq!(edges(&all), [(3, 1), (3, 2), (4, 3)]);
    let recorded = profile(&module, &[(4, 5), (3, 5), (1, 5)]);
    let some = cache(&module, Some(&recorded), &options(false, 2), &compiler);
    assert_eq!(edges(&some), [(3, 1), (4, 3)]);
    assert_eq!(some.jump_table()[2], 0);
}

#[test]
fn the_tables_of_the_file_point_into_the_right_function() {
    let module = module(PROGRAM);
    let file = cache(&module, None, &options(true, 1), &CraneliftCompiler::default());
    let owner = |offset| match file.function_at(offset).expect("inside of a unit").what {
        CodeItem::Function(FuncIndex(function)) => Some(function),
        _ => None,
    };
    let traps = file.traps();
    let divisions = traps.iter().filter(|site| site.code == TrapCode::IntegerDivisionByZero);
    assert_eq!(divisions.map(|site| owner(site.offset)).collect::<Vec<_>>(), [Some(1)]);
    let loads = traps.iter().filter(|site| site.code == TrapCode::MemoryOutOfBounds);
    assert_eq!(loads.map(|site| owner(site.offset)).collect::<Vec<_>>(), [Some(2)]);
    let calls: Vec<u32> = file.calls().iter().filter_map(|site| owner(site.offset - 1)).collect();
    assert_eq!(calls.iter().filter(|&&function| function == 3).count(), 3);
    assert_eq!(calls.iter().filter(|&&function| function == 4).count(), 1);
}

#[test]
fn callers_of_a_function_that_fails_are_as_if_it_was_never_planned() {
    let module = module(PROGRAM);
    let compiler = Steered::new(CraneliftCompiler::default(), |request| (request.function.0 != 2).then_some(request.tier));
    let failed = cache(&module, None, &options(true, 2), &compiler);
    assert_eq!(edges(&failed), [(3, 1), (4, 3)]);
    let recorded = profile(&module, &[(1, 5), (3, 5), (4, 5)]);
    let unplanned = cache(&module, Some(&recorded), &options(false, 2), &CraneliftCompiler::default());
    assert!(failed.text() == unplanned.text(), "the same text");
}

#[test]
fn a_cold_function_is_compiled_cheaply() {
    let module = module(PROGRAM);
    let recorded = profile(&module, &[(4, 1), (3, 1), (1, 9)]);
    let file = cache(&module, Some(&recorded), &options(false, 2), &CraneliftCompiler::default());
    let tiers = &file.manifest().unwrap().tiers;
    assert_eq!((tiers.get("A1"), tiers.get("AP4")), (Some(&1), Some(&2)));
}

#[test]
fn two_assemblies_of_each_fixture_are_equal() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 10, "{} fixtures are modules", fixtures.len());
    for (name, module) in fixtures {
        let make = |threads| -> Bytes {
            let compiler = CraneliftCompiler::default();
            assemble(&module, None, &options(true, threads), &compiler, &Silent).unwrap_or_else(|error| panic!("{name}: {error}")).bytes
        };
        assert!(make(1) == make(2), "{name} differs between one and two threads");
    }
}
