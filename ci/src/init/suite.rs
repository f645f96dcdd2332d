//! How a project's tests are run: which command, and by which variable or name they come to run the module.

use std::fs;
use std::path::Path;

/// A test command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// What told it.
    pub found: String,
    /// For the shell.
    pub command: String,
    /// The name under which tests call their runtime.
    pub shim: Option<String>,
    /// What the command depends on.
    pub inputs: Vec<String>,
    /// Whether the tests run the module itself, rather than test programs of their own.
    pub runs_module: bool,
}

/// The first of the forms that are known.
pub fn find(directory: &Path) -> Option<Suite> {
    [cargo, go, cmake, make, npm, scripts].into_iter().find_map(|form| form(directory))
}

fn read(directory: &Path, name: &str) -> Option<String> {
    fs::read_to_string(directory.join(name)).ok()
}

/// Those that are there.
fn present(directory: &Path, names: &[&str]) -> Vec<String> {
    names.iter().filter(|name| directory.join(name).exists()).map(ToString::to_string).collect()
}

/// `wasmtime`, where tests speak of it: then trjit stands in for it.
fn shim(directory: &Path, texts: &[&str]) -> Option<String> {
    let folders = ["tests", "test", "scripts"];
    let scripts = folders.iter().flat_map(|folder| fs::read_dir(directory.join(folder)).into_iter().flatten().flatten());
    let mut scripts =
        scripts.filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() < 1 << 20)).take(1000);
    let speaks = texts.iter().any(|text| text.contains("wasmtime"))
        || scripts.any(|entry| fs::read_to_string(entry.path()).is_ok_and(|text| text.contains("wasmtime")));
    speaks.then(|| "wasmtime".to_string())
}

fn cargo(directory: &Path) -> Option<Suite> {
    read(directory, "Cargo.toml")?;
    Some(Suite {
        found: "Cargo.toml".into(),
        command: "CARGO_TARGET_WASM32_WASIP1_RUNNER='trjit run --dir=.' cargo test --release --target wasm32-wasip1".into(),
        shim: None,
        inputs: present(directory, &["src", "tests", "Cargo.toml", "Cargo.lock"]),
        runs_module: false,
    })
}

fn go(directory: &Path) -> Option<Suite> {
    read(directory, "go.mod")?;
    Some(Suite {
        found: "go.mod".into(),
        command: "PATH=\"$PATH:$(go env GOROOT)/lib/wasm:$(go env GOROOT)/misc/wasm\" GOOS=wasip1 GOARCH=wasm GOWASIRUNTIME=wasmtime go test ./..."
            .into(),
        shim: Some("wasmtime".into()),
        inputs: Vec::new(),
        runs_module: false,
    })
}

fn cmake(directory: &Path) -> Option<Suite> {
    let text = read(directory, "CMakeLists.txt")?.to_lowercase();
    let tests = text.contains("enable_testing") || text.contains("add_test") || text.contains("include(ctest)");
    tests.then(|| Suite {
        found: "CMakeLists.txt with tests".into(),
        command: "CMAKE_CROSSCOMPILING_EMULATOR='trjit;run;--dir=.' cmake -S . -B build && cmake --build build && ctest --test-dir build --output-on-failure"
            .into(),
        shim: shim(directory, &[&text]),
        inputs: present(directory, &["CMakeLists.txt", "src", "tests", "test"]),
        runs_module: true,
    })
}

fn make(directory: &Path) -> Option<Suite> {
    let (name, text) = ["GNUmakefile", "makefile", "Makefile"].into_iter().find_map(|name| Some((name, read(directory, name)?)))?;
    let has = |target: &str| {
        text.lines().any(|line| {
            line.strip_prefix(target).is_some_and(|rest| rest.trim_start().starts_with(':') && !rest.trim_start().starts_with(":="))
        })
    };
    let target = ["test", "check"].into_iter().find(|target| has(target))?;
    Some(Suite {
        found: format!("{name} with a target `{target}`"),
        command: format!("make {target}"),
        shim: shim(directory, &[&text]),
        inputs: present(directory, &[name, "src", "tests", "test"]),
        runs_module: true,
    })
}

fn npm(directory: &Path) -> Option<Suite> {
    let package: serde_json::Value = serde_json::from_str(&read(directory, "package.json")?).ok()?;
    let script = package.get("scripts")?.get("test")?.as_str()?;
    // What `npm init` writes is no test.
    if script.contains("no test specified") {
        return None;
    }
    Some(Suite {
        found: "package.json with a script `test`".into(),
        command: "npm test".into(),
        shim: shim(directory, &[script]),
        inputs: present(directory, &["package.json", "src", "tests", "test"]),
        runs_module: true,
    })
}

fn scripts(directory: &Path) -> Option<Suite> {
    let folder = ["tests", "test"].into_iter().find(|folder| {
        let entries = fs::read_dir(directory.join(folder)).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_str().is_some_and(|name| name.ends_with(".sh")))
    })?;
    Some(Suite {
        found: format!("scripts {folder}/*.sh"),
        command: format!("for test in {folder}/*.sh; do sh \"$test\" || exit 1; done"),
        shim: shim(directory, &[]),
        inputs: vec![folder.to_string()],
        runs_module: true,
    })
}
