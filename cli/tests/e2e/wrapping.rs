//! `trjit train --wrap`: what runs beneath a command is recorded, merged, and else as without; what is lost is told.

use crate::support::{Outcome, Trjit, fixtures, listing, recorded, scratch, trjit, trjit_with_default_signals};
use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory with its own place for temporary files, in which the binaries are on `PATH`, and modules of the fixtures are linked.
struct Workshop {
    folder: TempDir,
}

impl Workshop {
    fn new() -> Workshop {
        let folder = scratch();
        for name in ["hello", "sha256", "endless", "traps"] {
            let from = fixtures().join(format!("c/{name}.wasm"));
            std::os::unix::fs::symlink(from, folder.path().join(format!("{name}.wasm"))).expect("the scratch directory is writable");
        }
        std::fs::create_dir(folder.path().join("tmp")).expect("the scratch directory is writable");
        Workshop { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn within(&self, trjit: Trjit) -> Trjit {
        let binaries = Path::new(env!("CARGO_BIN_EXE_trjit")).parent().expect("the binary lies in a directory");
        let path = format!("{}:/usr/bin:/bin", binaries.display());
        trjit.within(self.folder.path()).variable("PATH", &path).variable("TMPDIR", self.path("tmp").to_str().expect("the path is UTF-8"))
    }

    /// `trjit train --wrap OPTIONS -- sh -c SCRIPT`.
    fn wrap(&self, options: &[&str], script: &str) -> Trjit {
        self.within(trjit(["train", "--wrap"]).args(options).args(["--", "sh", "-c", script]))
    }

    fn run(&self, options: &[&str], script: &str) -> Outcome {
        let outcome = self.wrap(options, script).run();
        assert!(listing(&self.path("tmp")).is_empty(), "spools are left behind: {outcome:?}");
        outcome
    }

    fn told(&self, profile: &str) -> Value {
        recorded(&self.path(profile))
    }

    /// Calls that `trjit train` counts of a command line.
    fn trained(&self, words: &[&str]) -> u64 {
        self.within(trjit(["train", "-o", "alone.trprof"]).args(words)).run();
        calls(&self.told("alone.trprof"))
    }
}

fn calls(told: &Value) -> u64 {
    told["calls"].as_u64().expect("calls are a number")
}

fn runs(told: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("it is text").to_string();
    told["runs"].as_array().expect("runs are a list").iter().map(|run| (text(&run["workload"]), text(&run["ended"]))).collect()
}

#[test]
fn all_runs_beneath_a_command_are_merged_also_in_parallel() {
    let workshop = Workshop::new();
    let one = workshop.trained(&["sha256.wasm"]);
    let script = "for n in 1 2 3 4 5 6 7 8; do trjit run sha256.wasm & trjit-run sha256.wasm & done; wait";
    let outcome = workshop.run(&["-o", "all.trprof", "--workload", "tests"], script).succeeds();
    assert_eq!(outcome.text().lines().count(), 16);
    let told = workshop.told("all.trprof");
    assert_eq!((calls(&told), runs(&told)), (16 * one, vec![("tests".to_string(), "exit 0".to_string()); 16]));
    workshop.within(trjit(["assemble", "--profile", "all.trprof", "-o", "all.trjit", "sha256.wasm"])).run().exits(0);
}

/// Output, status and standard error of what runs are those of `trjit run`, however it ends and whatever it is started on.
#[test]
fn runs_are_what_they_are_without() {
    let workshop = Workshop::new();
    workshop.within(trjit(["assemble", "--all", "-o", "hello.trjit", "hello.wasm"])).run().exits(0);
    std::fs::write(workshop.path("bad.trjit"), "no cache").expect("the scratch directory is writable");
    let lines = [
        "trjit run hello.wasm",
        "trjit run traps.wasm abort",
        "trjit run traps.wasm exit",
        "trjit run traps.wasm abort",
        "trjit run -W timeout=200ms endless.wasm",
        "trjit run --cache hello.trjit --cache-mode require hello.wasm",
        "trjit run --cache bad.trjit --cache-mode require hello.wasm",
        "trjit run --cache bad.trjit hello.wasm",
        "trjit-run --allow-precompiled hello.trjit",
        "trjit run nosuch.wasm",
        "trjit run --invoke nosuch hello.wasm",
        "trjit train -o x.trprof hello.wasm",
    ];
    for line in lines {
        let plain = workshop.within(trjit(line.split(' ').skip(1)));
        let plain =
            if line.starts_with("trjit-run") { workshop.within(crate::support::trjit_run(line.split(' ').skip(1))) } else { plain }.run();
        let outcome = workshop.run(&["-o", "p/"], &format!("trjit run sha256.wasm > /dev/null; {line}"));
        assert_eq!((outcome.code(), outcome.text()), (plain.code(), plain.text()), "{line}: {outcome:?}");
        let (wrapped, alone) = (without_place_of_innermost(&outcome.stderr), without_place_of_innermost(&plain.stderr));
        assert!(wrapped.starts_with(&alone), "{line}: {outcome:?}, without: {plain:?}");
    }
}

/// Where in its innermost function a run was interrupted is another place each time, or none that a position belongs to.
fn without_place_of_innermost(backtrace: &str) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix("0:") {
        Some(frame) => frame.rsplit(" - ").next().unwrap_or(frame).to_string(),
        None => line.to_string(),
    };
    backtrace.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Each way to end is told, and counts as it does alone.
#[test]
fn a_trace_is_left_however_a_run_ends() {
    let workshop = Workshop::new();
    for (line, ended) in [
        ("hello.wasm", "exit 0"),
        ("traps.wasm abort", "trap: wasm `unreachable` instruction executed"),
        ("-W timeout=300ms endless.wasm", "time limit"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let alone = workshop.trained(&words);
        let outcome = workshop.run(&["-o", "p.trprof"], &format!("trjit run {line}"));
        let told = workshop.told("p.trprof");
        assert_eq!((calls(&told), runs(&told)[0].1.as_str()), (alone, ended), "{outcome:?}");
    }
}

/// A cache is checked as always, but all is recorded as without it.
#[test]
fn a_cache_changes_nothing_that_is_recorded() {
    let workshop = Workshop::new();
    let alone = workshop.trained(&["sha256.wasm"]);
    workshop.within(trjit(["assemble", "--all", "-o", "sha256.trjit", "sha256.wasm"])).run().exits(0);
    for line in ["trjit run --cache sha256.trjit --cache-mode require sha256.wasm", "trjit-run --allow-precompiled sha256.trjit"] {
        workshop.run(&["-o", "p.trprof"], line).succeeds();
        assert_eq!(calls(&workshop.told("p.trprof")), alone, "{line}");
    }
    let mixed = "trjit run --cache sha256.trjit --cache-mode require sha256.wasm; trjit run sha256.wasm";
    workshop.run(&["-o", "p.trprof"], mixed).succeeds();
    assert_eq!(calls(&workshop.told("p.trprof")), 2 * alone);
}

#[test]
fn the_status_of_the_command_is_passed_on_and_what_ran_is_merged() {
    let workshop = Workshop::new();
    for (end, status) in [("exit 7", 7), ("kill -9 $$", 137), ("exit 0", 0)] {
        workshop.run(&["-o", "p.trprof"], &format!("trjit run hello.wasm; {end}")).exits(status).prints("hello, world\n");
        assert_eq!(runs(&workshop.told("p.trprof")).len(), 1);
        std::fs::remove_file(workshop.path("p.trprof")).expect("the profile was written");
    }
    let wrap = |command: &str| workshop.within(trjit(["train", "--wrap", "-o", "p.trprof", "--", command])).run();
    wrap("no-such-command").refuses(127, &["can not start `no-such-command`"]);
    wrap("./hello.wasm").refuses(126, &["can not start `./hello.wasm`"]);
    assert!(listing(&workshop.path("tmp")).is_empty());
}

#[test]
fn an_empty_profile_is_an_error_that_says_what_to_do() {
    let workshop = Workshop::new();
    let empty = |outcome: Outcome| outcome.refuses(121, &["nothing was recorded", "trjit run", "--as wasmtime", "TRJIT_SPOOL"]);
    empty(workshop.run(&["-o", "p.trprof"], "true"));
    workshop.run(&["-o", "p.trprof"], "false").refuses(1, &["nothing was recorded"]);
    // What is reached by a path, or without the environment, is not seen.
    let hidden = format!("env -i '{}' run hello.wasm > /dev/null", env!("CARGO_BIN_EXE_trjit"));
    empty(workshop.run(&["-o", "p.trprof"], &hidden));
    assert!(!workshop.path("p.trprof").exists());
    workshop
        .run(&["-o", "p.trprof", "--module", "sha256.wasm"], "trjit run hello.wasm > /dev/null")
        .refuses(121, &["nothing was recorded of `sha256.wasm`", "`hello.wasm` (module 55b16511ef88, 1 trace)"]);
}

#[test]
fn several_modules_need_to_be_told_apart() {
    let workshop = Workshop::new();
    let script = "trjit run hello.wasm > /dev/null; trjit run hello.wasm > /dev/null; trjit run sha256.wasm > /dev/null";
    let refused = workshop.run(&["-o", "p.trprof"], script);
    refused.refuses(1, &["2 modules", "`hello.wasm` (module 55b16511ef88, 2 traces)", "`sha256.wasm` (module", "--module FILE", "-o DIR/"]);
    assert!(!workshop.path("p.trprof").exists());

    let outcome = workshop.run(&["-o", "p.trprof", "--module", "hello.wasm"], script).exits(0);
    assert!(outcome.stderr.contains("not merged, since of other modules: `sha256.wasm`"), "{outcome:?}");
    assert_eq!(runs(&workshop.told("p.trprof")).len(), 2);

    workshop.run(&["-o", "new/"], script).succeeds();
    workshop.run(&["-o", "new"], script).succeeds();
    assert_eq!(listing(&workshop.path("new")), ["hello.trprof", "sha256.trprof"]);
    assert_eq!(runs(&workshop.told("new/hello.trprof")).len(), 2);

    // Two builds of one name.
    let script = "mkdir -p old; cp sha256.wasm old/hello.wasm; trjit run hello.wasm > /dev/null; trjit run old/hello.wasm > /dev/null";
    workshop.run(&["-o", "builds/"], script).succeeds();
    let names = listing(&workshop.path("builds"));
    assert!(names.len() == 2 && names.contains(&"hello-55b16511ef88.trprof".to_string()), "{names:?}");
}

/// The inner command has its own profile, and the outer one has all.
#[test]
fn commands_in_commands_tell_both() {
    let workshop = Workshop::new();
    let inner = "trjit train --wrap -o inner.trprof --workload inner -- sh -c 'trjit run hello.wasm; trjit run hello.wasm'";
    let script = format!(
        "trjit run hello.wasm; {inner}; trjit train -o one.trprof --workload one hello.wasm; TRJIT_WORKLOAD=said trjit run hello.wasm"
    );
    workshop.run(&["-o", "outer.trprof", "--workload", "outer"], &script).succeeds().prints(&"hello, world\n".repeat(5));
    let names = |profile: &str| runs(&workshop.told(profile)).into_iter().map(|(workload, _)| workload).collect::<Vec<_>>();
    assert_eq!(names("inner.trprof"), ["inner", "inner"]);
    assert_eq!(names("one.trprof"), ["one"]);
    assert_eq!(names("outer.trprof"), ["inner", "inner", "one", "outer", "said"]);
    assert_eq!(calls(&workshop.told("outer.trprof")), 5 * calls(&workshop.told("one.trprof")));

    // A spool that is kept is seen from outside, too, and also when its command is killed.
    let inner = "trjit train --wrap -o inner.trprof --spool kept -- sh -c 'trjit run hello.wasm; kill -9 $PPID'";
    let outcome = workshop.run(&["-o", "outer.trprof"], &format!("{inner}; true")).exits(0);
    assert!(!outcome.stderr.contains("warning"), "{outcome:?}");
    assert_eq!(runs(&workshop.told("outer.trprof")).len(), 1);
    assert!(listing(&workshop.path("kept")).iter().any(|name| name.ends_with(".trprof")));
    workshop.run(&["-o", "p.trprof", "--spool", "kept"], "true").refuses(1, &["the spool `kept` is not empty"]);
}

#[test]
fn what_is_killed_or_hangs_loses_only_its_own() {
    let workshop = Workshop::new();
    let script = "
        trjit run endless.wasm > log & killed=$!
        trjit run endless.wasm > log2 2> log3 & hanging=$!
        until [ -s log ] && [ -s log2 ]; do sleep 0.02; done
        kill -9 $killed
        echo $hanging > hanging
        trjit run hello.wasm";
    let outcome = workshop.run(&["-o", "p.trprof"], script).exits(0).prints("hello, world\n");
    assert!(outcome.stderr.contains("warning: 2 runs left no trace, or not all of it: 2 of `endless.wasm`"), "{outcome:?}");
    assert_eq!(runs(&workshop.told("p.trprof")).len(), 1);
    let hanging = std::fs::read_to_string(workshop.path("hanging")).expect("the script wrote it");
    // Its spool is gone by now, which costs it nothing but a warning.
    let killed = std::process::Command::new("kill").arg(hanging.trim()).status().expect("there is a command kill");
    assert!(killed.success());
}

/// A signal that ends a run has the effect that it has without, after the trace is left.
#[test]
fn a_signal_ends_a_run_as_it_would() {
    let workshop = Workshop::new();
    for (signal, status, ended) in [("INT", 130, "signal 2"), ("TERM", 143, "signal 15")] {
        let script = format!(
            "env --default-signal=INT trjit run endless.wasm > log & until [ -s log ]; do sleep 0.02; done; kill -{signal} $!; wait $!; echo $? > status"
        );
        workshop.run(&["-o", "p.trprof"], &script).exits(0);
        assert_eq!(std::fs::read_to_string(workshop.path("status")).expect("the script wrote it"), format!("{status}\n"));
        assert_eq!(runs(&workshop.told("p.trprof")), [("default".to_string(), ended.to_string())]);
        std::fs::remove_file(workshop.path("log")).expect("the script wrote it");
    }
    // One that is ignored stays so.
    let script = "trap '' INT; trjit run endless.wasm > log & until [ -s log ]; do sleep 0.02; done; kill -INT $!; sleep 0.3; kill $!; wait $!; exit $?";
    workshop.run(&["-o", "p.trprof"], script).exits(143);
    assert_eq!(runs(&workshop.told("p.trprof"))[0].1, "signal 15");
}

#[test]
fn a_signal_to_the_wrapper_is_given_to_the_command_and_what_was_recorded_is_merged() {
    let workshop = Workshop::new();
    for (signal, status, number) in [("INT", 130, "signal 2"), ("TERM", 143, "signal 15")] {
        let words = ["train", "--wrap", "-o", "p.trprof", "trjit", "run", "endless.wasm"];
        let mut running = workshop.within(trjit_with_default_signals(words)).start();
        running.wait_for_output("begun\n");
        // As `timeout` does, which sends it once to the process, and once to its group.
        running.signal(signal);
        running.signal(signal);
        running.end().exits(status);
        assert_eq!(runs(&workshop.told("p.trprof"))[0].1, number);
        std::fs::remove_file(workshop.path("p.trprof")).expect("the profile was written");
    }
    assert!(listing(&workshop.path("tmp")).is_empty());
}

#[test]
fn a_second_signal_ends_the_wrapper_at_once() {
    let workshop = Workshop::new();
    let script = "trap 'echo deaf; exec > /dev/null 2>&1' TERM; echo begun; n=0; while [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done";
    let mut running = workshop.wrap(&["-o", "p.trprof"], script).start();
    running.wait_for_output("begun\n");
    running.signal("TERM");
    running.wait_for_output("deaf\n");
    std::thread::sleep(std::time::Duration::from_millis(400));
    running.signal("TERM");
    let start = std::time::Instant::now();
    running.end().exits(143);
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "it waited for the command");
    assert!(!workshop.path("p.trprof").exists());
    assert!(listing(&workshop.path("tmp")).is_empty());
}

/// No room for files, no right to write, no directory any more: a warning, and nothing else.
#[test]
fn a_spool_that_can_not_be_written_costs_the_trace_alone() {
    let workshop = Workshop::new();
    let said = "warning: the spool `";
    let full = workshop.run(&["-o", "p.trprof"], "trjit run hello.wasm; (ulimit -f 0; trjit run traps.wasm abort; exit $?)");
    let full = full.exits(134);
    assert_eq!(full.stderr.matches(said).count(), 1, "{full:?}");
    assert!(full.stderr.contains("warning: 1 run left no trace, or not all of it: 1 of `traps.wasm`"), "{full:?}");
    assert_eq!(runs(&workshop.told("p.trprof")).len(), 1);

    for broken in ["rm -r $TRJIT_SPOOL", "export TRJIT_SPOOL=/proc/self/fdinfo", "export TRJIT_SPOOL=$PWD/hello.wasm"] {
        let outcome = workshop
            .wrap(&["-o", "q.trprof"], &format!("{broken}; trjit run hello.wasm && exit 3"))
            .run()
            .exits(3)
            .prints("hello, world\n");
        assert_eq!(outcome.stderr.matches(said).count(), 1, "{broken}: {outcome:?}");
    }
}

/// A directory in memory with room for a page or so. Without the right to mount one, nothing can be shown here.
#[test]
fn a_full_disk_costs_the_trace_alone() {
    let workshop = Workshop::new();
    let script = "
        mkdir -p small && mount -t tmpfs -o size=32k,nr_inodes=100 none small || exit 99
        cd small; mkdir spool
        (head -c 100000 /dev/zero > fill) 2> /dev/null
        trjit train --wrap -o ../inner.trprof --spool spool -- sh -c 'trjit run ../hello.wasm; echo $? > ../status'
        echo $? >> ../status";
    let outcome = workshop.within(trjit(["train", "--wrap", "-o", "p.trprof", "--", "unshare", "-rm", "sh", "-c", script])).run();
    if outcome.code() == 99 || outcome.stderr.contains("unshare") {
        eprintln!("not tested: no file system can be mounted here");
        return;
    }
    assert_eq!(std::fs::read_to_string(workshop.path("status")).expect("the script wrote it"), "0\n121\n", "{outcome:?}");
    assert!(outcome.stderr.contains("No space left on device"), "{outcome:?}");
    assert!(outcome.stderr.contains("1 run left no trace, or not all of it: 1 of `hello.wasm`"), "{outcome:?}");
}

#[test]
fn trjit_stands_in_for_wasmtime() {
    let workshop = Workshop::new();
    let script = "wasmtime hello.wasm; wasmtime run hello.wasm; wasmtime -o --dir=. hello.wasm; wasmtime run -W timeout=10s --env A=B hello.wasm; iwasm hello.wasm";
    let options = ["-o", "p/", "--as", "wasmtime", "--as", "iwasm"];
    workshop.run(&options, script).succeeds().prints(&"hello, world\n".repeat(5));
    assert_eq!(runs(&workshop.told("p/hello.trprof")).len(), 5);
    let outcome = workshop.run(&options, "trjit run hello.wasm > /dev/null; wasmtime --version; wasmtime run traps.wasm abort").exits(134);
    assert!(outcome.text().starts_with("wasmtime ") && outcome.text().contains("(trjit "), "{outcome:?}");
    for (line, told) in [
        ("wasmtime compile hello.wasm", "no `wasmtime compile`"),
        ("wasmtime serve", "no `wasmtime serve`"),
        ("wasmtime --no-such", "--no-such"),
    ] {
        let outcome = workshop.run(&options, &format!("trjit run hello.wasm > /dev/null; {line}")).exits(2);
        assert!(outcome.stderr.contains(told) && outcome.stderr.contains("stands in for `wasmtime`"), "{outcome:?}");
    }
    let help = workshop.run(&options, "trjit run hello.wasm > /dev/null; wasmtime --help").succeeds();
    assert!(help.text().contains("wasmtime [run] [OPTIONS] <MODULE>"), "{help:?}");
    for name in ["a/b", "", "trjit", "a:b"] {
        workshop.run(&["-o", "p.trprof", "--as", name], "true").exits(2).says(&["--as"]);
    }
    // Within another one.
    let inner = "trjit train --wrap --as iwasm -o inner.trprof -- sh -c 'wasmtime hello.wasm; iwasm hello.wasm'";
    workshop.run(&["-o", "p.trprof", "--as", "wasmtime"], inner).succeeds().prints(&"hello, world\n".repeat(2));
    assert_eq!(runs(&workshop.told("p.trprof")).len(), 2);
}

/// A guest that inherits the environment finds it as it is without.
#[test]
fn guests_do_not_see_that_they_are_recorded() {
    let workshop = Workshop::new();
    let text = r#"(module
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "_start")
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (drop (call $get (i32.const 100) (i32.const 10000)))
            (i32.store (i32.const 8) (i32.const 10000))
            (i32.store (i32.const 12) (i32.load (i32.const 4)))
            (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))))"#;
    crate::support::wat(workshop.folder.path(), "environment.wat", text);
    let line = "trjit run -S inherit-env environment.wat | tr '\\0' '\\n' | grep -v '^_=' | sort";
    let plain =
        std::process::Command::new("sh").args(["-c", "env | grep -v '^_=' | sort"]).env_clear().env("PATH", "/usr/bin:/bin").output();
    let plain = String::from_utf8(plain.expect("there is a shell").stdout).expect("it is UTF-8");
    let outcome = workshop.run(&["-o", "p.trprof", "--as", "wasmtime", "--workload", "x"], line).succeeds();
    let names = |text: &str| text.lines().filter_map(|line| Some(line.split_once('=')?.0.to_string())).collect::<Vec<_>>();
    assert_eq!(names(outcome.text()), [names(&plain), vec!["TMPDIR".to_string()]].concat().into_iter().fold(Vec::new(), sorted));
    assert!(!outcome.text().contains("shims"), "{outcome:?}");
}

fn sorted(mut names: Vec<String>, name: String) -> Vec<String> {
    names.push(name);
    names.sort();
    names
}

#[test]
fn what_belongs_to_a_run_is_no_option_of_a_command() {
    let workshop = Workshop::new();
    for option in ["--dir=.", "--env=A=1", "--invoke=f", "-Wfuel=1", "--for=1s", "--jit=off", "--stats"] {
        workshop.run(&["-o", "p.trprof", option], "true").exits(2).says(&["--wrap runs a command"]);
    }
    workshop.run(&[], "true").exits(2).says(&["--wrap needs to know where the profile goes"]);
    workshop.run(&["-o", "no/such/p.trprof"], "echo ran").exits(1).prints("");
    workshop.within(trjit(["train", "--wrap", "-o", "p.trprof"])).run().exits(2).says(&["no command is given"]);
    for option in ["--module=hello.wasm", "--as=wasmtime", "--spool=s"] {
        workshop.within(trjit(["train", option, "hello.wasm"])).run().exits(2).says(&["--wrap"]);
    }
}

/// `trjit ci` wraps the test command that its file names.
#[test]
fn the_step_of_a_pipeline_trains_on_a_wrapped_command() {
    let workshop = Workshop::new();
    let step = |command: &str| {
        let text = format!("module = \"sha256.wasm\"\n[train]\ncommand = \"{command}\"\nas = \"wasmtime\"\n");
        std::fs::write(workshop.path("trjit.toml"), text).expect("the scratch directory is writable");
        workshop.within(trjit(["ci"])).run()
    };
    // The spool is removed with the step's other files, also when the step is killed. On the cache the command runs once more, without one.
    let within = "case $TRJIT_SPOOL in */.trjit/run/*|'') ;; *) exit 9;; esac";
    let outcome = step(&format!("{within}; wasmtime sha256.wasm; trjit run sha256.wasm & wait")).exits(0);
    assert!(outcome.text().contains("trained on 2 runs"), "{outcome:?}");
    step("wasmtime sha256.wasm; false").exits(10);
    step("true").exits(11);
}

/// Modules that a program preloads are not what is trained.
#[test]
fn preloaded_modules_are_not_recorded() {
    let workshop = Workshop::new();
    crate::support::wat(workshop.folder.path(), "lib.wat", r#"(module (func (export "f") (result i32) (i32.const 1)))"#);
    let text = r#"(module (import "lib" "f" (func $f (result i32))) (func (export "_start") (drop (call $f))))"#;
    crate::support::wat(workshop.folder.path(), "main.wat", text);
    workshop.run(&["-o", "p.trprof"], "trjit run --preload lib=lib.wat main.wat").succeeds();
    assert_eq!(calls(&workshop.told("p.trprof")), 1);
}

/// Its traces stay in a spool that the user named.
#[test]
fn a_wrapper_that_is_killed_leaves_the_profile_as_it_was() {
    let workshop = Workshop::new();
    std::fs::write(workshop.path("p.trprof"), "old").expect("the scratch directory is writable");
    let mut running = workshop.within(trjit(["train", "--wrap", "-o", "p.trprof", "--spool", "s", "trjit", "run", "endless.wasm"])).start();
    running.wait_for_output("begun\n");
    running.signal("KILL");
    let pid = listing(&workshop.path("s")).iter().find_map(|name| Some(name.strip_suffix(".run")?.split('-').next()?.to_string()));
    let killed =
        std::process::Command::new("kill").args(["-9", &pid.expect("the run has a marker")]).status().expect("there is a command kill");
    assert!(killed.success());
    assert_eq!(running.end().status.signal(), Some(9));
    assert_eq!(std::fs::read(workshop.path("p.trprof")).expect("the profile is readable"), b"old");
}
