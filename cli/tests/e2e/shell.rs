//! Habits of a shell: completions, manual pages, what is said and in which colour, variables, advice beside errors.

use crate::support::{Trjit, fixtures, listing, scratch, trjit, trjit_run};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn hello() -> PathBuf {
    fixtures().join("c/hello.wasm")
}

fn fib() -> PathBuf {
    fixtures().join("wat/fib.wat")
}

fn cache_of(folder: &Path, module: &Path) -> PathBuf {
    let cache = folder.join("all.trjit");
    trjit(["assemble", "--all", "--quiet", "-o"]).arg(&cache).arg(module).run().succeeds().prints("");
    cache
}

fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

/// The commands, by the words behind `trjit`; the first is `trjit` itself.
fn commands() -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = vec![Vec::new()];
    let mut next = 0;
    while let Some(words) = found.get(next).cloned() {
        let help = help_of(&words);
        let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap_or_default());
        for line in listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = line.split_whitespace().next().expect("a line of the list names a command");
            if name != "help" {
                found.push(words.iter().cloned().chain([name.to_string()]).collect());
            }
        }
        next += 1;
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

fn help_of(words: &[String]) -> String {
    trjit(words).arg("--help").run().succeeds().text().to_string()
}

/// The options that the help of a command lists: what stands in a line before its meaning.
fn options_of(help: &str) -> BTreeSet<String> {
    let lines = help.lines().filter(|line| line.starts_with("  -") || line.starts_with("      --")).map(str::trim_start);
    let names = lines.map(|line| line.split_once("  ").map_or(line, |(names, _)| names));
    let words = names.flat_map(|names| names.split([' ', '=', '[', ',']));
    words.filter(|word| word.starts_with("--")).map(str::to_string).collect()
}

#[test]
fn completions_know_every_command_and_option() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = trjit(["completions", shell]).run().succeeds().text().to_string();
        for words in commands() {
            let long = options_of(&help_of(&words));
            assert!(!long.is_empty(), "{words:?}");
            for option in long {
                let name = if shell == "fish" { format!("-l {}", option.trim_start_matches('-')) } else { option };
                assert!(script.contains(&name), "{shell}: {words:?} {name}");
            }
        }
        let run_only = trjit(["completions", shell, "--program", "trjit-run"]).run().succeeds().text().to_string();
        assert!(run_only.contains("trjit-run") && run_only.contains("cache-mode") && !run_only.contains("assemble "), "{shell}");
    }
    trjit(["completions", "tcsh"]).run().exits(2).says(&["bash", "zsh", "fish"]);
}

/// What the shells themselves say of the scripts.
#[test]
fn shells_read_their_completions() {
    let folder = scratch();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        if !has(shell) {
            continue;
        }
        for program in ["trjit", "trjit-run"] {
            let file = folder.path().join(shell);
            std::fs::write(&file, &trjit(["completions", shell, "--program", program]).run().succeeds().stdout).expect("it is writable");
            let output = Command::new(shell).arg(check).arg(&file).output().expect("the shell can be started");
            assert!(output.status.success() && output.stderr.is_empty(), "{shell} {program}: {output:?}");
        }
    }
}

/// What bash offers behind these words, the last of which is being typed.
fn offered(script: &Path, words: &[&str]) -> BTreeSet<String> {
    let ask = r#"source "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        [[ $(complete -p "$1") =~ -F\ ([^ ]+) ]] || exit 1
        "${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash").args(["--norc", "-c", ask, "bash"]).arg(script).args(words).output().expect("bash can be started");
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    if !has("bash") {
        return;
    }
    let folder = scratch();
    let script = folder.path().join("trjit.bash");
    std::fs::write(&script, &trjit(["completions", "bash"]).run().succeeds().stdout).expect("it is writable");
    let set = |words: &[&str]| words.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(offered(&script, &["trjit", "as"]), set(&["assemble"]));
    assert_eq!(offered(&script, &["trjit", "run", "--cache"]), set(&["--cache", "--cache-mode"]));
    assert_eq!(offered(&script, &["trjit", "run", "--cache-mode", "r"]), set(&["require"]));
    assert_eq!(offered(&script, &["trjit", "profile", "sim"]), set(&["similarity"]));
    assert_eq!(offered(&script, &["trjit", "assemble", "--color", "n"]), set(&["never"]));
}

/// The text that a reader of a page sees.
fn typeset(page: &Path) -> String {
    let output =
        Command::new("groff").args(["-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=200n"]).arg(page).output().expect("groff can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{}: {told}", page.display());
    String::from_utf8_lossy(&output.stdout).replace(['‐', '−'], "-").replace('’', "'")
}

#[test]
fn manuals_name_every_option_status_and_variable_of_each_command() {
    let folder = scratch();
    trjit(["man", "-o"]).arg(folder.path()).run().succeeds();
    let mut pages = BTreeSet::new();
    for words in commands() {
        let name = format!("{}.1", ["trjit".to_string()].into_iter().chain(words.clone()).collect::<Vec<_>>().join("-"));
        let file = folder.path().join(&name);
        pages.insert(name);
        let printed = trjit(["man"]).args(&words).run().succeeds();
        assert_eq!(printed.stdout, std::fs::read(&file).expect("each command has a page"), "{words:?}");
        let source = printed.text().replace("\\-", "-").replace("\\(aq", "'");
        let help = help_of(&words);
        for option in options_of(&help) {
            assert!(source.contains(&format!("\\fB{option}\\fR")), "{words:?}: {option}");
        }
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"] {
            let heading = if section.contains(' ') { format!(".SH \"{section}\"\n") } else { format!(".SH {section}\n") };
            assert!(source.contains(&heading), "{words:?}: {section}");
        }
        assert_eq!(help.contains("Examples:"), source.contains(".SH EXAMPLES\n"), "{words:?}");
        for variable in variables_of(&help) {
            assert!(source.contains(&format!("\n\\fB{variable}\\fR\n")), "{words:?}: {variable}");
        }
    }
    assert_eq!(listing(folder.path()), pages.into_iter().collect::<Vec<_>>());
    let run = trjit(["man", "run"]).run().succeeds().text().replace("\\-", "-");
    assert!(run.contains("trjit-run [OPTIONS]") && run.contains("\\fB134\\fR") && !run.contains("\\fB122\\fR"), "{run}");
    trjit(["man", "brew"]).run().refuses(2, &["no command `brew`", "profile merge"]);
}

/// The variables that a help text names, which may be wrapped anywhere.
fn variables_of(help: &str) -> BTreeSet<String> {
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    words.split("[env: ").skip(1).filter_map(|rest| rest.split_once(']')).map(|(name, _)| name.to_string()).collect()
}

#[test]
fn manuals_can_be_typeset() {
    let folder = scratch();
    trjit(["man", "-o"]).arg(folder.path()).run().succeeds();
    if has("mandoc") {
        for name in listing(folder.path()) {
            let output =
                Command::new("mandoc").args(["-Tlint", "-Werror"]).arg(folder.path().join(&name)).output().expect("mandoc can be started");
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
    if !has("groff") || !has("grotty") {
        return;
    }
    for name in listing(folder.path()) {
        let page = typeset(&folder.path().join(&name));
        assert!(page.contains("EXIT STATUS") && page.contains("SEE ALSO"), "{name}: {page}");
        assert!(page.contains("trjit 0.1.0") && !page.contains("\\f"), "{name}: {page}");
    }
}

#[test]
fn the_help_of_each_command_names_the_variables_that_the_page_of_the_command_line_has() {
    let documented = std::fs::read_to_string(fixtures().join("../docs/cli.md")).expect("the page is there");
    let named: BTreeSet<String> = commands().iter().flat_map(|words| variables_of(&help_of(words))).collect();
    let table = documented.split_once("### Variables").and_then(|(_, rest)| rest.split_once("\n#")).expect("the page has the section").0;
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<String> = rows.map(|(name, _)| name.to_string()).filter(|name| name.starts_with("TRJIT_")).collect();
    assert_eq!(named, listed);
}

#[test]
fn quiet_commands_say_nothing_that_was_not_asked_for() {
    let folder = scratch();
    let (profile, merged) = (folder.path().join("a.trprof"), folder.path().join("b.trprof"));
    let missing = ["--dir", "no-such-directory"];
    // Behind the command, or before it.
    trjit(["train", "-q", "-o"]).arg(&profile).args(missing).arg(hello()).run().succeeds().prints("hello, world\n");
    trjit(["-q", "profile", "merge", "-o"]).arg(&merged).arg(&profile).run().succeeds().prints("");
    trjit(["profile", "merge", "--quiet", "-o"]).arg(&merged).arg(&profile).run().succeeds().prints("");
    trjit(["--quiet", "assemble", "--verify", "--profile"])
        .arg(&profile)
        .arg("-o")
        .arg(folder.path().join("c"))
        .arg(hello())
        .run()
        .succeeds()
        .prints("");
    let step = folder.path().join("trjit.toml");
    std::fs::copy(hello(), folder.path().join("hello.wasm")).expect("the fixture can be copied");
    std::fs::write(&step, "module = \"hello.wasm\"\n[[train.run]]\nname = \"one\"\n").expect("the directory of the test is writable");
    trjit(["ci", "-q", "--config"]).arg(&step).run().succeeds().prints("");
    trjit(["ci", "--config"]).arg(&step).variable("TRJIT_QUIET", "1").run().succeeds().prints("");
    trjit(["man", "-q", "-o"]).arg(folder.path().join("man")).run().succeeds().prints("");
    let run: [fn(&[&str]) -> Trjit; 3] =
        [|words| trjit(["run"]).args(words), |words| trjit(["-q", "run"]).args(words), |words| trjit_run(words)];
    for run in run {
        run(&["-q"]).args(missing).arg(hello()).run().succeeds().prints("hello, world\n");
    }
    run[0](&missing).arg(hello()).run().exits(0).says(&["warning: --dir no-such-directory"]);
    // Answers stay.
    assert!(!trjit(["inspect", "-q"]).arg(&profile).run().succeeds().stdout.is_empty());
    assert!(!trjit(["profile", "show", "-q"]).arg(&profile).run().succeeds().stdout.is_empty());
    trjit(["assemble", "-q", "--json", "--all", "-o"]).arg(folder.path().join("d")).arg(hello()).run().succeeds().json();
}

#[test]
fn errors_refusals_and_what_is_asked_for_are_said_quietly_too() {
    let folder = scratch();
    let other = cache_of(folder.path(), &fib());
    trjit(["run", "-q"]).arg("no-such.wasm").run().refuses(1, &["no-such.wasm"]);
    for run in [trjit(["run", "-q"]), trjit_run(["-q"])] {
        run.arg("--cache").arg(&other).arg(hello()).run().exits(0).prints("hello, world\n").says(&[
            "warning: ",
            "[other-module]",
            "help: ",
        ]);
    }
    trjit(["run", "-q", "-v"]).arg(hello()).run().exits(0).says(&["trjit: no cache"]);
    trjit(["run", "-q", "--timings=json"]).arg(hello()).run().exits(0).says(&["total_us"]);
    trjit(["run", "-q", "--stats"]).arg(hello()).run().exits(0).says(&["calls into"]);
    trjit(["run", "-q", "--invoke", "fib"]).arg(fib()).run().exits(1).says(&["error: "]);
}

#[test]
fn what_stands_behind_the_module_is_the_guests() {
    let folder = scratch();
    let echo = fixtures().join("wat/wasi-args-env.wat");
    let ways: [fn() -> Trjit; 4] = [
        || trjit(["run"]),
        || trjit(["run", "-q", "--color", "always"]),
        || trjit(["--color=never", "-q", "run", "-v"]),
        || trjit(["train", "-q", "-o", "/dev/null"]),
    ];
    for way in ways {
        for words in [["-q", "--quiet"], ["--color", "never"], ["--color=x", "-q"]] {
            let outcome = way().arg(&echo).args(words).within(folder.path()).run().exits(0);
            for word in words {
                assert!(outcome.text().lines().any(|line| line == word), "{outcome:?}");
            }
        }
    }
}
