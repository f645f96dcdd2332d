//! Programs for the tests of fuel: what each costs when it runs to its end, counted by hand, and how it ends. `run` takes and returns nothing.
//!
//! Imports: `host.look` notes the fuel that is left; `host.halve` takes half of it; `host.again` calls the export `again` of its caller.

pub struct Program {
    pub name: &'static str,
    pub text: &'static str,
    /// What is charged when the fuel is plenty, up to the end or to the trap.
    pub cost: u64,
    /// The message of the trap that it ends in.
    pub trap: Option<&'static str>,
}

const fn program(name: &'static str, cost: u64, text: &'static str) -> Program {
    Program { name, text, cost, trap: None }
}

const fn trapping(name: &'static str, cost: u64, trap: &'static str, text: &'static str) -> Program {
    Program { name, text, cost, trap: Some(trap) }
}

pub const PROGRAMS: &[Program] = &[
    program("nothing", 1, r#"(module (func (export "run")))"#),
    // 1 + 3; structure, nop and drop are free.
    program("straight", 4, r#"(module (func (export "run") (block (nop) (drop (i32.add (i32.const 1) (i32.const 2)))) (return)))"#),
    // 1 + 2 + 10 * 5
    program(
        "counting loop",
        53,
        r#"(module (func (export "run") (local $i i32)
          (local.set $i (i32.const 10))
          (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))"#,
    ),
    // An `if` costs, its `else` does not: 1 + 2 + 6 * (4 + 5) + 3 * 1 + 3 * 3
    program(
        "branches of an if",
        69,
        r#"(module (global $g (mut i32) (i32.const 0)) (func (export "run") (local $i i32)
          (local.set $i (i32.const 6))
          (loop $l
            (if (i32.and (local.get $i) (i32.const 1))
              (then (nop) (drop (global.get $g)))
              (else (drop (i32.eqz (global.get $g))) (drop (i32.const 3))))
            (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))"#,
    ),
    // 1 + 2 + 7 * (7 + 8) + 7
    program(
        "nested loops and a table of labels",
        115,
        r#"(module (func (export "run") (local $i i32) (local $j i32)
          (local.set $i (i32.const 8))
          (loop $outer
            (block $out
              (loop $inner
                (local.set $i (i32.sub (local.get $i) (i32.const 1)))
                (br_if $out (i32.eqz (local.get $i)))
                (local.set $j (i32.add (local.get $j) (i32.const 3)))
                (br_table $inner $outer $inner (i32.and (local.get $j) (i32.const 1))))))))"#,
    ),
    // 1 + 2 + 8 * (1 + 4 + 1) + 7 * (1 + 4 + 9)
    program(
        "calls and recursion",
        149,
        r#"(module (func $fib (param i32) (result i32)
            (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
              (then (local.get 0))
              (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
          (func (export "run") (drop (call $fib (i32.const 5)))))"#,
    ),
    // 1 + 3 + 4 + 3 + (1 + 3) + 4 + 3 + (1 + 3) + 4 + 2 + 2
    program(
        "indirect calls and references",
        34,
        r#"(module (type $t (func (param i32) (result i32)))
          (table 3 funcref) (elem (i32.const 0) $a $b $a)
          (elem declare func $b)
          (func $a (type $t) (i32.add (local.get 0) (i32.const 1)))
          (func $b (type $t) (call_indirect (type $t) (local.get 0) (i32.const 2)))
          (func (export "run")
            (drop (call_indirect (type $t) (i32.const 5) (i32.const 0)))
            (drop (call_indirect (type $t) (i32.const 5) (i32.const 1)))
            (drop (call_ref $t (i32.const 5) (ref.func $b)))
            (block $null (drop (br_on_null $null (ref.func $a))))
            (drop (block $there (result (ref $t)) (br_on_non_null $there (ref.func $b)) (unreachable)))))"#,
    ),
    // 1 + 2 + 13 * (1 + 3) + 6 * 4 + 6 * 5 + 1
    program(
        "tail calls",
        110,
        r#"(module (type $t (func (param i32) (result i32)))
          (table 2 funcref) (elem (i32.const 0) $even $odd)
          (func $even (type $t)
            (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
            (return_call $odd (i32.sub (local.get 0) (i32.const 1))))
          (func $odd (type $t)
            (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
            (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
          (func (export "run") (drop (call $even (i32.const 12)))))"#,
    ),
    // 1 + 2 + 3 * (1 + 2 + 3 * 5 + 3) + 2 * 5 + 2 * (1 + 2 + 4 * 5 + 2)
    program(
        "loops that end in tail calls",
        126,
        r#"(module
          (func $a (param $n i32) (local $i i32)
            (local.set $i (i32.const 3))
            (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
            (if (i32.eqz (local.get $n)) (then (return)))
            (return_call $b (i32.sub (local.get $n) (i32.const 1)) (i64.const 0)))
          (func $b (param $n i32) (param i64) (local $i i32)
            (local.set $i (i32.const 4))
            (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
            (return_call $a (local.get $n)))
          (func (export "run") (call $a (i32.const 2))))"#,
    ),
    // A `try_table` costs. 1 + 3 + 2 + (1 + 2) + (1 + 2) + (1 + 4) + 1 + 2
    program(
        "exceptions caught near and far",
        20,
        r#"(module (tag $e (param i32))
          (func $throws (param i32) (throw $e (i32.add (local.get 0) (i32.const 1))))
          (func $passes (call $throws (i32.const 4)) (unreachable))
          (func $rethrows (block $h (result exnref) (try_table (catch_all_ref $h) (call $passes)) (unreachable)) (throw_ref))
          (func (export "run")
            (drop (block $h (result i32) (try_table (catch $e $h) (throw $e (i32.const 1))) (i32.const 2)))
            (drop (block $h (result i32) (try_table (catch $e $h) (call $rethrows)) (i32.const 2)))
            (drop (block $h (result i32) (try_table (catch $e $h) (nop)) (i32.const 2)))))"#,
    ),
    // 1 + 2 + 9 * 6 + 8 * 5 + 4 * 1 + 4 * (1 + 1 + 1)
    program(
        "exceptions that go to a loop's header",
        113,
        r#"(module (tag $e)
          (func $throws (throw $e))
          (func (export "run") (local $i i32)
            (local.set $i (i32.const 9))
            (block $out
              (loop $again
                (br_if $out (i32.eqz (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                (try_table (catch_all $again)
                  (if (i32.and (local.get $i) (i32.const 1)) (then (throw $e)))
                  (call $throws))))))"#,
    ),
    // 1 + 3 + 2 * (1 + 1 + 4) + 3 + (1 + 1 + 1)
    program(
        "host functions look at it",
        22,
        r#"(module (import "host" "look" (func $look)) (import "host" "again" (func $again))
          (func (export "again") (drop (i64.mul (i64.const 1) (i64.const 2))) (call $look))
          (func $indirect (return_call $look))
          (func (export "run")
            (call $look)
            (drop (i32.const 1))
            (call $look)
            (call $again)
            (drop (i32.add (i32.const 1) (i32.const 2)))
            (call $indirect)
            (call $again)))"#,
    ),
    trapping(
        "a trap in the middle of straight code",
        6,
        "wasm `unreachable` instruction executed",
        r#"(module (func (export "run") (block (drop (i32.const 1)) (drop (i32.const 2))) (drop (i32.add (i32.const 2) (i32.const 3))) (unreachable)))"#,
    ),
    // What the division and the load belong to is not charged.
    trapping(
        "a division by zero",
        3,
        "integer divide by zero",
        r#"(module (func (export "run") (block (drop (i32.const 1)) (drop (i32.const 2)))
          (drop (i32.const 3)) (drop (i32.div_u (i32.const 1) (i32.const 0))) (drop (i32.const 4))))"#,
    ),
    trapping(
        "an access out of bounds in a loop",
        37,
        "out of bounds memory access",
        r#"(module (memory 1) (func (export "run") (local $at i32)
          (loop $l
            (i32.store (local.get $at) (i32.const 7))
            (local.set $at (i32.add (local.get $at) (i32.const 20000)))
            (br_if $l (i32.const 1)))))"#,
    ),
    trapping(
        "a call of nothing",
        5,
        "uninitialized element",
        r#"(module (type $t (func)) (table 1 funcref) (func (export "run") (drop (i32.const 1)) (drop (i32.const 1)) (call_indirect (type $t) (i32.const 0))))"#,
    ),
    // 1 + (4 + 10) + (4 + 7) + (4 + 3) + (4 + 2) + (4 + 3) + (4 + 2) + (3 + 5) + 2 + 4 + 2
    program(
        "bulk operations",
        68,
        r#"(module (memory 1) (table 8 funcref) (data $d "abcdefgh") (elem $e func $f $f $f)
          (func $f (export "run")
            (memory.fill (i32.const 0) (i32.const 1) (i32.const 10))
            (memory.copy (i32.const 20) (i32.const 0) (i32.const 7))
            (memory.init $d (i32.const 0) (i32.const 1) (i32.const 3))
            (table.init $e (i32.const 0) (i32.const 0) (i32.const 2))
            (table.fill (i32.const 4) (ref.null func) (i32.const 3))
            (table.copy (i32.const 4) (i32.const 0) (i32.const 2))
            (drop (table.grow (ref.null func) (i32.const 5)))
            (drop (memory.grow (i32.const 1)))
            (memory.fill (i32.const 0) (i32.const 1) (i32.const 0))
            (data.drop $d) (elem.drop $e)))"#,
    ),
    // 1 + 2 + 3 * (4 + 4 + (1 + 4) + 5) + 8
    program(
        "vectors, and several memories",
        65,
        r#"(module (memory $a 1) (memory $b 1)
          (func $sum (param v128 i32) (result v128) (i32x4.add (local.get 0) (v128.load $b (local.get 1))))
          (func (export "run") (local $v v128) (local $i i32)
            (local.set $i (i32.const 48))
            (loop $l
              (v128.store $b (local.get $i) (i32x4.splat (local.get $i)))
              (local.set $v (call $sum (local.get $v) (local.get $i)))
              (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 16)))))
            (i32.store $a (i32.const 0) (i32x4.extract_lane 1 (local.get $v)))
            (drop (i32.trunc_sat_f32_s (f32.const 3.5)))
            (drop (i32.atomic.load $a (i32.const 0)))))"#,
    ),
    // 1 + 1 + 2 + 1 + 1
    program(
        "what can not be reached costs nothing",
        6,
        r#"(module (func (export "run")
          (block $b (br $b) (drop (i32.add (i32.const 1) (i32.const 2))) (loop $l (br $l)))
          (block $c (result i32) (i32.const 1) (br $c) (if (i32.const 1) (then (nop)) (else (nop))) (unreachable))
          (if (then (drop (i32.const 1)) (return) (drop (i32.const 9))) (else (drop (i32.const 2)) (return)))
          (drop (i32.const 3))))"#,
    ),
    // 1 + 4 + 2 + 4 + 4
    program(
        "wide immediates",
        15,
        r#"(module (func (export "run") (local i32 i64)
          (local.set 0 (i32.const 1000000)) (local.set 1 (i64.const 1000000000000))
          (drop (f64.const 1)) (drop (f32.const 1))
          (drop (select (result i32) (local.get 0) (i32.const 2) (i32.const 3)))
          (drop (select (local.get 0) (i32.const 2) (i32.const 3)))))"#,
    ),
];

/// Programs that take fuel themselves, have a start function, or never end.
pub const OTHERS: &[Program] = &[
    program(
        "a host function takes half of it",
        0,
        r#"(module (import "host" "halve" (func $halve)) (import "host" "look" (func $look))
          (func (export "run") (loop $l (call $halve) (call $look) (br $l))))"#,
    ),
    program(
        "a start function",
        0,
        r#"(module (import "host" "look" (func $look)) (start $start)
          (func $start (local $i i32) (local.set $i (i32.const 4))
            (loop $l (call $look) (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
          (func (export "run") (call $look)))"#,
    ),
    program("an endless loop", 0, r#"(module (func (export "run") (loop $l (br $l))))"#),
    program("an endless recursion", 0, r#"(module (func $f (export "run") (call $f)))"#),
    program("endless tail calls", 0, r#"(module (func $f (export "run") (return_call $g)) (func $g (return_call $f)))"#),
    program(
        "endless exceptions",
        0,
        r#"(module (tag $e) (func $throws (throw $e)) (func (export "run") (loop $l (try_table (catch_all $l) (call $throws)) (unreachable))))"#,
    ),
    program(
        "a host function that calls again",
        0,
        r#"(module (import "host" "again" (func $again)) (func (export "again") (drop (i32.const 1))) (func (export "run") (loop $l (call $again) (br $l))))"#,
    ),
    program(
        "endless filling",
        0,
        r#"(module (memory 1) (func (export "run") (loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 100)) (br $l))))"#,
    ),
    program(
        "filling more than there is",
        0,
        r#"(module (memory 1) (func (export "run") (memory.fill (i32.const 0) (i32.const 0) (i32.const -1))))"#,
    ),
];
