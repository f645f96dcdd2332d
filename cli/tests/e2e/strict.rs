//! Where production is strict: no executable anonymous memory, little address space, file systems mounted read-only or noexec, quotas of CPU time.

use crate::support::modes::EAGER;
use crate::support::restricted::Denial;
use crate::support::{Outcome, Trjit, fixtures, scratch, trjit, trjit_run, wat};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn hello() -> PathBuf {
    fixtures().join("c/hello.wasm")
}

fn fib() -> PathBuf {
    fixtures().join("wat/fib.wat")
}

/// A cache of all functions, with these options.
fn cache_of(folder: &Path, module: &Path, name: &str, options: &[&str]) -> PathBuf {
    let cache = folder.join(name);
    trjit(["assemble", "--all", "-o"]).arg(&cache).args(options).arg(module).run().exits(0);
    cache
}

fn warnings(outcome: &Outcome) -> usize {
    outcome.stderr.lines().filter(|line| line.starts_with("warning: ")).count()
}

#[test]
fn runs_without_a_compiler_ask_for_no_executable_anonymous_memory() {
    let folder = scratch();
    let cache = cache_of(folder.path(), &hello(), "hello.trjit", &[]);
    let ways: [(&str, Trjit); 6] = [
        ("interpreted", trjit_run::<&str>([]).arg(hello())),
        ("a cache", trjit_run(["--cache-mode", "require", "--cache"]).arg(&cache).arg(hello())),
        ("the cache alone", trjit_run(["--allow-precompiled"]).arg(&cache)),
        ("trjit, interpreted", trjit(["run", "--jit", "off"]).arg(hello())),
        ("trjit, a cache", trjit(["run", "--jit", "off", "--cache-mode", "require", "--cache"]).arg(&cache).arg(hello())),
        // The compiler has nothing to do, as long as nothing gets hot.
        ("trjit, the cache alone", trjit(["run", "--allow-precompiled"]).arg(&cache)),
    ];
    for (way, command) in ways {
        let outcome = command.without_executable_memory(Denial::Kills).run();
        assert_eq!(outcome.status.signal(), None, "{way}: {outcome:?}");
        outcome.succeeds().prints("hello, world\n");
    }
    // The filter does what it should.
    let compiling = trjit(["run"]).args(EAGER).args(["--invoke", "fib"]).arg(fib()).arg("10").without_executable_memory(Denial::Kills);
    assert_eq!(compiling.run().status.signal(), Some(libc::SIGSYS));
}

#[test]
fn where_executable_memory_is_refused_the_interpreter_goes_on_and_that_is_said_once() {
    let folder = scratch();
    let run = |options: &[&str]| {
        let command = trjit(["run"]).args(options).args(["--invoke", "fib"]).arg(fib()).arg("20");
        command.without_executable_memory(Denial::Fails).run().exits(0).prints("6765\n")
    };
    for options in [EAGER.as_slice(), &["--call-threshold", "1"]] {
        let outcome = run(options).says(&["does not allow executable", "--jit off"]);
        assert_eq!(warnings(&outcome), 1, "{outcome:?}");
    }
    run(&["--jit", "off"]).succeeds();
    // A cache without the function: there is an image, and what is compiled finds no place in it.
    let profile = folder.path().join("other.trprof");
    trjit(["train", "--invoke", "fib-iter", "-o"]).arg(&profile).arg(fib()).arg("5").run().exits(0);
    let cache = folder.path().join("other.trjit");
    trjit(["assemble", "--recorded-only", "-o"]).arg(&cache).arg("--profile").arg(&profile).arg(fib()).run().exits(0);
    let cache = cache.to_str().expect("the scratch directory is UTF-8");
    let outcome = run(&[EAGER.as_slice(), &["--cache-mode", "require", "--cache", cache]].concat()).says(&["does not allow executable"]);
    assert_eq!(warnings(&outcome), 1, "{outcome:?}");
}

/// Grows to its end, and says how many pages it got; accesses at the border.
const MEMORY: &str = r#"(module (memory (export "memory") 2)
  (func (export "fill") (result i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (i32.store8 (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1)) (i32.const 7))
    (memory.size))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "far") (param i32) (result i32) (i32.load offset=0xfffffff0 (local.get 0))))"#;

/// Far less than the reservation of one memory.
const LITTLE: u64 = 1 << 30;

#[test]
fn little_address_space_means_checked_memories() {
    let folder = scratch();
    let module = wat(folder.path(), "memory.wat", MEMORY);
    let checked = cache_of(folder.path(), &module, "checked.trjit", &["--memory", "checked"]);
    let reserved = cache_of(folder.path(), &module, "reserved.trjit", &[]);
    let ways: [(&str, &dyn Fn() -> Trjit); 4] = [
        ("interpreted", &|| trjit(["run", "--jit", "off"])),
        ("compiled", &|| trjit(["run"]).args(EAGER)),
        ("from a cache", &|| trjit(["run", "--jit", "off", "--cache-mode", "require", "--cache"]).arg(&checked)),
        ("the cache alone", &|| trjit_run(["--allow-precompiled"])),
    ];
    for (way, command) in ways {
        let program = if way == "the cache alone" { &checked } else { &module };
        let call = |name: &str, arguments: &[&str]| {
            command().args(["-v", "--invoke", name]).arg(program).args(arguments).address_space(LITTLE).run()
        };
        let filled = call("fill", &[]).exits(0).says(&["memories are checked"]);
        let pages: u64 = filled.text().trim().parse().expect("a number");
        assert!(pages > 1000 && pages * 65536 < LITTLE, "{way}: {filled:?}");
        call("load", &["131068"]).exits(0).prints("0\n");
        for index in ["131069", "131072", "-1", "-2147483648"] {
            call("load", &[index]).exits(134).says(&["out of bounds memory access"]);
        }
        call("far", &["16"]).exits(134).says(&["out of bounds memory access"]);
    }
    let run = |mode: &str| {
        let command = trjit_run(["--cache-mode", mode, "--cache"]).arg(&reserved);
        command.args(["--allow-precompiled", "--invoke", "load"]).arg(&reserved).arg("0").address_space(LITTLE).run()
    };
    run("auto").refuses(120, &["[other-engine]", "memory style", "--memory checked"]);
    trjit(["run", "--cache-mode", "require", "--cache"])
        .arg(&checked)
        .args(["--invoke", "load"])
        .arg(&module)
        .arg("0")
        .run()
        .refuses(120, &["[other-engine]", "memory style", "--memory reserved"]);
}

#[test]
fn checked_memories_can_be_asked_for() {
    let folder = scratch();
    let module = wat(folder.path(), "memory.wat", MEMORY);
    let checked = cache_of(folder.path(), &module, "checked.trjit", &["--memory", "checked"]);
    let run = |option: &str| {
        let command = trjit(["run", "--cache-mode", "require", "--cache"]).arg(&checked).args(["-O", option, "--invoke", "load"]);
        command.arg(&module).arg("0").run()
    };
    run("memory-reservation=0").succeeds().prints("0\n");
    run("memory-reservation=4294967296").refuses(120, &["[other-engine]"]);
    run("memory-reservation=1").refuses(1, &["memory-reservation=1", "only 0 or 4294967296"]);
    trjit(["assemble", "--all", "--memory", "wide"]).arg(&module).run().exits(2);
}

#[test]
fn very_little_address_space_is_an_error_and_no_crash() {
    for space in [8 << 20, 24 << 20, 64 << 20, 256 << 20] {
        let outcome = trjit_run::<&str>([]).arg(hello()).address_space(space).run();
        // Below some size there is no room for the program itself, and the system ends it.
        let ended = outcome.status.signal().is_some() && space < 32 << 20;
        assert!(ended || outcome.code() == 0 || outcome.code() == 1 && outcome.stderr.contains("error: "), "{space}: {outcome:?}");
        assert!(space < 256 << 20 || outcome.code() == 0, "{space}: {outcome:?}");
    }
}

/// Runs a shell script in a mount namespace of its own with `$1` = an empty folder. None (which is said) where that is not allowed.
fn with_mounts(script: &str, arguments: &[&Path]) -> Option<std::process::Output> {
    let folder = scratch();
    let probe = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(folder.path()).args(arguments);
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").output()
    };
    if !probe(r#"mount -t tmpfs none "$1""#).is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: mounting a file system in a namespace of its own is not allowed here");
        return None;
    }
    probe(script).ok()
}

#[test]
fn a_read_only_file_system_is_enough() {
    let folder = scratch();
    let cache = cache_of(folder.path(), &hello(), "hello.trjit", &[]);
    let script = r#"mount -t tmpfs none "$1" && cp "$2" "$1/trjit-run" && cp "$3" "$1/app.trjit" && cp "$4" "$1/app.wasm" &&
        mount -o remount,ro "$1" && cd "$1" && export HOME="$1" TMPDIR="$1" && ! touch "$1/x" 2>/dev/null &&
        ./trjit-run --allow-precompiled app.trjit && ./trjit-run --cache app.trjit app.wasm && ./trjit-run app.wasm"#;
    let Some(output) = with_mounts(script, &[Path::new(env!("CARGO_BIN_EXE_trjit-run")), &cache, &hello()]) else { return };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{output:?}");
    assert_eq!(output.stdout, b"hello, world\n".repeat(3));
}

#[test]
fn a_cache_on_a_noexec_mount_is_refused_with_that_reason() {
    let folder = scratch();
    let cache = cache_of(folder.path(), &hello(), "hello.trjit", &[]);
    let script = r#"mount -t tmpfs -o noexec none "$1" && cp "$3" "$1/app.trjit" || exit 99
        "$2" --cache "$1/app.trjit" "$4" && "$2" --allow-precompiled "$1/app.trjit""#;
    let Some(output) = with_mounts(script, &[Path::new(env!("CARGO_BIN_EXE_trjit-run")), &cache, &hello()]) else { return };
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(120), b"hello, world\n".as_slice()), "{told}");
    for kind in ["warning: ", "error: "] {
        let line = told.lines().find(|line| line.starts_with(kind)).unwrap_or_else(|| panic!("no {kind}: {told}"));
        assert!(line.contains("[unreadable]") && line.contains("noexec"), "{line}");
    }
}

/// One CPU's worth of time: as many threads, although there are more CPUs.
#[test]
fn a_quota_of_cpu_time_limits_the_compiling_threads() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        eprintln!("SKIPPED: there is one CPU only");
        return;
    }
    let folder = scratch();
    let name = format!("trjit-test-{}", std::process::id());
    let script = r#"for base in /sys/fs/cgroup /sys/fs/cgroup/cpu; do
            group="$base/$5"
            mkdir "$group" 2>/dev/null || continue
            if { [ -e "$group/cpu.max" ] && echo '100000 100000' > "$group/cpu.max"; } 2>/dev/null ||
                { [ -e "$group/cpu.cfs_quota_us" ] && echo 100000 > "$group/cpu.cfs_quota_us"; } 2>/dev/null; then
                sh -c 'echo $$ > "$0/cgroup.procs" && exec "$1" assemble --all --json -o "$2" "$3"' "$group" "$2" "$3" "$4"; status=$?
                rmdir "$group"; exit $status
            fi
            rmdir "$group"
        done; exit 99"#;
    let output = Command::new("sh")
        .args(["-c", script, "sh", "-"])
        .arg(env!("CARGO_BIN_EXE_trjit"))
        .arg(folder.path().join("hello.trjit"))
        .arg(hello())
        .arg(&name)
        .output()
        .expect("there is a shell");
    if output.status.code() != Some(0) {
        eprintln!("SKIPPED: no control group with a quota can be made here: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    assert_eq!(summary["threads"], 1, "{summary}");
}
