//! `assemble --verify`: right caches pass and are the same as without; where nothing can be read back, the command says so.

use crate::support::{files, fixtures, listing, scratch, trjit, wat};

#[test]
fn caches_of_fixtures_pass_and_are_the_same_as_without() {
    let folder = scratch();
    let mut modules = files("c", ".wasm");
    modules.push(fixtures().join("wat/gen-multi-value.wat"));
    for module in modules {
        for level in ["x86-64", "x86-64-v3"] {
            let [plain, verified] = ["plain.trjit", "verified.trjit"].map(|name| folder.path().join(name));
            let command = || trjit(["assemble", "--json", "--all", "--cpu-level", level]).arg(&module).arg("-o");
            let without = command().arg(&plain).run().succeeds().json();
            assert!(without["checked"].is_null(), "{without}");
            let with = command().arg(&verified).arg("--verify").run().succeeds().json();
            let checked = &with["checked"];
            assert!(checked["functions"].as_u64() > Some(0) && checked["trampolines"] == with["trampolines"], "{with}");
            assert!(checked["instructions"].as_u64() > checked["functions"].as_u64(), "{with}");
            assert_eq!(with["seconds"][7]["phase"], "check", "{with}");
            let [plain, verified] = [plain, verified].map(|path| std::fs::read(path).expect("the cache is readable"));
            assert!(plain == verified, "{} on {level}", module.display());
        }
    }
    assert_eq!(listing(folder.path()), ["plain.trjit", "verified.trjit"]);
}

#[test]
fn the_summary_tells_what_was_checked() {
    let folder = scratch();
    let module = wat(folder.path(), "one.wat", "(module (func (export \"f\") (result i32) i32.const 1))");
    let outcome = trjit(["assemble", "--all", "--verify"]).arg(&module).run().exits(0).says(&["checked 4 functions in "]);
    assert!(outcome.text().contains("\nchecked      1 functions and 3 trampolines compiled again and equal, "), "{outcome:?}");
    assert_eq!(listing(folder.path()), ["one.trjit", "one.wat"]);
}

#[test]
fn what_can_not_be_read_back_can_not_be_verified() {
    let module = fixtures().join("wat/fib.wat");
    let command = || trjit(["assemble", "--all", "--json", "-o", "/dev/null"]).arg(&module);
    command().run().succeeds();
    command().arg("--verify").run().refuses(1, &["can not read back `/dev/null`", "no regular file"]);
}
