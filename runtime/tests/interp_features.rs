//! The interpreter on small modules of the proposals, without a compiler; each in the plain and in the recording interpreter.

use trjit_runtime::{Config, Engine, Error, Linker, Module, Reason, Store, Val};

/// Calls the export `run` without arguments, twice: plain and recording.
fn run(text: &str) -> Vec<Result<Vec<Val>, Error>> {
    let wasm = wat::parse_str(text).expect("the text is a module");
    [false, true]
        .map(|recording| {
            let engine = Engine::new(Config::new().record_profile(recording));
            let module = Module::new(&engine, wasm.clone()).expect("the module is valid");
            let mut store = Store::new(&engine, ()).expect("the system gives memory");
            let instance = Linker::new().instantiate(&mut store, &module)?;
            instance.func(&mut store, "run")?.call(&mut store, &[])
        })
        .into()
}

/// Expects one i64 as the result.
fn gives(text: &str, expected: i64) {
    for (recording, result) in [false, true].into_iter().zip(run(text)) {
        match result.as_deref() {
            Ok([Val::I64(value)]) => assert_eq!(*value, expected, "recording: {recording}"),
            other => panic!("recording: {recording}: {other:?}"),
        }
    }
}

/// Expects a trap with this message.
fn traps(text: &str, message: &str) {
    for result in run(text) {
        match result {
            Err(Error::Trap(trap)) => assert!(trap.to_string().contains(message), "{trap}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn vectors_go_through_locals_globals_calls_and_branches() {
    gives(
        r#"(module
        (global $g (mut v128) (v128.const i64x2 1 2))
        (func $swap (param v128 i64 v128) (result v128 i64 v128) (local.get 2) (local.get 1) (local.get 0))
        (func (export "run") (result i64) (local $v v128) (local $w v128)
            (call $swap (global.get $g) (i64.const 100) (v128.const i64x2 10 20))
            (local.set $w) (drop) (local.set $v)
            (global.set $g (i64x2.add (local.get $v) (local.get $w)))
            (block $out (result v128)
                (select (global.get $g) (v128.const i64x2 0 0) (i32.const 1))
                (br_if $out (i32.const 1))
                (drop) (v128.const i64x2 7 7))
            (local.tee $v)
            (i64.add (i64x2.extract_lane 0) (i64x2.extract_lane 1 (local.get $v)))))"#,
        33,
    );
}

#[test]
fn vectors_in_memory() {
    gives(
        r#"(module (memory 1) (data (i32.const 16) "\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f\10")
        (func (export "run") (result i64)
            (v128.store offset=64 (i32.const 0) (i8x16.shuffle 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0 (v128.load (i32.const 16)) (v128.const i64x2 0 0)))
            (v128.store64_lane 1 (i32.const 128) (v128.load8_lane offset=64 15 (i32.const 0) (v128.load (i32.const 64))))
            (i64.load (i32.const 128))))"#,
        0x1002_0304_0506_0708,
    );
    traps(
        r#"(module (memory 1) (func (export "run") (result i64) (i64x2.extract_lane 0 (v128.load (i32.const 65521)))))"#,
        "out of bounds memory access",
    );
}

#[test]
fn ten_million_tail_calls() {
    gives(
        r#"(module (type $t (func (param i64 i64) (result i64)))
        (table funcref (elem $even $odd $by_ref))
        (elem declare func $even)
        (func $even (type $t) (if (result i64) (i64.eqz (local.get 0)) (then (local.get 1))
            (else (return_call $odd (i64.sub (local.get 0) (i64.const 1)) (i64.add (local.get 1) (i64.const 1))))))
        (func $odd (type $t) (local i64 i64 i64)
            (return_call_indirect (type $t) (i64.sub (local.get 0) (i64.const 1)) (i64.add (local.get 1) (local.get 3)) (i32.const 2)))
        (func $by_ref (type $t) (return_call_ref $t (local.get 0) (local.get 1) (ref.func $even)))
        (func (export "run") (result i64) (call $even (i64.const 10000000) (i64.const 0))))"#,
        5_000_000,
    );
}

#[test]
fn tail_calls_from_the_first_frame_and_with_many_arguments() {
    gives(
        r#"(module
        (func $many (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64) (i64.sub (local.get 0) (local.get 7)))
        (func $few (param i64) (result i64) (return_call $many (local.get 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)))
        (func (export "run") (result i64) (return_call $few (i64.const 50))))"#,
        43,
    );
}

#[test]
fn typed_references() {
    gives(
        r#"(module (type $t (func (param i64) (result i64))) (elem declare func $double)
        (func $double (type $t) (i64.mul (local.get 0) (i64.const 2)))
        (func $pick (param $r (ref null $t)) (result i64)
            (block $null (result i64)
                (block $some (result (ref $t))
                    (br_on_non_null $some (local.get $r))
                    (i64.const 100) (br $null))
                (local.set $r)
                (call_ref $t (i64.const 21) (ref.as_non_null (local.get $r)))))
        (func $pick2 (param $r (ref null $t)) (result i64)
            (block $null (return (call_ref $t (i64.const 4) (br_on_null $null (local.get $r)))))
            (i64.const 1000))
        (func (export "run") (result i64) (local $r (ref null $t))
            (local.set $r (ref.func $double))
            (block $in (result (ref null $t)) (local.get $r)) (drop)
            (i64.add (i64.add (call $pick (local.get $r)) (call $pick (ref.null $t))) (i64.add (call $pick2 (local.get $r)) (call $pick2 (ref.null $t))))))"#,
        1150,
    );
    traps(r#"(module (type $t (func (result i64))) (func (export "run") (result i64) (call_ref $t (ref.null $t))))"#, "null reference");
}

#[test]
fn exceptions_are_caught_by_tag_across_frames() {
    gives(
        r#"(module (tag $a (param i64 i32)) (tag $b) (tag $v (param v128 i64))
        (func $throws (param i64)
            (if (i64.eqz (local.get 0)) (then (throw $a (i64.const 40) (i32.const 2))))
            (try_table (catch $b 0) (call $throws (i64.sub (local.get 0) (i64.const 1))))
            (drop (i32.const 1)))
        (func $again (param $e exnref) (throw_ref (local.get $e)))
        (func (export "run") (result i64) (local $i i32) (local $sum i64) (local $v v128)
            (block $caught (result i64 i32)
                (block $never (try_table (catch $b $never) (catch $a $caught) (call $throws (i64.const 10))))
                (unreachable))
            (local.set $i) (local.set $sum)
            (block $outer
                (block $all (result exnref)
                    (try_table (catch_all_ref $all) (try_table (catch $b $outer) (throw $v (v128.const i64x2 5 6) (i64.const 7))))
                    (unreachable))
                (block $again_v (param exnref) (result v128 i64 exnref)
                    (try_table (param exnref) (catch_ref $v $again_v) (call $again)) (unreachable))
                (drop) (local.set $sum (i64.add (local.get $sum))) (local.set $v)
                (local.set $sum (i64.add (local.get $sum) (i64x2.extract_lane 1 (local.get $v))))
                (br $outer))
            (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i)))))"#,
        40 + 7 + 6 + 2,
    );
}

#[test]
fn nobody_catches() {
    for result in
        run(r#"(module (tag $a) (func (export "run") (result i64) (block $all (try_table (catch_all $all) (unreachable))) (throw $a)))"#)
    {
        assert!(matches!(&result, Err(Error::Trap(trap)) if trap.to_string().contains("unreachable")), "traps are not caught: {result:?}");
    }
    for result in run(r#"(module (tag $a) (func (export "run") (result i64) (throw $a)))"#) {
        assert!(matches!(&result, Err(Error::Trap(trap)) if matches!(trap.reason, Reason::Exception(_))), "{result:?}");
    }
}

#[test]
fn memories_of_64_bits_and_several_of_them() {
    gives(
        r#"(module (memory $a i64 1) (memory $b 1 3)
        (func (export "run") (result i64)
            (i64.store offset=8 (i64.const 16) (i64.const 1000))
            (i32.store8 $b offset=1 (i32.const 7) (i32.const -1))
            (memory.copy $b $a (i32.const 0) (i64.const 24) (i32.const 8))
            (memory.fill $a (i64.const 100) (i32.const 1) (i64.const 8))
            (drop (memory.grow $b (i32.const 2)))
            (i64.add (i64.load $b (i32.const 0))
                (i64.add (i64.extend_i32_s (i32.load8_s $b (i32.const 8)))
                    (i64.add (i64.load16_u $a (i64.const 100))
                        (i64.add (memory.grow $a (i64.const 1)) (i64.add (memory.size $a) (i64.extend_i32_u (memory.size $b)))))))))"#,
        1000 - 1 + 257 + 1 + 2 + 3,
    );
    traps(
        r#"(module (memory i64 1) (func (export "run") (result i64) (i64.load offset=16 (i64.const -8))))"#,
        "out of bounds memory access",
    );
}

#[test]
fn the_only_memory_named_by_its_index() {
    // wat writes no index for memory 0, so the bytes are given: i32.load8_u with alignment 0x40 (a memory index follows), memory 0, offset 3.
    let mut wasm = wat::parse_str(
        r#"(module (memory 1) (data (i32.const 0) "\00\01\02\03\04\05\06\07")
        (func (export "run") (result i32) (local i32) (local.get 0) (i32.load8_u offset=3) nop))"#,
    )
    .expect("the text is a module");
    let at = wasm.windows(4).position(|bytes| bytes == [0x2d, 0, 3, 1]).expect("the load");
    wasm[at..at + 4].copy_from_slice(&[0x2d, 0x40, 0, 3]);
    for recording in [false, true] {
        let engine = Engine::new(Config::new().record_profile(recording));
        let module = Module::new(&engine, wasm.clone()).expect("the module is valid");
        let mut store = Store::new(&engine, ()).expect("the system gives memory");
        let instance = Linker::new().instantiate(&mut store, &module).expect("nothing is imported");
        let run = instance.func(&mut store, "run").expect("it is exported");
        assert!(matches!(run.call(&mut store, &[]).as_deref(), Ok([Val::I32(3)])), "recording: {recording}");
    }
}

#[test]
fn tables_of_64_bits() {
    gives(
        r#"(module (type $t (func (result i64))) (table $t i64 4 funcref) (elem declare func $f)
        (func $f (type $t) (i64.const 9))
        (func (export "run") (result i64)
            (table.set $t (i64.const 3) (ref.func $f))
            (table.fill $t (i64.const 0) (ref.func $f) (i64.const 2))
            (i64.add (call_indirect $t (type $t) (i64.const 1))
                (i64.add (table.grow $t (ref.null func) (i64.const 2)) (i64.add (table.size $t) (table.grow $t (ref.null func) (i64.const -1)))))))"#,
        9 + 4 + 6 - 1,
    );
    traps(
        r#"(module (type $t (func (result i64))) (table $t i64 4 funcref)
        (func (export "run") (result i64) (call_indirect $t (type $t) (i64.const 0x100000000))))"#,
        "out of bounds table access",
    );
}

#[test]
fn atomics() {
    gives(
        r#"(module (memory 1 1 shared)
        (func (export "run") (result i64)
            (i64.atomic.store (i32.const 8) (i64.const 0x1111111111111111))
            (drop (i32.atomic.rmw8.add_u (i32.const 8) (i32.const 0xff)))
            (drop (i64.atomic.rmw16.cmpxchg_u (i32.const 10) (i64.const 0x1111) (i64.const 0x2222)))
            (drop (i32.atomic.rmw.cmpxchg (i32.const 12) (i32.const 0) (i32.const 0)))
            (atomic.fence)
            (i64.add (i64.atomic.load (i32.const 8))
                (i64.extend_i32_u (i32.add (memory.atomic.notify (i32.const 8) (i32.const 1))
                    (i32.add (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1)) (memory.atomic.wait64 (i32.const 16) (i64.const 0) (i64.const 1000))))))))"#,
        0x1111_1111_2222_1110 + 1 + 2,
    );
    traps(r#"(module (memory 1) (func (export "run") (result i64) (i64.atomic.load (i32.const 4))))"#, "unaligned atomic");
    traps(
        r#"(module (memory 1 1 shared) (func (export "run") (result i64) (i64.extend_i32_u (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))"#,
        "block forever",
    );
}

#[test]
fn no_instruction_uses_up_native_stack() {
    const BODIES: &[&str] = &[
        "(drop (i64x2.add (local.get $v) (v128.const i64x2 1 2)))",
        "(v128.store $m (i32.const 0) (v128.load $m (i32.const 16)))",
        "(drop (i32.atomic.rmw.add $m (i32.const 0) (i32.const 1)))",
        "(i64.store $n (i64.const 8) (i64.load $n (i64.const 0)))",
        "(block $out (try_table (catch_all $out) (call $none)))",
        "(block $out (try_table (catch $e $out) (throw $e)))",
        "(drop (call_ref $t (i32.const 1) (ref.as_non_null (ref.func $tail))))",
        "(block $out (drop (br_on_null $out (ref.null $t))))",
        "(drop (block $out (result (ref $t)) (br_on_non_null $out (ref.func $tail)) (unreachable)))",
        "(drop (call $tail_indirect (i32.const 1)))",
        "(drop (memory.grow $n (i64.const 0))) (drop (memory.size $m))",
        "(drop (block $out (result v128 i32) (br $out (local.get $v) (i32.const 1)))) (drop)",
    ];
    let functions = BODIES.iter().enumerate().map(|(at, body)| {
        format!(
            r#"(func $f{at} (local $v v128) (local $i i32) (local.set $i (i32.const 100000))
            (loop $again {body} (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))"#
        )
    });
    let calls: String = (0..BODIES.len()).map(|at| format!("(call $f{at})")).collect();
    let text = format!(
        r#"(module (type $t (func (param i32) (result i32))) (memory $m 1) (memory $n i64 1) (tag $e) (table funcref (elem $tail)) (elem declare func $tail)
        (func $none)
        (func $last (type $t) (local.get 0))
        (func $tail (type $t) (return_call $last (local.get 0)))
        (func $tail_indirect (type $t) (return_call_indirect (type $t) (local.get 0) (i32.const 0)))
        {}
        (func (export "run") (result i64) {calls} (i64.const 1)))"#,
        functions.collect::<String>()
    );
    // 100000 iterations that left 8 bytes each would need more.
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(move || gives(&text, 1)).expect("the system gives threads");
    assert!(thread.join().is_ok());
}
