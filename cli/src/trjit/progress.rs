//! Progress of an assembly: a bar on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use trjit_assemble::{Phase, Progress};
use trjit_cli::ui;

/// Draws or prints, on standard error.
pub struct Reporter {
    bar: Option<ProgressBar>,
    /// Says nothing.
    quiet: bool,
    running: Mutex<Option<(Phase, u64)>>,
}

impl Reporter {
    /// Says nothing with `quiet`, nor where the user wants nothing said.
    pub fn new(quiet: bool) -> Reporter {
        let quiet = quiet || ui::quiet();
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{prefix:>8} [{bar:40}] {pos}/{len} {elapsed}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "))
        });
        Reporter { bar, quiet, running: Mutex::new(None) }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Reporter {
    fn begin(&self, phase: Phase, steps: u64) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some((phase, steps));
        if let Some(bar) = &self.bar {
            bar.set_prefix(phase.name());
            bar.set_position(0);
            bar.set_length(steps);
        }
    }

    fn step(&self, count: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(count);
        }
    }

    fn end(&self, phase: Phase, seconds: f64) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let done = match phase {
            Phase::Compile => "compiled",
            Phase::Check => "checked",
            _ => return,
        };
        if self.bar.is_none() && !self.quiet {
            let steps = running.map_or(0, |(_, steps)| steps);
            ui::progress(&format!("{done} {steps} functions in {seconds:.2} s"));
        }
    }
}
