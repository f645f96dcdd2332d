//! The command `trjit`.
fn main() {}
