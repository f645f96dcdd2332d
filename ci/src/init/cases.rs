//! Inputs of tests beside the outputs that are expected: `NAME.in` or `NAME.args`, with `NAME.expected`, `.out`, `.exp` or `.stdout`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

/// A run of the program that a test describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    pub args: Vec<String>,
    /// For standard input.
    pub stdin: Option<String>,
    /// What it shall print.
    pub expected: String,
    /// Directories of files that the arguments name.
    pub dirs: Vec<String>,
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
    let args: Vec<String> = args.split_whitespace().map(str::to_string).collect();
    Some(Case {
        name: stem.to_string(),
        dirs: args.iter().filter_map(|arg| folder_of(directory, arg)).collect::<BTreeSet<_>>().into_iter().collect(),
        args,
        stdin: has("in").then(|| path("in")),
        expected: path(expected),
    })
}

/// The directory of a file that an argument names, where there is one below `directory`.
fn folder_of(directory: &Path, arg: &str) -> Option<String> {
    let path = Path::new(arg);
    let below = path.components().all(|part| matches!(part, Component::Normal(_)));
    let folder = path.parent().and_then(Path::to_str).map(|folder| if folder.is_empty() { "." } else { folder })?;
    (below && !folder.contains("::") && directory.join(path).is_file()).then(|| folder.to_string())
}
