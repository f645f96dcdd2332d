//! Calls that a training run made hot are inlined in its cache, and nobody sees it: the same results, and backtraces with the same frames.

use crate::support::traps::told;
use crate::support::{Trjit, scratch, trjit, trjit_run};
use std::path::Path;
use trjit_cache_format::CacheFile;
use trjit_module::FuncIndex;

/// `run(n)` calls `outer` n times, which calls `middle`, which calls `inner`, which fails when nothing is left.
const PROGRAM: &str = r#"(module
  (tag $empty)
  (func $inner (param i32) (result i32) INNER)
  (func $middle (param i32) (result i32) (i32.add (i32.const 1) (call $inner (local.get 0))))
  (func $outer (param i32) (result i32) (call $middle (i32.sub (local.get 0) (i32.const 1))))
  (func (export "run") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $outer (local.get $n))))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const -1))))
    (local.get $sum)))"#;

fn cache_of(path: &Path) -> CacheFile {
    CacheFile::parse(std::fs::read(path).expect("the cache is readable").into()).expect("it is a cache")
}

#[test]
fn inlined_frames_are_told_like_others() {
    for inner in ["(i32.div_u (i32.const 1000) (local.get 0))", "(if (i32.eqz (local.get 0)) (then (throw $empty))) (i32.const 1)"] {
        fails_alike(&PROGRAM.replace("INNER", inner));
        // Also where the callee is found in a table: the expected function's body stands behind a comparison.
        let indirect =
            "(call_indirect (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))) (table funcref (elem $middle))";
        let text = PROGRAM.replace("INNER", inner);
        let replaced = text.replace("(call $middle (i32.sub (local.get 0) (i32.const 1))))", indirect);
        assert_ne!(replaced, text);
        fails_alike(&replaced);
    }
}

/// Trains, and compares the failure on the cache with that of the interpreter.
fn fails_alike(text: &str) {
    let folder = scratch();
    let [program, profile, cache] = ["hot.wat", "hot.trprof", "hot.trjit"].map(|name| folder.path().join(name));
    std::fs::write(&program, text).expect("the scratch directory is writable");
    trjit(["train", "--invoke", "run", "-o"]).arg(&profile).arg(&program).arg("5000").run().exits(134);
    trjit(["assemble", "--verify", "--profile"]).arg(&profile).arg("-o").arg(&cache).arg(&program).run().exits(0);

    let file = cache_of(&cache);
    file.verify_all().expect("the cache is whole");
    assert!(!file.inlined().is_empty(), "nothing was inlined");
    let called: Vec<FuncIndex> = file.edges().iter().filter(|edge| edge.caller == FuncIndex(3)).map(|edge| edge.callee).collect();
    assert_eq!(called, [], "`run` still calls");

    let expected = trjit(["run", "--jit", "off", "--invoke", "run"]).arg(&program).arg("5000").run().exits(134);
    let trap = told(&expected, &[&program]);
    for name in ["inner", "middle", "outer", "run"] {
        assert!(expected.stderr.contains(name), "{name}: {expected:?}");
    }
    let on_cache = |command: Trjit, module: &Path| told(&command.args(["--invoke", "run"]).arg(module).arg("5000").run(), &[module]);
    assert_eq!(on_cache(trjit(["run", "--cache-mode", "require", "--cache"]).arg(&cache), &program), trap);
    assert_eq!(on_cache(trjit_run(["--allow-precompiled"]), &cache), trap);
}
