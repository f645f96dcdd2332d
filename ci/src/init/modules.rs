//! Which modules a directory holds, the one first that is most likely the product of the project.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Directories that hold copies, other people's modules, or nothing that is built.
const PASSED_OVER: &[&str] = &["node_modules", "vendor", "deps", "incremental", "__pycache__", "site-packages"];
/// Directories of modules that are inputs of tests rather than the product.
const INPUTS: &[&str] = &["test", "tests", "testdata", "fixtures", "examples", "third_party", "deps"];
/// Where products lie, the most likely first.
const PRODUCTS: &[&str] = &["release", "zig-out", "build", "dist", "out", "bin", "target"];
const MOST_DEPTH: usize = 6;
/// More entries than that are not looked at.
const MOST_ENTRIES: usize = 50_000;
/// More modules than that are not told.
const MOST_MODULES: usize = 20;

struct Candidate {
    path: String,
    rank: (bool, bool, usize, usize),
    changed: SystemTime,
}

/// Paths of modules, the most likely first: binary before text, no test inputs, where products lie, then the newest.
pub fn find(directory: &Path) -> Vec<String> {
    let mut candidates = Vec::new();
    let mut left = MOST_ENTRIES;
    collect(directory, "", 0, &mut left, &mut candidates);
    candidates.sort_by(|a, b| (a.rank, Reverse(a.changed), &a.path).cmp(&(b.rank, Reverse(b.changed), &b.path)));
    candidates.truncate(MOST_MODULES);
    candidates.into_iter().map(|candidate| candidate.path).collect()
}

fn collect(directory: &Path, prefix: &str, depth: usize, left: &mut usize, candidates: &mut Vec<Candidate>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        // Names that are no text can not stand in the file.
        let name = entry.file_name();
        let (Some(name), Ok(kind)) = (name.to_str(), entry.file_type()) else { continue };
        let path = if prefix.is_empty() { name.to_string() } else { format!("{prefix}/{name}") };
        if kind.is_dir() {
            if depth < MOST_DEPTH && !name.starts_with('.') && !PASSED_OVER.contains(&name) {
                collect(&entry.path(), &path, depth + 1, left, candidates);
            }
        } else if let (true, Some(text)) = (kind.is_file(), is_text(name)) {
            let changed = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            candidates.push(Candidate { rank: rank(&path, text), path, changed });
        }
    }
}

/// Whether a module is in the text format, by its name; none: it is no module.
fn is_text(name: &str) -> Option<bool> {
    match Path::new(name).extension().and_then(OsStr::to_str) {
        Some("wasm") => Some(false),
        Some("wat") => Some(true),
        _ => None,
    }
}

/// The less, the more likely.
fn rank(path: &str, text: bool) -> (bool, bool, usize, usize) {
    let parts: Vec<&str> = path.split('/').collect();
    let within = &parts[..parts.len() - 1];
    let input = within.iter().any(|part| INPUTS.contains(part));
    let place = PRODUCTS.iter().position(|product| within.contains(product)).unwrap_or(if within.is_empty() { 2 } else { PRODUCTS.len() });
    (input, text, place, parts.len())
}

/// Where a build would put the module, by the files of the project.
pub fn expected(directory: &Path) -> Option<String> {
    let read = |name: &str| fs::read_to_string(directory.join(name)).ok();
    if let Some(manifest) = read("Cargo.toml") {
        let manifest: toml::Table = manifest.parse().ok()?;
        let name = manifest.get("package")?.get("name")?.as_str()?;
        return plain(name).map(|name| format!("target/wasm32-wasip1/release/{name}.wasm"));
    }
    if let Some(manifest) = read("go.mod") {
        let module = manifest.lines().find_map(|line| line.trim().strip_prefix("module "))?;
        return plain(module.trim().rsplit('/').next()?).map(|name| format!("{name}.wasm"));
    }
    let built = if directory.join("build.zig").exists() { "zig-out/bin" } else { "build" };
    let builds = ["build.zig", "CMakeLists.txt", "meson.build"].iter().any(|name| directory.join(name).exists());
    builds.then(|| format!("{built}/app.wasm"))
}

/// A name that can be part of a path.
fn plain(name: &str) -> Option<&str> {
    (!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !name.starts_with('.')).then_some(name)
}
