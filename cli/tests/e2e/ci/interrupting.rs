//! What comes from outside at any moment: signals, another process, a full disk. Nothing is half done, and the next run works.

use super::*;
use crate::support::trjit_with_default_signals;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Processes that run this program in this directory.
fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.canonicalize().expect("the directory is there");
    let processes = std::fs::read_dir("/proc").expect("there is /proc").flatten();
    let inside = processes.filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder));
    inside.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("{what} did not come");
}

/// A step that waits in its training for as long as it is let.
fn endless() -> (Project, super::super::support::command::Running) {
    let project = Project::new(&[("l", "")], "");
    let running = trjit_with_default_signals(["ci"]).within(project.0.path()).start();
    wait_until("the training run", || project.path(".trjit/run/0-train/stdout").exists() && processes_in(project.0.path()).len() == 2);
    (project, running)
}

#[test]
fn two_at_once_work_one_after_the_other_or_not_at_all() {
    let (project, mut running) = endless();
    let id = running.id().to_string();
    project.ci(&[]).run().refuses(15, &["another `trjit ci` works here", &id, ".trjit/lock"]);
    running.signal("INT");
    running.end().exits(130);
    project.configure(&[("a", "")], "");
    assert_eq!(project.report(&[], 0)["status"], "passed");
}

#[test]
fn signals_end_it_with_what_it_started() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let (project, mut running) = endless();
        running.signal(signal);
        let outcome = running.end().exits(status);
        assert!(outcome.stderr.contains("error: interrupted") && outcome.stdout.is_empty(), "{outcome:?}");
        wait_until("the end of the run", || processes_in(project.0.path()).is_empty());
        assert_eq!(names(project.0.path()), [".trjit", "app.wat", "trjit.toml"]);
        assert!(!project.path(".trjit/run").exists());
    }
}

#[test]
fn a_kill_leaves_nothing_in_the_way() {
    let (project, mut running) = endless();
    running.signal("KILL");
    drop(running);
    // What it had started is not its child's business any more; it is ended by its own limit of time in practice, here by hand.
    for process in processes_in(project.0.path()) {
        let _ = Command::new("kill").args(["-s", "KILL", &process]).status();
    }
    project.configure(&[("a", "")], "");
    assert_eq!(project.report(&[], 0)["status"], "passed");
}

/// At many moments of the whole flow: either nothing was put in place, or all of it.
#[test]
fn an_interruption_at_any_step_leaves_all_or_nothing() {
    let mut interrupted = 0;
    for number in 0..24 {
        let project = Project::new(&[("a", ""), ("b", "left-out = true")], "[output]\nprofile = \"app.trprof\"\n");
        let mut running = trjit_with_default_signals(["ci", "--accept"]).within(project.0.path()).start();
        wait_until("the directory", || project.path(".trjit").exists());
        std::thread::sleep(Duration::from_millis(number * 4));
        running.signal("INT");
        let code = running.end().code();
        assert!([0, 130].contains(&code), "{code}");
        interrupted += i32::from(code == 130);
        let made: Vec<String> = names(project.0.path()).into_iter().filter(|name| name != "app.wat" && name != "trjit.toml").collect();
        let all = [".trjit", "app.trjit", "app.trprof", "trjit-baseline.json"];
        assert!(made == all || code == 130 && made == [".trjit"], "{code}: {made:?}");
        if made == all {
            trjit(["inspect"]).arg(project.path("app.trjit")).run().succeeds();
        }
        assert!(!project.path(".trjit/run").exists());
        assert_eq!(project.report(&[], 0)["exit_code"], 0);
    }
    assert!(interrupted > 0, "no run was interrupted");
}

/// Sizes from nothing to enough: it fails with words, or passes.
#[test]
fn a_full_disk_is_told() {
    let project = Project::new(&[("a", "")], "");
    let script = r#"mkdir "$1/full" && mount -t tmpfs -o size="$3" none "$1/full" && cp "$1/app.wat" "$1/trjit.toml" "$1/full" && cd "$1/full" && "$2" ci; status=$?; ls; exit $status"#;
    let run = |size: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(project.0.path()).args([env!("CARGO_BIN_EXE_trjit"), size]);
        let output = command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").output();
        let _ = std::fs::remove_dir(project.path("full"));
        output
    };
    let Ok(enough) = run("10m") else { return eprintln!("SKIPPED: there is no unshare") };
    if !enough.status.success() && String::from_utf8_lossy(&enough.stderr).contains("unshare") {
        return eprintln!("SKIPPED: mounting a file system in a namespace of its own is not allowed here");
    }
    assert!(enough.status.success() && String::from_utf8_lossy(&enough.stdout).contains("app.trjit"), "{enough:?}");
    for size in ["12k", "16k", "24k", "32k", "48k"] {
        let full = run(size).expect("it ran before");
        let told = String::from_utf8_lossy(&full.stderr);
        assert!(matches!(full.status.code(), Some(0 | 1 | 10)), "{size}: {full:?}");
        assert!(full.status.success() || told.contains("error: ") && told.to_lowercase().contains("no space left"), "{size}: {full:?}");
        assert!(full.status.success() == String::from_utf8_lossy(&full.stdout).contains("app.trjit\n"), "{size}: {full:?}");
    }
}

/// The run waits at a named pipe for its input, in the training and on the cache; meanwhile somebody builds.
#[test]
fn a_module_that_is_rebuilt_meanwhile_is_told() {
    for builds_at in [1, 2] {
        let project = Project::new(&[("a", "stdin = \"pipe\"")], "");
        let made = Command::new("mkfifo").arg(project.path("pipe")).status().expect("there is a command mkfifo");
        assert!(made.success(), "{made}");
        let running = project.ci(&[]).start();
        for time in 1..=2 {
            let label = ["train", "rerun"][time - 1];
            wait_until("the run", || project.path(&format!(".trjit/run/0-{label}")).exists());
            if time == builds_at {
                project.write("app.wat", &PROGRAM.replace("1000", "1001"));
            }
            // Opens when the other side does; a step that has given up never does.
            std::fs::write(project.path("pipe"), "x").expect("the pipe is writable");
            if time == builds_at {
                break;
            }
        }
        running.end().exits(1).says(&["`app.wat` was rebuilt while the step was at work on it", "help: build first"]);
        assert!(!project.path("app.trjit").exists());
    }
}
