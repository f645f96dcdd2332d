//! Pipelines as their runners execute them, without the runners: the very files that users include, read, and run step by step.
//!
//! | module | is |
//! |---|---|
//! | [`expression`] | `${{ .. }}` of GitHub, as far as these files use it; anything else fails the test |
//! | [`runner`] | one job of GitHub: steps, their files and variables, the repository's cache, forks |
//! | [`project`] | a program with tests, as a repository |
//! | [`action`], [`gitlab`], [`docker`], [`release`] | the tests |

mod action;
mod docker;
mod expression;
mod gitlab;
mod project;
mod release;
mod runner;

use std::path::{Path, PathBuf};
use yaml_rust2::{Yaml, YamlLoader};

/// The root of the repository, where `action.yml` stands.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the crate lies in the repository")
}

/// The folder with the binaries of this build.
fn binaries() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_trjit")).parent().expect("the binary lies in a folder").to_path_buf()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &Path) -> Yaml {
    let documents = YamlLoader::load_from_str(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    documents.into_iter().next().unwrap_or_else(|| panic!("{} is empty", path.display()))
}

/// The pairs of a mapping of scalars; nothing where there is none.
fn pairs(mapping: &Yaml) -> Vec<(String, String)> {
    let Some(hash) = mapping.as_hash() else { return Vec::new() };
    hash.iter().map(|(key, value)| (scalar(key), scalar(value))).collect()
}

fn scalar(value: &Yaml) -> String {
    match value {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        Yaml::Boolean(flag) => flag.to_string(),
        other => panic!("expected a scalar, found {other:?}"),
    }
}

/// Runs a program, which must succeed.
fn must(command: &mut std::process::Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{}\n{told}", output.status, String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
