//! Inputs of tests beside the outputs that are expected: `NAME.in` or `NAME.args`, with `NAME.expected`, `.out`, `.exp` or `.stdout`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A run of the program that a test describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    pub args: Vec<String>,
    /// For standard input.
    pub stdin: Option<String>,
    /// What it shall print.
    pub expected: String,
}

const DIRECTORIES: &[&str] = &["tests", "test", "cases", "t", "tests/cases", "test/cases", "testdata"];
const EXPECTED: &[&str] = &["expected", "out", "exp", "stdout"];
/// More than that are not read.
const MOST_CASES: usize = 1000;

/// The cases in a directory's usual places, by name; each name once.
pub fn find(directory: &Path) -> Vec<Case> {
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for folder in DIRECTORIES {
        for mut case in within(directory, folder) {
            if cases.len() == MOST_CASES {
                return cases;
            }
            if !names.insert(case.name.clone()) {
                case.name = format!("{folder}/{}", case.name);
                if !names.insert(case.name.clone()) {
                    continue;
                }
            }
            cases.push(case);
        }
    }
    cases
}

fn within(directory: &Path, folder: &str) -> Vec<Case> {
    let Ok(entries) = fs::read_dir(directory.join(folder)) else { return Vec::new() };
    let files = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let files: BTreeSet<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let stems: BTreeSet<&str> = files.iter().filter_map(|name| name.strip_suffix(".in").or_else(|| name.strip_suffix(".args"))).collect();
    let stems = stems.into_iter().filter(|stem| !stem.is_empty() && !stem.contains(['\n', '\r']));
    stems.filter_map(|stem| case(directory, folder, &files, stem)).collect()
}

fn case(directory: &Path, folder: &str, files: &BTreeSet<String>, stem: &str) -> Option<Case> {
    let has = |extension: &str| files.contains(&format!("{stem}.{extension}"));
    let path = |extension: &str| format!("{folder}/{stem}.{extension}");
    let expected = EXPECTED.iter().find(|extension| has(extension))?;
    let args = if has("args") { fs::read_to_string(directory.join(path("args"))).unwrap_or_default() } else { String::new() };
    Some(Case {
        name: stem.to_string(),
        args: args.split_whitespace().map(str::to_string).collect(),
        stdin: has("in").then(|| path("in")),
        expected: path(expected),
    })
}
