//! `trjit explain`: what it tells of text fixtures and of a fetched program, and what it says where there is nothing to tell.

use crate::support::{fixtures, scratch, trjit, wat};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn train(folder: &Path, module: &Path, args: &[&str]) -> PathBuf {
    let profile = folder.join("app.trprof");
    trjit(["train", "-o"]).arg(&profile).args(args).run();
    assert!(profile.exists(), "{} left no profile", module.display());
    profile
}

fn assemble(folder: &Path, module: &Path, profile: Option<&Path>) -> PathBuf {
    let cache = folder.join("app.trjit");
    let command = trjit(["assemble", "-o"]).arg(&cache);
    let command = match profile {
        Some(profile) => command.arg("--profile").arg(profile),
        None => command.arg("--all"),
    };
    command.arg(module).run().exits(0);
    cache
}

/// The JSON of an explanation.
fn explained(file: &Path, function: &str, options: &[&str]) -> Value {
    trjit(["explain", "--json"]).arg(file).arg(function).args(options).run().succeeds().json()
}

#[test]
fn counts_are_those_of_the_run() {
    let folder = scratch();
    let module = fixtures().join("wat/fib.wat");
    let path = module.to_str().expect("the path is UTF-8");
    let profile = train(folder.path(), &module, &["--invoke", "fib", path, "15"]);
    let cache = assemble(folder.path(), &module, Some(&profile));
    let profile = profile.to_str().expect("the path is UTF-8");
    let found = explained(&cache, "fib", &["--profile", profile]);
    // fib(n) as two calls of itself from 2 on: 2 fib(n + 1) - 1 calls.
    assert_eq!(found["training"]["entries"], 1973, "{found}");
    assert_eq!((&found["code"]["is_exact"], &found["training"]["is_the_caches"]), (&true.into(), &true.into()));
    let calls = found["sites"].as_array().expect("a list").iter().filter(|site| site["kind"] == "call");
    assert_eq!(calls.map(|site| site["count"].clone()).collect::<Vec<Value>>(), [986, 986], "{found}");
    let text = trjit(["explain"]).arg(&cache).args(["fib", "--profile", profile]).run().succeeds();
    for expected in ["AP4: entered 1,973 times in 1 training run", "x 1,973", "vmctx.store", "made for   x86-64"] {
        assert!(text.text().contains(expected), "no `{expected}`: {text:?}");
    }
    assert!(!text.text().contains("block0"), "IR that nobody asked for: {text:?}");
    let clif = trjit(["explain", "--asm=false", "--clif"]).arg(&cache).args(["fib", "--profile", profile]).run().succeeds();
    for expected in ["Cranelift IR of the body", "Cranelift IR after inlining", "Cranelift IR after optimization", "block0"] {
        assert!(clif.text().contains(expected), "no `{expected}`: {clif:?}");
    }
    assert!(!clif.text().contains("\nmachine code\n"), "{clif:?}");
}

#[test]
fn a_page_is_written_whole_and_instead_of_the_text() {
    let folder = scratch();
    let module = fixtures().join("wat/sieve.wat");
    let page = folder.path().join("page.html");
    trjit(["explain", "--html"]).arg(&page).arg(&module).arg("0").run().succeeds().prints("");
    let text = std::fs::read_to_string(&page).expect("the page is readable");
    assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>\n") && text.contains("<svg") && !text.contains("block0"));
    trjit(["explain", "--clif", "--json", "--html"]).arg(&page).arg(&module).arg("0").run().succeeds().json();
    assert!(std::fs::read_to_string(&page).expect("the page is readable").contains("block0"), "the IR that was asked for");
    let nowhere = folder.path().join("none/page.html");
    trjit(["explain", "--html"]).arg(&nowhere).arg(&module).arg("0").run().refuses(1, &["page.html"]);
}

#[test]
fn every_function_of_the_fixtures_can_be_explained() {
    let folder = scratch();
    for name in
        ["wat/exception-uncaught.wat", "wat/gen-br-table-256.wat", "wat/tail-call-results.wat", "wat/references.wat", "c/hello.wasm"]
    {
        let module = fixtures().join(name);
        let cache = assemble(folder.path(), &module, None);
        let first = trjit(["inspect", "--json", "--top", "1000"]).arg(&cache).run().succeeds().json();
        let compiled = first["functions_compiled"].as_u64().expect("a number");
        let all = (0..).map(|index: u64| trjit(["explain", "--json"]).arg(&cache).arg(index.to_string()).run());
        let mut found = 0;
        for outcome in all.take_while(|outcome| !outcome.stderr.contains("the module has no function")) {
            if outcome.stderr.contains("is imported") {
                continue;
            }
            let json = outcome.succeeds().json();
            assert_eq!(json["code"]["is_exact"], true, "{name}: {}", json["function"]);
            found += 1;
        }
        assert_eq!(found, compiled, "{name}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let folder = scratch();
    let module = fixtures().join("c/hello.wasm");
    let cache = assemble(folder.path(), &module, None);
    let explain = |args: &[&str]| trjit(["explain"]).arg(&cache).args(args).run();
    explain(&["99999"]).refuses(1, &["no function 99999", "imported"]);
    explain(&["0"]).refuses(1, &["function 0", "is imported"]);
    explain(&["_strat"]).refuses(1, &["no function is called `_strat`", "did you mean", "_start"]);
    explain(&["_start", "--tier", "T4"]).refuses(2, &["--tier is for modules"]);
    let twice = wat(folder.path(), "twice.wat", r#"(module (func $one (export "two")) (func $two))"#);
    trjit(["explain"]).arg(&twice).arg("two").run().refuses(1, &["2 functions are called `two`: 0, 1", "give its index"]);
    let other = wat(folder.path(), "other.wat", r#"(module (func (export "f") (result i64) (i64.const 7)))"#);
    let path = other.to_str().expect("the path is UTF-8");
    let profile = train(folder.path(), &other, &["--invoke", "f", path]);
    let profile = profile.to_str().expect("the path is UTF-8");
    explain(&["_start", "--profile", profile]).refuses(121, &["of another program"]);
    explain(&["_start", "--profile", path]).refuses(121, &["can not be used"]);
    let mut bytes = std::fs::read(&cache).expect("the cache is readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&cache, bytes).expect("the cache is writable");
    explain(&["_start"]).refuses(120, &["is refused [corrupt]"]);
    trjit(["explain"]).arg(folder.path().join("none")).arg("f").run().refuses(1, &["can not read"]);
}

#[test]
fn a_real_program_is_told_from_a_cache_and_from_its_module() {
    let module = fixtures().join("fetched/quickjs-ng.wasm");
    if !module.exists() {
        let missing = "fixtures/fetched/quickjs-ng.wasm is not here: run fixtures/fetch quickjs-ng";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        return eprintln!("SKIPPED: {missing}");
    }
    let folder = scratch();
    let inputs = fixtures().join("inputs/quickjs-ng");
    let dir = format!("--dir={}::/in", inputs.display());
    let path = module.to_str().expect("the path is UTF-8");
    let profile = train(folder.path(), &module, &[&dir, path, "/in/queens.js"]);
    let cache = assemble(folder.path(), &module, Some(&profile));
    let profile = profile.to_str().expect("the path is UTF-8");
    let of_cache = explained(&cache, "JS_CallInternal", &["--profile", profile]);
    let of_module = explained(&module, "JS_CallInternal", &["--profile", profile]);
    assert_eq!(of_cache["code"]["is_exact"], true);
    for same in ["function", "sites", "inlined", "cold", "traps", "calls", "graph", "machine", "why"] {
        assert!(of_cache[same] == of_module[same], "{same}");
    }
    let sites = of_cache["sites"].as_array().expect("a list");
    let hottest = sites.iter().filter_map(|site| site["count"].as_u64()).max();
    assert!(hottest > Some(100_000) && sites.len() > 1000, "{} sites, {hottest:?}", sites.len());
}
