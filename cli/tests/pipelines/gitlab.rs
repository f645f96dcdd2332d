//! The template for GitLab: its lines are executed as a runner does, with the variables that it declares.

use crate::project::{self, FAILS, HOLDS};
use crate::release::{Published, forged, version};
use crate::{binaries, pairs, root, scalar, text, yaml};
use std::path::Path;
use std::process::Command;
use yaml_rust2::Yaml;

const TEMPLATE: &str = "pipelines/gitlab/trjit.gitlab-ci.yml";

struct Done {
    ok: bool,
    log: String,
}

fn job() -> Yaml {
    let file = yaml(&root().join(TEMPLATE));
    let jobs = file.as_hash().expect("a template is a mapping");
    assert_eq!(jobs.len(), 1, "the template has a job and nothing else");
    file["trjit-ci"].clone()
}

fn list(value: &Yaml) -> Vec<String> {
    value.as_vec().unwrap_or_else(|| panic!("expected a list, found {value:?}")).iter().map(scalar).collect()
}

/// Runs the job in a checkout with this shell. `variables` go before those of the template, as a project's do.
fn run(shell: &[&str], checkout: &Path, path: &str, variables: &[(&str, &str)]) -> Done {
    let job = job();
    let lines: Vec<String> = list(&job["before_script"]).into_iter().chain(list(&job["script"])).collect();
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(lines.join("\n")).current_dir(checkout).env_clear();
    command
        .env("PATH", path)
        .env("HOME", checkout)
        .env("CI", "true")
        .env("GITLAB_CI", "true")
        .env("CI_BUILDS_DIR", checkout.join("builds"));
    command.envs(pairs(&job["variables"])).envs(variables.iter().copied());
    let output = command.output().expect("the shell can be started");
    let log = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Done { ok: output.status.success(), log }
}

const BASH: [&str; 4] = ["bash", "-eo", "pipefail", "-c"];
const SH: [&str; 3] = ["sh", "-e", "-c"];
const SYSTEM: &str = "/usr/bin:/bin";

fn checkout(gates: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("the tests need a directory for temporary files");
    project::write(folder.path(), gates);
    folder
}

fn installed() -> String {
    format!("{}:{SYSTEM}", binaries().display())
}

#[test]
fn the_job_runs_with_what_is_published_and_leaves_its_reports() {
    for shell in [BASH.as_slice(), &SH] {
        let folder = checkout(HOLDS);
        let done = run(shell, folder.path(), SYSTEM, &[("TRJIT_CI_DOWNLOAD", &Published::get().url())]);
        assert!(done.ok, "{}", done.log);
        let job = job();
        let reports = &job["artifacts"]["reports"];
        let metrics = text(&folder.path().join(scalar(&reports["metrics"])));
        assert!(metrics.contains("trjit_passed 1\n") && metrics.contains("trjit_cache_bytes"), "{metrics}");
        let variables = text(&folder.path().join(scalar(&reports["dotenv"])));
        assert!(variables.contains("TRJIT_CI_STATUS=passed\n"), "{variables}");
        for path in list(&job["cache"]["paths"]).into_iter().chain(list(&job["artifacts"]["paths"])) {
            assert!(folder.path().join(&path).exists(), "{path} is to be kept, and is not there");
        }
        // The next job on the same commit, which finds the kept files.
        let again = run(shell, folder.path(), &installed(), &[("TRJIT_CI_VERSION", "installed")]);
        assert!(again.ok, "{}", again.log);
        assert!(text(&folder.path().join(scalar(&reports["dotenv"]))).contains("TRJIT_CI_STATUS=unchanged\n"), "{}", again.log);
    }
}

#[test]
fn a_failed_gate_fails_the_job_and_is_reported() {
    let folder = checkout(FAILS);
    let done = run(&BASH, folder.path(), &installed(), &[("TRJIT_CI_VERSION", "installed")]);
    assert!(!done.ok && done.log.contains("cache-size"), "{}", done.log);
    assert!(text(&folder.path().join(".trjit/gitlab/metrics.txt")).contains("trjit_passed 0\n"), "{}", done.log);
}

/// What the page says of schedules: one job trains, the others assemble by what it left with the sources.
#[test]
fn the_job_trains_on_schedule_and_assembles_without_training() {
    let page = text(&root().join("docs/pipelines.md"));
    let rules = page.split_once("$CI_PIPELINE_SOURCE == \"schedule\"\n").expect("the page has the rules").1;
    let arguments: Vec<&str> = rules
        .lines()
        .take(2)
        .map(|line| line.split_once("TRJIT_CI_ARGS: ").and_then(|(_, rest)| rest.split_once(' ')).expect("arguments").0)
        .collect();
    let folder = checkout(HOLDS);
    let job = |arguments: &str| run(&BASH, folder.path(), &installed(), &[("TRJIT_CI_VERSION", "installed"), ("TRJIT_CI_ARGS", arguments)]);
    let early = job(arguments[1]);
    assert!(!early.ok && early.log.contains("app.trprof"), "there is no profile yet: {}", early.log);
    let night = job(arguments[0]);
    assert!(night.ok && folder.path().join("app.trprof").is_file() && !folder.path().join("app.trjit").exists(), "{}", night.log);
    let day = job(arguments[1]);
    assert!(day.ok && folder.path().join("app.trjit").is_file() && day.log.contains("calls, kept"), "{}", day.log);
}

#[test]
fn another_archive_than_the_digests_say_is_not_installed() {
    let (folder, place) = (checkout(HOLDS), tempfile::tempdir().expect("a directory"));
    let download = forged(place.path());
    for shell in [BASH.as_slice(), &SH] {
        let done = run(shell, folder.path(), SYSTEM, &[("TRJIT_CI_DOWNLOAD", &download)]);
        assert!(!done.ok && done.log.contains("FAILED"), "{}", done.log);
        let pinned =
            run(shell, folder.path(), SYSTEM, &[("TRJIT_CI_DOWNLOAD", &Published::get().url()), ("TRJIT_CI_SHA256", &"0".repeat(64))]);
        assert!(!pinned.ok && pinned.log.contains("FAILED"), "{}", pinned.log);
    }
    assert!(!folder.path().join(".trjit").exists() && !folder.path().join(format!("builds/trjit-{}/bin/trjit", version())).exists());
}

#[test]
fn what_is_not_published_is_built_and_a_place_out_of_reach_is_an_error() {
    let (folder, empty) = (checkout(HOLDS), tempfile::tempdir().expect("a directory"));
    let path = crate::action::with_cargo(folder.path());
    let download = format!("file://{}", empty.path().display());
    let done = run(&BASH, folder.path(), &path, &[("TRJIT_CI_DOWNLOAD", &download), ("TRJIT_CI_SOURCE", "https://git.example/trjit")]);
    assert!(done.ok && done.log.contains("it is built from https://git.example/trjit"), "{}", done.log);
    let called = text(&folder.path().join("cargo.log"));
    assert!(called.contains("install --locked") && called.contains(&format!("--tag v{} trjit-cli", version())), "{called}");
    // Nobody listens at port 1.
    let unreachable = run(&BASH, folder.path(), &path, &[("TRJIT_CI_DOWNLOAD", "http://127.0.0.1:1"), ("TRJIT_CI_VERSION", "0.0.9")]);
    assert!(!unreachable.ok && unreachable.log.contains("can not be reached"), "{}", unreachable.log);
}
