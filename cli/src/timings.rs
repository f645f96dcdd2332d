//! `--timings`: where the microseconds of a run went, told on standard error at its end.
//!
//! ```text
//! exec | args | check | open | parse | map | instantiate | guest        total = their sum
//! ```
//! A phase is what passed on the monotonic clock since the end of the one before it; `exec`, which no clock of this process saw the beginning of, is the CPU time that the
//! process had used when `main` began: the kernel's `execve`, page faults and the C library's start, without waits for a disk.

use crate::args::TimingsFormat;
use crate::{start, ui};
use std::time::{Duration, Instant};

/// A part of a run. The order is that in which they are told, and their names are the keys in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The process before `main`.
    Exec,
    /// The command line, and the engine made of it.
    Args,
    /// Reading the module's file, and with a cache beside it its digest.
    Check,
    /// Opening and mapping the cache file, and all checks before anything of it is used.
    Open,
    /// Parsing and validating the module, where no cache is used.
    Parse,
    /// The cache's text into the address range of all code; tables of the module.
    Map,
    /// Store, WASI, imports, memories, tables, globals, segments.
    Instantiate,
    /// From the call into the guest to its return or exit.
    Guest,
}

const PHASES: [(Phase, &str); 8] = [
    (Phase::Exec, "exec"),
    (Phase::Args, "args"),
    (Phase::Check, "check"),
    (Phase::Open, "open"),
    (Phase::Parse, "parse"),
    (Phase::Map, "map"),
    (Phase::Instantiate, "instantiate"),
    (Phase::Guest, "guest"),
];

/// A clock that runs from the beginning of `main`.
#[derive(Debug)]
pub struct Timings {
    last: Instant,
    /// By [`Phase`].
    spent: [Duration; PHASES.len()],
}

impl Timings {
    /// To be made first in `main`.
    pub fn start() -> Timings {
        let mut spent = [Duration::ZERO; PHASES.len()];
        spent[Phase::Exec as usize] = start::cpu_time();
        Timings { last: Instant::now(), spent }
    }

    /// What passed since the last mark was this phase.
    pub fn mark(&mut self, phase: Phase) {
        let now = Instant::now();
        self.spent[phase as usize] += now - self.last;
        self.last = now;
    }

    /// From the beginning of `main` to the last mark.
    pub fn since_main(&self) -> Duration {
        self.total() - self.spent[Phase::Exec as usize]
    }

    fn total(&self) -> Duration {
        self.spent.iter().sum()
    }

    /// Tells all phases: a line each, or one line of JSON.
    pub fn print(&self, format: TimingsFormat) {
        let all = PHASES.iter().map(|&(phase, name)| (name, self.spent[phase as usize])).chain([("total", self.total())]);
        let microseconds = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e6);
        match format {
            TimingsFormat::Text => all.for_each(|(name, time)| ui::note(&format!("{name:<12}{:>12} us", microseconds(time)))),
            TimingsFormat::Json => {
                let keys: Vec<String> = all.map(|(name, time)| format!("\"{name}_us\":{}", microseconds(time))).collect();
                ui::note(&format!("{{{}}}", keys.join(",")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up_and_stand_in_their_order() {
        let before = Instant::now();
        let mut timings = Timings::start();
        for (at, (phase, _)) in PHASES.into_iter().enumerate().skip(1) {
            assert_eq!(phase as usize, at);
            std::thread::sleep(Duration::from_millis(1));
            timings.mark(phase);
        }
        assert!(timings.spent[1..].iter().all(|spent| *spent >= Duration::from_millis(1)), "{timings:?}");
        assert!(timings.since_main() <= before.elapsed() && timings.total() == timings.since_main() + timings.spent[0], "{timings:?}");
    }
}
