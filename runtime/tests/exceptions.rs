//! Exceptions on every mix of interpreted and compiled frames.

mod tiers_support;

use std::sync::{Arc, Mutex};
use tiers_support::on_every_mix;
use trjit_module::ValType;
use trjit_runtime::{Error, HostTrap, Linker, OwnedFuncType, Reason, Val};

const DEEP: &str = r#"(module
  (tag $e (export "e") (param i32 i64))
  (tag $other)
  (func $even (export "even") (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (throw $e (i32.const 7) (i64.const 35))))
    (i32.add (call $odd (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))
  (func $odd (param $n i32) (result i32)
    (block $h (result exnref)
      (block $wrong
        (try_table (result i32) (catch $other $wrong) (catch_all_ref $h)
          (call $even (i32.sub (local.get $n) (i32.const 1))))
        (return))
      (unreachable))
    (throw_ref))
  (func $pass (param $n i32) (result i32)
    (block $h
      (try_table (catch $other $h) (drop (call $even (local.get $n)))))
    (i32.const 1))
  (func (export "run") (param $n i32) (result i64) (local $l i64)
    (block $h (result i32 i64)
      (try_table (catch $e $h) (drop (call $pass (local.get $n))))
      (return (i64.const -1)))
    (local.set $l)
    (i64.add (i64.extend_i32_s) (local.get $l)))
  (func (export "loop") (param $n i32) (result i64) (local $sum i64) (local $l i64)
    (loop $again
      (block $h (result i32 i64)
        (try_table (catch $e $h) (drop (call $even (i32.and (local.get $n) (i32.const 2)))))
        (unreachable))
      (local.set $l)
      (drop)
      (local.set $sum (i64.add (local.get $sum) (local.get $l)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "inside") (param $n i32) (result i32)
    ;; The loop that gets hot lies inside of the try_table.
    (block $h (result i32 i64)
      (try_table (catch $e $h)
        (loop $again
          (if (i32.eq (local.get $n) (i32.const 3)) (then (drop (call $even (i32.const 0)))))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $again)))
      (unreachable))
    (drop)
    (i32.add (local.get $n)))
  (func (export "null") (throw_ref (ref.null exn)))
)"#;

#[test]
fn exceptions_cross_frames_of_all_kinds() {
    on_every_mix(|world| {
        let instance = world.instance(DEEP);
        for depth in [0, 2, 50] {
            assert_eq!(world.call(&instance, "run", &[Val::I32(depth)]).unwrap(), [Val::I64(42)]);
        }
        assert_eq!(world.call(&instance, "loop", &[Val::I32(20_000)]).unwrap(), [Val::I64(35 * 20_000)]);
        assert_eq!(world.call(&instance, "inside", &[Val::I32(100)]).unwrap(), [Val::I32(10)]);
    });
}

#[test]
fn what_nobody_catches_reaches_the_host_with_the_place_that_threw() {
    on_every_mix(|world| {
        let instance = world.instance(DEEP);
        let Err(Error::Trap(trap)) = world.call(&instance, "even", &[Val::I32(2)]) else { panic!("nothing was thrown") };
        assert!(matches!(trap.reason, Reason::Exception(_)));
        assert_eq!(trap.to_string(), "thrown Wasm exception");
        assert_eq!(trap.backtrace.frames[0].name.as_deref(), Some("even"), "{:?}", trap.backtrace);
        let Err(Error::Trap(trap)) = world.call(&instance, "null", &[]) else { panic!("no trap") };
        assert_eq!(trap.to_string(), "wasm trap: null reference");
        // Nothing is left behind.
        assert_eq!(world.call(&instance, "run", &[Val::I32(4)]).unwrap(), [Val::I64(42)]);
    });
}

#[test]
fn tags_are_known_by_identity_across_instances() {
    on_every_mix(|world| {
        let first = world.instance(DEEP);
        let second = world.instance(DEEP);
        world.linker.instance("first", first);
        world.linker.instance("second", second);
        let user = world.instance(
            r#"(module
              (import "first" "e" (tag $e (param i32 i64)))
              (import "first" "even" (func $first (param i32) (result i32)))
              (import "second" "even" (func $second (param i32) (result i32)))
              (func (export "run") (param $which i32) (result i32)
                (block $h (result i32 i64)
                  (block $all
                    (try_table (result i32) (catch $e $h) (catch_all $all)
                      (if (result i32) (local.get $which) (then (call $first (i32.const 2))) (else (call $second (i32.const 2)))))
                    (return))
                  (return (i32.const 1000)))
                (drop)))"#,
        );
        assert_eq!(world.call(&user, "run", &[Val::I32(1)]).unwrap(), [Val::I32(7)]);
        assert_eq!(world.call(&user, "run", &[Val::I32(0)]).unwrap(), [Val::I32(1000)]);
        let wrong = world.module(r#"(module (import "first" "e" (tag (param i32))))"#);
        let error = world.linker.instantiate(&mut world.store, &wrong).err().unwrap().to_string();
        assert!(error.contains("the module expects tag of type (param i32)"), "{error}");
    });
}

#[test]
fn a_host_function_throws_on_what_it_was_given() {
    on_every_mix(|world| {
        let instance = world.instance(DEEP);
        let Err(Error::Trap(trap)) = world.call(&instance, "even", &[Val::I32(0)]) else { panic!("nothing was thrown") };
        let Reason::Exception(exception) = trap.reason else { panic!("no exception") };
        let held = Arc::new(Mutex::new(exception));
        let mut linker: Linker<()> = Linker::new();
        linker.instance("deep", instance);
        linker.func_raw("host", "throw", OwnedFuncType::new([], []), move |_, _| Err(HostTrap::Exception(held.lock().unwrap().clone())));
        let module = world.module(
            r#"(module
              (import "host" "throw" (func $throw))
              (import "deep" "e" (tag $e (param i32 i64)))
              (func $middle (call $throw))
              (func (export "run") (result i32)
                (block $h (result i32 i64)
                  (try_table (catch $e $h) (call $middle))
                  (return (i32.const 0)))
                (drop)))"#,
        );
        let user = linker.instantiate(&mut world.store, &module).unwrap();
        assert_eq!(world.call(&user, "run", &[]).unwrap(), [Val::I32(7)]);
    });
}

#[test]
fn exceptions_that_somebody_refers_to_survive_collections() {
    on_every_mix(|world| {
        let wat = r#"(module
          (import "host" "look" (func $look (param exnref)))
          (tag $e (param i32))
          (tag $wrap (param exnref))
          (global $kept (mut exnref) (ref.null exn))
          (table $t 4 exnref)
          (func $make (param $n i32) (result exnref)
            (block $h (result exnref)
              (try_table (catch_all_ref $h) (throw $e (local.get $n)))
              (unreachable)))
          (func $wrap (param exnref) (result exnref)
            (block $h (result i32 exnref)
              (block $w (result exnref exnref)
                (try_table (catch_ref $wrap $w) (throw $wrap (local.get 0)))
                (unreachable))
              (return))
            (unreachable))
          (func $value (param exnref) (result i32)
            (block $h (result i32)
              (try_table (catch $e $h) (throw_ref (local.get 0)))
              (unreachable)))
          (func $wrapped (param exnref) (result i32)
            (block $h (result exnref)
              (try_table (catch $wrap $h) (throw_ref (local.get 0)))
              (unreachable))
            (call $value))
          (func (export "run") (param $n i32) (result i32) (local $own exnref) (local $wrapped exnref)
            (global.set $kept (call $make (i32.const 1)))
            (table.set $t (i32.const 3) (call $make (i32.const 20)))
            (local.set $own (call $make (i32.const 300)))
            (local.set $wrapped (call $wrap (call $make (i32.const 4000))))
            (call $look (call $make (i32.const 0)))
            (loop $again
              (drop (call $make (local.get $n)))
              (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.add (i32.add (call $value (global.get $kept)) (call $value (table.get $t (i32.const 3))))
              (i32.add (call $value (local.get $own)) (call $wrapped (local.get $wrapped))))))"#;
        // `$wrap` is simpler without its first label.
        let wat = wat.replace(
            r#"(block $h (result i32 exnref)
              (block $w (result exnref exnref)
                (try_table (catch_ref $wrap $w) (throw $wrap (local.get 0)))
                (unreachable))
              (return))
            (unreachable))"#,
            r#"(block $w (result exnref)
              (try_table (catch_all_ref $w) (throw $wrap (local.get 0)))
              (unreachable)))"#,
        );
        world.linker.func_raw("host", "look", OwnedFuncType::new([ValType::EXNREF], []), |_, slots| {
            assert_ne!(slots[0], 0);
            Ok(())
        });
        let instance = world.instance(&wat);
        assert_eq!(world.call(&instance, "run", &[Val::I32(10_000)]).unwrap(), [Val::I32(4321)]);
    });
}

#[test]
fn exceptions_and_traps_go_through_host_frames() {
    on_every_mix(|world| {
        let ty = OwnedFuncType::new([ValType::I32], [ValType::I32]);
        world.linker.func_raw("host", "deeper", ty, |mut caller, slots| {
            let deeper = caller.get_export("deeper").and_then(|export| export.into_func()).unwrap();
            let results = deeper.call(&mut caller, &[Val::I32(slots[0] as i32)])?;
            slots[0] = results[0].to_raw(&mut caller)[0];
            Ok(())
        });
        let instance = world.instance(
            r#"(module
              (import "host" "deeper" (func $host (param i32) (result i32)))
              (tag $e (param i32))
              (func $a (export "deeper") (param $n i32) (result i32)
                (if (i32.eqz (local.get $n)) (then (throw $e (i32.const 5))))
                (if (i32.eq (local.get $n) (i32.const 100)) (then (unreachable)))
                (call $b (i32.sub (local.get $n) (i32.const 1))))
              (func $b (param $n i32) (result i32)
                ;; Catches and throws on at each level.
                (block $h (result exnref)
                  (try_table (catch_all_ref $h) (return (call $host (local.get $n))))
                  (unreachable))
                (throw_ref))
              (func (export "run") (param $n i32) (result i32)
                (block $h (result i32)
                  (try_table (result i32) (catch $e $h) (call $host (local.get $n))))))"#,
        );
        assert_eq!(world.call(&instance, "run", &[Val::I32(9)]).unwrap(), [Val::I32(5)]);
        let Err(Error::Trap(trap)) = world.call(&instance, "run", &[Val::I32(104)]) else { panic!("no trap") };
        assert_eq!(trap.to_string(), "wasm trap: wasm `unreachable` instruction executed");
    });
}
