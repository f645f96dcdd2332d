//! Progress of `trjit ci`: a bar for each step on a terminal, plain lines in a log.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use trjit_assemble::{Phase, Progress};
use trjit_ci::Listener;
use trjit_cli::ui;

/// Draws or prints, on standard error.
pub struct Listening {
    /// On a terminal.
    bar: Option<ProgressBar>,
    /// In a log.
    lines: bool,
    part: Mutex<&'static str>,
}

impl Listening {
    /// `verbose`: lines on a terminal, too.
    pub fn new(quiet: bool, verbose: bool) -> Listening {
        let quiet = quiet || ui::quiet();
        let terminal = std::io::stderr().is_terminal();
        let bar = (!quiet && terminal).then(|| {
            let style = ProgressStyle::with_template("{prefix:>8} [{bar:40}] {pos}/{len} {elapsed} {msg}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "))
        });
        Listening { bar, lines: !quiet && (verbose || !terminal), part: Mutex::new("") }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    fn show(&self, name: &str, things: u64) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(name.to_string());
            bar.set_message("");
            bar.set_position(0);
            bar.set_length(things);
        }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) if self.lines => bar.suspend(|| ui::progress(line)),
            None if self.lines => ui::progress(line),
            _ => {}
        }
    }
}

impl Listener for Listening {
    fn part(&self, name: &'static str, things: u64) {
        *self.part.lock().unwrap_or_else(PoisonError::into_inner) = name;
        self.show(name, things);
    }

    fn did(&self, line: &str) {
        let part = *self.part.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(line.to_string());
        }
        self.line(&format!("{part}: {line}"));
    }
}

impl Progress for Listening {
    fn begin(&self, phase: Phase, steps: u64) {
        self.show(phase.name(), steps);
    }

    fn step(&self, count: u64) {
        self.bar.iter().for_each(|bar| bar.inc(count));
    }

    fn end(&self, _phase: Phase, _seconds: f64) {}
}
