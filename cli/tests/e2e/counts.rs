//! `run --counts`: what gets hot is compiled by what a training run counted, also speculatively, and wrong counts change no result.

use crate::support::{fixtures, scratch, trjit, trjit_run, wat};
use std::path::Path;

const NOW: [&str; 6] = ["--jit", "sync", "--call-threshold", "1", "--loop-threshold", "1"];

fn train(profile: &Path, module: &str, args: &[&str]) {
    trjit(["train", "-o"]).arg(profile).arg(fixtures().join(module)).args(args).run().exits(0);
}

/// Adds up; beyond 50 each number counts twice.
const SUM: &str = r#"(module
    (func $add (param $sum i32) (param $n i32) (result i32)
        (if (i32.gt_u (local.get $n) (i32.const 50)) (then (local.set $n (i32.shl (local.get $n) (i32.const 1)))))
        (i32.add (local.get $sum) (local.get $n)))
    (func (export "sum") (param $n i32) (result i32) (local $sum i32)
        (loop $again
            (local.set $sum (call $add (local.get $sum) (local.get $n)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;

#[test]
fn code_that_is_compiled_by_counts_speculates_and_is_left_where_they_were_wrong() {
    let folder = scratch();
    let module = wat(folder.path(), "sum.wat", SUM);
    let (profile, log) = (folder.path().join("one.trprof"), folder.path().join("log"));
    // Nothing is beyond 50 in training.
    trjit(["train", "--invoke", "sum", "-o"]).arg(&profile).arg(&module).arg("50").run().exits(0);
    for (n, sum, exits) in [("40", "820\n", false), ("1000", "999725\n", true)] {
        let run = trjit(["run", "--invoke", "sum", "--counts"]).arg(&profile).args(NOW);
        let run = run.args(["-O", "speculate=y,bridge-threshold=1,renewal-threshold=20"]);
        run.arg(format!("--log-compilation={}", log.display())).arg(&module).arg(n).run().succeeds().prints(sum);
        let log = std::fs::read_to_string(&log).expect("the log is written");
        let told = |what: &str| log.lines().any(|line| line.contains(" T4 ") && line.contains(what));
        assert!(told("installed"), "{log}");
        assert_eq!((log.contains("side exit"), told("withdrawn")), (exits, exits), "{n}: {log}");
    }
}

#[test]
fn explain_tells_how_often_a_run_took_each_exit() {
    let folder = scratch();
    let module = wat(folder.path(), "sum.wat", SUM);
    let (profile, log) = (folder.path().join("one.trprof"), folder.path().join("log"));
    trjit(["train", "--invoke", "sum", "-o"]).arg(&profile).arg(&module).arg("50").run().exits(0);
    let run = trjit(["run", "--invoke", "sum", "--counts"]).arg(&profile).args(NOW).args(["-O", "speculate=y,renewals=0"]);
    run.arg(format!("--log-compilation={}", log.display())).arg(&module).arg("100").run().succeeds().prints("8825\n");
    let explain = |log: &Path| {
        let explain = trjit(["explain"]).arg(&module).args(["0", "--tier", "T4", "--json", "--profile"]).arg(&profile);
        explain.arg("--log").arg(log).run()
    };
    let answer = explain(&log).succeeds().json();
    // The numbers from 100 down to 51, but for the first call, which was interpreted.
    let exits = answer["exits"].as_array().expect("a list");
    assert_eq!(exits.iter().map(|exit| exit["taken"].as_u64()).collect::<Vec<_>>(), [Some(49)], "{answer:#}");
    // Of another program, or no log at all.
    let foreign = folder.path().join("foreign");
    std::fs::write(&foreign, "  1.000     - -    side exit      0 other @ 0x2a: 7 times\n").expect("the scratch directory is writable");
    explain(&foreign).refuses(1, &["of another program", "`0 other`"]);
    std::fs::write(&foreign, "no log\n").expect("the scratch directory is writable");
    explain(&foreign).refuses(1, &["line 1 is none of a compilation log", "--log-compilation"]);
}

#[test]
fn counts_of_another_program_cost_speed_only() {
    let folder = scratch();
    let profile = folder.path().join("other.trprof");
    train(&profile, "c/hello.wasm", &[]);
    let module = fixtures().join("c/matrix.wasm");
    let plain = trjit(["run", "--jit", "off"]).arg(&module).run();
    let run = trjit(["run", "--counts"]).arg(&profile).args(["-O", "speculate=y"]).args(NOW).arg(&module).run();
    assert_eq!((run.code(), &run.stdout), (plain.code(), &plain.stdout));
    run.says(&["the profile is of another"]);
}

#[test]
fn what_gives_no_counts_is_told() {
    let folder = scratch();
    let (hello, text) = (fixtures().join("c/hello.wasm"), folder.path().join("text"));
    std::fs::write(&text, "no profile").expect("the scratch directory is writable");
    trjit(["run", "--counts"]).arg(&text).arg(&hello).run().refuses(121, &["can not be used", "trjit train"]);
    trjit_run(["--counts"]).arg(&text).arg(&hello).run().refuses(2, &["--counts: there is no compiler"]);
}
