//! `action.yml`, and the two workflows of the nightly flow that use it.

use crate::project::{self, FAILS, HOLDS};
use crate::release::{Published, forged, version};
use crate::runner::{Outcome, Runner};
use crate::{binaries, root, text};
use std::path::Path;

/// A job in which trjit is on PATH already, in a checkout with these gates.
fn runner(home: &Path, name: &str, gates: &str) -> Runner {
    let runner = Runner::new(home, name, Path::new("/nowhere"));
    runner.path.borrow_mut().push(binaries());
    project::write(&runner.workspace, gates);
    runner
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("the tests need a directory for temporary files")
}

const INSTALLED: (&str, &str) = ("version", "installed");

fn passed(outcome: &Outcome) {
    assert!(!outcome.failed, "{}", outcome.log());
}

#[test]
fn a_run_that_passes_tells_its_outputs_and_is_not_repeated() {
    let home = home();
    let first = runner(home.path(), "first", HOLDS);
    let outcome = first.action(&root(), &[INSTALLED]);
    passed(&outcome);
    let output = |name: &str| outcome.outputs[name].as_str();
    assert_eq!((output("status"), output("changed"), output("version")), ("passed", "true", version().as_str()), "{}", outcome.log());
    for name in ["cache", "report", "profile"] {
        assert!(Path::new(output(name)).is_file(), "{name}: {}", output(name));
    }
    let caches: Vec<String> = serde_json::from_str(output("caches")).expect("a JSON list");
    assert_eq!(caches, [output("cache")]);
    assert_eq!(std::fs::metadata(output("cache")).expect("the cache is there").len().to_string(), output("cache-size"));
    let share: f64 = output("calls-covered").parse().expect("a number");
    assert!(share > 0.5 && output("instructions-covered").parse::<f64>().is_ok_and(|share| share > 0.5), "{:?}", outcome.outputs);
    assert!(first.summary.borrow().contains('|'), "the summary has tables: {}", first.summary.borrow());
    assert_eq!(first.entries().len(), 1);
    // Another machine, another checkout of the same commit, the same repository: what is kept is found, and still fits.
    let second = runner(home.path(), "second", HOLDS);
    let again = second.action(&root(), &[INSTALLED]);
    passed(&again);
    assert!(again.log().contains("nothing has changed since the last run"), "{}", again.log());
    assert!(Path::new(&again.outputs["cache"]).starts_with(&second.workspace) && Path::new(&again.outputs["cache"]).is_file());
    assert!(!again.step("save").ran && second.entries().len() == 1);
    assert_eq!(second.action(&root(), &[INSTALLED]).outputs["status"], "unchanged");
    // Another module: the kept state is found by its prefix, does not fit, and a new one is kept.
    let third = runner(home.path(), "third", HOLDS);
    std::fs::copy(root().join("fixtures/c/sha256.wasm"), third.workspace.join("app.wasm")).expect("the fixture can be copied");
    std::fs::write(third.workspace.join("trjit.toml"), "module = \"app.wasm\"\n[[train.run]]\nname = \"one\"\n").expect("writable");
    let other = third.action(&root(), &[INSTALLED]);
    passed(&other);
    assert_eq!((other.outputs["status"].as_str(), third.entries().len()), ("passed", 2), "{}", other.log());
}

#[test]
fn without_the_cache_of_the_repository_nothing_is_kept() {
    let home = home();
    let runner = runner(home.path(), "job", HOLDS);
    let outcome = runner.action(&root(), &[INSTALLED, ("cache", "false")]);
    passed(&outcome);
    assert!(runner.entries().is_empty() && !outcome.step("restore").ran && !outcome.step("key").ran);
}

#[test]
fn a_failed_gate_fails_the_step_and_says_so_where_people_look() {
    let home = home();
    let first = runner(home.path(), "job", FAILS);
    let outcome = first.action(&root(), &[INSTALLED]);
    assert!(outcome.failed && outcome.step("ci").failed, "{}", outcome.log());
    assert_eq!(outcome.outputs["status"], "failed");
    assert!(outcome.outputs["cache"].is_empty(), "no cache is offered: {:?}", outcome.outputs);
    assert!(
        outcome.step("ci").log.contains("::error title=trjit ci::") && outcome.step("ci").log.contains("cache-size"),
        "{}",
        outcome.log()
    );
    assert!(first.summary.borrow().contains("cache-size"), "{}", first.summary.borrow());
    // What was measured is kept all the same, so that the next job, with another gate, need not train.
    assert_eq!(first.entries().len(), 1, "{}", outcome.log());
}

#[test]
fn a_fork_has_no_secrets_saves_nothing_and_passes() {
    let home = home();
    let mut fork = runner(home.path(), "fork", HOLDS);
    fork.fork = true;
    let outcome = fork.action(&root(), &[INSTALLED]);
    passed(&outcome);
    assert!(!outcome.step("save").ran && fork.entries().is_empty(), "{}", outcome.log());
    assert_eq!(outcome.outputs["status"], "passed");
}

#[test]
fn configurations_elsewhere_and_more_arguments_are_passed_on() {
    let home = home();
    let runner = runner(home.path(), "job", HOLDS);
    let folder = runner.workspace.join("programs/words");
    std::fs::create_dir_all(&folder).expect("the workspace is writable");
    project::write(&folder, HOLDS);
    std::fs::rename(folder.join("trjit.toml"), folder.join("other name.toml")).expect("the file can be renamed");
    let inputs = [
        INSTALLED,
        ("working-directory", "programs"),
        ("config", "words/other name.toml"),
        ("args", "  --force\n--quiet "),
        ("accept", "true"),
    ];
    let outcome = runner.action(&root(), &inputs);
    passed(&outcome);
    assert!(folder.join("trjit-baseline.json").is_file() && !runner.workspace.join("trjit-baseline.json").exists(), "{}", outcome.log());
    assert!(Path::new(&outcome.outputs["cache"]).starts_with(&folder), "{:?}", outcome.outputs);
    assert!(runner.entries()[0].1.join("0").is_file(), "the state is kept");
    let wrong = self::runner(home.path(), "other", HOLDS).action(&root(), &[INSTALLED, ("accept", "perhaps")]);
    assert!(wrong.failed && wrong.log().contains("accept is `perhaps`"), "{}", wrong.log());
}

/// Inputs are words, never script.
#[test]
fn inputs_are_not_executed() {
    let home = home();
    let runner = runner(home.path(), "job", HOLDS);
    for name in ["config", "args", "version", "download", "sha256", "accept"] {
        let evil = "$(touch owned)`touch owned`; touch owned #\" ' touch owned";
        let outcome = runner.action(
            &root(),
            &[INSTALLED, ("cache", "false"), (name, evil)].map(|(key, value)| (key, if key == name { evil } else { value })),
        );
        assert!(outcome.failed || ["download", "sha256"].contains(&name), "{name}: {}", outcome.log());
        assert!(!runner.workspace.join("owned").exists(), "{name}: {}", outcome.log());
    }
}

#[test]
fn a_published_release_is_installed() {
    let home = home();
    let runner = Runner::new(home.path(), "job", Path::new("/nowhere"));
    project::write(&runner.workspace, HOLDS);
    let outcome = runner.action(&root(), &[("download", &Published::get().url())]);
    passed(&outcome);
    assert_eq!(outcome.step("find").outputs["how"], "published");
    assert!(!outcome.step("built").ran && outcome.outputs["status"] == "passed", "{}", outcome.log());
    assert!(outcome.step("install").log.contains(&format!("trjit {}", version())), "{}", outcome.log());
}

#[test]
fn another_archive_than_the_digests_say_is_not_installed() {
    let (home, place) = (home(), home());
    let download = forged(place.path());
    let job = |inputs: &[(&str, &str)]| {
        let runner = Runner::new(home.path(), "job", Path::new("/nowhere"));
        let outcome = runner.action(&root(), inputs);
        assert!(outcome.failed && outcome.step("install").failed && !outcome.step("ci").ran, "{}", outcome.log());
        assert!(outcome.step("install").log.contains("it is not installed"), "{}", outcome.log());
        assert!(runner.path.borrow().is_empty(), "{:?}", runner.path);
    };
    job(&[("download", &download)]);
    job(&[("download", &Published::get().url()), ("sha256", &"0".repeat(64))]);
}

/// A search path with a `cargo` in it that notes how it was called, and installs this build. `sh` finds all else in the system's folders.
pub fn with_cargo(folder: &Path) -> String {
    let bin = folder.join("cargo-bin");
    std::fs::create_dir_all(&bin).expect("the directory of the test is writable");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> '{}'\nwhile [ \"$1\" != --root ]; do shift; done\nmkdir -p \"$2/bin\" && cp '{}' '{}' \"$2/bin\"\n",
        folder.join("cargo.log").display(),
        env!("CARGO_BIN_EXE_trjit"),
        env!("CARGO_BIN_EXE_trjit-run")
    );
    let cargo = bin.join("cargo");
    std::fs::write(&cargo, script).expect("the directory of the test is writable");
    crate::must(std::process::Command::new("chmod").arg("755").arg(cargo));
    format!("{}:/usr/bin:/bin", bin.display())
}

#[test]
fn what_is_not_published_is_built_once() {
    let (home, empty) = (home(), home());
    let download = format!("file://{}", empty.path().display());
    let job = |name: &str, version: &str| {
        let runner = Runner::new(home.path(), name, Path::new("/nowhere"));
        project::write(&runner.workspace, HOLDS);
        with_cargo(home.path());
        runner.path.borrow_mut().push(home.path().join("cargo-bin"));
        runner.action(&root(), &[("download", &download), ("version", version)])
    };
    let outcome = job("first", "");
    passed(&outcome);
    let log = home.path().join("cargo.log");
    let called = text(&log);
    assert!(called.starts_with("install --locked --root ") && called.trim_end().ends_with("/cli"), "{called}");
    // The next machine has nothing, and finds what was built in the cache of the repository.
    std::fs::remove_dir_all(home.path().join("first")).expect("the machine can be thrown away");
    passed(&job("first", ""));
    assert_eq!(text(&log), called, "it is not built again");
    // Another version is another source, and must be what it is called.
    let other = job("third", "0.0.9");
    assert!(text(&log).contains("--git https://github.example/OWNER/trjit --tag v0.0.9 trjit-cli"), "{}", text(&log));
    assert!(other.failed && other.log().contains("expected version 0.0.9"), "{}", other.log());
}

#[test]
fn a_place_out_of_reach_is_an_error_and_no_build() {
    let home = home();
    let runner = Runner::new(home.path(), "job", Path::new("/nowhere"));
    // Nobody listens at port 1.
    let outcome = runner.action(&root(), &[("download", "http://127.0.0.1:1")]);
    assert!(outcome.failed && outcome.step("find").failed && !outcome.step("install").ran, "{}", outcome.log());
    assert!(outcome.log().contains("can not be had"), "{}", outcome.log());
}

/// Train at night and commit the profile; assemble on every push, without training and without rights.
#[test]
fn the_nightly_flow_trains_once_and_assembles_on_every_push() {
    let home = home();
    let origin = project::repository(home.path(), HOLDS);
    let job = |name: &str, file: &str, fork: bool| {
        let mut runner = Runner::new(home.path(), name, &origin);
        runner.fork = fork;
        let url = Published::get().url();
        // Where the releases lie is the only thing that differs from a user's workflow.
        let workflow = text(&root().join(file)).replace("          args:", &format!("          download: {url}\n          args:"));
        let path = home.path().join(format!("{name}.yml"));
        std::fs::write(&path, workflow).expect("the directory of the test is writable");
        let outcome = runner.workflow(&path);
        (runner, outcome)
    };
    let head = || project::git(&origin, &["rev-parse", "main"]);
    let begin = head();
    // Before the first night there is no profile to assemble by.
    let (_, early) = job("early", "pipelines/github/push.yml", false);
    assert!(early.failed && early.log().contains("app.trprof"), "{}", early.log());
    let (_, night) = job("night", "pipelines/github/nightly.yml", false);
    passed(&night);
    let trained = head();
    assert_ne!(trained, begin, "the profile is committed: {}", night.log());
    assert_eq!(project::git(&origin, &["diff", "--name-only", begin.trim(), trained.trim()]), "app.trprof\n");
    for (name, fork) in [("push", false), ("pull", true)] {
        let (runner, push) = job(name, "pipelines/github/push.yml", fork);
        passed(&push);
        assert_eq!(push.step("trjit").outputs["status"], "passed", "{}", push.log());
        let artifacts: Vec<String> = runner.artifacts.borrow().clone();
        assert!(artifacts.len() == 2 && artifacts[1].ends_with("app.trjit"), "{artifacts:?}");
        assert!(!runner.workspace.join(".git/refs/remotes/origin/other").exists() && head() == trained, "a push writes nothing");
    }
    // Pushes may read only.
    let permissions = |file: &str| crate::pairs(&crate::yaml(&root().join(file))["permissions"]);
    assert_eq!(permissions("pipelines/github/push.yml"), [("contents".to_string(), "read".to_string())]);
    assert!(!text(&root().join("pipelines/github/push.yml")).contains("secrets."));
}

/// The page names each input with its default, and each output; and nothing else.
#[test]
fn the_page_has_the_inputs_and_outputs_as_they_are() {
    let (page, file) = (text(&root().join("docs/pipelines.md")), crate::yaml(&root().join("action.yml")));
    let section = page.split_once("## GitHub").and_then(|(_, rest)| rest.split_once("\n## ")).expect("the page has the section").0;
    let rows: Vec<Vec<&str>> =
        section.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').map(str::trim).collect()).collect();
    let inputs = file["inputs"].as_hash().expect("the action has inputs");
    assert_eq!(rows.len(), inputs.len());
    for (row, (name, input)) in rows.iter().zip(inputs) {
        let (name, default) = (crate::scalar(name), crate::scalar(&input["default"]));
        assert_eq!(row[1], format!("`{name}`"));
        assert!(if default.is_empty() { !row[2].contains('`') } else { row[2] == format!("`{default}`") }, "{row:?}");
    }
    let told = section.split_once("Outputs: ").and_then(|(_, rest)| rest.split_once('.')).expect("the page names outputs").0;
    let told: Vec<&str> = told.split('`').skip(1).step_by(2).collect();
    let mut outputs: Vec<String> = file["outputs"].as_hash().expect("the action has outputs").keys().map(crate::scalar).collect();
    let mut told: Vec<String> = told.into_iter().map(str::to_string).collect();
    outputs.sort();
    told.sort();
    assert_eq!(told, outputs);
}
