//! Profiles hold exact counts, stand where they belong, and the guest's status is the command's.

use crate::support::{fixtures, listing, recorded, scratch, trjit, wat};
use serde_json::Value;
use std::path::Path;

/// Trains one call of an export and returns what `inspect` tells.
fn counts(module: &Path, invoke: &[&str]) -> Value {
    let folder = scratch();
    let profile = folder.path().join("out.trprof");
    trjit(["train", "-o"]).arg(&profile).args(["--invoke", invoke[0]]).arg(module).args(&invoke[1..]).run().exits(0);
    trjit(["inspect", "--json", "--top", "100"]).arg(&profile).run().succeeds().json()
}

fn function<'a>(profile: &'a Value, name: &str) -> &'a Value {
    let hottest = profile["hottest"].as_array().expect("`hottest` is a list");
    hottest.iter().find(|function| function["name"] == name).unwrap_or_else(|| panic!("no function {name} in {profile}"))
}

#[test]
fn calls_are_counted_exactly() {
    let profile = counts(&fixtures().join("wat/fib.wat"), &["fib", "10"]);
    // Twice fib(11) less one.
    assert_eq!((&profile["calls"], &profile["functions_recorded"]), (&177.into(), &1.into()), "{profile}");
    let profile = counts(&fixtures().join("wat/fib.wat"), &["fib", "20"]);
    assert_eq!(function(&profile, "fib")["calls"], 21891, "{profile}");
}

#[test]
fn back_edges_and_indirect_calls_are_counted_exactly() {
    let folder = scratch();
    let text = r#"(module
      (type $t (func (param i32) (result i32)))
      (table 2 funcref) (elem (i32.const 0) $even $odd)
      (func $even (type $t) (i32.const 2)) (func $odd (type $t) (i32.const 1))
      (func $work (export "work") (param $n i32) (result i32) (local $sum i32)
        (loop $again
          (local.set $sum (i32.add (local.get $sum)
            (call_indirect (type $t) (local.get $n) (i32.and (local.get $n) (i32.const 1)))))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;
    let profile = counts(&wat(folder.path(), "work.wat", text), &["work", "1001"]);
    assert_eq!(function(&profile, "work")["back_edges"], 1000, "{profile}");
    assert_eq!(function(&profile, "work")["calls"], 1, "{profile}");
    assert_eq!(function(&profile, "even")["calls"], 500, "{profile}");
    assert_eq!(function(&profile, "odd")["calls"], 501, "{profile}");
    assert_eq!((&profile["indirect_call_sites"], &profile["calls"]), (&1.into(), &1002.into()), "{profile}");
}

#[test]
fn the_profile_stands_beside_the_module() {
    let folder = scratch();
    let module = folder.path().join("app.wat");
    std::fs::copy(fixtures().join("wat/fib.wat"), &module).expect("the scratch directory is writable");
    trjit(["train", "--invoke", "fib"]).arg(&module).arg("5").run().succeeds().prints("5\n");
    assert_eq!(listing(folder.path()), ["app.trprof", "app.wat"]);
    trjit(["assemble", "--profile"]).arg(folder.path().join("app.trprof")).arg(&module).run().exits(0);
    assert_eq!(listing(folder.path()), ["app.trjit", "app.trprof", "app.wat"]);
}

#[test]
fn a_run_that_traps_or_exits_still_writes_its_profile() {
    let traps = fixtures().join("c/traps.wasm");
    for (how, status, ended) in
        [("return", 0, "exit 0"), ("exit", 33, "exit 33"), ("divide", 134, "trap: integer divide by zero"), ("recurse", 134, "trap: ")]
    {
        let folder = scratch();
        let profile = folder.path().join("out.trprof");
        trjit(["train", "--workload", how, "-o"]).arg(&profile).arg(&traps).arg(how).run().exits(status);
        let told = trjit(["inspect", "--json"]).arg(&profile).run().succeeds().json();
        let run = &told["runs"][0];
        assert!(run["ended"].as_str().is_some_and(|text| text.starts_with(ended)) && run["workload"] == how, "{told}");
        assert!(run["functions"].as_u64() > Some(5), "{told}");
    }
}

#[test]
fn a_run_that_can_not_start_keeps_the_old_profile() {
    let folder = scratch();
    let profile = folder.path().join("out.trprof");
    std::fs::write(&profile, "old").expect("the scratch directory is writable");
    trjit(["train", "-o"]).arg(&profile).arg(folder.path().join("absent.wasm")).run().refuses(1, &["No such file"]);
    assert_eq!(std::fs::read(&profile).expect("the profile is readable"), b"old");
}

#[test]
fn compiled_code_records_what_the_interpreter_records() {
    let folder = scratch();
    for (name, args) in [("bytecode", &[][..]), ("matrix", &[]), ("sha256", &["-x"])] {
        let module = fixtures().join(format!("c/{name}.wasm"));
        let told = |how: &str| {
            let profile = folder.path().join(format!("{name}-{how}.trprof"));
            // Some end with an error: that is recorded, too.
            let _ = trjit(["train", "--jit", how, "-o"]).arg(&profile).arg(&module).args(args).run();
            recorded(&profile)
        };
        let interpreted = told("off");
        let hottest = interpreted["hottest"].as_array().expect("`hottest` is a list").iter();
        let hot = hottest.filter(|function| function["calls"].as_u64() > Some(400) || function["back_edges"].as_u64() > Some(3000));
        assert!(hot.count() > 0, "nothing is compiled: {interpreted}");
        assert_eq!(interpreted, told("sync"), "{name}");
        assert_eq!(interpreted, told("background"), "{name}");
    }
}
