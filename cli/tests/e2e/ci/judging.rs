//! Gates, the baseline, and profiles that are kept.

use super::*;

/// The keys `passed` by the names of gates.
fn judged(report: &serde_json::Value) -> Vec<(String, bool)> {
    let gates = report["gates"].as_array().expect("a report has gates");
    gates.iter().map(|gate| (gate["name"].as_str().expect("a name").to_string(), gate["passed"] == true)).collect()
}

const RECORDED: &str = "functions = \"recorded\"\n";

#[test]
fn coverage_is_measured_on_what_was_left_out() {
    let runs = [("a", ""), ("b", "left-out = true")];
    let project = Project::new(&runs, &format!("{RECORDED}[gates]\ncalls-covered = \"50%\"\ninstructions-covered = \"50%\"\n"));
    let report = project.report(&[], 14);
    assert_eq!(judged(&report), [("calls-covered".into(), false), ("instructions-covered".into(), false)]);
    // `_start` and `print` are what both runs call; `b` and the loop that calls it are not compiled.
    let coverage = &report["measured"]["targets"][0]["coverage"];
    assert_eq!(
        (&coverage["calls"], &coverage["functions"], &coverage["functions_uncovered"]),
        (&1003.into(), &4.into(), &2.into()),
        "{report:#}"
    );
    let share = coverage["calls_covered"].as_f64().expect("a share");
    assert!((share - 2.0 / 1003.0).abs() < 1e-9 && coverage["calls_trained"] == coverage["calls_covered"], "{report:#}");
    assert!(!project.path("app.trjit").exists());
    // Another limit is judged on what was measured, and nothing is trained for it.
    project.configure(&runs, &format!("{RECORDED}[gates]\ncalls-covered = \"0.1%\"\n"));
    let report = project.report(&[], 0);
    assert_eq!((&report["reused"], judged(&report)), (&true.into(), vec![("calls-covered".into(), true)]));
    assert!(project.path("app.trjit").exists());
    // All functions compiled: everything is covered, and what training knew is told beside it.
    project.configure(&runs, "functions = \"all\"\n[gates]\ncalls-covered = \"100%\"\n");
    let coverage = project.report(&[], 0)["measured"]["targets"][0]["coverage"].clone();
    assert_eq!(coverage["calls_covered"], 1.0);
    assert!(coverage["calls_trained"].as_f64() < Some(0.01), "{coverage}");
}

#[test]
fn size_and_levels_are_gates() {
    let project = Project::new(&[("a", "")], "[gates]\ncache-size = \"1KiB\"\n");
    project.ci(&[]).run().exits(14).says(&["gate `cache-size` of `app.trjit`: found ", "expected at most 1.0 KiB", "help: "]);
    project.configure(&[("a", "")], "[gates]\naccept = [\"x86-64\", \"x86-64-v3\"]\n");
    assert_eq!(judged(&project.report(&[], 0)), [("accept".into(), true), ("accept".into(), true)]);
    let text =
        String::from_utf8(project.read("trjit.toml")).expect("it is text").replace("cpu-level = \"x86-64\"", "cpu-level = \"x86-64-v3\"");
    project.write("trjit.toml", &text);
    project.ci(&[]).run().exits(12).says(&["gate `accept`: found none, expected a cache for x86-64", "add a [[target]]"]);
}

#[test]
fn the_baseline_is_what_was_accepted() {
    let limits = "[gates]\ngrowth = \"5%\"\ncoverage-loss = \"1%\"\n";
    let project = Project::new(&[("a", ""), ("b", "left-out = true")], &format!("{RECORDED}{limits}"));
    // Without a baseline there is nothing to compare with.
    assert_eq!(judged(&project.report(&[], 0)), []);
    project.report(&["--accept"], 0);
    let baseline = project.read("trjit-baseline.json");
    assert_eq!(judged(&project.report(&[], 0)), [("growth".into(), true), ("coverage-loss".into(), true)]);
    // A larger module, trained on both: more is covered, and the cache grows.
    let more: String = (0..200).map(|at| format!("(func (export \"f{at}\") (result i32) (i32.const {at}))")).collect();
    project.write("app.wat", &format!("{}{more})", &PROGRAM[..PROGRAM.len() - 1]));
    project.configure(&[("a", ""), ("b", "")], &format!("functions = \"all\"\n{limits}"));
    let outcome =
        project.ci(&[]).run().exits(14).says(&["gate `growth` of `app.trjit`", "expected at most 5.0 % larger", "trjit ci --accept"]);
    assert!(outcome.text().contains("baseline  another build of the module, another profile"), "{outcome:?}");
    assert_eq!(project.read("trjit-baseline.json"), baseline);
    project.report(&["--accept"], 0);
    assert_ne!(project.read("trjit-baseline.json"), baseline);
    assert_eq!(judged(&project.report(&[], 0)), [("growth".into(), true), ("coverage-loss".into(), true)]);
    // Less coverage than was accepted.
    project.configure(&[("a", ""), ("b", "left-out = true")], &format!("{RECORDED}{limits}"));
    project.ci(&[]).run().exits(14).says(&["gate `coverage-loss` of `app.trjit`"]);
    project.write("trjit-baseline.json", "{\"schema\": 7}");
    project.ci(&[]).run().exits(1).says(&["`trjit-baseline.json`", "found schema 7, expected 1", "help: "]);
}

#[test]
fn runs_that_recorded_something_else_are_named_against_the_baseline() {
    let project = Project::new(&[("a", "")], "");
    project.report(&["--accept"], 0);
    project.configure(&[("a", "args = [\"n\"]\n"), ("b", "")].map(|(name, _)| (name, "")), "");
    let report = project.report(&[], 0);
    assert_eq!(report["baseline"]["runs"], serde_json::json!(["run `b` is new"]), "{report:#}");
    assert_eq!((&report["baseline"]["same_module"], &report["baseline"]["same_profile"]), (&true.into(), &false.into()));
}

/// Nightly: train and keep the profile. On every push: assemble by it.
#[test]
fn a_kept_profile_takes_the_place_of_training() {
    let gates = "[gates]\nstaleness = \"10%\"\n";
    let project = Project::new(&[("a", ""), ("b", "left-out = true")], gates);
    let with_profile = |project: &Project| {
        let text = String::from_utf8(project.read("trjit.toml")).expect("it is text");
        project.write("trjit.toml", &text.replace("module = \"app.wat\"\n", "module = \"app.wat\"\n[train]\nprofile = \"app.trprof\"\n"));
    };
    with_profile(&project);
    project.report(&["--train-only"], 0);
    assert_eq!(names(project.0.path()), [".trjit", "app.trprof", "app.wat", "trjit.toml"]);
    let kept = project.read("app.trprof");
    let report = project.report(&["--no-train"], 0);
    assert_eq!(
        (&report["measured"]["profile"]["origin"], &report["measured"]["profile"]["staleness"]["same_module"]),
        (&"kept".into(), &true.into())
    );
    assert_eq!((project.read("app.trprof"), judged(&report)), (kept, vec![("staleness".into(), true)]));
    assert_eq!(project.report(&["--no-train"], 0)["status"], "unchanged");
    // Rebuilt: `a`, which had nearly all calls, is another function now.
    project.write("app.wat", &PROGRAM.replace("(i32.mul (local.get 0) (i32.const 7))", "(i32.shl (local.get 0) (i32.const 5))"));
    let outcome = project.ci(&["--no-train"]).run().exits(14);
    let outcome = outcome.says(&["gate `staleness`: found 99.", "trjit ci --train-only"]);
    assert!(outcome.text().contains("kept, of another build"), "{outcome:?}");
    // Another program.
    take(&project, "c/words.wasm", "words.wasm");
    trjit(["train", "-o", "app.trprof", "words.wasm"]).within(project.0.path()).run().exits(0);
    project.ci(&["--no-train"]).run().exits(121).says(&["the profile `app.trprof` is of another program", "help: "]);
    project.write("app.trprof", "damaged");
    project.ci(&["--no-train"]).run().exits(121).says(&["app.trprof", "help: "]);
    std::fs::remove_file(project.path("app.trprof")).expect("it is there");
    project.ci(&["--no-train"]).run().exits(121).says(&["app.trprof", "trjit ci --train-only"]);
}

#[test]
fn not_training_needs_a_profile_and_training_only_a_place_for_it() {
    let project = Project::new(&[("a", "")], "");
    project.ci(&["--no-train"]).run().refuses(16, &["--no-train", "profile"]);
    project.ci(&["--train-only"]).run().refuses(16, &["--train-only", "profile"]);
}

#[test]
fn weights_multiply_counts() {
    let project = Project::new(&[("a", "weight = 3"), ("b", "")], "[output]\nprofile = \"app.trprof\"\n");
    project.report(&[], 0);
    let told = trjit(["inspect", "--json"]).arg(project.path("app.trprof")).run().succeeds().json();
    assert_eq!(told["calls"], 3 * 1003 + 1003, "{told}");
}

/// Limits that no machine misses, and none holds.
#[test]
fn time_is_a_gate_for_those_who_ask() {
    let project = Project::new(&[("a", "")], "[gates]\ntime-ratio = 1000000\n");
    let report = project.report(&[], 0);
    assert_eq!(judged(&report), [("time-ratio".into(), true)]);
    assert_eq!(report["measured"]["runs"][0]["timed"].as_array().map(Vec::len), Some(2), "{report:#}");
    project.configure(&[("a", "")], "[gates]\ntime-ratio = 0.000001\n");
    project.ci(&[]).run().exits(14).says(&["gate `time-ratio`: found ", "of the time without a cache", "shared runners are noisy"]);
    // Without the gate nothing is timed.
    project.configure(&[("a", "")], "");
    assert_eq!(project.report(&[], 0)["measured"]["runs"][0]["timed"], serde_json::Value::Null);
}
