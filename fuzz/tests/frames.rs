//! Frames at side exits, slot by slot: fixed seeds, the fixtures, and bugs that are planted into exits and entries, each of which must be found by a frame.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use trjit_compile::planted::ExitBug;
use trjit_fuzz::case::Case;
use trjit_fuzz::frames;
use trjit_fuzz::rng::Rng;
use trjit_fuzz::target::Target;

/// Deep guests run on the testing thread's stack.
fn on_a_large_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(test).expect("a thread");
    thread.join().expect("the test passes");
}

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
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/wat");
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let case = |path: std::path::PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let case = Case::new(wat::parse_file(&path).ok()?, 2, 0, &mut Rng::new(1)).ok()?;
        Some((name, case))
    };
    paths.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "wat")).filter_map(case)
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

/// How long a run with a planted bug may take: one that goes astray may never end.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn planted_bugs_are_found_by_a_frame() {
    for &bug in ExitBug::ALL {
        // A process of its own, which ends at the first frame that differs: what comes later may end in anything.
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--ignored", "--exact", "with_a_planted_bug"])
            .env("PLANTED_BUG", format!("{bug:?}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        let started = Instant::now();
        let status = loop {
            match child.try_wait().expect("the child") {
                Some(status) => break Some(status),
                None if started.elapsed() > PATIENCE => {
                    child.kill().expect("it can be ended");
                    child.wait().expect("it ends");
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        assert_eq!(status.and_then(|status| status.code()), Some(frames::FOUND), "{bug:?} was not found by a frame: {status:?}");
    }
}

#[test]
#[ignore = "ends the process; `planted_bugs_are_found_by_a_frame` runs it in one of its own"]
fn with_a_planted_bug() {
    let name = std::env::var("PLANTED_BUG").unwrap_or_default();
    let Some(&bug) = ExitBug::ALL.iter().find(|bug| format!("{bug:?}") == name) else { panic!("no bug is named") };
    on_a_large_stack(move || {
        for seed in 1..60 {
            if let Some(case) = Target::Frames.case(seed) {
                let found = frames::check(&case, seed, Some(bug));
                assert!(found.is_ok(), "not by a frame: {found:?}");
            }
        }
    });
}
