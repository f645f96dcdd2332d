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
/// The guest trapped (128 + SIGABRT, as wasmtime exits), or nobody caught its exception.
pub const TRAP: u8 = 134;
/// Added to the number of a signal that ended a run: 130 for SIGINT, 143 for SIGTERM.
pub const SIGNAL_BASE: u8 = 128;

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
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    crate::ui::error(&chain.join(": "));
    if let Some(help) = failure.and_then(|failure| failure.help.as_deref()) {
        crate::ui::help(help);
    }
    failure.map_or(FAILURE, |failure| failure.code)
}
