//! Steps that pass: what is made, what is told, and that nothing is done twice.

use super::*;

#[test]
fn a_cache_is_made_checked_repeated_and_told() {
    let project = Project::new(&[("a", ""), ("b", "left-out = true")], "[output]\nprofile = \"app.trprof\"\nsummary = \"summary.md\"\n");
    let outcome = project.ci(&[]).run().exits(0);
    let lines =
        ["train: a in ", "train: b in ", "assemble: app.trjit for x86-64", "rerun: a on app.trjit in ", "rerun: b on app.trjit in "];
    let outcome = outcome.says(&lines);
    assert!(
        outcome.text().contains("cache     app.trjit: ") && outcome.text().contains("2 runs repeated with the same results"),
        "{outcome:?}"
    );
    trjit(["run", "--cache", "app.trjit", "--cache-mode", "require", "app.wat", "a"])
        .within(project.0.path())
        .run()
        .succeeds()
        .prints("a\n");
    assert_eq!(names(project.0.path()), [".trjit", "app.trjit", "app.trprof", "app.wat", "summary.md", "trjit.toml"]);
    let summary = String::from_utf8(project.read("summary.md")).expect("Markdown is text");
    assert!(summary.contains("`app.trjit`") && summary.contains("| `b` | left out |"), "{summary}");
    // The profile is of the run that was trained on alone, and holds no times.
    let told = trjit(["inspect", "--json"]).arg(project.path("app.trprof")).run().succeeds().json();
    assert_eq!(
        (told["runs"].as_array().map(Vec::len), &told["runs"][0]["workload"], &told["runs"][0]["seconds"]),
        (Some(1), &"a".into(), &0.0.into()),
        "{told}"
    );
}

#[test]
fn a_second_run_does_nothing_and_puts_back_what_is_missing() {
    let project = Project::new(&[("a", "")], "");
    assert_eq!(project.report(&[], 0)["status"], "passed");
    let cache = project.read("app.trjit");
    let again = project.ci(&[]).run().succeeds();
    assert!(again.text().starts_with("nothing has changed"), "{again:?}");
    assert_eq!(project.report(&[], 0)["status"], "unchanged");
    std::fs::remove_file(project.path("app.trjit")).expect("it is there");
    let report = project.report(&[], 0);
    assert_eq!(
        (&report["status"], &report["reused"], &report["seconds"]["train"]),
        (&"passed".into(), &true.into(), &serde_json::Value::Null)
    );
    assert_eq!(project.read("app.trjit"), cache);
    // What is damaged is made anew.
    project.write(".trjit/out/0.trjit", "damaged");
    project.write("app.trjit", "damaged");
    let report = project.report(&[], 0);
    assert_eq!((&report["reused"], project.read("app.trjit")), (&false.into(), cache));
}

#[test]
fn every_input_counts() {
    let run = "stdin = \"in.txt\"\ndirs = [\"data::/data\"]\nexpect = { stdout = \"want\" }";
    let project = Project::new(&[("a", run)], "");
    std::fs::create_dir(project.path("data")).expect("writable");
    project.write("in.txt", "1");
    project.write("want", "a\n");
    project.report(&[], 0);
    let changes: [(&str, &dyn Fn()); 6] = [
        ("standard input", &|| project.write("in.txt", "2")),
        ("a file in a directory of the guest", &|| project.write("data/x", "2")),
        ("the module", &|| project.write("app.wat", &PROGRAM.replace("1000", "1001"))),
        ("a run", &|| project.configure(&[("a", run), ("b", "")], "")),
        ("an option", &|| project.configure(&[("a", &format!("{run}\noptions = [\"-W\", \"timeout=60s\"]")), ("b", "")], "")),
        ("the target", &|| {
            let text = String::from_utf8(project.read("trjit.toml")).expect("it is text");
            project.write("trjit.toml", &text.replace("cpu-level = \"x86-64\"", "cpu-level = \"x86-64\"\nverify = true"));
        }),
    ];
    for (what, change) in changes {
        assert_eq!(project.report(&[], 0)["status"], "unchanged", "before {what}");
        change();
        let report = project.report(&[], 0);
        assert_eq!((&report["status"], &report["reused"]), (&"passed".into(), &false.into()), "{what}");
    }
    // Expectations are inputs, too.
    project.write("want", "b\n");
    project.report(&[], 10);
}

#[test]
fn two_checkouts_give_the_same_cache() {
    let make = || {
        let project = Project::new(&[("a", ""), ("b", ""), ("n", "")], "[output]\nprofile = \"app.trprof\"\n");
        project.report(&[], 0);
        (project.read("app.trjit"), project.read("app.trprof"))
    };
    assert!(make() == make());
}

#[test]
fn a_training_that_is_not_the_same_again_is_named() {
    let project = Project::new(&[("r", "expect = { nondeterministic = true }")], "");
    project.report(&[], 0);
    // Sixteen bits decide how often `a` is called: that all of them are equal four times in a row does not happen.
    let told = (0..4).find_map(|_| project.report(&["--force"], 0)["measured"]["training_differs"][0].as_str().map(str::to_string));
    assert!(told.as_deref().is_some_and(|line| line.contains("calls and iterations")), "{told:?}");
    let same = Project::new(&[("a", "")], "");
    same.report(&[], 0);
    assert_eq!(same.report(&["--force"], 0)["measured"]["training_differs"], serde_json::json!([]));
}

#[test]
fn scratch_directories_are_empty_and_compared() {
    let project = Project::new(&[], "");
    take(&project, "c/files.wasm", "files.wasm");
    let runs = "[[train.run]]\nname = \"one\"\nargs = [\"/out\"]\nenv = [\"GREETING=hello there\"]\nscratch = [\"/out\"]\n[[train.run]]\nname = \"two\"\nargs = [\"/out\", \"17\"]\nscratch = [\"/out\"]\nexpect = { exit = 17 }\n";
    project.write("trjit.toml", &format!("module = \"files.wasm\"\n{runs}{TARGET}"));
    let report = project.report(&[], 0);
    assert_eq!(report["measured"]["runs"].as_array().map(Vec::len), Some(2), "{report:#}");
    assert_eq!(names(project.0.path()), [".trjit", "app.wat", "files.trjit", "files.wasm", "trjit.toml"]);
    assert!(!project.path(".trjit/run").exists());
}

#[test]
fn several_targets_are_made_and_those_that_run_here_are_run() {
    let project = Project::new(
        &[("a", "")],
        "[[target]]\ncpu-level = \"x86-64-v3\"\nfunctions = \"all\"\nverify = true\n[[target]]\ncpu-level = \"x86-64\"\nmemory = \"checked\"\nfuel = true\ncache = \"strict.trjit\"\n",
    );
    let report = project.report(&[], 0);
    let caches: Vec<&str> =
        report["measured"]["targets"].as_array().expect("targets").iter().filter_map(|target| target["cache"].as_str()).collect();
    assert_eq!(caches, ["app.x86-64.trjit", "app.x86-64-v3.trjit", "strict.trjit"]);
    let ran = report["measured"]["runs"][0]["cached_seconds"].as_object().expect("seconds by cache");
    assert!(ran.contains_key("app.x86-64.trjit") && ran.contains_key("strict.trjit"), "{report:#}");
    for (target, cache) in report["measured"]["targets"].as_array().expect("targets").iter().zip(&caches) {
        assert!(ran.contains_key(*cache) != target["not_run"].is_string(), "{report:#}");
    }
    let strict =
        ["run", "-W", "fuel=1000000", "-O", "memory-reservation=0", "--cache", "strict.trjit", "--cache-mode", "require", "app.wat", "a"];
    trjit(strict).within(project.0.path()).run().succeeds().prints("a\n");
}

#[test]
fn pipelines_are_told() {
    let project = Project::new(&[("a", "")], "[gates]\ncalls-covered = \"100%\"\n[output]\nprofile = \"app.trprof\"\n");
    let (page, outputs) = (project.path("page.md"), project.path("outputs"));
    let text = |path: &Path| path.to_str().expect("a path of a test is text").to_string();
    let ci = |options: &[&str]| {
        let ci = project.ci(options).variable("GITHUB_ACTIONS", "true").variable("GITLAB_CI", "true");
        ci.variable("GITHUB_STEP_SUMMARY", &text(&page)).variable("GITHUB_OUTPUT", &text(&outputs))
    };
    ci(&[]).run().exits(0);
    let outputs_text = || std::fs::read_to_string(&outputs).expect("outputs were written");
    let cache = text(&project.path("app.trjit").canonicalize().expect("it was made"));
    for line in
        ["status=passed\n", "changed=true\n", "calls-covered=1.0000\n", &format!("cache={cache}\n"), &format!("caches=[\"{cache}\"]\n")]
    {
        assert!(outputs_text().contains(line), "{line}: {}", outputs_text());
    }
    assert!(std::fs::read_to_string(&page).expect("a page was written").contains("| calls-covered | `app.trjit` |"));
    let metrics = String::from_utf8(project.read(".trjit/gitlab/metrics.txt")).expect("metrics are text");
    assert!(metrics.contains("trjit_calls_covered{cache=\"app.trjit\"} 1.0000\n") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(String::from_utf8(project.read(".trjit/gitlab/trjit.env")).expect("text").contains("TRJIT_CI_STATUS=passed\n"));
    ci(&[]).run().exits(0);
    assert!(outputs_text().contains("status=unchanged\n"), "{}", outputs_text());
    project.configure(&[("a", "")], "[gates]\ncache-size = 1\n");
    ci(&[]).run().exits(14).says(&["::error title=trjit ci::gate `cache-size`"]);
    assert!(outputs_text().ends_with("status=failed\n") || outputs_text().contains("status=failed\n"), "{}", outputs_text());
    assert!(String::from_utf8(project.read(".trjit/gitlab/metrics.txt")).expect("text").starts_with("trjit_passed 0\n"));
}

#[test]
fn a_dry_run_tells_and_does_nothing() {
    let project = Project::new(&[("a", "scratch = [\"/out\"]"), ("b", "left-out = true")], "[gates]\ncache-size = \"1MiB\"\n");
    let told = project.ci(&["--dry-run"]).run().succeeds();
    let lines = [
        "train     record `a`: trjit train -o <profile> --workload a --dir <scratch>::/out app.wat a",
        "train     record, left out, `b`: trjit train -o <profile> --workload b app.wat b",
        "assemble  `app.trjit` for x86-64",
        "rerun     `a`: trjit run --cache app.trjit --cache-mode require --dir <scratch>::/out app.wat a",
        "rerun     `b`: trjit run --cache app.trjit --cache-mode require app.wat b",
        "gates     cache-size",
        "results   put `app.trjit` in place",
    ];
    assert_eq!(told.text().lines().collect::<Vec<_>>(), lines);
    assert_eq!(names(project.0.path()), ["app.wat", "trjit.toml"]);
    project.report(&[], 0);
    let told = project.ci(&["--dry-run", "--json"]).run().succeeds().json();
    assert_eq!((&told["plan"][0]["step"], told["plan"].as_array().map(Vec::len)), (&"look".into(), Some(3)), "{told:#}");
}

#[test]
fn one_directory_may_have_several_configurations() {
    let project = Project::new(&[("a", "")], "");
    take(&project, "c/hello.wasm", "hello.wasm");
    project.write("hello.toml", &format!("module = \"hello.wasm\"\n[[train.run]]\n{TARGET}"));
    let both = || [&[][..], &["--config", "hello.toml"]].map(|options| project.report(options, 0)["status"].clone());
    assert_eq!(both(), ["passed", "passed"]);
    assert_eq!(both(), ["unchanged", "unchanged"]);
    assert!(
        project.path(".trjit/configs/hello/report.json").exists()
            && project.path("hello.trjit").exists()
            && project.path("app.trjit").exists()
    );
}
