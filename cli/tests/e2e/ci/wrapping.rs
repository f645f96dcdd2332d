//! A test command in the place of a list of runs.

use super::*;

/// A project whose test suite is a script that calls trjit as `wasmtime`, for another program, too.
fn suite(script: &str, keys: &str) -> Project {
    let project = Project::new(&[], "");
    take(&project, "c/hello.wasm", "other.wasm");
    project.write("test.sh", script);
    project
        .write("trjit.toml", &format!("module = \"app.wat\"\n[train]\ncommand = [\"sh\", \"test.sh\"]\nas = \"wasmtime\"\n{keys}{TARGET}"));
    project
}

fn ci(project: &Project, options: &[&str]) -> Trjit {
    project.ci(options).variable("PATH", "/usr/bin:/bin")
}

/// `-v` tells on standard error whether there was a cache.
const SCRIPT: &str = "set -e\nwasmtime run -v app.wat a 2>> log\nwasmtime -v app.wat b 2>> log\nwasmtime run -v other.wasm 2>> log\n";

#[test]
fn a_test_command_is_recorded_and_repeated_on_the_cache() {
    let project = suite(SCRIPT, "inputs = [\"test.sh\"]\n[output]\nprofile = \"app.trprof\"\n");
    let outcome = ci(&project, &[]).run().exits(0).says(&["train: sh test.sh in ", "rerun: the command on app.trjit in "]);
    assert!(outcome.text().contains("trained on 2 runs") && outcome.text().contains("the test command passes on it"), "{outcome:?}");
    let log = String::from_utf8(project.read("log")).expect("it is text");
    let kinds: Vec<&str> = log.lines().map(|line| if line.contains("no cache") { "no cache" } else { "cache" }).collect();
    assert_eq!(kinds, ["no cache", "no cache", "no cache", "cache", "cache", "no cache"], "{log}");
    // What the command depends on is told, so that it is not run again for nothing.
    assert!(ci(&project, &[]).run().succeeds().text().starts_with("nothing has changed"));
    project.write("test.sh", &SCRIPT.replace("app.wat b", "app.wat n"));
    ci(&project, &[]).run().exits(0).says(&["train: sh test.sh in "]);
    // By a kept profile nothing of it runs.
    let text = String::from_utf8(project.read("trjit.toml")).expect("it is text");
    project.write("trjit.toml", &text.replace("[train]\n", "[train]\nprofile = \"app.trprof\"\n"));
    std::fs::remove_file(project.path("log")).expect("it was written");
    ci(&project, &["--no-train"]).run().exits(0);
    assert!(!project.path("log").exists());
}

#[test]
fn without_inputs_the_command_is_always_run() {
    let project = suite(SCRIPT, "");
    for _ in 0..2 {
        ci(&project, &[]).run().exits(0).says(&["train: sh test.sh in "]);
    }
    assert_eq!(String::from_utf8(project.read("log")).expect("it is text").lines().count(), 12);
}

#[test]
fn a_suite_that_fails_or_runs_nothing_stops_the_step() {
    let failing = suite("wasmtime app.wat a; echo 'test 7 failed' >&2; exit 3\n", "");
    ci(&failing, &[]).run().exits(10).says(&[
        "  | test 7 failed",
        "error: the command `sh test.sh` exited with status 3, expected status 0",
        "help: ",
    ]);
    assert!(!failing.path("app.trjit").exists());
    let hanging = suite("wasmtime app.wat l\n", "command-timeout = \"300ms\"\n");
    ci(&hanging, &[]).run().exits(10).says(&["took longer than 0.3 s"]);
    let idle = suite("wasmtime other.wasm\n", "");
    ci(&idle, &[]).run().exits(11).says(&["no run of `app.wat` was recorded", "help: "]);
    let missing = suite("", "");
    missing.write("trjit.toml", &format!("module = \"app.wat\"\n[train]\ncommand = [\"no-such-program\"]\n{TARGET}"));
    ci(&missing, &[]).run().exits(10).says(&["no-such-program"]);
}

#[test]
fn a_test_command_may_build_the_module() {
    let project = suite("cp source.wat app.wat\nwasmtime app.wat a\n", "inputs = [\"test.sh\", \"source.wat\"]\n");
    project.write("source.wat", PROGRAM);
    std::fs::remove_file(project.path("app.wat")).expect("it was written");
    ci(&project, &[]).run().exits(0);
    assert!(ci(&project, &[]).run().succeeds().text().starts_with("nothing has changed"));
    // What it ran is not what it leaves.
    project.write("test.sh", "cp source.wat app.wat\nwasmtime app.wat a\necho '(module)' > app.wat\n");
    ci(&project, &[]).run().exits(11).says(&["no run of `app.wat` was recorded"]);
}
