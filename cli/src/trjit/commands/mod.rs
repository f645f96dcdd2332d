//! The commands, one a file. Each returns the process's exit status, or an error that `main` reports.

pub mod assemble;
pub mod check;
pub mod ci;
pub mod completions;
pub mod explain;
pub mod init;
pub mod inspect;
pub mod man;
pub mod profile;
pub mod profiles;
pub mod train;
pub mod wrap;
