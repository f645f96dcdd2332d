//! What decides between the command line, the environment and defaults, row by row; colours; advice beside errors.

use crate::support::modes::EAGER;
use crate::support::{Outcome, Trjit, fixtures, scratch, trjit, trjit_run};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn hello() -> PathBuf {
    fixtures().join("c/hello.wasm")
}

fn fib() -> PathBuf {
    fixtures().join("wat/fib.wat")
}

/// `fib(20)` by a command that runs programs.
fn run_fib(words: &[&str]) -> Trjit {
    trjit(words).args(["--invoke", "fib"]).arg(fib()).arg("20")
}

/// How many functions were compiled in the run, by `--stats=json`.
fn compiled(outcome: &Outcome) -> bool {
    let told: Value =
        outcome.stderr.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| panic!("no sums: {outcome:?}"));
    told["installed"].as_u64().unwrap_or_else(|| panic!("{told}")) > 0
}

/// A row: with the variable alone, with it and another word on the command line, and with it empty, the observation is what is expected.
struct Row<'a> {
    variable: &'a str,
    value: &'a str,
    command: &'a dyn Fn(&[&str]) -> Trjit,
    /// What says something else on the command line.
    option: &'a [&'a str],
    observe: &'a dyn Fn(&Outcome) -> String,
    /// By default, by the variable, by the option.
    expected: [&'a str; 3],
}

impl Row<'_> {
    fn check(&self) {
        let Row { variable, value, command, option, observe, expected } = self;
        let found = [
            observe(&command(&[]).run()),
            observe(&command(&[]).variable(variable, value).run()),
            observe(&command(option).variable(variable, value).run()),
        ];
        assert_eq!(found, expected.map(str::to_string), "{variable}: default, variable, option");
        assert_eq!(observe(&command(&[]).variable(variable, "").run()), expected[0], "{variable} is empty");
        assert_eq!(observe(&command(option).run()), expected[2], "{variable} is not set, {option:?} said");
    }
}

fn yes(condition: bool) -> String {
    if condition { "yes" } else { "no" }.to_string()
}

#[test]
fn the_command_line_goes_before_a_variable_and_a_variable_before_the_default() {
    let folder = scratch();
    let text = |path: &Path| path.to_str().expect("the directories of tests are UTF-8").to_string();
    let (cache, log) = (text(&folder.path().join("hello.trjit")), text(&folder.path().join("log")));
    trjit(["assemble", "-q", "--all", "-o", &cache]).arg(hello()).run().succeeds();
    let run = |words: &[&str]| trjit(["run", "-v"]).args(words).arg(hello());
    let without_clap = |words: &[&str]| trjit_run(["-v"]).args(words).arg(hello());
    let through_clap = |words: &[&str]| trjit(["--color=auto", "run", "-v"]).args(words).arg(hello());
    let cached = |outcome: &Outcome| yes(outcome.stderr.contains("trjit: cache;"));
    let required = |words: &[&str]| trjit(["run"]).args(words).arg(hello());
    let failed = |outcome: &Outcome| outcome.code().to_string();
    let hot = |words: &[&str]| run_fib(&[&["run", "-q", "--stats=json", "-O", "call-threshold=1,background=n"], words].concat());
    let eager = |words: &[&str]| run_fib(&[&["run", "--stats=json", "--jit", "sync"], words].concat());
    let looping = |words: &[&str]| {
        let words = [&["run", "--stats=json", "--jit", "sync", "--invoke", "fib-iter"], words].concat();
        trjit(words).arg(fib()).arg("2000")
    };
    let was_compiled = |outcome: &Outcome| yes(compiled(outcome));
    let logged = |outcome: &Outcome| {
        let to_file = std::fs::remove_file(&log).is_ok();
        format!("{} {}", yes(to_file), yes(outcome.stderr.contains("installed")))
    };
    let plain = |words: &[&str]| run_fib(&[&["run", "--jit", "sync"], words].concat());
    let format = |outcome: &Outcome| outcome.stderr.chars().next().map_or_else(String::new, |first| yes(first == '{'));
    let assemble = |words: &[&str]| trjit(["assemble", "--json", "--all", "-o", &cache]).args(words).arg(hello());
    let level = |outcome: &Outcome| outcome.json()["cpu_level"].as_str().expect("the summary has the level").to_string();
    let check = |words: &[&str]| trjit(["check", "--json"]).args(words).arg(&cache);
    let asked = |outcome: &Outcome| outcome.json()["answers"][0]["cpu_level"].as_str().expect("the answer has the level").to_string();
    let native = level(&assemble(&["--cpu-level", "native"]).run());
    let threads = |outcome: &Outcome| outcome.json()["threads"].to_string();
    let (all, more) = (threads(&assemble(&[]).run()), "3".to_string());
    let summary = |words: &[&str]| trjit(["assemble", "--all", "-o", &cache]).args(words).arg(hello());
    let spoke = |outcome: &Outcome| yes(!outcome.stdout.is_empty());
    let error = |words: &[&str]| trjit(["run"]).args(words).arg("no-such.wasm");
    let colour = |outcome: &Outcome| yes(outcome.stderr.contains("\x1b["));
    let train = |words: &[&str]| {
        run_fib(&[&["train", "-q", "-o", "/dev/null", "--stats=json", "-O", "call-threshold=1,background=n"], words].concat())
    };
    let profile = text(&folder.path().join("fib.trprof"));
    let named = |words: &[&str]| run_fib(&[&["train", "-o", &profile], words].concat());
    let workload = |_: &Outcome| {
        let told = trjit(["inspect", "--json", &profile]).run().succeeds().json();
        told["runs"][0]["workload"].as_str().expect("a run has a workload").to_string()
    };
    let row = |variable, value, command, option, observe, expected| Row { variable, value, command, option, observe, expected };
    let rows = [
        row(
            "TRJIT_CACHE",
            &cache,
            &run as &dyn Fn(&[&str]) -> Trjit,
            &["--cache", "/dev/null"] as &[&str],
            &cached as &dyn Fn(&Outcome) -> String,
            ["no", "yes", "no"],
        ),
        row("TRJIT_CACHE", &cache, &without_clap, &["--cache", "/dev/null"], &cached, ["no", "yes", "no"]),
        row("TRJIT_CACHE", &cache, &through_clap, &["--cache", "/dev/null"], &cached, ["no", "yes", "no"]),
        row("TRJIT_CACHE_MODE", "require", &required, &["--cache-mode", "auto"], &failed, ["0", "1", "0"]),
        row("TRJIT_JIT", "off", &hot, &["--jit", "sync"], &was_compiled, ["yes", "no", "yes"]),
        row("TRJIT_JIT", "off", &train, &["--jit", "sync"], &was_compiled, ["yes", "no", "yes"]),
        row("TRJIT_CALL_THRESHOLD", "1000000", &eager, &["--call-threshold", "1"], &was_compiled, ["yes", "no", "yes"]),
        row("TRJIT_LOOP_THRESHOLD", "1", &looping, &["--loop-threshold", "100000"], &was_compiled, ["no", "yes", "no"]),
        row("TRJIT_LOG_COMPILATION", &log, &plain, &["--log-compilation"], &logged, ["no no", "yes no", "no yes"]),
        row("TRJIT_STATS", "json", &plain, &["--stats=text"], &format, ["", "yes", "no"]),
        row("TRJIT_TIMINGS", "json", &plain, &["--timings=text"], &format, ["", "yes", "no"]),
        row("TRJIT_CPU_LEVEL", "x86-64", &assemble, &["--cpu-level", "x86-64-v2"], &level, [&native, "x86-64", "x86-64-v2"]),
        row("TRJIT_CPU_LEVEL", "x86-64", &check, &["--cpu-level", "x86-64-v2"], &asked, ["native", "x86-64", "x86-64-v2"]),
        row("TRJIT_THREADS", "1", &assemble, &["--threads", "3"], &threads, [&all, "1", &more]),
        row("TRJIT_QUIET", "0", &summary, &["--quiet"], &spoke, ["yes", "yes", "no"]),
        row("TRJIT_QUIET", "yes", &summary, &["--quiet"], &spoke, ["yes", "no", "no"]),
        row("TRJIT_WORKLOAD", "tests", &named, &["--workload", "else"], &workload, ["default", "tests", "else"]),
        row("TRJIT_COLOR", "always", &error, &["--color", "never"], &colour, ["no", "yes", "no"]),
    ];
    rows.iter().for_each(Row::check);
    // A page that documents another variable has another test: each documented one has a row.
    let page = std::fs::read_to_string(fixtures().join("../docs/cli.md")).expect("the page is there");
    let table = page.split_once("### Variables").and_then(|(_, rest)| rest.split_once("\n#")).expect("the page has the section").0;
    for name in table.lines().filter_map(|line| line.strip_prefix("| `TRJIT_")?.split_once('`')).map(|(name, _)| name) {
        assert!(rows.iter().any(|row| row.variable == format!("TRJIT_{name}")), "TRJIT_{name} has no row");
    }
}

#[test]
fn a_wrong_value_is_told_by_its_variable() {
    let wrong = [
        ("TRJIT_CACHE_MODE", "never", "auto, require, own, off"),
        ("TRJIT_JIT", "on", "background, sync, off"),
        ("TRJIT_CALL_THRESHOLD", "-1", "a number"),
        ("TRJIT_STATS", "xml", "text, json"),
        ("TRJIT_QUIET", "perhaps", "1 or 0"),
        ("TRJIT_COLOR", "red", "auto, always, never"),
    ];
    for (variable, value, expected) in wrong {
        // Which of both readers of the command line it is makes no difference: an option before the command is for clap.
        let other = if variable == "TRJIT_QUIET" { "--color=auto" } else { "-q" };
        for run in [trjit(["run"]), trjit([other, "run"]), trjit_run::<&str>([])] {
            let name = format!("variable {variable} is `{value}`");
            run.arg(hello()).variable(variable, value).run().refuses(2, &[&name, expected, "help: unset "]);
        }
    }
    let assemble = |variable, value| trjit(["assemble", "--all", "-o", "/dev/null"]).arg(hello()).variable(variable, value).run();
    assemble("TRJIT_CPU_LEVEL", "x86-64-v9").refuses(2, &["TRJIT_CPU_LEVEL is `x86-64-v9`", "x86-64-v3 or native"]);
    assemble("TRJIT_THREADS", "all").refuses(2, &["TRJIT_THREADS is `all`"]);
    // What goes before it makes it harmless.
    trjit(["run", "--jit", "off"]).arg(hello()).variable("TRJIT_JIT", "on").run().succeeds();
    // The compiler that a variable asks for is missing as much as one that an option asks for.
    trjit_run::<&str>([]).arg(hello()).variable("TRJIT_JIT", "sync").run().refuses(2, &["no compiler in trjit-run"]);
}

/// A variable may say which cache, never that whatever is named may be native code, nor what the guest gets.
#[test]
fn no_variable_gives_the_guest_or_a_file_more() {
    let folder = scratch();
    let cache = folder.path().join("hello.trjit");
    trjit(["assemble", "-q", "--all", "-o"]).arg(&cache).arg(hello()).run().succeeds();
    for run in [trjit(["run"]), trjit_run::<&str>([])] {
        run.arg(&cache).variable("TRJIT_ALLOW_PRECOMPILED", "1").run().refuses(1, &["not a WebAssembly module"]);
    }
    let names = |run: Trjit| run.arg(fixtures().join("wat/wasi-args-env.wat")).variable("SECRET", "x").run().succeeds().text().to_string();
    let bare = names(trjit(["run"]));
    for (variable, value) in [("TRJIT_DIR", "/"), ("TRJIT_ENV", "SECRET"), ("TRJIT_WASI", "inherit-env"), ("TRJIT_INVOKE", "x")] {
        assert_eq!(names(trjit(["run"]).variable(variable, value)), bare, "{variable}");
    }
    assert!(!bare.contains("SECRET"), "{bare}");
}

#[test]
fn colours_follow_the_option_then_the_variables() {
    type Variables<'a> = &'a [(&'a str, &'a str)];
    let failing = |words: &[&str], variables: Variables<'_>| {
        let command = trjit(words).args(["run", "no-such.wasm"]);
        let outcome = variables.iter().fold(command, |command, (name, value)| command.variable(name, value)).run().exits(1);
        outcome.stderr.contains("\x1b[1;31merror:\x1b[0m ")
    };
    let rows: [(&[&str], Variables<'_>, bool); 12] = [
        (&[], &[], false),
        (&["--color=always"], &[], true),
        (&["--color=always"], &[("NO_COLOR", "1")], true),
        (&["--color=never"], &[("CLICOLOR_FORCE", "1"), ("TRJIT_COLOR", "always")], false),
        (&[], &[("TRJIT_COLOR", "always"), ("NO_COLOR", "1")], true),
        (&[], &[("TRJIT_COLOR", "never"), ("CLICOLOR_FORCE", "1")], false),
        (&["--color=auto"], &[("TRJIT_COLOR", "always")], false),
        (&[], &[("CLICOLOR_FORCE", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "0")], false),
        (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")], true),
        (&["--color=auto"], &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
    ];
    for (words, variables, expected) in rows {
        assert_eq!(failing(words, variables), expected, "{words:?} {variables:?}");
    }
    // The reader of the command line, which speaks before that is understood, does the same.
    let usage = |words: &[&str], name: &str, value: &str| trjit(words).variable(name, value).run().exits(2).stderr.contains("\x1b[");
    assert!(usage(&["run", "--color", "always", "--what"], "X", "x") && usage(&["run", "--what"], "TRJIT_COLOR", "always"));
    assert!(!usage(&["run", "--what"], "X", "x") && !usage(&["run", "--color=never", "--what"], "CLICOLOR_FORCE", "1"));
}

/// Wherever something can be done about an error, it is said.
#[test]
fn errors_say_what_to_do() {
    let folder = scratch();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("the directory of the test is writable");
        path.to_str().expect("the directories of tests are UTF-8").to_string()
    };
    let (text, odd) = (file("text.wasm", b"no module"), file("odd.wasm", b"\0asm\x01\0\0\0\xff"));
    let (hello, fib) = (hello().to_str().expect("UTF-8").to_string(), fib().to_str().expect("UTF-8").to_string());
    let unknown = fixtures().join("wat/unknown-import.wat").to_str().expect("UTF-8").to_string();
    let nowhere = folder.path().join("no/such").to_str().expect("UTF-8").to_string();
    let rows: [(&[&str], &str); 22] = [
        (&["run", "no-such.wasm"], "check the path"),
        (&["run", &text], "give a *.wasm file"),
        (&["run", &odd], "build the module again"),
        (&["run", &unknown], "--preload"),
        (&["run", "-W", "what", &hello], "`-W help` lists"),
        (&["run", "-O", "call-threshold=x", &hello], "`-O help` lists"),
        (&["run", "--env", "NO_SUCH_VARIABLE", &hello], "--env NO_SUCH_VARIABLE=VALUE"),
        (&["run", "--preload", "x", &hello], "--preload math=math.wasm"),
        (&["run", "--dir", &text, &hello], "help: "),
        (&["run", "--invoke", "no", &fib], "--invoke"),
        (&["run", "--invoke", "fib", &fib], "behind the module"),
        (&["run", "--cache-mode", "require", &hello], "--cache FILE"),
        (&["run", &format!("--log-compilation={nowhere}"), &hello], "name a file in a directory that exists"),
        (&["train", "-o", &nowhere, &hello], "-o"),
        (&["train", "-o", folder.path().to_str().expect("UTF-8"), &hello], "-o"),
        (&["assemble", &hello], "--all"),
        (&["assemble", "--all", "-o", &nowhere, &hello], "the directory must exist"),
        (&["assemble", "--all", "--cpu-level", "z80", &hello], "--cpu-level"),
        (&["assemble", "--profile", &text, &hello], "trjit train"),
        (&["inspect", &hello], "trjit assemble"),
        (&["explain", &fib, "nobody"], "help: "),
        (&["man", "nobody"], "commands: "),
    ];
    for (words, advice) in rows {
        let outcome = trjit(words).within(folder.path()).run();
        let help: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with("help: ")).collect();
        assert!(outcome.code() != 0 && help.len() == 1, "{outcome:?}");
        assert!(help[0].contains(advice.trim_start_matches("help: ")), "{outcome:?}");
    }
}

/// Standard error is the guest's: a run says nothing there by itself, on any way, whatever the guest gets compiled from.
#[test]
fn standard_error_is_the_guests() {
    let folder = scratch();
    let cache = folder.path().join("words.trjit");
    let words = fixtures().join("c/traps.wasm");
    trjit(["assemble", "-q", "--all", "-o"]).arg(&cache).arg(&words).run().succeeds();
    let echo = fixtures().join("wat/wasi-echo.wat");
    for options in [[].as_slice(), &["--jit", "off"], &EAGER, &["-O", "tiered"]] {
        trjit(["run"]).args(options).arg(hello()).run().succeeds();
        trjit(["run"]).args(options).arg(&echo).stdin(b"to and fro").run().succeeds();
    }
    trjit(["run", "--cache"]).arg(&cache).arg(&words).run().succeeds();
    trjit_run(["--allow-precompiled"]).arg(&cache).run().succeeds();
}
