//! What must hold between the values of a file: something to train on, unique names, no file written that is read, gates that can be measured.

use super::problem::{Problems, What, place};
use super::values::Located;
use super::{Config, run_options};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// Where values stand that rules talk about, as byte offsets; filled in while the file is read.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// `[train]`
    pub train: usize,
    /// The name of each run.
    pub names: Vec<usize>,
    /// Each option of each run.
    pub options: Vec<Vec<usize>>,
    /// The cache of each target.
    pub targets: Vec<usize>,
    /// The gate of that name.
    pub staleness: Option<usize>,
    /// Keys that need a command, where there is none.
    pub without_command: Vec<(&'static str, usize)>,
    /// Where a run's output is given twice.
    pub both_outputs: Vec<usize>,
    files: Vec<NamedFile>,
}

/// A file that is read or written.
#[derive(Debug)]
struct NamedFile {
    path: PathBuf,
    role: String,
    at: usize,
    written: bool,
}

impl Places {
    pub fn input(&mut self, path: &Located<PathBuf>, role: &str) {
        self.files.push(NamedFile { path: path.value.clone(), role: role.into(), at: path.at, written: false });
    }

    pub fn output(&mut self, path: &Located<PathBuf>, key: &str) {
        self.files.push(NamedFile { path: path.value.clone(), role: format!("output.{key}"), at: path.at, written: true });
    }
}

/// Roles of files.
pub(super) const KEPT: &str = "train.profile";
const NEW_PROFILE: &str = "output.profile";

pub(super) fn check(config: &Config, places: &Places, text: &str, problems: &Problems) {
    for (key, at) in &places.without_command {
        problems.add(*at, What::Useless { key, needed: "command" });
    }
    for at in &places.both_outputs {
        problems.add(*at, What::Both { one: "stdout", other: "stdout-sha256" });
    }
    check_training(config, places, problems);
    check_names(config, places, text, problems);
    check_options(config, places, problems);
    check_gates(config, places, problems);
    check_files(config, places, problems);
}

fn check_training(config: &Config, places: &Places, problems: &Problems) {
    let train = &config.train;
    if train.command.is_some() || train.profile.is_some() || train.runs.iter().any(|run| !run.left_out) {
        return;
    }
    if train.runs.is_empty() {
        let help = "add a run of the module with `[[train.run]]` and its `args`, or `command = [..]` with the command that runs the tests";
        problems.add_with_help(places.train, What::NothingToTrainOn, help);
    } else {
        problems.add_with_help(places.train, What::OnlyLeftOut, "let at least one run without `left-out = true`");
    }
}

fn check_names(config: &Config, places: &Places, text: &str, problems: &Problems) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (run, &at) in config.train.runs.iter().zip(&places.names) {
        match first.get(run.name.as_str()) {
            Some(&first) => {
                let what = What::SameName { name: run.name.clone(), first: place(text, first).0 };
                problems.add_with_help(at, what, "give each run a `name` of its own");
            }
            None => drop(first.insert(&run.name, at)),
        }
    }
}

fn check_options(config: &Config, places: &Places, problems: &Problems) {
    for (run, at) in config.train.runs.iter().zip(&places.options) {
        for (index, reason) in run_options::refused(&run.options) {
            let what = What::RunOption { option: run.options[index].clone(), reason };
            problems.add_with_help(at[index], what, run_options::HELP);
        }
    }
}

/// A gate that nothing could ever fail is a mistake.
fn check_gates(config: &Config, places: &Places, problems: &Problems) {
    if let (Some(at), None) = (places.staleness, &config.train.profile) {
        let what = What::Unmeasurable { gate: "staleness", needed: "`profile` in [train] that could be stale" };
        problems.add_with_help(at, what, "what is trained on the spot is never stale: take the gate away, or name a kept profile");
    }
}

/// No two outputs are one file, and no output is an input; but for the kept profile, which training may write anew.
fn check_files(config: &Config, places: &Places, problems: &Problems) {
    let mut files: Vec<(PathBuf, &str, usize, bool)> =
        places.files.iter().map(|file| (lexical(&file.path), file.role.as_str(), file.at, file.written)).collect();
    for (target, &at) in config.targets.iter().zip(&places.targets) {
        files.push((lexical(&config.cache_of(target)), "the cache of a target", at, true));
    }
    if !places.files.iter().any(|file| file.role == "output.baseline") {
        files.push((lexical(&config.output.baseline), "output.baseline", 0, true));
    }
    files.sort_by_key(|(_, _, at, _)| *at);
    for (index, (path, role, at, written)) in files.iter().enumerate() {
        let renewed = |other: &str| [other, *role].contains(&KEPT) && [other, *role].contains(&NEW_PROFILE);
        let clash = files[..index]
            .iter()
            .find(|(other, other_role, _, other_written)| other == path && (*written || *other_written) && !renewed(other_role));
        let Some((_, other_role, _, other_written)) = clash else { continue };
        // The sentence is about the one that is written.
        let (role, other) = if *written { (role, (other_role, *other_written)) } else { (other_role, (role, *written)) };
        let other = if other.1 { format!("written as {}", other.0) } else { format!("read as {}", other.0) };
        let what = What::SameFile { path: path.clone(), role: role.to_string(), other };
        problems.add_with_help(*at, what, "name another file to write");
    }
}

/// The path without `.` and, as far as it can be seen from the path alone, `..`.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_detours() {
        for (path, plain) in
            [("a", "a"), ("./a", "a"), ("a/./b", "a/b"), ("x/../a", "a"), ("../a", "../a"), ("../../a", "../../a"), ("/a/../b", "/b")]
        {
            assert_eq!(lexical(Path::new(path)), Path::new(plain), "{path}");
        }
    }
}
