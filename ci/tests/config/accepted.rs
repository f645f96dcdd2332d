//! What the reader makes of files that are right.

use crate::{keys, with_key};
use std::path::{Path, PathBuf};
use std::time::Duration;
use trjit_ci::config::keys::{Default as Standard, FILE};
use trjit_ci::config::{Config, Expect, Gates, Output, Run, Target, Train, Wrapped, load, parse};
use trjit_code::{CpuFeatures, CpuLevel, MemoryStyle};

fn read(text: &str) -> Config {
    parse(text, "trjit.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn run(name: &str) -> Run {
    Run {
        name: name.into(),
        args: Vec::new(),
        stdin: None,
        dirs: Vec::new(),
        scratch: Vec::new(),
        env: Vec::new(),
        options: Vec::new(),
        expect: Expect::default(),
        weight: 1,
        timeout: None,
        left_out: false,
    }
}

#[test]
fn the_shortest_file_has_the_defaults() {
    let config = read("module = 'app.wasm'\n[[train.run]]\n");
    let target = Target {
        cpu_level: CpuLevel::V3,
        memory: MemoryStyle::Reserved,
        fuel: false,
        all: false,
        recorded_only: false,
        verify: false,
        cache: None,
    };
    let expected = Config {
        module: "app.wasm".into(),
        train: Train { jobs: None, timeout: Duration::from_secs(300), command: None, profile: None, runs: vec![run("run-1")] },
        targets: vec![target],
        gates: Gates::default(),
        output: Output { profile: None, baseline: "trjit-baseline.json".into(), summary: None },
    };
    assert_eq!(config, expected);
}

const FULL: &str = r#"
module = "build/app.wasm"
[train]
jobs = 2
timeout = "1.5m"
profile = "kept.trprof"
command = "make test && echo done"
as = "wasmtime"
inputs = ["tests", "Makefile"]
command-timeout = 600
[[train.run]]
name = "report"
args = ["report", "-x", ""]
stdin = "tests/in"
dirs = ["tests/data::/data", "."]
scratch = ["/out"]
env = ["A=", "B=c=d"]
options = ["-W", "fuel=5", "--invoke=f"]
expect = { exit = 3, stdout = "tests/out", nondeterministic = true }
weight = 4_294_967_295
timeout = "500ms"
[[train.run]]
left-out = true
expect.stdout-sha256 = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"
[[target]]
cpu-level = "x86-64"
memory = "checked"
fuel = true
functions = "all"
verify = true
cache = "out/base.trjit"
[[target]]
cpu-level = "x86-64-v2"
functions = "recorded"
[gates]
calls-covered = "95%"
instructions-covered = 0.5
cache-size = "4MiB"
staleness = "100 %"
accept = ["x86-64", "x86-64-v3"]
growth = "250%"
coverage-loss = 0
time-ratio = "80%"
[output]
profile = "a.trprof"
baseline = "b.json"
summary = "c.md"
"#;

#[test]
fn every_key_goes_where_it_belongs() {
    let report = Run {
        args: ["report", "-x", ""].map(String::from).to_vec(),
        stdin: Some("tests/in".into()),
        dirs: ["tests/data::/data", "."].map(String::from).to_vec(),
        scratch: vec!["/out".into()],
        env: ["A=", "B=c=d"].map(String::from).to_vec(),
        options: ["-W", "fuel=5", "--invoke=f"].map(String::from).to_vec(),
        expect: Expect { exit: 3, stdout: Some("tests/out".into()), stdout_sha256: None, nondeterministic: true },
        weight: u32::MAX,
        timeout: Some(Duration::from_millis(500)),
        ..run("report")
    };
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let second = Run { left_out: true, expect: Expect { stdout_sha256: Some(digest.into()), ..Expect::default() }, ..run("run-2") };
    let command = Wrapped {
        command: ["sh", "-c", "make test && echo done"].map(String::from).to_vec(),
        shim: Some("wasmtime".into()),
        inputs: ["tests", "Makefile"].map(PathBuf::from).to_vec(),
        timeout: Some(Duration::from_secs(600)),
    };
    let base = Target {
        cpu_level: CpuLevel::V1,
        memory: MemoryStyle::Checked,
        fuel: true,
        all: true,
        recorded_only: false,
        verify: true,
        cache: Some("out/base.trjit".into()),
    };
    let plain = Target { memory: MemoryStyle::Reserved, fuel: false, all: false, verify: false, cache: None, ..base.clone() };
    let expected = Config {
        module: "build/app.wasm".into(),
        train: Train {
            jobs: Some(2),
            timeout: Duration::from_secs(90),
            command: Some(command),
            profile: Some("kept.trprof".into()),
            runs: vec![report, second],
        },
        targets: vec![base, Target { cpu_level: CpuLevel::V2, recorded_only: true, ..plain }],
        gates: Gates {
            calls_covered: Some(0.95),
            instructions_covered: Some(0.5),
            cache_size: Some(4 << 20),
            staleness: Some(1.0),
            accept: vec![CpuLevel::V1, CpuLevel::V3],
            growth: Some(2.5),
            coverage_loss: Some(0.0),
            time_ratio: Some(0.8),
        },
        output: Output { profile: Some("a.trprof".into()), baseline: "b.json".into(), summary: Some("c.md".into()) },
    };
    assert_eq!(read(FULL), expected);
}

/// A key of the table that nobody reads would change nothing.
#[test]
fn each_key_of_the_table_changes_what_is_read() {
    for (table, key) in keys() {
        assert_ne!(read(&with_key(table, key.name, key.example)), read(&with_key(table, "", "")), "{} of {}", key.name, table.title());
    }
}

#[test]
fn each_default_is_what_holds_without_the_key() {
    let mut compared = 0;
    for (table, key) in keys() {
        // Without the key: the same file, with the line as a comment.
        let Standard::Value(value) = key.default else { continue };
        let with = with_key(table, key.name, value);
        let without = with_key(table, key.name, value).replace(&format!("\n{} = {value}\n", key.name), "\n");
        assert_ne!(with, without, "{}", key.name);
        assert_eq!(read(&with), read(&without), "{} of {}", key.name, table.title());
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn native_is_the_level_of_the_machine() {
    let config = read("module = 'a'\n[[train.run]]\n[[target]]\ncpu-level = 'native'");
    assert_eq!(config.targets[0].cpu_level, CpuLevel::best_for(CpuFeatures::host()));
}

#[test]
fn caches_lie_beside_the_module_unless_it_is_said() {
    let paths = |targets: &str| {
        let config = read(&format!("module = 'build/app.wasm'\n[[train.run]]\n{targets}"));
        config.targets.iter().map(|target| config.cache_of(target)).collect::<Vec<_>>()
    };
    assert_eq!(paths(""), [Path::new("build/app.trjit")]);
    assert_eq!(paths("[[target]]\ncpu-level='x86-64'"), [Path::new("build/app.trjit")]);
    let two = "[[target]]\ncpu-level='x86-64'\n[[target]]\ncache='x.trjit'\n[[target]]";
    assert_eq!(paths(two), ["build/app.x86-64.trjit", "x.trjit", "build/app.x86-64-v3.trjit"].map(Path::new));
}

#[test]
fn times_sizes_and_shares_are_what_they_say() {
    let config = |line: &str| read(&format!("module='a'\n[[train.run]]\n[[train.run]]\nleft-out=true\n{line}"));
    for (text, millis) in [("'500ms'", 500), ("'1h'", 3_600_000), ("'0.5s'", 500), ("2", 2000), ("0.25", 250), ("'2m'", 120_000)] {
        assert_eq!(config(&format!("timeout={text}")).train.runs[1].timeout, Some(Duration::from_millis(millis)), "{text}");
    }
    for (text, bytes) in [("1", 1), ("'1kB'", 1000), ("'1.5 KiB'", 1536), ("'2GiB'", 2 << 30), ("'7B'", 7), ("0x10", 16), ("1_000", 1000)] {
        assert_eq!(config(&format!("[gates]\ncache-size={text}")).gates.cache_size, Some(bytes), "{text}");
    }
    for (text, share) in [("1", 1.0), ("0", 0.0), ("'0%'", 0.0), ("'12.5%'", 0.125), ("0.125", 0.125), ("'100.0%'", 1.0)] {
        assert_eq!(config(&format!("[gates]\ncalls-covered={text}")).gates.calls_covered, Some(share), "{text}");
    }
}

#[test]
fn files_are_read_with_their_name_in_the_error() {
    let folder = tempfile::tempdir().expect("the tests need a directory for temporary files");
    let path = folder.path().join("trjit.toml");
    let error = load(&path).expect_err("it is not there");
    assert!(error.to_string().contains("trjit.toml: the file can not be read"), "{error}");
    assert!(error.problems[0].help.as_deref().is_some_and(|help| help.contains("trjit init")), "{error:?}");
    std::fs::write(&path, FULL).expect("the directory is writable");
    assert_eq!(load(&path), parse(FULL, ""));
    std::fs::write(&path, b"module = '\xff'").expect("the directory is writable");
    assert!(load(&path).expect_err("it is no text").to_string().ends_with("this is not TOML: byte 10 is not UTF-8"));
}

#[test]
fn the_table_of_keys_names_each_key_once() {
    for table in FILE.all() {
        let mut names: Vec<&str> =
            table.keys.iter().map(|key| key.name).chain(table.tables.iter().map(|table| table.last_name())).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{}", table.title());
    }
}
