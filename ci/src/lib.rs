//! `trjit ci`: one command from a repository's tests to a cache that was checked, run and gated.
//!
//! ```text
//! trjit.toml -> Config -> train (runs, or a wrapped command, or a kept profile) -> merge -> assemble -> check -> rerun -> gates -> summary
//! ```
//! Training runs and reruns are processes of their own, so that a guest that hangs or is killed takes nothing with it.
#![forbid(unsafe_code)]

pub mod baseline;
mod build;
mod case;
pub mod check;
pub mod config;
pub mod coverage;
pub mod dry_run;
mod files;
pub mod gates;
pub mod init;
mod interrupt;
mod listener;
mod outcome;
mod parallel;
mod pipeline;
mod place;
pub mod platform;
mod process;
pub mod report;
mod rerun;
mod state;
pub mod summary;
pub mod text;
mod train;
mod words;

pub use interrupt::Interrupt;
pub use listener::Listener;
pub use outcome::{Failure, Failures, Kind};
pub use pipeline::{ReadModule, Request, run};
pub use place::{STATE_DIRECTORY, state_directory};
pub use report::Report;
