//! `-W fuel=N`: how much is enough, what happens without, and which caches go with it.

use crate::support::modes::EAGER;
use crate::support::{fixtures, scratch, trjit, wat};
use std::path::{Path, PathBuf};

/// Costs 1 + 2 + 1000 * 5.
const COUNT: &str = r#"(module (func (export "_start") (local $i i32)
  (local.set $i (i32.const 1000))
  (loop $again (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))"#;
/// One less would be used up at the last header.
const ENOUGH: u64 = 1 + 2 + 999 * 5 + 1;
const OUT: &str = "wasm trap: all fuel consumed by WebAssembly";

fn program(folder: &Path) -> PathBuf {
    wat(folder, "count.wat", COUNT)
}

#[test]
fn enough_is_enough_in_every_tier() {
    let folder = scratch();
    let module = program(folder.path());
    let summary = trjit(["assemble", "--all", "--fuel", "--verify"]).arg(&module).run().exits(0);
    assert!(summary.text().contains(", fuel counted, ") && summary.text().contains("compiled again and equal"), "{summary:?}");
    let cache = folder.path().join("count.trjit").to_str().expect("the scratch directory is UTF-8").to_string();
    let modes: [&[&str]; 4] =
        [&["--jit", "off"], &["--jit", "sync"], &EAGER, &["--jit", "off", "--cache-mode", "require", "--cache", &cache]];
    for mode in modes {
        let run = |fuel: u64| trjit(["run"]).args(mode).args(["-W", &format!("fuel={fuel}")]).arg(&module).run();
        run(ENOUGH).exits(0);
        run(u64::MAX).exits(0);
        for fuel in [0, 1, 100, ENOUGH - 1] {
            run(fuel).exits(134).says(&[OUT]);
        }
    }
    let train = |fuel: u64| trjit(["train", "-W", &format!("fuel={fuel}")]).arg(&module).run();
    train(ENOUGH).exits(0);
    train(ENOUGH - 1).exits(134).says(&[OUT]);
    let told = trjit(["inspect", "--json"]).arg(folder.path().join("count.trprof")).run().succeeds().json();
    assert_eq!(told["runs"][0]["ended"], "trap: all fuel consumed by WebAssembly", "{told}");
}

#[test]
fn caches_of_the_other_kind_are_refused() {
    let folder = scratch();
    let module = program(folder.path());
    for (assemble, run) in [(vec!["--fuel"], vec![]), (vec![], vec!["-W", "fuel=10000"])] {
        trjit(["assemble", "--all"]).args(&assemble).arg(&module).run().exits(0);
        let cache = folder.path().join("count.trjit");
        let start = || trjit(["run", "--cache"]).arg(&cache).args(&run);
        start().args(["--cache-mode", "require"]).arg(&module).run().refuses(120, &["[other-engine]", "its fuel is", "--fuel"]);
        // Without the cache it runs.
        start().arg(&module).run().exits(0).says(&["[other-engine]"]);
    }
}

#[test]
fn what_never_ends_ends_without_fuel() {
    for mode in [&["--jit", "off"][..], &EAGER, &[]] {
        trjit(["run"])
            .args(mode)
            .args(["-W", "fuel=5000000"])
            .arg(fixtures().join("c/endless.wasm"))
            .run()
            .exits(134)
            .says(&[OUT])
            .prints("begun\n");
    }
}

#[test]
fn amounts_are_numbers() {
    let folder = scratch();
    let module = program(folder.path());
    for wrong in ["fuel", "fuel=-1", "fuel=many", "fuel=18446744073709551616"] {
        trjit(["run", "-W", wrong]).arg(&module).run().refuses(1, &["option -W fuel", "is not a number"]);
    }
}
