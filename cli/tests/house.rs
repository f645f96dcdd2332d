//! The house rules that a compiler does not keep: who may depend on whom, where unsafe code may stand, that every file says what it is, and that
//! documents name what exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates of this workspace that a crate may depend on, directly or through another one; tests and builds are free.
const HOUSE: &[(&str, &[&str])] = &[
    ("module", &[]),
    ("trace", &["module"]),
    ("code", &["module", "trace"]),
    ("compile", &["code", "module", "trace"]),
    ("cache-format", &["code", "module", "trace"]),
    ("assemble", &["compile", "cache-format", "code", "module", "trace"]),
    ("explain", &["assemble", "compile", "cache-format", "code", "module", "trace"]),
    ("ci", &["assemble", "compile", "cache-format", "code", "module", "trace"]),
    ("runtime-loader", &["cache-format", "code", "module", "trace"]),
    ("runtime", &["trace", "code", "runtime-loader", "cache-format", "module"]),
    ("wasi", &["runtime", "trace", "code", "runtime-loader", "cache-format", "module"]),
    ("cli", &["module", "trace", "code", "compile", "cache-format", "assemble", "explain", "ci", "runtime-loader", "runtime", "wasi"]),
];

/// Who alone may know a library.
const KNOWLEDGE: &[(&str, &[&str])] = &[
    ("wasmparser", &["module", "compile"]),
    ("cranelift-codegen", &["compile", "assemble"]),
    ("cranelift-frontend", &["compile", "assemble"]),
    ("cranelift-module", &["compile", "assemble"]),
    ("cranelift-object", &["compile", "assemble"]),
    ("iced-x86", &["assemble", "explain"]),
];

/// The crates with unsafe code, and the only places in them where it may stand: files, or folders with a slash at the end.
const UNSAFE: &[(&str, &[&str])] = &[
    ("bench", &["bench/src/sys.rs"]),
    ("cli", &["cli/src/jit_dump.rs", "cli/src/start.rs", "cli/src/stop.rs"]),
    ("code", &["code/src/host_cpu.rs"]),
    ("runtime", &["runtime/src/"]),
    ("runtime-loader", &["runtime-loader/src/mmap.rs"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the crate lies in the repository")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names in a table of a manifest, such as `dependencies`; dotted keys and headers included.
fn table(manifest: &str, wanted: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut within = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            // `[target.'cfg(..)'.dependencies]` is one, too; `[dependencies.NAME]` names one itself.
            within = header == wanted || header.ends_with(&format!(".{wanted}")) && !header.starts_with("workspace");
            names.extend(header.strip_prefix(&format!("{wanted}.")).map(str::to_string));
        } else if within && !line.starts_with('#') {
            names.extend(line.split_once('=').map(|(name, _)| name.trim().split('.').next().unwrap_or_default().to_string()));
        }
    }
    names
}

fn dependencies(name: &str) -> BTreeSet<String> {
    table(&read(&root().join(name).join("Cargo.toml")), "dependencies")
}

#[test]
fn the_table_of_the_house_is_the_workspace() {
    let manifest = read(&root().join("Cargo.toml"));
    let members = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).expect("the workspace has members").0;
    let found: BTreeSet<&str> = members.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty()).collect();
    // Measuring, fuzzing and the specification's tests may use everything.
    let free = ["bench", "fuzz", "spec"];
    let known: BTreeSet<&str> = HOUSE.iter().map(|(name, _)| *name).collect();
    assert_eq!(found.into_iter().filter(|name| !free.contains(name)).collect::<BTreeSet<_>>(), known);
}

#[test]
fn crates_depend_only_on_those_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = HOUSE.iter().copied().collect();
    for (name, below) in HOUSE {
        for dependency in dependencies(name).iter().filter_map(|dependency| dependency.strip_prefix("trjit-")) {
            assert!(below.contains(&dependency), "{name} depends on {dependency}");
        }
        // The table itself is closed: what a crate reaches through another one is in its own row.
        for dependency in *below {
            for further in allowed[dependency] {
                assert!(below.contains(further), "{name} reaches {further} through {dependency}");
            }
        }
        assert!(["cli", "assemble", "explain", "ci"].contains(name) || !below.contains(&"compile"), "{name} reaches the compiler");
    }
}

#[test]
fn libraries_are_known_only_where_they_may_be() {
    for (library, who) in KNOWLEDGE {
        for (name, _) in HOUSE {
            assert!(!dependencies(name).contains(*library) || who.contains(name), "{name} depends on {library}");
        }
    }
}

#[test]
fn the_compiler_is_not_linked_into_the_runtime() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for name in ["trjit-runtime", "trjit-wasi", "trjit-runtime-loader"] {
        let args = ["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", name];
        let output = Command::new(&cargo).args(args).current_dir(root()).output().expect("cargo can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8_lossy(&output.stdout);
        assert!(tree.contains("trjit-module"), "{tree}");
        for line in tree.lines() {
            assert!(!line.starts_with("cranelift") && !line.starts_with("trjit-compile"), "{name} links {line}");
        }
    }
}

/// Files that git knows, or would: the text files of the repository.
fn tracked() -> Vec<PathBuf> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("the repository's names are UTF-8");
    let files: Vec<PathBuf> =
        names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).filter(|path| root().join(path).is_file()).collect();
    assert!(files.len() > 100, "{} files are too few to be the repository", files.len());
    files
}

fn rust_files() -> impl Iterator<Item = (String, String)> {
    let files = tracked().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.map(|path| (path.to_string_lossy().into_owned(), read(&root().join(&path))))
}

#[test]
fn every_file_opens_with_what_it_is() {
    let silent: Vec<String> = rust_files().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "no `//!` at the top: {silent:?}");
}

/// Whether a line of code (not of comments) has a block, function or implementation that is unsafe.
fn has_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    ["{", "fn", "impl", "extern", "trait"].iter().any(|form| code.contains(&["unsafe", form].join(" ")))
}

#[test]
fn unsafe_code_stands_only_in_its_places() {
    for (path, text) in rust_files().filter(|(path, _)| path.contains("/src/")) {
        let Some((name, places)) = UNSAFE.iter().find(|(name, _)| path.starts_with(&format!("{name}/"))) else { continue };
        let allowed = places.iter().any(|place| path == *place || place.ends_with('/') && path.starts_with(place));
        let found = text.lines().position(has_unsafe);
        assert!(allowed || found.is_none(), "{path}:{}: unsafe code outside of the places of {name}", found.unwrap_or(0) + 1);
    }
}

#[test]
fn the_places_of_unsafe_code_have_some() {
    let with: Vec<String> = rust_files().filter(|(_, text)| text.lines().any(has_unsafe)).map(|(path, _)| path).collect();
    for place in UNSAFE.iter().flat_map(|(_, places)| *places) {
        assert!(with.iter().any(|path| path == place || place.ends_with('/') && path.starts_with(place)), "{place} needs none any more");
    }
}

#[test]
fn crates_without_unsafe_code_forbid_it() {
    for (name, _) in HOUSE.iter().filter(|(name, _)| UNSAFE.iter().all(|(with, _)| with != name)) {
        let text = read(&root().join(name).join("src/lib.rs"));
        assert!(text.contains("#![forbid(unsafe_code)]"), "{name}");
    }
}

#[test]
fn documents_name_paths_that_exist() {
    for document in ["ARCHITECTURE.md", "RATIONALE.md"] {
        let path = root().join(document);
        if !path.exists() {
            continue;
        }
        for target in links(&read(&path)) {
            assert!(root().join(&target).exists(), "{document} names `{target}`, which does not exist");
        }
    }
}

/// Targets of Markdown links within the repository, without anchors.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#') && !target.starts_with("mailto:"));
    local.map(|target| target.split('#').next().unwrap_or_default().to_string()).collect()
}

#[test]
fn no_text_names_a_machine_or_a_registry() {
    // Written in parts, so that this file is none of those it looks for.
    let machine = [["/wo", "rk/"], ["/tmp/", "t-"], ["../sha", "red"], ["/ro", "ot/"]].map(|parts| parts.concat());
    let registries =
        [["registry.npm", "js.org"], ["pypi.or", "g/simple"], ["index.crates", ".io"], ["static.crates", ".io"], ["proxy.golang", ".org"]]
            .map(|parts| parts.concat());
    for path in tracked() {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            let found = machine.iter().chain(&registries).find(|text| names(line, text));
            assert!(found.is_none(), "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

/// Whether a line has the text, and not as the end of a longer word (`proc/self/root/` names no machine).
fn names(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric()))
}
