//! Assembly is reproducible, merges profiles, and covers what they hold.

use crate::support::{fixtures, scratch, trjit};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn assemble(cache: &Path, module: &Path, options: &[&str], profiles: &[PathBuf]) -> Value {
    let mut command = trjit(["assemble", "--json", "-o"]).arg(cache).args(options);
    for profile in profiles {
        command = command.arg("--profile").arg(profile);
    }
    command.arg(module).run().exits(0).json()
}

fn train(folder: &Path, name: &str, module: &Path, args: &[&str]) -> PathBuf {
    let profile = folder.join(name).with_extension("trprof");
    trjit(["train", "--workload", name, "-o"]).arg(&profile).arg(module).args(args).run();
    profile
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = scratch();
    for module in ["c/bytecode.wasm", "wat/gen-multi-value.wat"] {
        let module = fixtures().join(module);
        let bytes: Vec<Vec<u8>> = ["1", "2", "7"]
            .iter()
            .map(|threads| {
                let cache = folder.path().join(threads).with_extension("trjit");
                assemble(&cache, &module, &["--all", "--threads", threads], &[]);
                std::fs::read(cache).expect("the cache is readable")
            })
            .collect();
        assert!(bytes[0] == bytes[1] && bytes[1] == bytes[2], "{}", module.display());
    }
}

#[test]
fn profiles_merge_and_their_order_does_not_matter() {
    let folder = scratch();
    let module = fixtures().join("c/traps.wasm");
    let one = train(folder.path(), "one", &module, &["divide"]);
    let two = train(folder.path(), "two", &module, &["recurse"]);
    let compiled = |name: &str, profiles: &[PathBuf]| {
        let cache = folder.path().join(name).with_extension("trjit");
        let summary = assemble(&cache, &module, &["--recorded-only"], profiles);
        let tiers = summary["compiled"].as_array().expect("`compiled` is a list");
        let functions: u64 = tiers.iter().map(|tier| tier["functions"].as_u64().expect("a number")).sum();
        (functions, std::fs::read(cache).expect("the cache is readable"))
    };
    let (first, _) = compiled("first", std::slice::from_ref(&one));
    let (second, _) = compiled("second", std::slice::from_ref(&two));
    let (both, bytes) = compiled("both", &[one.clone(), two.clone()]);
    let (turned, turned_bytes) = compiled("turned", &[two, one]);
    assert!(both > first.min(second) && both >= first.max(second), "{first} and {second} merged to {both}");
    assert_eq!(both, turned);
    assert!(bytes == turned_bytes, "the order of the profiles changed the cache");
}

#[test]
fn a_profile_selects_what_ran_and_all_selects_everything() {
    let folder = scratch();
    let module = fixtures().join("c/hello.wasm");
    let profile = train(folder.path(), "hello", &module, &[]);
    let cache = folder.path().join("hello.trjit");
    let some = assemble(&cache, &module, &["--recorded-only"], std::slice::from_ref(&profile));
    let number = |value: &Value, key: &str| value[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {value}"));
    assert!(number(&some, "recorded") > 0 && number(&some, "recorded") < number(&some, "functions"), "{some}");
    assert_eq!(some["share_of_calls"], 1.0, "{some}");
    let inspected = trjit(["inspect", "--json"]).arg(&cache).run().succeeds().json();
    assert_eq!(inspected["functions_compiled"], some["recorded"], "{inspected}");
    // A small module is compiled whole without being asked; what was recorded stands first.
    for (options, profiles) in [(&["--all"][..], &[][..]), (&[], &[profile])] {
        let all = assemble(&cache, &module, options, profiles);
        let inspected = trjit(["inspect", "--json"]).arg(&cache).run().succeeds().json();
        assert_eq!(number(&inspected, "functions_compiled"), number(&all, "functions"), "{inspected}");
    }
}

#[test]
fn a_cache_for_a_lower_cpu_level_runs_too() {
    let folder = scratch();
    let module = fixtures().join("wat/fib.wat");
    for level in ["x86-64", "x86-64-v2"] {
        let cache = folder.path().join("fib.trjit");
        assemble(&cache, &module, &["--all", "--cpu-level", level], &[]);
        trjit(["run", "--cache-mode", "require", "--invoke", "fib", "--cache"])
            .arg(&cache)
            .arg(&module)
            .arg("15")
            .run()
            .succeeds()
            .prints("610\n");
    }
    trjit(["assemble", "--all", "--cpu-level", "z80"]).arg(&module).run().refuses(1, &["'z80'", "x86-64-v3"]);
}
