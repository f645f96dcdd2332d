//! The commands, one a file. Each returns the process's exit status, or an error that `main` reports.

pub mod assemble;
pub mod inspect;
pub mod train;
