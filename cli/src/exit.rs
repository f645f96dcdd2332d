//! Exit codes. A guest's own status passes through unchanged; the others are documented in `docs/cli.md`.

/// Success.
pub const OK: u8 = 0;
/// The command failed: a file, a module, an option's value, linking.
pub const FAILURE: u8 = 1;
/// The command line is wrong; clap's own code.
pub const USAGE: u8 = 2;
/// A cache was refused and `--cache-mode require` (or a precompiled file) leaves nothing to go on with.
pub const CACHE_REFUSED: u8 = 120;
/// A profile can not be used.
pub const PROFILE_REFUSED: u8 = 121;
/// `assemble --verify` found that the cache is not what it should be.
pub const CHECK_FAILED: u8 = 122;
/// A command that was to be run could not be started, as shells and `env` say it.
pub const NOT_STARTED: u8 = 126;
/// The same, since there is none of its name.
pub const NOT_FOUND: u8 = 127;
/// The guest trapped (128 + SIGABRT, as wasmtime exits), or nobody caught its exception.
pub const TRAP: u8 = 134;
/// Added to the number of a signal that ended a run: 130 for SIGINT, 143 for SIGTERM.
pub const SIGNAL_BASE: u8 = 128;

/// What statuses mean, as manuals tell it; `docs/cli.md` has the same rows.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    pub codes: &'static str,
    /// What stands between backticks is a word of the command line.
    pub meaning: &'static str,
    /// The commands that exit so (`profile merge`); none: all.
    pub commands: &'static [&'static str],
}

impl Status {
    /// Whether the page of a command (empty: that of `trjit` itself) has it.
    pub fn concerns(&self, command: &str) -> bool {
        command.is_empty()
            || self.commands.is_empty()
            || self.commands.iter().any(|own| command == *own || command.starts_with(&format!("{own} ")))
    }
}

pub const STATUSES: &[Status] = &[
    Status { codes: "0..125", meaning: "the guest's own status", commands: &["run", "train"] },
    Status {
        codes: "1",
        meaning: "the command failed: a file, a module, an option's value, linking, or a guest status outside of 0..125. The message begins with `error:`",
        commands: &[],
    },
    Status {
        codes: "2",
        meaning: "the command line, or a variable that stands for an option, is wrong, or nothing is asked for",
        commands: &[],
    },
    Status {
        codes: "10",
        meaning: "a training run did not do what was expected, took too long, or the test command failed",
        commands: &["ci"],
    },
    Status { codes: "11", meaning: "nothing was recorded", commands: &["ci"] },
    Status { codes: "12", meaning: "no cache is accepted on a CPU level that must be served", commands: &["ci"] },
    Status { codes: "13", meaning: "a run on the cache gave another result than before", commands: &["ci"] },
    Status { codes: "14", meaning: "a gate does not hold", commands: &["ci"] },
    Status { codes: "15", meaning: "another `trjit ci` works in the same directory", commands: &["ci"] },
    Status { codes: "16", meaning: "`trjit.toml` is wrong, or lacks what an option needs", commands: &["ci"] },
    Status {
        codes: "120",
        meaning: "a cache was refused, and `--cache-mode require`, `--allow-precompiled`, `inspect` or `explain` leaves nothing to go on with, or `check` asked",
        commands: &["run", "inspect", "check", "explain"],
    },
    Status {
        codes: "121",
        meaning: "a profile cannot be used: it is missing, damaged, or of another program; or `train --wrap` recorded nothing",
        commands: &["run", "train", "assemble", "inspect", "profile", "explain", "ci"],
    },
    Status {
        codes: "122",
        meaning: "`assemble --verify` (`verify = true` of `ci`) found that the cache is not what it should be; none was written",
        commands: &["assemble", "ci"],
    },
    Status {
        codes: "126, 127",
        meaning: "`train --wrap` could not start its command (127: there is none of this name)",
        commands: &["train"],
    },
    Status {
        codes: "130, 143",
        meaning: "SIGINT, SIGTERM ended a training run, after the profile was written, or `ci`, with nothing put in place. `run` dies by the signal itself, which shells show as the same numbers",
        commands: &["run", "train", "ci"],
    },
    Status {
        codes: "134",
        meaning: "the guest trapped, threw an exception that nobody caught, or its time was up (as `wasmtime run` exits for traps)",
        commands: &["run", "train"],
    },
];

/// A failure with its own exit code; commands return it inside of `anyhow::Error`.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub code: u8,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Failure {
    pub fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), help: None }
    }

    pub fn with_help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }
}

/// Prints an error with its causes, once, and gives the exit code.
pub fn report(error: &anyhow::Error) -> u8 {
    // A failure is the context of an error, or one of its causes.
    let failure = error.downcast_ref::<Failure>().or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<Failure>()));
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    crate::ui::error(&chain.join(": "));
    let help = failure.and_then(|failure| failure.help.clone());
    if let Some(help) = help.or_else(|| crate::advice::of(error)) {
        crate::ui::help(&help);
    }
    failure.map_or(FAILURE, |failure| failure.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_command_line_has_each_status_as_manuals_tell_it() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).expect("the page is there");
        let table = page.split_once("## Exit codes").expect("the page has the section").1;
        for Status { codes, meaning, .. } in STATUSES {
            assert!(table.contains(&format!("\n| {codes} | {meaning} |\n")), "docs/cli.md lacks: | {codes} | {meaning} |");
        }
        let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| code")).count();
        assert_eq!(rows, STATUSES.len(), "a row of docs/cli.md is in no manual");
    }

    #[test]
    fn a_failure_keeps_its_status_and_help_as_context_and_as_cause() {
        let failure = || Failure::new(CACHE_REFUSED, "refused").with_help("assemble");
        assert_eq!(report(&anyhow::Error::from(failure()).context("more")), CACHE_REFUSED);
        assert_eq!(report(&anyhow::anyhow!("why").context(failure())), CACHE_REFUSED);
        assert_eq!(report(&anyhow::anyhow!("why")), FAILURE);
    }
}
