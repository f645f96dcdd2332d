//! Frames at side exits, slot by slot: fixed seeds, the fixtures, QuickJS, and bugs that are planted into exits and entries, each of which must be found by a frame.

mod recorded;

use recorded::{c_programs, files, on_a_large_stack, quickjs};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use trjit_compile::planted::ExitBug;
use trjit_fuzz::case::Case;
use trjit_fuzz::command::Command as Program;
use trjit_fuzz::frames;
use trjit_fuzz::oracle::Agreement;
use trjit_fuzz::rng::Rng;
use trjit_fuzz::target::Target;

#[test]
fn frames_of_generated_programs_are_the_interpreters() {
    on_a_large_stack(|| {
        let (mut frames, mut exits) = (0, 0);
        for seed in 1..60 {
            let Some(case) = Target::Frames.case(seed) else { continue };
            let agreement = frames::check(&case, seed, None).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
            frames += agreement.calls;
            exits += agreement.returned;
        }
        assert!(frames > 100_000 && exits > 50_000, "{frames} frames, {exits} exits");
    });
}

/// The fixtures that a host can be made up for; endless ones end when their fuel is used up.
fn fixtures() -> impl Iterator<Item = (String, Case)> {
    let case = |path: std::path::PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let case = Case::new(wat::parse_file(&path).ok()?, 2, 0, &mut Rng::new(1)).ok()?;
        Some((name, case))
    };
    files("wat", ".wat").into_iter().filter_map(case)
}

#[test]
fn frames_of_the_fixtures_are_the_interpreters() {
    on_a_large_stack(|| {
        let (mut programs, mut frames) = (0, 0);
        for (name, case) in fixtures() {
            for seed in [6, 8] {
                let agreement = frames::check(&case, seed, None).unwrap_or_else(|difference| panic!("{name}, seed {seed}: {difference}"));
                frames += agreement.calls;
            }
            programs += 1;
        }
        assert!(programs > 50 && frames > 100_000, "{programs} programs, {frames} frames");
    });
}

/// Runs of C programs that do what shorter ones do, for longer.
const LONG: &[&str] = &["bytecode.wasm 2", "matrix.wasm 2", "pointers-O0.wasm 2", "pointers.wasm 2", "sha256.wasm 3"];

fn short_c_programs() -> impl Iterator<Item = (String, Program)> {
    c_programs().into_iter().filter(|(name, _)| !LONG.contains(&name.as_str()))
}

#[test]
fn frames_of_c_programs_are_the_interpreters() {
    on_a_large_stack(|| {
        let (mut programs, mut frames, mut exits) = (0, 0, 0);
        for (seed, (name, program)) in (1..).zip(short_c_programs()) {
            let agreement = frames::check_command(&program, seed, 10, None).unwrap_or_else(|difference| panic!("{name}: {difference}"));
            programs += u64::from(agreement.returned > 20);
            frames += agreement.calls;
            exits += agreement.returned;
        }
        println!("{programs} programs, {frames} frames, {exits} exits");
        assert!(programs > 15 && frames > 100_000 && exits > 30_000, "{programs} programs, {frames} frames, {exits} exits");
    });
}

/// Some of everything that QuickJS can do, in a fraction of a second of an interpreter.
const SCRIPT: &str = r#"
    const out = [];
    class A { #x = 1; get x() { return this.#x } set x(v) { this.#x = v } *steps() { for (let i = 0; i < 5; i++) yield i * this.#x } }
    const a = new A; a.x = 3; out.push([...a.steps()]);
    try { null.f() } catch (e) { out.push(e.message) } finally { out.push("finally") }
    out.push(JSON.stringify(JSON.parse('{"a": [1, 2.5, "x", null]}')), "abcabc".replace(/(b)(c)/g, "$2$1"));
    out.push([5, 3, 9, 1].sort((x, y) => x - y), 2n ** 100n / 7n, Math.sin(1), 1e21, 0.1 + 0.2, (255).toString(16));
    for (const [k, v] of new Map([[1, 2], ["x", {}]])) out.push(`${k}: ${v}`);
    out.push(new Date(0).toISOString(), Math.random(), Date.now(), new Uint8Array([1, 300]), eval("1 + 1"));
    (async () => { await 0; print(out.join()) })();
"#;

/// QuickJS with the script, where it is fetched.
fn scripted() -> Option<Program> {
    let (_, program) = quickjs()?.into_iter().next()?;
    let args = vec!["-e".to_string(), SCRIPT.to_string()];
    Some(Program::new(program.wasm, args))
}

#[test]
fn frames_of_quickjs_are_the_interpreters() {
    let Some(program) = scripted() else { return };
    on_a_large_stack(move || {
        for seed in [1, 2] {
            let Agreement { calls: frames, returned: exits } =
                frames::check_command(&program, seed, 10, None).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
            println!("{frames} frames, {exits} exits");
            assert!(frames > 100_000 && exits > 50_000, "{frames} frames, {exits} exits");
        }
    });
}

/// How long a run with a planted bug may take: one that goes astray may never end.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs one of the ignored tests with a bug in a process of its own, which ends at the first frame that differs: what comes later may end in anything.
fn finds(test: &str, bug: ExitBug) -> Option<i32> {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", test])
        .env("PLANTED_BUG", format!("{bug:?}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    let started = Instant::now();
    loop {
        match child.try_wait().expect("the child") {
            Some(status) => return status.code(),
            None if started.elapsed() > PATIENCE => {
                child.kill().expect("it can be ended");
                child.wait().expect("it ends");
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The bug of this process.
fn planted() -> ExitBug {
    let name = std::env::var("PLANTED_BUG").unwrap_or_default();
    let bug = ExitBug::ALL.iter().find(|bug| format!("{bug:?}") == name);
    *bug.expect("a bug is named")
}

#[test]
fn planted_bugs_are_found_by_a_frame() {
    for &bug in ExitBug::ALL {
        assert_eq!(finds("with_a_planted_bug", bug), Some(frames::FOUND), "{bug:?} was not found by a frame");
    }
}

#[test]
#[ignore = "ends the process; `planted_bugs_are_found_by_a_frame` runs it in one of its own"]
fn with_a_planted_bug() {
    let bug = planted();
    on_a_large_stack(move || {
        for seed in 1..60 {
            if let Some(case) = Target::Frames.case(seed) {
                let found = frames::check(&case, seed, Some(bug));
                assert!(found.is_ok(), "not by a frame: {found:?}");
            }
        }
    });
}

/// What no program here could show: they have neither vectors nor handlers of exceptions.
const INVISIBLE: &[ExitBug] = &[ExitBug::UpperHalf, ExitBug::LiveInClause];

#[test]
fn planted_bugs_are_found_by_a_frame_of_a_program() {
    for &bug in ExitBug::ALL.iter().filter(|bug| !INVISIBLE.contains(bug)) {
        assert_eq!(finds("a_program_with_a_planted_bug", bug), Some(frames::FOUND), "{bug:?} was not found by a frame");
    }
}

#[test]
#[ignore = "ends the process; `planted_bugs_are_found_by_a_frame_of_a_program` runs it in one of its own"]
fn a_program_with_a_planted_bug() {
    let bug = planted();
    on_a_large_stack(move || {
        // Fuel is consumed with every second seed.
        for (seed, (name, program)) in (2..).zip(short_c_programs()) {
            let found = frames::check_command(&program, seed, 10, Some(bug));
            assert!(found.is_ok(), "{name}: not by a frame: {found:?}");
        }
    });
}

#[test]
fn a_planted_bug_is_found_by_a_frame_of_quickjs() {
    if scripted().is_some() {
        let bug = ExitBug::LiveAround;
        assert_eq!(finds("quickjs_with_a_planted_bug", bug), Some(frames::FOUND), "{bug:?} was not found by a frame");
    }
}

#[test]
#[ignore = "ends the process; `a_planted_bug_is_found_by_a_frame_of_quickjs` runs it in one of its own"]
fn quickjs_with_a_planted_bug() {
    let (bug, program) = (planted(), scripted().expect("it is fetched"));
    on_a_large_stack(move || {
        let found = frames::check_command(&program, 1, 10, Some(bug));
        assert!(found.is_ok(), "not by a frame: {found:?}");
    });
}
