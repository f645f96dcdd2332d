//! What is refused, and how: features by name, components, bytes that are no wasm, damaged modules. Nothing panics, and what is
//! accepted is what wasmparser's validator accepts with the same features.

mod common;

use common::Random;
use trjit_module::wasmparser::Validator;
use trjit_module::{Module, ParseError};

fn refuse(wasm: &[u8]) -> ParseError {
    Module::parse(wasm.to_vec()).expect_err("must be refused")
}

#[track_caller]
fn refuse_text(text: &str) -> ParseError {
    refuse(&wat::parse_str(text).expect("the test's text is well-formed"))
}

#[track_caller]
fn unsupported(expected: &str, text: &str) {
    match refuse_text(text) {
        ParseError::Unsupported { feature, offset } => {
            assert_eq!(feature, expected, "{text}");
            assert!(offset >= 8, "the offset is inside of a section: {offset}");
        }
        other => panic!("{text}: {other}"),
    }
}

#[test]
fn features_are_named() {
    let cases = [
        ("legacy exception handling", "(tag $e) (func try catch $e end)"),
        ("legacy exception handling", "(func try catch_all end)"),
        ("GC", "(type (struct (field i32)))"),
        ("GC", "(type (array i8))"),
        // Recursive types came with GC: before it, a type could refer to earlier ones only.
        ("GC", "(type $f (func (param (ref null $f))))"),
        ("GC", "(rec (type $f (func (param (ref null $g)))) (type $g (func (param (ref null $f)))))"),
        ("GC", "(func (drop (ref.i31 (i32.const 1))))"),
        ("stack switching", "(type $f (func)) (type $c (cont $f))"),
        ("custom page sizes", "(memory 1 (pagesize 1))"),
        ("wide arithmetic", "(func (param i64) (local.get 0) (local.get 0) (local.get 0) (local.get 0) i64.add128 drop drop)"),
        // The memory section comes before the code.
        ("custom page sizes and legacy exception handling", "(func try catch_all end) (memory 1 (pagesize 1))"),
    ];
    for (feature, fields) in cases {
        unsupported(feature, &format!("(module {fields})"));
    }
}

#[test]
fn a_feature_is_named_with_its_place() {
    let text = "(module (memory 1) (func nop) (func nop nop try catch_all end))";
    let wasm = wat::parse_str(text).expect("well-formed");
    let at = wasm.windows(3).position(|bytes| bytes == [0x06, 0x40, 0x19]).expect("the instruction is there");
    assert_eq!(refuse(&wasm), ParseError::Unsupported { feature: "legacy exception handling".to_string(), offset: at as u64 });
    assert_eq!(
        refuse(&wasm).to_string(),
        format!("the module uses legacy exception handling (first at offset {at:#x}), which is not supported")
    );
}

#[test]
fn everything_of_the_accepted_features_is_accepted() {
    for fields in [
        "(global (mut i32) (i32.const 0)) (export \"g\" (global 0))",
        "(func (param v128) (result i32) (i32x4.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (local.get 0))))",
        "(tag $e) (func (result exnref) (block $b (result exnref) (try_table (catch_all_ref $b) (throw $e)) unreachable))",
        "(func $f return_call $f) (table i64 1 funcref) (func (return_call_indirect (i64.const 0)))",
        "(memory 1 1 shared) (memory $m i64 1) (func (drop (i32.atomic.load (i32.const 0))) (drop (i32.load $m (i64.const 0))) atomic.fence)",
        "(type $t (func)) (func (param (ref null $t)) (block (br_on_null 0 (local.get 0)) call_ref $t))",
        "(func $f) (table 1 (ref func) (ref.func $f)) (global i32 (i32.add (i32.const 1) (i32.const 2)))",
        "(func (drop (i64.extend32_s (i64.const 1))) (drop (i32.trunc_sat_f64_u (f64.const 1))))",
        "(memory 1) (data \"x\") (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1)) (data.drop 0)
            (memory.copy (i32.const 0) (i32.const 0) (i32.const 1)) (memory.fill (i32.const 0) (i32.const 0) (i32.const 1)))",
        "(table 1 externref) (table 2 funcref) (func (param externref) (drop (table.grow 0 (local.get 0) (i32.const 1)))
            (drop (select (result externref) (local.get 0) (ref.null extern) (i32.const 1))))",
        "(table 20000001 funcref)",
        "(memory 65536)",
        "",
    ] {
        let wasm = wat::parse_str(format!("(module {fields})")).expect("well-formed");
        Module::parse(wasm).unwrap_or_else(|error| panic!("{fields}: {error}"));
    }
}

#[test]
fn overlong_table_index_of_call_indirect() {
    let text = "(module (type (func)) (table 1 funcref) (func (call_indirect (type 0) (i32.const 0))))";
    let mut wasm = wat::parse_str(text).expect("well-formed");
    // 11 00 00 becomes 11 00 80 80 80 80 00; the body and its section grow by 4.
    let at = wasm.windows(3).position(|bytes| bytes == [0x11, 0x00, 0x00]).expect("the call is there");
    wasm.splice(at + 2..at + 3, [0x80, 0x80, 0x80, 0x80, 0x00]);
    let body = at - 4;
    assert_eq!(wasm[body..at], [0x07, 0x00, 0x41, 0x00], "body length, locals, i32.const 0");
    wasm[body] += 4;
    wasm[body - 2] += 4;
    let module = Module::parse(wasm).expect("valid");
    assert_eq!(module.header().indirect_sites, 1);
}

#[test]
fn invalid_modules_are_invalid() {
    for (fields, part) in [
        ("(func (result i32))", "type mismatch"),
        ("(func (drop (i32.add (i64.const 1) (i32.const 1))))", "type mismatch"),
        ("(memory 65537)", "memory size"),
        ("(export \"a\" (func 0)) (export \"a\" (func 0)) (func)", "duplicate export"),
        ("(func br 7)", "unknown label"),
    ] {
        match refuse_text(&format!("(module {fields})")) {
            ParseError::Invalid { message, .. } => assert!(message.contains(part), "{fields}: {message}"),
            other => panic!("{fields}: {other}"),
        }
    }
}

#[test]
fn data_count_is_required() {
    let text = "(module (memory 1) (data \"x\") (func (data.drop 0)))";
    let mut wasm = wat::parse_str(text).expect("well-formed");
    let at = wasm.windows(3).position(|bytes| bytes == [0x0c, 0x01, 0x01]).expect("the data count section is there");
    wasm.drain(at..at + 3);
    assert!(matches!(refuse(&wasm), ParseError::Invalid { message, .. } if message.contains("data count")));
}

#[test]
fn other_bytes() {
    assert_eq!(refuse(b"").to_string(), "not a WebAssembly module: it is empty, expected \\0asm (00 61 73 6d)");
    assert_eq!(refuse(b"\x7fELF\x02").to_string(), "not a WebAssembly module: begins with 7f 45 4c 46, expected \\0asm (00 61 73 6d)");
    assert!(matches!(refuse(b"\0as"), ParseError::NotWasm { .. }));
    assert!(matches!(refuse(b"\0asm"), ParseError::Invalid { .. }));
    assert!(matches!(refuse(b"\0asm\x02\0\0\0"), ParseError::Invalid { message, .. } if message.contains("version")));
    let component = wat::parse_str("(component)").expect("well-formed");
    assert_eq!(refuse(&component), ParseError::Component);
    assert!(refuse(&component).to_string().contains("component, not a core module"));
}

/// Accepts exactly what the validator accepts; returns whether that was so.
fn agrees(wasm: &[u8]) -> bool {
    let valid = Validator::new_with_features(trjit_module::FEATURES).validate_all(wasm).is_ok();
    let parsed = Module::parse(wasm.to_vec());
    assert_eq!(parsed.is_ok(), valid, "{:?}", parsed.err());
    valid
}

fn samples() -> Vec<Vec<u8>> {
    let mut samples: Vec<Vec<u8>> = (1000..1006).map(|seed| wat::parse_str(common::random_module(seed)).expect("valid")).collect();
    let rich = "(module $rich (import \"m\" \"f\" (func $f (param i32))) (import \"m\" \"t\" (table 1 2 funcref)) (import \"m\" \"g\" (global i64))
        (memory (export \"mem\") 1 2) (global $x (mut f64) (f64.const 1.5)) (table $u 3 externref) (start $main)
        (elem (i32.const 0) func $f $main) (elem declare func $main) (elem funcref (ref.null func) (ref.func $f))
        (data (i32.const 8) \"hello\") (data \"passive\")
        (func $main (export \"main\") (local i32) (call $f (local.get 0)) (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 2))))";
    samples.push(wat::parse_str(rich).expect("valid"));
    samples
}

#[test]
fn truncated_modules() {
    for wasm in samples() {
        assert!(agrees(&wasm));
        for len in 8..wasm.len() {
            agrees(&wasm[..len]);
        }
    }
}

#[test]
fn mutated_modules() {
    let mut random = Random::new(7);
    let (mut accepted, mut refused) = (0, 0);
    for wasm in samples() {
        for _ in 0..400 {
            let mut mutant = wasm.clone();
            for _ in 0..1 + random.below(3) {
                let at = 8 + random.below(mutant.len() as u32 - 8) as usize;
                match random.below(4) {
                    0 => drop(mutant.remove(at)),
                    1 => mutant.insert(at, random.below(256) as u8),
                    2 => mutant[at] ^= 1 << random.below(8),
                    _ => mutant[at] = random.below(256) as u8,
                }
            }
            if agrees(&mutant) { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted > 20 && refused > 500, "{accepted} accepted, {refused} refused: the mutations are worth little");
}
