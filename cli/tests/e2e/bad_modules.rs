//! Modules that can not run: damaged, random, refused, or not what their imports need.

use crate::support::damage::{Random, mutations, truncations};
use crate::support::{Outcome, each, fixtures, scratch, trjit, wat};
use std::path::Path;

fn c(name: &str) -> std::path::PathBuf {
    fixtures().join("c").join(name)
}

#[test]
fn truncated_modules_are_refused() {
    let folder = scratch();
    let bytes = std::fs::read(c("hello.wasm")).expect("the fixture is readable");
    let cut: Vec<(usize, Vec<u8>)> = truncations(&bytes, 60).into_iter().enumerate().collect();
    each(&cut, |(number, bytes)| {
        let path = folder.path().join(format!("{number}.wasm"));
        std::fs::write(&path, bytes).expect("the scratch directory is writable");
        // What ends with a section may be a smaller module.
        if ends_with_a_section(bytes) {
            assert!([0, 1].contains(&trjit(["run"]).arg(&path).run().code()));
        } else {
            trjit(["run"]).arg(&path).run().refuses(1, &["can not be used"]);
            trjit(["assemble", "--all"]).arg(&path).run().refuses(1, &["can not be used"]);
        }
        Vec::new()
    });
}

/// Whether the bytes are the preamble and whole sections.
fn ends_with_a_section(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.get(8..) else { return false };
    while let Some((_, after)) = rest.split_first() {
        let (mut size, mut shift, mut at) = (0usize, 0, 0);
        loop {
            let Some(&byte) = after.get(at) else { return false };
            size |= usize::from(byte & 0x7f) << shift;
            (shift, at) = (shift + 7, at + 1);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let Some(next) = after.get(at + size..) else { return false };
        rest = next;
    }
    true
}

#[test]
fn random_bytes_are_refused() {
    let folder = scratch();
    let mut random = Random(7);
    for number in 0..40 {
        let length = random.below(300);
        let mut bytes = random.bytes(length);
        if number % 2 == 0 {
            bytes.splice(0..0, *b"\0asm\x01\0\0\0");
            bytes.push(0xff);
        }
        let path = folder.path().join(format!("{number}.wasm"));
        std::fs::write(&path, bytes).expect("the scratch directory is writable");
        trjit(["run"]).arg(&path).run().refuses(1, &["can not be used"]);
    }
}

/// A changed module may still be valid, and then do anything a guest may do; what it may not do is to bring the host down.
#[test]
fn changed_modules_are_refused_or_run() {
    let folder = scratch();
    let bytes = std::fs::read(c("hello.wasm")).expect("the fixture is readable");
    let changed: Vec<(usize, Vec<u8>)> = mutations(&bytes, 150, 11).into_iter().enumerate().collect();
    each(&changed, |(number, bytes)| {
        let path = folder.path().join(format!("{number}.wasm"));
        std::fs::write(&path, bytes).expect("the scratch directory is writable");
        let run = |mode: &[&str]| trjit(["run", "-W", "timeout=1s,max-memory-size=100000000"]).args(mode).arg(&path).run();
        let (interpreted, compiled) = (run(&["--jit", "off"]), run(&crate::support::modes::EAGER));
        let answer = |outcome: &Outcome| (outcome.code(), outcome.stdout.clone());
        match answer(&interpreted) == answer(&compiled) || interpreted.stderr.contains("interrupt") {
            true => Vec::new(),
            false => vec![format!("{interpreted:?}{compiled:?}")],
        }
    });
}

/// Name in the message, and a module that uses the feature.
const REFUSED: &[(&str, &str)] = &[
    ("legacy exception handling", "(module (func try catch_all end))"),
    ("custom page sizes", "(module (memory 1 (pagesize 1)))"),
    ("wide arithmetic", "(module (func (param i64) (local.get 0) (local.get 0) (local.get 0) (local.get 0) i64.add128 drop drop))"),
    ("GC", "(module (type $s (struct (field i32))) (func (drop (struct.new $s (i32.const 1)))))"),
];

#[test]
fn refused_features_are_named() {
    let folder = scratch();
    for (number, (feature, text)) in REFUSED.iter().enumerate() {
        let module = wat(folder.path(), &format!("{number}.wat"), text);
        trjit(["run"]).arg(&module).run().refuses(1, &["which is not supported", feature]);
        trjit(["train"]).arg(&module).run().refuses(1, &["which is not supported", feature]);
        trjit(["assemble", "--all"]).arg(&module).run().refuses(1, &["which is not supported", feature]);
    }
}

#[test]
fn a_component_is_recognized_and_told_what_to_do() {
    let folder = scratch();
    let path = folder.path().join("component.wasm");
    std::fs::write(&path, b"\0asm\x0d\0\x01\0").expect("the scratch directory is writable");
    trjit(["run"]).arg(&path).run().refuses(1, &["component", "wasm-tools component unbundle"]);
}

#[test]
fn errors_of_the_text_format_show_the_place() {
    let folder = scratch();
    let module = wat(folder.path(), "typo.wat", "(module\n  (func (i32.addd)))");
    trjit(["run"]).arg(&module).run().exits(1).says(&["error: ", "typo.wat:2:10"]);
    let module = wat(folder.path(), "type.wat", "(module (func (result i32) (i64.const 1)))");
    trjit(["run"]).arg(&module).run().refuses(1, &["type mismatch", "offset"]);
}

#[test]
fn imports_that_do_not_fit_are_named_with_their_types() {
    let run = |name: &str| trjit(["run", "--invoke", "never"]).arg(fixtures().join("wat").join(name)).run();
    run("unknown-import.wat").refuses(1, &["env::missing", "(param i32 f64) (result i64)"]);
    run("import-wrong-type.wat").refuses(1, &["fd_write", "(param i32) (result i32)", "(param i32 i32 i32 i32) (result i32)"]);
}

#[test]
fn what_can_not_be_invoked_is_told() {
    let fib = fixtures().join("wat/fib.wat");
    let invoke = |name: &str, args: &[&str]| trjit(["run", "--invoke", name]).arg(&fib).args(args).run();
    invoke("nothing", &[]).refuses(1, &["`nothing`", "fib-iter"]);
    invoke("fib", &[]).refuses(1, &["1", "0"]);
    invoke("fib", &["ten"]).refuses(1, &["`ten`", "i32"]);
}

#[test]
fn unknown_options_are_told_with_the_known_ones() {
    let fib = fixtures().join("wat/fib.wat");
    for group in ["-W", "-S", "-C"] {
        trjit(["run", group, "nonsense=1"]).arg(&fib).run().refuses(1, &["unknown key `nonsense`", "known keys"]);
    }
    trjit(["run", "-W", "gc"]).arg(&fib).run().refuses(1, &["gc", "not supported"]);
    trjit(["run", "-W", "timeout=soon"]).arg(&fib).run().refuses(1, &["soon"]);
    trjit(["run", "--jit", "sometimes"]).arg(&fib).run().exits(2);
    trjit(["run"]).run().exits(2);
}

#[test]
fn limits_end_in_the_guests_own_failure() {
    let folder = scratch();
    let module = wat(folder.path(), "grow.wat", r#"(module (memory 1) (func (export "grow") (result i32) (memory.grow (i32.const 100))))"#);
    for mode in [&["--jit", "off"][..], &crate::support::modes::EAGER] {
        let grow = |limit: &[&str]| trjit(["run", "--invoke", "grow"]).args(mode).args(limit).arg(&module).run();
        grow(&[]).succeeds().prints("1\n");
        grow(&["-W", "max-memory-size=200000"]).succeeds().prints("-1\n");
    }
}

/// Deep recursion ends in a trap, never in a fault of the host, also where frames of both kinds alternate.
#[test]
fn an_exhausted_stack_is_a_trap_in_every_mode() {
    use crate::support::modes::{Mode, Program};
    let folder = scratch();
    let text = r#"(module (func $a (export "a") (param i64) (result i64) (i64.add (call $b (local.get 0)) (i64.const 1)))
      (func $b (param i64) (result i64) (local i64 i64 i64) (i64.add (call $a (local.get 0)) (i64.const 1))))"#;
    let program = Program::new(&wat(folder.path(), "endless.wat", text), folder.path());
    let options = ["--invoke".to_string(), "a".to_string()];
    for mode in Mode::ALL.into_iter().filter(|&mode| mode != Mode::Trained) {
        program.command(mode, &options, &["1".to_string()]).run().exits(134).says(&["call stack exhausted"]).prints("");
    }
}

#[test]
fn a_cache_is_no_module_unless_that_is_allowed() {
    let folder = scratch();
    let path = folder.path().join("hello.trjit");
    trjit(["assemble", "--all", "-o"]).arg(&path).arg(c("hello.wasm")).run().exits(0);
    trjit(["run"]).arg(&path).run().refuses(1, &["--allow-precompiled"]);
    trjit(["train"]).arg(&path).run().refuses(1, &["not a WebAssembly module"]);
    trjit(["run", "--allow-precompiled"]).arg(&path).run().exits(0);
    assert!(Path::new(&path).exists());
}
