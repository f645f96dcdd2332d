//! `trjit-run`: what `trjit run` does, without a compiler. That its caches give the right results is a mode of the fixtures
//! ([`Mode::RunOnly`](crate::support::modes::Mode)).

use crate::support::{fixtures, scratch, trjit, trjit_run};
use std::path::{Path, PathBuf};

fn hello() -> PathBuf {
    fixtures().join("c/hello.wasm")
}

#[test]
fn a_program_runs_on_a_cache_beside_it_on_the_cache_alone_and_without() {
    let folder = scratch();
    let cache = folder.path().join("hello.trjit");
    trjit(["assemble", "--all", "-o"]).arg(&cache).arg(hello()).run().exits(0);
    trjit_run(["--cache-mode", "require", "--cache"]).arg(&cache).arg(hello()).run().succeeds().prints("hello, world\n");
    trjit_run(["--allow-precompiled"]).arg(&cache).run().succeeds().prints("hello, world\n");
    trjit_run::<&str>([]).arg(hello()).run().succeeds().prints("hello, world\n");
    trjit_run(["--jit", "off"]).arg(hello()).run().succeeds().prints("hello, world\n");
}

#[test]
fn refusals_are_those_of_run() {
    let folder = scratch();
    let cache = folder.path().join("other.trjit");
    trjit(["assemble", "--all", "-o"]).arg(&cache).arg(fixtures().join("wat/fib.wat")).run().exits(0);
    trjit_run(["--cache-mode", "require", "--cache"]).arg(&cache).arg(hello()).run().refuses(120, &["[other-module]"]);
    let warned = trjit_run(["--cache"]).arg(&cache).arg(hello()).run().exits(0).prints("hello, world\n");
    warned.says(&["warning: ", "[other-module]"]);
    trjit_run::<&str>([]).arg(&cache).run().refuses(1, &["not a WebAssembly module", "trjit-run --allow-precompiled"]);
}

#[test]
fn what_is_not_in_it_is_said() {
    for jit in ["sync", "background"] {
        trjit_run(["--jit", jit]).arg(hello()).run().refuses(2, &["no compiler in trjit-run", "`trjit run`"]);
    }
    let text = fixtures().join("wat/fib.wat");
    trjit_run(["--invoke", "fib"]).arg(text).arg("1").run().refuses(1, &["text format, which trjit-run does not read", "`trjit run`"]);
}

#[test]
fn it_has_the_version_of_trjit() {
    let (run, all) = (trjit_run(["--version"]).run().succeeds(), trjit(["--version"]).run().succeeds());
    assert_eq!(run.text().strip_prefix("trjit-run "), all.text().strip_prefix("trjit "));
    let (run, all) = (trjit_run(["--version", "--json"]).run().succeeds().json(), trjit(["--version", "--json"]).run().succeeds().json());
    assert!(run["compiler"].is_null() && all["compiler"].is_string(), "{run} {all}");
    assert_eq!((&run["cache_format"], &run["abi_fingerprint"]), (&all["cache_format"], &all["abi_fingerprint"]));
}

/// The keys are what scripts rely on, in every way of running and however the guest ends; `total` is the sum of the others.
#[test]
fn timings_tell_every_phase() {
    const KEYS: [&str; 9] = ["exec", "args", "check", "open", "parse", "map", "instantiate", "guest", "total"];
    let folder = scratch();
    let cache = folder.path().join("hello.trjit");
    trjit(["assemble", "--all", "-o"]).arg(&cache).arg(hello()).run().exits(0);
    let ways = [
        (trjit_run(["--timings=json"]).arg(hello()), ["check", "parse"].as_slice()),
        (trjit_run(["--timings=json", "--cache"]).arg(&cache).arg(hello()), &["check", "open", "map"]),
        (trjit_run(["--timings=json", "--allow-precompiled"]).arg(&cache), &["open", "map"]),
        (trjit(["run", "--timings=json", "--allow-precompiled"]).arg(&cache), &["open", "map"]),
        (trjit(["run", "--timings=json"]).arg(hello()), &["check", "parse"]),
    ];
    for (command, special) in ways {
        let outcome = command.run().exits(0).prints("hello, world\n");
        let told: serde_json::Value = serde_json::from_str(&outcome.stderr).unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
        let phases = told.as_object().expect("an object");
        assert_eq!(phases.len(), KEYS.len(), "{told}");
        let time = |key: &str| phases[&format!("{key}_us")].as_f64().expect("a number");
        for key in KEYS {
            let some = special.contains(&key) || !["check", "open", "parse", "map"].contains(&key);
            assert_eq!(time(key) > 0.0, some, "{key}: {outcome:?}");
        }
        let sum: f64 = KEYS[..8].iter().map(|key| time(key)).sum();
        assert!((sum - time("total")).abs() < 1.0, "{told}");
    }
    let text = trjit_run(["--timings", "--allow-precompiled"]).arg(&cache).run().exits(0).prints("hello, world\n");
    let names: Vec<&str> = text.stderr.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, KEYS, "{text:?}");
    let trapped = trjit(["run", "--timings=json", "--invoke", "fib"]).arg(fixtures().join("wat/fib.wat")).run();
    assert!(trapped.code() == 1 && trapped.stderr.starts_with("{\"exec_us\":"), "{trapped:?}");
}

#[test]
fn streams_that_are_closed_stay_unused_by_files() {
    let folder = scratch();
    let cache = folder.path().join("hello.trjit");
    trjit(["assemble", "--all", "-o"]).arg(&cache).arg(hello()).run().exits(0);
    let before = std::fs::read(&cache).expect("the cache is readable");
    let script = r#"exec "$0" --allow-precompiled "$1" <&- >&- 2>&-"#;
    let status = std::process::Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_trjit-run")]).arg(&cache).status();
    assert_eq!(status.expect("there is a shell").code(), Some(0));
    assert_eq!(std::fs::read(&cache).expect("the cache is readable"), before);
}

/// As for every Rust program: a closed pipe is an error of the guest's write, not the end of the process by a signal.
#[test]
fn a_closed_pipe_is_no_signal() {
    let script = r#"{ sleep 0.2; "$0" "$1"; echo "status $?" >&2; } | true"#;
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_trjit-run")]).arg(hello());
    let output = command.output().expect("there is a shell");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let status: u32 = told.trim().rsplit(' ').next().and_then(|status| status.parse().ok()).expect("the shell says the status");
    assert!(status < 128, "{told}");
}

fn contains(binary: &Path, text: &str) -> bool {
    let bytes = std::fs::read(binary).expect("the binary is readable");
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// By the names of the development build's symbols and source files.
#[test]
fn neither_compiler_nor_assembler_is_linked_into_it() {
    let (all, run) = (Path::new(env!("CARGO_BIN_EXE_trjit")), Path::new(env!("CARGO_BIN_EXE_trjit-run")));
    for library in ["cranelift_codegen", "regalloc2", "trjit_compile", "trjit_assemble", "indicatif"] {
        assert!(contains(all, library), "trjit has no {library}: the test does not see what it looks for");
        assert!(!contains(run, library), "trjit-run has {library}");
    }
}

/// Types of program headers: the shared libraries a file needs, and the interpreter that loads them.
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
/// Type of an ELF file that is loaded where it says.
const ET_EXEC: u16 = 2;

#[test]
fn both_binaries_are_static_and_not_position_independent() {
    if env!("TRJIT_LINKED") != "statically" {
        eprintln!("SKIPPED: the build could not link statically, and said so");
        return;
    }
    for binary in [env!("CARGO_BIN_EXE_trjit"), env!("CARGO_BIN_EXE_trjit-run")] {
        let bytes = std::fs::read(binary).expect("the binary is readable");
        let number = |at: usize, len: usize| bytes[at..at + len].iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        assert_eq!(number(0x10, 2) as u16, ET_EXEC, "{binary}");
        let (headers, size, count) = (number(0x20, 8) as usize, number(0x36, 2) as usize, number(0x38, 2) as usize);
        let types: Vec<u32> = (0..count).map(|at| number(headers + at * size, 4) as u32).collect();
        assert!(!types.contains(&PT_DYNAMIC) && !types.contains(&PT_INTERP), "{binary}: {types:?}");
    }
}
