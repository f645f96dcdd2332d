//! Values of all widths between host, interpreter and compiled code; memories and tables of both index widths; linking by type.

mod tiers_support;

use tiers_support::on_every_mix;
use trjit_module::ValType;
use trjit_runtime::{OwnedFuncType, Val};

const V: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;

#[test]
fn vectors_cross_between_all_tiers_and_the_host() {
    on_every_mix(|world| {
        let ty = OwnedFuncType::new([ValType::I32, ValType::V128], [ValType::V128, ValType::I64]);
        world.linker.func_raw("host", "swap", ty, |_, slots| {
            assert_eq!(slots[0], 7);
            let (low, high) = (slots[2], slots[3]);
            slots.copy_from_slice(&[high, low, 9, 0]);
            Ok(())
        });
        let instance = world.instance(
            r#"(module
              (import "host" "swap" (func $swap (param i32 v128) (result v128 i64)))
              (import "host" "swap" (func $swap2 (param i32 v128) (result v128 i64)))
              (global $g (mut v128) (v128.const i64x2 1 2))
              (func $even (export "even") (param i64 v128 f32) (result v128 i64)
                (global.set $g (local.get 1))
                (call $odd (i32.const 7) (global.get $g)))
              (func $odd (export "odd") (param i32 v128) (result v128 i64)
                (call $swap (call $narrow (local.get 0)) (local.get 1)))
              (func $narrow (param i32) (result i32) (local.get 0))
              (func $other (export "lanes") (param v128) (result i64)
                (i64x2.extract_lane 1 (call $odd2 (local.get 0))))
              (func $odd2 (param v128) (result v128) (i64x2.add (local.get 0) (local.get 0))))"#,
        );
        let swapped = [Val::V128(V.rotate_left(64)), Val::I64(9)];
        assert_eq!(world.call(&instance, "even", &[Val::I64(1), Val::V128(V), Val::F32(2)]).unwrap(), swapped);
        assert_eq!(world.call(&instance, "odd", &[Val::I32(7), Val::V128(V)]).unwrap(), swapped);
        assert_eq!(world.call(&instance, "lanes", &[Val::V128(V)]).unwrap(), [Val::I64(((V >> 64) * 2) as i64)]);
    });
}

#[test]
fn wide_memories_several_memories_and_wide_tables() {
    on_every_mix(|world| {
        let instance = world.instance(
            r#"(module
              (memory $a 1)
              (memory $b i64 1 4)
              (table $t i64 3 10 funcref)
              (global $base i64 (i64.add (i64.const 40) (i64.mul (i64.const 2) (i64.const 4))))
              (data (memory $b) (offset (i64.sub (i64.const 50) (i64.const 2))) "\2a")
              (elem (table $t) (offset (i64.const 1)) func $read)
              (func $read (export "read") (param i64) (result i32) (i32.load8_u $b (local.get 0)))
              (func $grow (export "grow") (param i64) (result i64) (memory.grow $b (local.get 0)))
              (func $copy (export "copy") (result i32)
                (memory.copy $a $b (i32.const 8) (global.get $base) (i32.const 1))
                (i32.load8_u $a (i32.const 8)))
              (func $call (export "call") (param i64) (result i32)
                (call_indirect $t (param i64) (result i32) (global.get $base) (local.get 0)))
              (func (export "size") (result i64) (i64.add (table.grow $t (ref.null func) (i64.const 2)) (table.size $t))))"#,
        );
        assert_eq!(world.call(&instance, "read", &[Val::I64(48)]).unwrap(), [Val::I32(42)]);
        assert_eq!(world.call(&instance, "copy", &[]).unwrap(), [Val::I32(42)]);
        for address in [65536, 1 << 32, (1 << 32) + 48, -1] {
            assert!(world.call(&instance, "read", &[Val::I64(address)]).is_err(), "{address}");
        }
        assert_eq!(world.call(&instance, "grow", &[Val::I64(3)]).unwrap(), [Val::I64(1)]);
        assert_eq!(world.call(&instance, "grow", &[Val::I64(1)]).unwrap(), [Val::I64(-1)]);
        assert_eq!(world.call(&instance, "read", &[Val::I64(4 * 65536 - 1)]).unwrap(), [Val::I32(0)]);
        assert_eq!(world.call(&instance, "call", &[Val::I64(1)]).unwrap(), [Val::I32(42)]);
        assert!(world.call(&instance, "call", &[Val::I64((1 << 32) + 1)]).is_err());
        assert_eq!(world.call(&instance, "size", &[]).unwrap(), [Val::I64(8)]);
    });
}

#[test]
fn waiting_ends_or_traps() {
    on_every_mix(|world| {
        let instance = world.instance(
            r#"(module
              (memory $shared 1 1 shared)
              (memory $own 1)
              (func (export "wait") (param i32 i32 i64) (result i32) (memory.atomic.wait32 $shared (local.get 0) (local.get 1) (local.get 2)))
              (func (export "wait64") (param i32 i64 i64) (result i32) (memory.atomic.wait64 $shared (local.get 0) (local.get 1) (local.get 2)))
              (func (export "own") (result i32) (memory.atomic.wait32 $own (i32.const 0) (i32.const 0) (i64.const 0)))
              (func (export "notify") (param i32) (result i32) (memory.atomic.notify $shared (local.get 0) (i32.const 1))))"#,
        );
        let mut trap = |name: &str, arguments: &[Val]| world.call(&instance, name, arguments).map_err(|error| error.to_string());
        assert_eq!(trap("wait", &[Val::I32(4), Val::I32(1), Val::I64(-1)]).unwrap(), [Val::I32(1)]);
        assert_eq!(trap("wait", &[Val::I32(4), Val::I32(0), Val::I64(1000)]).unwrap(), [Val::I32(2)]);
        assert_eq!(trap("wait64", &[Val::I32(8), Val::I64(0), Val::I64(1000)]).unwrap(), [Val::I32(2)]);
        assert_eq!(trap("notify", &[Val::I32(4)]).unwrap(), [Val::I32(0)]);
        assert_eq!(trap("wait", &[Val::I32(4), Val::I32(0), Val::I64(-1)]).unwrap_err(), "wasm trap: atomic wait would block forever");
        assert_eq!(trap("wait64", &[Val::I32(4), Val::I64(0), Val::I64(0)]).unwrap_err(), "wasm trap: unaligned atomic");
        assert_eq!(trap("notify", &[Val::I32(65536)]).unwrap_err(), "wasm trap: out of bounds memory access");
        assert_eq!(trap("own", &[]).unwrap_err(), "wasm trap: expected shared memory");
    });
}

#[test]
fn imports_match_by_type_with_narrower_references_where_nothing_can_change() {
    on_every_mix(|world| {
        let exporter = world.instance(
            r#"(module
              (type $other (func))
              (type $f (func (param i32) (result i32)))
              (func $f (export "f") (type $f) (local.get 0))
              (global (export "narrow") (ref $f) (ref.func $f))
              (global (export "var") (mut funcref) (ref.func $f))
              (table (export "t") 1 (ref null $f)))"#,
        );
        world.linker.instance("x", exporter);
        let mut link = |imports: &str| {
            let module = world
                .module(&format!("(module (type $f (func (param i32) (result i32))) (type $self (func (param (ref null $f)))) {imports})"));
            world.linker.instantiate(&mut world.store, &module).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(link(r#"(import "x" "narrow" (global (ref $f)))"#), Ok(()));
        assert_eq!(link(r#"(import "x" "narrow" (global funcref))"#), Ok(()));
        assert_eq!(link(r#"(import "x" "t" (table 1 (ref null $f)))"#), Ok(()));
        assert!(link(r#"(import "x" "narrow" (global (ref null $self)))"#).unwrap_err().contains("incompatible"));
        assert!(link(r#"(import "x" "var" (global (mut (ref null $f))))"#).unwrap_err().contains("incompatible"));
        assert!(link(r#"(import "x" "t" (table 1 funcref))"#).unwrap_err().contains("incompatible"));
        assert!(link(r#"(import "x" "f" (func (type $self)))"#).unwrap_err().contains("incompatible"));
    });
}
