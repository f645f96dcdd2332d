//! Tests with planted bugs run in processes of their own: what goes wrong may end in anything.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a run with a planted bug may take: one that goes astray may never end.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the ignored test `with_a_planted_bug` of this file with that bug, which it must not survive.
pub fn assert_found(bug: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "with_a_planted_bug"])
        .env("PLANTED_BUG", bug)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if started.elapsed() > PATIENCE => {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(status.is_none_or(|status| !status.success()), "{bug} was not found");
}

/// The bug that this process is to have.
pub fn name() -> String {
    std::env::var("PLANTED_BUG").unwrap_or_default()
}
