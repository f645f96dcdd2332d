//! `trjit ci`: one command from a repository's tests to a cache that was checked, run and gated.
//!
//! ```text
//! trjit.toml -> Config -> train (runs, or a wrapped command, or a kept profile) -> merge -> assemble -> check -> rerun -> gates -> summary
//! ```
//! Training runs and reruns are processes of their own, so that a guest that hangs or is killed takes nothing with it.
#![forbid(unsafe_code)]

pub mod config;
