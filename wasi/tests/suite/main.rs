//! What each program of the public wasi-testsuite checks for preview 1, as tests of our own; `wasi/CONFORMANCE.md` lists them.
//!
//! Every program runs twice: its calls made directly, and through a module on the runtime's interpreter. Where the suite accepts several error
//! numbers, the one that we give is expected.

#[path = "../guest/mod.rs"]
mod guest;

mod directories;
mod files;
mod opening;
mod paths;
mod process;
mod program;
mod renaming;
mod symlinks;

use std::collections::BTreeSet;

const LIST: &str = include_str!("../../CONFORMANCE.md");

const SOURCES: &[(&str, &str)] = &[
    ("directories", include_str!("directories.rs")),
    ("files", include_str!("files.rs")),
    ("opening", include_str!("opening.rs")),
    ("paths", include_str!("paths.rs")),
    ("process", include_str!("process.rs")),
    ("renaming", include_str!("renaming.rs")),
    ("symlinks", include_str!("symlinks.rs")),
];

/// Names of the tests in the sources, as `module::test`.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (module, source) in SOURCES {
        let lines: Vec<_> = source.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0] == "#[test]") {
            let name = pair[1].strip_prefix("fn ").and_then(|rest| rest.split_once('(')).expect("a test is a function").0;
            found.insert(format!("{module}::{name}"));
        }
    }
    found
}

#[test]
fn the_list_names_every_test_and_no_other() {
    let mut listed = BTreeSet::new();
    let mut programs = BTreeSet::new();
    for row in LIST.lines().filter(|line| line.starts_with("| ") && line.contains("::")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert!(programs.insert(cells[1]), "{} is listed twice", cells[1]);
        listed.extend(cells[3].split(", ").map(|test| test.trim_matches('`').to_string()));
    }
    assert_eq!(listed, tests());
    assert_eq!(programs.len(), 72, "the programs of the suite");
}
