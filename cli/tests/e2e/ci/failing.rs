//! Steps that fail: the status, the words, and that what was there before stays.

use super::*;

/// Runs `trjit ci` in a project that had passed, after a change; nothing that it had made may change.
fn fails(runs: &[(&str, &str)], rest: &str, status: i32, says: &[&str]) {
    let project = Project::new(&[("a", "")], "");
    project.report(&[], 0);
    let cache = project.read("app.trjit");
    project.configure(runs, rest);
    let outcome = project.ci(&[]).run().exits(status);
    assert!(outcome.stderr.contains("\nhelp: ") || outcome.stderr.starts_with("help: "), "{outcome:?}");
    outcome.says(says);
    assert_eq!(project.read("app.trjit"), cache);
    assert!(!project.path(".trjit/run").exists());
    // The report tells the same.
    let report: serde_json::Value = serde_json::from_slice(&project.read(".trjit/report.json")).expect("the report is JSON");
    assert_eq!((&report["status"], &report["exit_code"]), (&"failed".into(), &status.into()), "{report:#}");
}

#[test]
fn runs_that_do_not_do_what_is_expected() {
    fails(&[("e", "")], "", 10, &["error: training run `e` exited with status 3, expected status 0", "kept in `.trjit/failed/0`"]);
    fails(&[("t", "")], "", 10, &["`t` exited with status 134 (a trap), expected status 0", "  | wasm backtrace:"]);
    fails(&[("a", "expect = { exit = 7 }")], "", 10, &["exited with status 0, expected status 7"]);
    fails(&[("l", "timeout = \"200ms\"")], "", 10, &["`l` took longer than 0.2 s"]);
    let wrong = "0".repeat(64);
    fails(&[("a", &format!("expect = {{ stdout-sha256 = \"{wrong}\" }}"))], "", 10, &["its SHA-256 is 87428fc5", &wrong]);
    fails(
        &[("a", "expect = { stdout = \"trjit.toml\" }")],
        "",
        10,
        &["something else than `trjit.toml`: line 1 is `a`, expected `module = \"app.wat\"`"],
    );
    fails(&[("a", "stdin = \"missing\"")], "", 1, &["can not read", "missing"]);
    // All that fail are told, and traps that are expected are none.
    fails(&[("e", ""), ("t", ""), ("a", "")], "", 10, &["run `e`", "run `t`"]);
    Project::new(&[("t", "expect = { exit = 134 }"), ("e", "expect = { exit = 3 }")], "").report(&[], 0);
}

#[test]
fn runs_that_are_another_on_the_cache() {
    fails(&[("r", "")], "", 13, &["the run on the cache `r` printed something else: line ", "expect.nondeterministic = true"]);
    Project::new(&[("r", "expect = { nondeterministic = true }")], "").report(&[], 0);
}

#[test]
fn an_empty_profile() {
    let project = Project::new(&[], "");
    project.write("empty.wat", "(module (func (export \"f\")))");
    project.write("trjit.toml", &format!("module = \"empty.wat\"\n[[train.run]]\nname = \"nothing\"\n{TARGET}"));
    project.ci(&[]).run().exits(11).says(&["the profile is empty", "--invoke"]);
    assert!(!project.path("empty.trjit").exists());
}

#[test]
fn modules_that_are_missing_or_none() {
    let project = Project::new(&[("a", "")], "");
    std::fs::remove_file(project.path("app.wat")).expect("it is there");
    project.ci(&[]).run().exits(1).says(&["can not read", "app.wat", "build the module first"]);
    project.write("app.wat", "(module (func (unknown)))");
    project.ci(&[]).run().exits(1).says(&["app.wat"]);
}

#[test]
fn a_configuration_that_is_wrong() {
    let project = Project::new(&[("a", "")], "[gates]\ncalls-coverd = \"95%\"\n");
    project.ci(&[]).run().refuses(16, &["unknown key `calls-coverd` in [gates]", "calls-covered"]);
    let nowhere = super::super::support::scratch();
    trjit(["ci"]).within(nowhere.path()).run().refuses(16, &["trjit.toml", "trjit init"]);
    assert_eq!(names(nowhere.path()), [] as [&str; 0]);
}

#[test]
fn a_directory_that_can_not_be_written() {
    // Root may write anywhere; a file in the way stops it, too.
    let project = Project::new(&[("a", "")], "");
    project.write(".trjit", "in the way");
    project.ci(&[]).run().refuses(1, &[".trjit", "writable"]);
}
