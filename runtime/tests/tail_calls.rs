//! Tail calls in constant stack on every mix of tiers, across instances, to host functions, with compiled loops in between.

mod tiers_support;

use tiers_support::on_every_mix;
use trjit_module::ValType;
use trjit_runtime::{Error, OwnedFuncType, Val};

/// Direct tail calls: so many that a byte of stack for each would not fit. A tenth of it for the slower kinds is still twice the stack.
const MANY: i64 = 10_000_000;

#[test]
fn direct_and_indirect_tail_calls_need_no_stack() {
    on_every_mix(|world| {
        let instance = world.instance(
            r#"(module
              (type $f (func (param i64) (result i64)))
              (table funcref (elem $even $odd))
              (func $even (export "direct") (param $n i64) (result i64)
                (if (i64.eqz (local.get $n)) (then (return (i64.const 42))))
                (return_call $odd (i64.sub (local.get $n) (i64.const 1))))
              (func $odd (param $n i64) (result i64)
                (if (i64.eqz (local.get $n)) (then (return (i64.const 43))))
                (return_call $even (i64.sub (local.get $n) (i64.const 1))))
              (func $third (export "indirect") (param $n i64) (result i64)
                (return_call_indirect (type $f) (local.get $n) (i32.const 1))))"#,
        );
        assert_eq!(world.call(&instance, "direct", &[Val::I64(MANY)]).unwrap(), [Val::I64(42)]);
        assert_eq!(world.call(&instance, "indirect", &[Val::I64(MANY / 10)]).unwrap(), [Val::I64(43)]);
    });
}

#[test]
fn across_instances_and_with_other_numbers_of_arguments() {
    on_every_mix(|world| {
        let first = world.instance(
            r#"(module
              (type $narrow (func (param i64) (result i64)))
              (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
              (table (export "t") 4 funcref)
              (elem (i32.const 0) $a)
              (func $a (export "run") (param $n i64) (result i64)
                (if (i64.eqz (local.get $n)) (then (return (i64.const 5))))
                (return_call_indirect (type $wide)
                  (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8)
                  (i64.sub (local.get $n) (i64.const 1)) (i32.const 1))))"#,
        );
        world.linker.instance("first", first);
        world.instance(
            r#"(module
              (type $narrow (func (param i64) (result i64)))
              (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
              (import "first" "t" (table 4 funcref))
              (import "first" "run" (func $run (type $narrow)))
              (elem (i32.const 1) $b)
              (func $b (type $wide)
                (if (i64.ne (i64.add (local.get 0) (local.get 7)) (i64.const 9)) (then (unreachable)))
                (if (i32.wrap_i64 (i64.and (local.get 8) (i64.const 1))) (then (return_call $run (local.get 8))))
                (return_call_indirect (type $narrow) (local.get 8) (i32.const 0))))"#,
        );
        assert_eq!(world.call(&first, "run", &[Val::I64(MANY / 10)]).unwrap(), [Val::I64(5)]);
    });
}

#[test]
fn compiled_loops_end_in_tail_calls() {
    on_every_mix(|world| {
        let instance = world.instance(
            r#"(module
              (func $a (export "run") (param $n i32) (param $sum i64) (result i64) (local $i i32)
                (local.set $i (i32.const 4))
                (loop $again
                  (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
                  (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                (if (i32.eqz (local.get $n)) (then (return (local.get $sum))))
                (return_call $b (local.get $sum) (i32.sub (local.get $n) (i32.const 1))))
              (func $b (param $sum i64) (param $n i32) (result i64) (local $i i32)
                (local.set $i (i32.const 5))
                (loop $again
                  (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
                  (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                (return_call $a (local.get $n) (local.get $sum))))"#,
        );
        assert_eq!(world.call(&instance, "run", &[Val::I32(1_000_000), Val::I64(0)]).unwrap(), [Val::I64(9_000_004)]);
    });
}

#[test]
fn a_tail_call_may_end_in_the_host_in_a_trap_or_in_an_exception() {
    on_every_mix(|world| {
        world.linker.func_raw("host", "add", OwnedFuncType::new([ValType::I32, ValType::I32], [ValType::I32]), |_, slots| {
            slots[0] = u64::from(slots[0] as u32 + slots[1] as u32);
            Ok(())
        });
        let instance = world.instance(
            r#"(module
              (import "host" "add" (func $add (param i32 i32) (result i32)))
              (tag $e)
              (func $throw (result i32) (throw $e))
              (func $trap (result i32) (unreachable))
              (func $sum (export "sum") (param i32) (result i32) (return_call $add (local.get 0) (i32.const 2)))
              (func (export "trap") (param i32) (result i32) (return_call $trap))
              (func $other (param i32) (result i32)
                ;; The frame is gone, and with it the handler around it.
                (block $h (try_table (catch_all $h) (return_call $throw)))
                (i32.const 1))
              (func (export "throw") (param i32) (result i32)
                (block $h (try_table (catch_all $h) (return (call $other (i32.const 0)))))
                (i32.const 2)))"#,
        );
        assert_eq!(world.call(&instance, "sum", &[Val::I32(40)]).unwrap(), [Val::I32(42)]);
        assert_eq!(world.call(&instance, "throw", &[Val::I32(0)]).unwrap(), [Val::I32(2)]);
        let Err(Error::Trap(trap)) = world.call(&instance, "trap", &[Val::I32(0)]) else { panic!("no trap") };
        assert_eq!(trap.to_string(), "wasm trap: wasm `unreachable` instruction executed");
    });
}

/// Eight results go through memory. The types differ in their parameters: only one of them has a v128 there.
#[test]
fn results_in_memory_survive_tail_calls_between_types_of_other_widths() {
    on_every_mix(|world| {
        let results = "(result i64 i32 f64 f32 i64 i64 i64 externref)";
        let values =
            "(i64.const -1) (i32.const -2) (f64.const 3) (f32.const 4) (local.get $sum) (i64.const 6) (i64.const 7) (ref.null extern)";
        world.linker.func_raw(
            "host",
            "wide",
            OwnedFuncType::new(
                [ValType::V128, ValType::I64, ValType::I64],
                [ValType::I64, ValType::I32, ValType::F64, ValType::F32, ValType::I64, ValType::I64, ValType::I64, ValType::EXTERNREF],
            ),
            |_, slots| {
                let sum = slots[4];
                let values = [u64::MAX, 0xffff_fffe, 3f64.to_bits(), u64::from(4f32.to_bits()), sum, 6, 7, 0];
                slots.as_chunks_mut::<2>().0.iter_mut().zip(values).for_each(|(slot, value)| slot[0] = value);
                Ok(())
            },
        );
        let instance = world.instance(&format!(
            r#"(module
              (import "host" "wide" (func $host (param v128 i64 i64) {results}))
              (type $narrow (func (param i64 i64) {results}))
              (table funcref (elem $narrow))
              (func $narrow (param $n i64) (param $sum i64) {results}
                (if (i64.eqz (local.get $n)) (then (return {values})))
                (return_call $wide (i64x2.splat (local.get $sum)) (i64.sub (local.get $n) (i64.const 1)) (i64.const 9)))
              (func $wide (param $v v128) (param $n i64) (param $sum i64) {results}
                (local.set $sum (i64.add (i64x2.extract_lane 1 (local.get $v)) (i64.const 1)))
                (if (i64.eqz (local.get $n)) (then (return {values})))
                (return_call_indirect (type $narrow) (i64.sub (local.get $n) (i64.const 1)) (local.get $sum) (i32.const 0)))
              (func $to-host (param $n i64) (param $sum i64) {results}
                (return_call $host (v128.const i64x2 1 2) (local.get $n) (local.get $sum)))
              (func $told {results} (call $to-host (i64.const 1) (i64.const 5)))
              (func (export "host") {results} (call $told))
              (func (export "run") (param $n i64) {results} (call $narrow (local.get $n) (i64.const 0)))
              (func (export "run-wide") (param $n i64) {results}
                (call $wide (v128.const i64x2 0 -1) (local.get $n) (i64.const 0))))"#,
        ));
        let expected = |sum| {
            let [a, b, c] = [-1, 6, 7].map(Val::I64);
            [a, Val::I32(-2), Val::F64(3f64.to_bits()), Val::F32(4f32.to_bits()), Val::I64(sum), b, c, Val::ExternRef(0)]
        };
        for n in [0, 1, 2, 3, MANY / 20] {
            assert_eq!(world.call(&instance, "run", &[Val::I64(n)]).unwrap(), expected((n + 1) / 2), "{n}");
            assert_eq!(world.call(&instance, "run-wide", &[Val::I64(n)]).unwrap(), expected(n / 2), "{n}");
        }
        assert_eq!(world.call(&instance, "host", &[]).unwrap(), expected(5));
    });
}
