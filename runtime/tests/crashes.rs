//! Whatever a guest does to its stack, and wherever it traps: the host goes on, learns the same in every mix of tiers, and can use the store again.
//! (`fixtures/wat/overflow-*.wat` and `trap-deep.wat` ask the same of whole programs; here are what only hosts can do, and frames too large to write down.)

mod tiers_support;

use std::collections::BTreeSet;
use std::fmt::Write;
use tiers_support::{World, on_every_mix, on_mixes_for_large_frames};
use trjit_module::{TrapCode, ValType};
use trjit_runtime::{Error, HostTrap, Instance, Linker, OwnedFuncType, Reason, Trap, Val};

/// Frames that are compared where a stack is exhausted, below the innermost one. Of large frames there are not many.
const CYCLE: usize = 4;

fn trapped<T>(result: Result<T, Error>) -> Trap {
    match result {
        Err(Error::Trap(trap)) => *trap,
        Err(other) => panic!("no trap: {other}"),
        Ok(_) => panic!("no trap"),
    }
}

fn names(trap: &Trap) -> Vec<&str> {
    trap.backtrace.frames.iter().map(|frame| frame.name.as_deref().unwrap_or("?")).collect()
}

/// The call exhausts the stack in a recursion of these functions.
fn overflows(world: &mut World, instance: &Instance, name: &str, cycle: &[&str]) {
    let trap = trapped(world.call(instance, name, &[]));
    assert_eq!(trap.code(), Some(TrapCode::StackOverflow), "{name}: {trap}");
    assert_eq!(trap.to_string(), "wasm trap: call stack exhausted");
    let found: BTreeSet<&str> = names(&trap).into_iter().skip(1).take(CYCLE).collect();
    assert_eq!(found, cycle.iter().copied().collect(), "{name}");
}

/// `host.call(n)` calls the export `callback` of the caller with `n`, and ends as that does; `host.try(n)` returns how that ended: 0, or 1.
fn callbacks(linker: &mut Linker<()>) {
    let ty = || OwnedFuncType::new([ValType::I32], [ValType::I32]);
    linker.func_raw("host", "call", ty(), |mut caller, slots| {
        let callback = caller.get_export("callback").and_then(|found| found.into_func()).ok_or(HostTrap::new("no callback"))?;
        let results = callback.call(&mut caller, &[Val::I32(slots[0] as i32)])?;
        slots[0] = u64::from(results[0].i32().unwrap_or(-1) as u32);
        Ok(())
    });
    linker.func_raw("host", "try", ty(), |mut caller, slots| {
        let callback = caller.get_export("callback").and_then(|found| found.into_func()).ok_or(HostTrap::new("no callback"))?;
        slots[0] = u64::from(callback.call(&mut caller, &[Val::I32(slots[0] as i32)]).is_err());
        Ok(())
    });
}

const BACK: &str = r#"(module
  (import "host" "call" (func $call (param i32) (result i32)))
  (import "host" "try" (func $try (param i32) (result i32)))
  (tag $e (param i32))
  (memory 1)
  (table 3 funcref)
  (elem (i32.const 0) $down)
  (type $none (func))
  (func $callback (export "callback") (param $what i32) (result i32)
    (i32.add (call $down (i32.const 6) (local.get $what)) (i32.const 1)))
  ;; what to do six calls deeper
  (func $down (param $n i32) (param $what i32) (result i32)
    (if (local.get $n) (then (return (i32.add (call $further (i32.sub (local.get $n) (i32.const 1)) (local.get $what)) (i32.const 1)))))
    (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 (local.get $what)))
      (return (i32.const 10)))
      (unreachable))
      (return (i32.load (i32.const -1))))
      (return (i32.div_u (i32.const 1) (i32.const 0))))
      (call_indirect (type $none) (i32.const 2)) (return (i32.const 1)))
      (call_indirect (type $none) (i32.const 0)) (return (i32.const 1)))
      (throw $e (i32.const 5)))
    (i32.add (call $callback (i32.const 7)) (i32.const 1)))
  (func $further (param $n i32) (param $what i32) (result i32)
    (i32.add (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $what)) (i32.const 1)))
  (func $outer (export "outer") (param $what i32) (result i32) (i32.add (call $middle (local.get $what)) (i32.const 100)))
  (func $middle (param $what i32) (result i32) (i32.add (call $call (local.get $what)) (i32.const 1000)))
  (func (export "tried") (param $what i32) (result i32)
    (i32.add (call $try (local.get $what)) (i32.const 500)))
  ;; handlers around the host's frame
  (func (export "caught") (param $what i32) (result i32)
    (block $h (result i32)
      (return (try_table (result i32) (catch $e $h) (call $middle (local.get $what)))))
    (i32.add (i32.const 40)))
  (func (export "all") (param $what i32) (result i32)
    (block $h
      (return (try_table (result i32) (catch_all $h) (call $middle (local.get $what)))))
    (i32.const 41)))"#;

/// What [`BACK`] does for each number from 1 on, unless it throws.
const TRAPS: [(i32, TrapCode); 6] = [
    (1, TrapCode::Unreachable),
    (2, TrapCode::MemoryOutOfBounds),
    (3, TrapCode::IntegerDivisionByZero),
    (4, TrapCode::IndirectCallToNull),
    (5, TrapCode::BadSignature),
    (7, TrapCode::StackOverflow),
];

#[test]
fn traps_in_callbacks_pass_the_host_and_every_handler() {
    on_every_mix(|world| {
        callbacks(&mut world.linker);
        let instance = world.instance(BACK);
        let fine = [Val::I32(10 + 7 + 1000 + 100)];
        for (what, code) in TRAPS {
            for name in ["outer", "caught", "all"] {
                let trap = trapped(world.call(&instance, name, &[Val::I32(what)]));
                assert_eq!(trap.code(), Some(code), "{name} {what}: {trap}");
                let expected = ["middle", if name == "outer" { "outer" } else { name }];
                assert!(names(&trap).ends_with(&expected), "{name} {what}: {:?}", names(&trap));
            }
            assert_eq!(world.call(&instance, "tried", &[Val::I32(what)]).unwrap(), [Val::I32(501)]);
            assert_eq!(world.call(&instance, "outer", &[Val::I32(0)]).unwrap(), fine);
        }
        assert_eq!(world.call(&instance, "tried", &[Val::I32(0)]).unwrap(), [Val::I32(500)]);
    });
}

#[test]
fn exceptions_in_callbacks_pass_the_host_up_to_their_handler() {
    on_every_mix(|world| {
        callbacks(&mut world.linker);
        let instance = world.instance(BACK);
        let throw = [Val::I32(6)];
        assert_eq!(world.call(&instance, "caught", &throw).unwrap(), [Val::I32(45)]);
        assert_eq!(world.call(&instance, "all", &throw).unwrap(), [Val::I32(41)]);
        assert_eq!(world.call(&instance, "tried", &throw).unwrap(), [Val::I32(501)]);
        let trap = trapped(world.call(&instance, "outer", &throw));
        assert!(matches!(trap.reason, Reason::Exception(_)), "{trap}");
        let thrown_at = ["down", "further", "down", "further", "down", "further", "down", "callback", "middle", "outer"];
        assert_eq!(names(&trap), thrown_at);
        assert_eq!(world.call(&instance, "caught", &[Val::I32(0)]).unwrap(), [Val::I32(10 + 7 + 1000)]);
    });
}

#[test]
fn recursion_through_the_host_ends_in_the_trap() {
    on_every_mix(|world| {
        callbacks(&mut world.linker);
        let instance = world.instance(
            r#"(module
              (import "host" "call" (func $call (param i32) (result i32)))
              (import "host" "try" (func $try (param i32) (result i32)))
              (table funcref (elem $call $callback))
              (type $f (func (param i32) (result i32)))
              (global $depth (mut i32) (i32.const 0))
              (global $tries (export "tries") (mut i32) (i32.const 0))
              (func $run (export "run") (result i32) (call $even (i32.const 0)))
              (func $even (param i32) (result i32) (i32.add (call $odd (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
              (func $odd (param i32) (result i32)
                (i32.add (call_indirect (type $f) (i32.add (local.get 0) (i32.const 1)) (i32.const 0)) (i32.const 1)))
              (func $callback (export "callback") (param i32) (result i32)
                (if (i32.lt_s (local.get 0) (i32.const 0))
                  (then
                    ;; as deep as it goes; what is left when that has failed is tried again on the way back
                    (global.set $tries (i32.add (global.get $tries) (i32.const 1)))
                    (return (i32.add (call $try (local.get 0)) (i32.const 1)))))
                (block $h (return (i32.add (try_table (result i32) (catch_all $h) (call $even (local.get 0))) (i32.const 1))))
                (i32.const 0))
              (func (export "try") (result i32) (call $callback (i32.const -1)))
              (func (export "depth") (param i32) (result i32)
                (if (result i32) (local.get 0) (then (i32.add (call $deeper (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) (else (i32.const 0))))
              (func $deeper (param i32) (result i32)
                (if (result i32) (local.get 0) (then (i32.add (call 7 (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) (else (i32.const 0)))))"#,
        );
        for _ in 0..3 {
            // Each host frame ends the trace of its guest: what is seen are the frames of the outermost activation.
            let trap = trapped(world.call(&instance, "run", &[]));
            assert_eq!(trap.code(), Some(TrapCode::StackOverflow), "{trap}");
            assert!(names(&trap).ends_with(&["odd", "even", "run"]), "{:?}", names(&trap));
            assert_eq!(world.call(&instance, "try", &[]).unwrap(), [Val::I32(1)], "the outermost attempt did not fail");
            assert_eq!(world.call(&instance, "depth", &[Val::I32(200)]).unwrap(), [Val::I32(200)]);
        }
        let Some(Val::I32(tries)) = instance.get_global(&mut world.store, "tries").map(|global| global.get(&world.store)) else {
            panic!("the module exports a global")
        };
        assert!(tries > 3 * 20, "{tries}");
    });
}

#[test]
fn start_functions_that_end_early_leave_a_store_that_can_be_used() {
    on_every_mix(|world| {
        callbacks(&mut world.linker);
        let module = |body: &str| {
            format!(
                r#"(module
                  (import "host" "call" (func $call (param i32) (result i32)))
                  (tag $e)
                  (start $start)
                  (func $start (drop (call $a (i32.const 4))))
                  (func $a (param i32) (result i32)
                    (if (i32.eqz (local.get 0)) (then (return (call $wrong (i32.const 0)))))
                    (i32.add (call $b (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
                  (func $b (param i32) (result i32) (i32.add (call $a (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
                  (func $wrong (param i32) (result i32) {body})
                  (func (export "callback") (param i32) (result i32) (i32.add (call $wrong (i32.const 0)) (i32.const 1))))"#
            )
        };
        let cases = [
            ("(unreachable)", Some(TrapCode::Unreachable)),
            ("(i32.rem_s (i32.const 1) (local.get 0))", Some(TrapCode::IntegerDivisionByZero)),
            ("(i32.add (call $wrong (local.get 0)) (i32.const 1))", Some(TrapCode::StackOverflow)),
            ("(i32.add (call $a (i32.const 3)) (i32.const 1))", Some(TrapCode::StackOverflow)),
            ("(i32.add (call $call (i32.const 3)) (i32.const 1))", Some(TrapCode::StackOverflow)),
            ("(throw $e)", None),
        ];
        for (body, code) in cases {
            let module = world.module(&module(body));
            for _ in 0..2 {
                let trap = trapped(world.linker.instantiate(&mut world.store, &module));
                assert_eq!(trap.code(), code, "{body}: {trap}");
                assert_eq!(matches!(trap.reason, Reason::Exception(_)), code.is_none(), "{body}: {trap}");
                if code != Some(TrapCode::StackOverflow) {
                    assert_eq!(names(&trap), ["wrong", "a", "b", "a", "b", "a", "start"], "{body}");
                }
            }
        }
        let instance = world.instance(r#"(module (func (export "fine") (result i32) (i32.const 42)))"#);
        assert_eq!(world.call(&instance, "fine", &[]).unwrap(), [Val::I32(42)]);
    });
}

/// A function that keeps `count` values of a type alive across a call of `callee`.
fn large(name: &str, callee: &str, ty: &str, count: u32) -> String {
    let bytes = if ty == "v128" { 16 } else { 8 };
    let mut text = format!("(func ${name} (export \"{name}\") (local {})", format!("{ty} ").repeat(count as usize));
    for local in 0..count {
        let _ = write!(text, "(local.set {local} ({ty}.load (i32.const {})))", local * bytes);
    }
    let _ = write!(text, "(call ${callee})");
    for local in 0..count {
        let _ = write!(text, "({ty}.store (i32.const {}) (local.get {local}))", (count - 1 - local) * bytes);
    }
    text + ")\n"
}

#[test]
fn frames_larger_than_what_is_left_of_the_stack() {
    on_mixes_for_large_frames(|world| {
        let wide = [large("vectors", "vectors2", "v128", 200), large("vectors2", "vectors", "v128", 600)].concat();
        let narrow = [
            large("large", "large", "i64", 400),
            // Frames of more than 32 KiB, for which prologues check the limit in another way.
            large("huge", "small", "i64", 4200),
            "(func $small (call $huge) (call $huge))".to_string(),
            // Small frames up to the end, and at each of them the attempt to call a huge one.
            large("leaf", "nothing", "i64", 1500),
            "(func $nothing) (func $creep (export \"creep\") (call $leaf) (call $creep2)) (func $creep2 (call $leaf) (call $creep))"
                .to_string(),
        ]
        .concat();
        for (functions, cases) in [
            (wide, &[("vectors", &["vectors", "vectors2"][..])][..]),
            (narrow, &[("large", &["large"][..]), ("huge", &["huge", "small"]), ("creep", &["creep", "creep2"])]),
        ] {
            let instance = world.instance(&format!("(module (memory 1) {functions} (func (export \"fine\") (result i32) (i32.const 42)))"));
            for _ in 0..2 {
                for (name, cycle) in cases {
                    overflows(world, &instance, name, cycle);
                }
                assert_eq!(world.call(&instance, "fine", &[]).unwrap(), [Val::I32(42)]);
            }
        }
    });
}

#[test]
fn crossings_with_a_thousand_arguments_and_results_at_the_end_of_the_stack() {
    on_mixes_for_large_frames(|world| {
        let many = |ty: &str| format!("{ty} ").repeat(1000);
        let arguments: String = (0..1000).map(|at| format!("(local.get {at})")).collect();
        let ty = || OwnedFuncType::new(vec![ValType::I64; 1000], vec![ValType::I64; 1000]);
        world.linker.func_raw("host", "many", ty(), |_, slots| {
            slots.reverse();
            Ok(())
        });
        let body = |callee: &str| format!("(param {0}) (result {0}) (call $host {arguments}) (call ${callee})", many("i64"));
        let instance = world.instance(&format!(
            r#"(module
              (import "host" "many" (func $host (param {0}) (result {0})))
              (func $even {1}) (func $odd {2})
              (func (export "run") (result {0}) {3} (call $even)))"#,
            many("i64"),
            body("odd"),
            body("even"),
            (0..1000).map(|at| format!("(i64.const {at})")).collect::<String>(),
        ));
        for _ in 0..2 {
            overflows(world, &instance, "run", &["even", "odd"]);
        }
    });
}

#[test]
fn overflows_in_many_threads_at_once() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                on_every_mix(|world| {
                    let instance = world.instance(
                        r#"(module (func $a (export "run") (result i32) (i32.add (call $b) (i32.const 1)))
                             (func $b (result i32) (i32.add (call $a) (i32.const 1))))"#,
                    );
                    for _ in 0..5 {
                        overflows(world, &instance, "run", &["a", "b"]);
                    }
                });
            });
        }
    });
}
