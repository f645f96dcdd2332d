//! `trjit init`: what it finds, and that what it writes is always accepted.

use crate::keys;
use std::fs;
use std::path::Path;
use trjit_ci::config::keys::FILE;
use trjit_ci::config::{Config, What, parse};
use trjit_ci::init::{self, Found, look, write};
use trjit_ci::{Failure, Kind};

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("the tests need a directory for temporary files")
}

fn put(root: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("it has a parent")).expect("the directory is writable");
    fs::write(path, text).expect("the directory is writable");
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::new(Kind::Failed, error.to_string()))
}

fn looked(root: &Path) -> (Found, Config) {
    let found = look(root, &read);
    let page = found.page();
    let config = parse(&page, "trjit.toml").unwrap_or_else(|error| panic!("{error}\n{page}"));
    (found, config)
}

/// The smallest module; no program that could run.
const EMPTY: &[u8] = b"\0asm\x01\0\0\0";
/// `(module (import "env" "f" (func)) (func (export "go")))`
const LIBRARY: &[u8] =
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x09\x01\x03env\x01f\0\0\x03\x02\x01\0\x07\x06\x01\x02go\0\x01\x0a\x04\x01\x02\0\x0b";

#[test]
fn every_key_stands_in_the_file_with_its_meaning() {
    let root = scratch();
    put(root.path(), "Makefile", "test:\n\ttrue\n");
    for found in [Found::default(), look(root.path(), &read)] {
        let page = found.page();
        for table in FILE.all().into_iter().filter(|table| !table.name.is_empty()) {
            assert!(page.lines().any(|line| line.trim_start_matches('#') == table.title()), "{}: {page}", table.title());
        }
        for (table, key) in keys() {
            let line = page.lines().position(|line| line.trim_start_matches('#').starts_with(&format!("{} = ", key.name)));
            assert!(line.is_some(), "{} of {}: {page}", key.name, table.title());
            assert!(page.contains(&format!("# {}", key.meaning)), "{}: {page}", key.meaning);
        }
    }
}

/// A line without its sign of a comment is a key that is known, with a value that it may have.
#[test]
fn each_commented_line_can_be_used_as_it_stands() {
    let page = Found::default().page();
    let mut used = 0;
    for (at, line) in page.lines().enumerate().filter(|(_, line)| line.starts_with('#') && !line.starts_with("# ")) {
        let changed: Vec<&str> =
            page.lines().enumerate().map(|(other, text)| if other == at { line.trim_start_matches('#') } else { text }).collect();
        let problems = parse(&changed.join("\n"), "F").map_or_else(|error| error.problems, |_| Vec::new());
        let meant = |what: &What| !matches!(what, What::Useless { .. } | What::Unmeasurable { .. });
        assert!(problems.iter().all(|problem| !meant(&problem.what)), "{line}: {problems:?}");
        used += 1;
    }
    assert!(used > 30, "{used}");
}

#[test]
fn an_empty_directory_gets_a_file_to_edit() {
    let root = scratch();
    let (found, config) = looked(root.path());
    assert_eq!(found, Found::default());
    assert_eq!((config.module.as_path(), config.train.runs.len()), (Path::new("app.wasm"), 1));
    let notes = found.notes();
    assert!(notes[0].contains("a guess") && notes[1].contains("[[train.run]]"), "{notes:?}");
}

#[test]
fn the_product_is_the_module_and_not_what_lies_beside_it() {
    let root = scratch();
    for other in [
        "node_modules/x/a.wasm",
        ".git/a.wasm",
        "tests/fixture.wasm",
        "target/wasm32-wasip1/release/deps/app-0123.wasm",
        "target/wasm32-wasip1/debug/app.wasm",
        "source.wat",
    ] {
        put(root.path(), other, EMPTY);
    }
    let product = "target/wasm32-wasip1/release/app.wasm";
    put(root.path(), product, EMPTY);
    let (found, config) = looked(root.path());
    assert_eq!(found.modules, [product, "target/wasm32-wasip1/debug/app.wasm", "source.wat", "tests/fixture.wasm"]);
    assert_eq!(config.module, Path::new(product));
    // The newest of those that are alike.
    let two = scratch();
    put(two.path(), "build/b.wasm", EMPTY);
    put(two.path(), "build/a.wasm", EMPTY);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    fs::File::options()
        .write(true)
        .open(two.path().join("build/a.wasm"))
        .and_then(|file| file.set_modified(old))
        .expect("its time can be set");
    assert_eq!(looked(two.path()).0.modules, ["build/b.wasm", "build/a.wasm"]);
}

#[test]
fn where_nothing_is_built_the_project_tells_where_it_will_be() {
    for (name, text, module) in [
        ("Cargo.toml", "[package]\nname = 'my-app'\n", "target/wasm32-wasip1/release/my-app.wasm"),
        ("go.mod", "module example.org/tools/mine\n", "mine.wasm"),
        ("build.zig", "", "zig-out/bin/app.wasm"),
        ("CMakeLists.txt", "", "build/app.wasm"),
        ("Cargo.toml", "[package]\nname = '../../x'\n", "app.wasm"),
        ("Cargo.toml", "not toml", "app.wasm"),
    ] {
        let root = scratch();
        put(root.path(), name, text);
        assert_eq!(looked(root.path()).1.module, Path::new(module), "{name}");
    }
}

#[test]
fn inputs_with_expected_outputs_are_runs_and_one_is_left_out() {
    let root = scratch();
    for name in ["b", "a", "c"] {
        put(root.path(), &format!("tests/{name}.in"), "x");
        put(root.path(), &format!("tests/{name}.expected"), "x");
    }
    put(root.path(), "tests/no-output.in", "x");
    put(root.path(), "cases/a.args", "-n 3 tests/a.in tests/c.in /etc/passwd ../x tests b.none\n");
    put(root.path(), "cases/a.out", "x");
    let (found, config) = looked(root.path());
    assert_eq!(found.cases.len(), 4);
    let runs = &config.train.runs;
    assert_eq!(runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "cases/a"]);
    assert_eq!(runs.iter().map(|run| run.left_out).collect::<Vec<_>>(), [false, false, false, true]);
    assert_eq!(
        (runs[0].stdin.as_deref(), runs[0].expect.stdout.as_deref()),
        (Some(Path::new("tests/a.in")), Some(Path::new("tests/a.expected")))
    );
    assert_eq!((&runs[3].args[..3], runs[3].stdin.as_deref()), (["-n", "3", "tests/a.in"].map(String::from).as_slice(), None));
    // The directory of what the arguments name, and is there.
    assert_eq!(runs[3].dirs, ["tests"]);
}

#[test]
fn test_commands_are_wrapped_where_they_run_the_module() {
    let wrapped = |files: &[(&str, &str)]| {
        let root = scratch();
        files.iter().for_each(|(name, text)| put(root.path(), name, text));
        let (found, config) = looked(root.path());
        let command = config.train.command.map(|command| (command.command.last().cloned().unwrap_or_default(), command.shim));
        (command, found.suite.map(|suite| suite.command))
    };
    let shim = |name: &str| Some(name.to_string());
    assert_eq!(wrapped(&[("Makefile", "all:\n\ntest: all\n\twasmtime app.wasm\n")]).0, Some(("make test".into(), shim("wasmtime"))));
    assert_eq!(wrapped(&[("Makefile", "check :\n\ttests/run\n"), ("tests/run", "exec $RUNNER")]).0, Some(("make check".into(), None)));
    assert_eq!(wrapped(&[("Makefile", "test := 1\nall:\n")]), (None, None));
    assert_eq!(wrapped(&[("package.json", "{\"scripts\":{\"test\":\"node t.js\"}}")]).0, Some(("npm test".into(), None)));
    assert_eq!(wrapped(&[("package.json", "{\"scripts\":{\"test\":\"echo \\\"Error: no test specified\\\" && exit 1\"}}")]), (None, None));
    assert_eq!(wrapped(&[("package.json", "[")]), (None, None));
    let (scripts, _) = wrapped(&[("tests/one.sh", "wasmtime run app.wasm")]);
    assert_eq!(scripts, Some(("for test in tests/*.sh; do sh \"$test\" || exit 1; done".into(), shim("wasmtime"))));
    assert!(
        wrapped(&[("CMakeLists.txt", "enable_testing()")])
            .0
            .is_some_and(|(command, _)| command.contains("CMAKE_CROSSCOMPILING_EMULATOR='trjit;run"))
    );
    // Their tests are modules of their own: told, but not used.
    for (name, text, variable) in [
        ("Cargo.toml", "[package]\nname='a'", "CARGO_TARGET_WASM32_WASIP1_RUNNER='trjit run"),
        ("go.mod", "module a", "GOWASIRUNTIME=wasmtime"),
    ] {
        let (used, told) = wrapped(&[(name, text)]);
        assert!(used.is_none() && told.is_some_and(|told| told.contains(variable)), "{name}");
    }
}

#[test]
fn what_the_module_wants_is_told() {
    let root = scratch();
    put(root.path(), "lib.wasm", LIBRARY);
    let (found, config) = looked(root.path());
    assert_eq!(config.train.runs[0].options, ["--invoke=go"]);
    let notes = found.notes().join("\n");
    assert!(notes.contains("without `_start`") && notes.contains("`go`") && notes.contains("imports from `env`"), "{notes}");
    // What is no module is found, too, and nothing is said of it.
    put(root.path(), "lib.wasm", "no module");
    assert_eq!(looked(root.path()).0.program, None);
}

#[test]
fn an_existing_file_stays_and_git_is_told() {
    let root = scratch();
    put(root.path(), "trjit.toml", "mine");
    let found = Found::default();
    let refused = write(root.path(), &found, false).expect_err("it is there");
    assert!(matches!(refused, init::InitError::Exists { .. }) && refused.help().contains("--force"), "{refused}");
    assert_eq!(fs::read(root.path().join("trjit.toml")).expect("it is there"), b"mine");
    assert!(!write(root.path(), &found, true).expect("it may be replaced"), "there is no .gitignore");
    for (before, after) in [
        ("", ".trjit/\n"),
        ("*.o", "*.o\n.trjit/\n"),
        ("a\n", "a\n.trjit/\n"),
        ("/.trjit/\n", "/.trjit/\n"),
        (".trjit\n", ".trjit\n"),
        (".trjit/", ".trjit/"),
    ] {
        put(root.path(), ".gitignore", before);
        write(root.path(), &found, true).expect("it may be replaced");
        assert_eq!(fs::read_to_string(root.path().join(".gitignore")).expect("it is there"), after, "{before:?}");
    }
    assert!(matches!(write(&root.path().join("no"), &found, false), Err(init::InitError::NoDirectory { .. })));
}

/// Names that need care in TOML, paths and shells among them.
const NAMES: &[&str] = &[
    "Cargo.toml",
    "go.mod",
    "Makefile",
    "GNUmakefile",
    "CMakeLists.txt",
    "package.json",
    "build.zig",
    ".gitignore",
    "app.wasm",
    "app.wat",
    "build/x.wasm",
    "dist/é \"q\".wasm",
    "zig-out/bin/a\\b.wasm",
    "target/wasm32-wasip1/release/r.wasm",
    "tests/a.in",
    "tests/a.expected",
    "tests/a.out",
    "tests/b.in",
    "tests/b.exp",
    "tests/'.in",
    "tests/'.out",
    "tests/new\nline.in",
    "tests/new\nline.out",
    "tests/\ttab.args",
    "tests/\ttab.stdout",
    "tests/run.sh",
    "test/a.in",
    "test/a.out",
    "cases/a.args",
    "cases/a.out",
    "t/c.in",
    "t/c.out",
    "tests/cases/a.in",
    "tests/cases/a.expected",
    "trjit-baseline.json",
    "app.trjit",
    "tests/.in",
    "tests/.out",
    "node_modules/m.wasm",
    "-x.wasm",
];
const TEXTS: &[&[u8]] = &[
    b"",
    EMPTY,
    LIBRARY,
    b"\xff\xfe",
    b"test:\n",
    b"[package]\nname = \"x\"\n",
    b"[package]\nname = 1\n",
    b"module a/b\n",
    b"module \"odd name\"\n",
    b"{\"scripts\":{\"test\":\"wasmtime\"}}",
    b"{\"scripts\":1}",
    b"enable_testing() wasmtime",
    b"\"\\\n'",
    b"-a --b \x00 \xc3\xa9",
];

#[test]
fn whatever_a_directory_holds_the_file_is_accepted() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut with_runs, mut with_command) = (0, 0);
    for turn in 0..200 {
        let root = scratch();
        for _ in 0..random(if turn % 2 == 0 { 50 } else { 12 }) {
            put(root.path(), NAMES[random(NAMES.len())], TEXTS[random(TEXTS.len())]);
        }
        let (found, config) = looked(root.path());
        assert!(
            found.notes().iter().all(|note| !note.contains('\n') || NAMES.iter().any(|name| name.contains('\n'))),
            "{:?}",
            found.notes()
        );
        with_runs += usize::from(config.train.runs.len() > 1);
        with_command += usize::from(config.train.command.is_some());
        assert_eq!(config.module, Path::new(found.module()));
    }
    assert!(with_runs > 10 && with_command > 5, "{with_runs} {with_command}");
}
