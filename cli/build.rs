//! Puts the commit into the binary, for `--version`; a build outside of a checkout says "unknown".

use std::process::Command;

fn main() {
    let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok().filter(|output| output.status.success());
    let commit = commit.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_else(|| "unknown".to_string());
    println!("cargo::rustc-env=TRJIT_COMMIT={}", commit.trim());
    println!("cargo::rerun-if-changed=../.git/HEAD");
    println!("cargo::rerun-if-changed=build.rs");
}
