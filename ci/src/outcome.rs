//! How the step can fail: each kind with its exit status, which `docs/cli.md` documents, and what to do about it.

use serde::{Deserialize, Serialize};

/// A kind of failure. Where several happen, the first in the order of the flow gives the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file, a directory, a module: what has no kind of its own.
    Failed,
    /// A training run did not do what was expected, or the wrapped command failed.
    Training,
    /// Nothing was recorded.
    NothingRecorded,
    /// A profile can not be used.
    Profile,
    /// `verify` found that a cache is not what it should be.
    Verification,
    /// A cache is refused for a CPU.
    Refused,
    /// A run on a cache gave another result.
    Differs,
    /// A gate did not hold.
    Gate,
    /// Another process works on the same directory.
    Busy,
    /// `trjit.toml` is wrong.
    Config,
}

impl Kind {
    pub const ALL: &'static [Kind] = &[
        Kind::Failed,
        Kind::Training,
        Kind::NothingRecorded,
        Kind::Profile,
        Kind::Verification,
        Kind::Refused,
        Kind::Differs,
        Kind::Gate,
        Kind::Busy,
        Kind::Config,
    ];

    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Training => 10,
            Kind::NothingRecorded => 11,
            Kind::Refused => 12,
            Kind::Differs => 13,
            Kind::Gate => 14,
            Kind::Busy => 15,
            Kind::Config => 16,
            Kind::Profile => 121,
            Kind::Verification => 122,
        }
    }
}

/// Something that went wrong: what was found and expected, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    pub help: Option<String>,
    /// The end of what a process printed, a line each.
    pub detail: Vec<String>,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), help: None, detail: Vec::new() }
    }

    pub fn with_detail(mut self, detail: Vec<String>) -> Failure {
        self.detail = detail;
        self
    }

    pub fn with_help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }

    /// An error of the system, or of a library, with its causes.
    pub fn of(kind: Kind, what: impl std::fmt::Display, error: &(dyn std::error::Error + 'static)) -> Failure {
        let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>();
        Failure::new(kind, format!("{what}: {}", causes.join(": ")))
    }
}

/// What stops a step: one failure or several of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures(pub Vec<Failure>);

impl From<Failure> for Failures {
    fn from(failure: Failure) -> Failures {
        Failures(vec![failure])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_exit_code() {
        let codes: std::collections::BTreeSet<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(!codes.contains(&0) && !codes.contains(&2), "0 is success, 2 a wrong command line");
    }
}
