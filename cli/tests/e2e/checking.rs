//! `trjit check`: the loader's answer, for this machine or another one, without a run.

use crate::support::{Outcome, fixtures, scratch, trjit};
use std::path::{Path, PathBuf};

fn fib() -> PathBuf {
    fixtures().join("wat/fib.wat")
}

/// A cache of all functions, with these options.
fn cache_of(folder: &Path, name: &str, options: &[&str]) -> PathBuf {
    let cache = folder.join(name);
    trjit(["assemble", "--all", "-q", "-o"]).arg(&cache).args(options).arg(fib()).run().exits(0);
    cache
}

fn check(files: &[&Path], options: &[&str]) -> Outcome {
    trjit(["check"]).args(options).args(files).run()
}

#[test]
fn each_file_and_level_has_a_line_and_refusals_say_what_serves() {
    let folder = scratch();
    let (v1, v3) = (
        cache_of(folder.path(), "v1.trjit", &["--cpu-level", "x86-64"]),
        cache_of(folder.path(), "v3.trjit", &["--cpu-level", "x86-64-v3"]),
    );
    let levels = ["--cpu-level", "x86-64", "--cpu-level", "x86-64-v3"];
    let found = check(&[&v1, &v3], &levels).exits(120);
    let (one, three) = (v1.display(), v3.display());
    let lines: Vec<&str> = found.text().lines().collect();
    assert_eq!(lines[..2], [format!("{one}: accepted on x86-64"), format!("{one}: accepted on x86-64-v3")]);
    assert!(lines[2].starts_with(&format!("{three}: refused on x86-64 [cpu-features]: ")) && lines[2].contains("avx2"), "{found:?}");
    assert_eq!(lines[3..], [format!("{three}: accepted on x86-64-v3")]);
    found.says(&["help: assemble the module again for x86-64,", "this one serves x86-64-v3"]);
    check(&[&v1], &levels).succeeds();
    check(&[&v1], &[]).succeeds().prints(&format!("{one}: accepted on this machine\n"));
    // As an option, so a variable.
    let by_variable = trjit(["check"]).variable("TRJIT_CPU_LEVEL", "x86-64-v2").arg(&v3).run();
    assert!(by_variable.exits(120).text().contains("refused on x86-64-v2"));
}

#[test]
fn what_is_asked_is_what_is_compared() {
    let folder = scratch();
    let cache = cache_of(folder.path(), "a.trjit", &["--cpu-level", "x86-64"]);
    let refused = |options: &[&str], code: &str, told: &[&str]| {
        let found = check(&[&cache], options).exits(120);
        assert!(found.text().contains(&format!("[{code}]")), "{found:?}");
        told.iter().for_each(|told| assert!(found.text().contains(told), "{told}: {found:?}"));
        found.says(&["help: "]);
    };
    let module = fib();
    check(&[&cache], &["--module", module.to_str().expect("it is text")]).succeeds();
    let other = fixtures().join("c/hello.wasm");
    let digest = |path: &Path| {
        let shown = trjit(["inspect", "--json"]).arg(path).run().succeeds();
        shown.text().split("\"digest\": \"").nth(1).expect("the manifest holds the module's digest")[..8].to_string()
    };
    refused(&["--module", other.to_str().expect("it is text")], "other-module", &[&digest(&cache)]);
    refused(&["--fuel"], "other-engine", &["fuel is not counted"]);
    refused(&["--memory", "checked"], "other-engine", &["reserved", "checked"]);
    let fuel = cache_of(folder.path(), "fuel.trjit", &["--fuel", "--memory", "checked"]);
    check(&[&fuel], &["--fuel", "--memory", "checked"]).succeeds();
}

#[test]
fn files_that_are_no_caches_are_answers_too() {
    let folder = scratch();
    let cache = cache_of(folder.path(), "a.trjit", &[]);
    let mut bytes = std::fs::read(&cache).expect("the cache is readable");
    // In the text, which a start verifies only where it is used.
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = folder.path().join("damaged.trjit");
    std::fs::write(&damaged, bytes).expect("the directory is writable");
    let (absent, hello) = (folder.path().join("absent.trjit"), fixtures().join("c/hello.wasm"));
    let found = check(&[&damaged, &absent, &hello, &cache], &[]).exits(120);
    let codes: Vec<Option<&str>> =
        found.text().lines().map(|line| line.split_once('[').and_then(|(_, rest)| rest.split(']').next())).collect();
    assert_eq!(codes, [Some("corrupt"), Some("unreadable"), Some("not-a-cache"), None], "{found:?}");
}

#[test]
fn scripts_get_the_same_as_json() {
    let folder = scratch();
    let cache = cache_of(folder.path(), "a.trjit", &["--cpu-level", "x86-64-v3"]);
    let found = check(&[&cache], &["--json", "--cpu-level", "x86-64", "--cpu-level", "x86-64-v3"]).exits(120);
    let document = found.json();
    assert_eq!((&document["schema"], &document["accepted"]), (&1.into(), &false.into()));
    let [refused, accepted] = document["answers"].as_array().expect("a list").as_slice() else { panic!("{document}") };
    assert_eq!((&refused["cpu_level"], &refused["refusal"]["code"]), (&"x86-64".into(), &"cpu-features".into()));
    assert!(refused["refusal"]["help"].as_str().is_some_and(|help| help.contains("serves x86-64-v3")), "{document}");
    assert_eq!((&accepted["accepted"], &accepted["refusal"]), (&true.into(), &serde_json::Value::Null));
    check(&[&cache], &["--cpu-level", "x86-64-v9"]).refuses(1, &["unknown CPU level 'x86-64-v9'", "help: "]);
    trjit(["check"]).run().exits(2).says(&["<FILE>"]);
}
