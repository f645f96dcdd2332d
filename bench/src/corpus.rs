//! The corpus: programs, and for each its cases with recorded results. The form of `corpus.json` stands in `bench/README.md`.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize, Clone, Debug)]
pub struct Corpus {
    pub programs: Vec<Program>,
}

#[derive(Deserialize, Clone, Debug)]
pub struct Program {
    pub name: String,
    /// Relative to the corpus. The folder that it lies in is copied as a whole: working directory of the cases.
    pub wasm: PathBuf,
    pub cases: Vec<Case>,
}

impl Program {
    /// The module's name within the working directory.
    pub fn wasm_name(&self) -> String {
        self.wasm.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct Case {
    pub id: String,
    pub args: Vec<String>,
    pub argv0: Option<String>,
    /// Host directory, relative to the working directory, and the guest's name for it.
    pub dirs: Vec<(String, String)>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// A file relative to the working directory; empty: no input.
    pub stdin: String,
    /// A shell command that standard output goes through before it is compared; empty: none.
    pub filter: String,
    /// A shell command that runs first, in the working directory; empty: none.
    pub pre: String,
    pub merge_stderr: bool,
    pub exit: i32,
    pub stdout_sha256: String,
    /// Over the files below `out`; `-`: not compared.
    pub outfiles_sha256: String,
    /// Cases without this are left out.
    pub deterministic: bool,
}

impl Corpus {
    /// Reads `corpus.json` of a folder, without what is not deterministic; `only` names programs, or cases as `program/case`; empty: all.
    pub fn read(folder: &Path, only: &[String]) -> Result<Corpus> {
        let path = folder.join("corpus.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut corpus: Corpus = serde_json::from_str(&text).with_context(|| format!("{} is not a corpus", path.display()))?;
        for name in only {
            let (program, case) = name.split_once('/').map_or((name.as_str(), None), |(program, case)| (program, Some(case)));
            let found = corpus.programs.iter().find(|found| found.name == program);
            let Some(found) = found else { bail!("the corpus has no program `{program}`") };
            if let Some(case) = case.filter(|case| found.cases.iter().all(|found| found.id != *case)) {
                bail!("the program `{program}` has no case `{case}`");
            }
        }
        corpus.programs.retain(|program| only.is_empty() || only.iter().any(|name| name.split('/').next() == Some(&program.name)));
        for program in &mut corpus.programs {
            program.cases.retain(|case| case.deterministic);
        }
        Ok(corpus)
    }
}

/// Whether a case of a program was asked for; all its cases stay in the corpus, since others may be trained on them.
pub fn is_wanted(only: &[String], program: &str, case: &str) -> bool {
    only.is_empty() || only.iter().any(|name| name == program || name.split_once('/') == Some((program, case)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_alone_may_be_wanted() {
        let only = ["a/1".to_string(), "b".to_string()];
        assert!(is_wanted(&only, "a", "1") && is_wanted(&only, "b", "7") && is_wanted(&[], "c", "1"));
        assert!(!is_wanted(&only, "a", "2") && !is_wanted(&only, "c", "1"));
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = r#"{"programs": [{"name": "a", "wasm": "a/a.wasm", "cases": [{"id": "1", "deterministic": true}, {"id": "2"}]}]}"#;
        std::fs::write(folder.path().join("corpus.json"), text).expect("written");
        let corpus = Corpus::read(folder.path(), &["a".into()]).expect("a corpus");
        assert_eq!(corpus.programs[0].cases.len(), 1);
        for wrong in ["b", "a/3"] {
            assert!(Corpus::read(folder.path(), &[wrong.into()]).is_err(), "{wrong}");
        }
    }
}
