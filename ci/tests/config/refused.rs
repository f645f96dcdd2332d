//! What the reader says of files that are wrong: all of it, in order, with place and help.

use crate::{keys, with_key};
use trjit_ci::config::{What, parse};

/// The problems of a text: `LINE:COLUMN: what`, and the help behind ` | `.
fn problems(text: &str) -> Vec<String> {
    let error = parse(text, "F").expect_err(text);
    error
        .problems
        .iter()
        .map(|problem| format!("{problem}{}", problem.help.as_ref().map_or(String::new(), |help| format!(" | {help}"))))
        .collect()
}

/// A file that is right but for what is appended.
const START: &str = "module = 'app.wasm'\n[train]\ncommand = ['t']\n";

#[track_caller]
fn one(text: &str, expected: &str) {
    assert_eq!(problems(text), [expected], "{text}");
}

#[test]
fn broken_syntax_is_told_by_place_and_nothing_is_guessed_around_it() {
    let found = problems("module = \nmodul = 1\n[train\n");
    assert!(found[0].starts_with("F:1:10: this is not TOML: "), "{found:?}");
    assert!(found.iter().all(|problem| problem.contains("this is not TOML")), "{found:?}");
    assert!(found.iter().any(|problem| problem.starts_with("F:3:")), "{found:?}");
    let twice = problems("module = 'a'\nmodule = 'b'\n");
    assert!(twice[0].starts_with("F:2:1: this is not TOML: duplicate key"), "{twice:?}");
}

#[test]
fn unknown_keys_are_named_with_the_nearest_one() {
    one("modul = 'a'\nmodule = 'b'\n[[train.run]]\n", "F:1:1: unknown key `modul` in the top of the file | did you mean `module`?");
    one(&format!("{START}timout = 1\n"), "F:4:1: unknown key `timout` in [train] | did you mean `timeout`?");
    one(&format!("{START}Command_Timeout = 1\n"), "F:4:1: unknown key `Command_Timeout` in [train] | did you mean `command-timeout`?");
    one(
        &format!("{START}[[target]]\ncache-size = 1\n"),
        "F:5:1: unknown key `cache-size` in [[target]] | `cache-size` is a key of [gates]",
    );
    one(
        &format!("{START}[[train.run]]\nexpect = {{ exti = 1 }}\n"),
        "F:5:12: unknown key `exti` in [train.run.expect] | did you mean `exit`?",
    );
    one(&format!("{START}[outputs]\n"), "F:4:2: unknown key `outputs` in the top of the file | did you mean `output`?");
    one(&format!("{START}[output]\nxyz = 1\n"), "F:5:1: unknown key `xyz` in [output] | known keys: profile, baseline, summary");
}

#[test]
fn columns_count_characters() {
    one(
        &format!("{START}[[train.run]]\nexpect = {{ stdout = 'ä', exti = 1 }}\n"),
        "F:5:26: unknown key `exti` in [train.run.expect] | did you mean `exit`?",
    );
}

#[test]
fn values_of_another_kind_say_what_was_found_and_expected() {
    one("module = 1\n[[train.run]]\n", "F:1:10: `module` is 1, expected a path (a string that is not empty)");
    one("module = ''\n[[train.run]]\n", "F:1:10: `module` is \"\", expected a path (a string that is not empty)");
    let time = "expected a time such as \"500ms\", \"60s\" or \"5m\", or a number of seconds, of more than 0";
    for (value, found) in [
        ("'6 parsecs'", "\"6 parsecs\""),
        ("0", "0"),
        ("-1", "-1"),
        ("nan", "nan"),
        ("'9e9h'", "\"9e9h\""),
        ("true", "true"),
        ("1979-05-27", "a date or time of day"),
    ] {
        one(&format!("{START}timeout = {value}\n"), &format!("F:4:11: `timeout` is {found}, {time}"));
    }
    one(&format!("{START}jobs = 0\n"), "F:4:8: `jobs` is 0, expected a whole number from 1 to 4096");
    one(&format!("{START}[[train.run]]\nargs = ['a', 1]\n"), "F:5:14: an item of `args` is 1, expected a string");
    one(&format!("{START}[[train.run]]\nargs = 'a'\n"), "F:5:8: `args` is \"a\", expected a list, each item a string");
    one(
        &format!("{START}[[train.run]]\nscratch = ['out']\n"),
        "F:5:12: an item of `scratch` is \"out\", expected an absolute path of the guest, such as \"/out\"",
    );
    one(&format!("{START}[[train.run]]\nenv = ['HOME']\n"), "F:5:8: an item of `env` is \"HOME\", expected `NAME=VALUE`");
    one(&format!("{START}[[train.run]]\nweight = 0\n"), "F:5:10: `weight` is 0, expected a whole number from 1 to 4294967295");
    one(&format!("{START}[[train.run]]\nexpect = {{ exit = 256 }}\n"), "F:5:19: `exit` is 256, expected a whole number from 0 to 255");
    one(
        &format!("{START}[[target]]\ncpu-level = 'x86-64-v4'\n"),
        "F:5:13: `cpu-level` is \"x86-64-v4\", expected one of \"x86-64\", \"x86-64-v2\", \"x86-64-v3\" or \"native\"",
    );
    one(
        &format!("{START}[gates]\naccept = ['native']\n"),
        "F:5:11: an item of `accept` is \"native\", expected \"x86-64\", \"x86-64-v2\" or \"x86-64-v3\"",
    );
    one(
        &format!("{START}[gates]\ncache-size = '4 MiBs'\n"),
        "F:5:14: `cache-size` is \"4 MiBs\", expected a size such as \"4MiB\" or \"500kB\", or a number of bytes, of more than 0",
    );
}

#[test]
fn percentages_out_of_range_are_refused_and_the_percent_sign_is_missed() {
    one(
        &format!("{START}[gates]\ncoverage-loss = '101%'\n"),
        "F:5:17: `coverage-loss` is \"101%\", expected a share such as \"95%\" or 0.95",
    );
    one(
        &format!("{START}[gates]\ncoverage-loss = 95\n"),
        "F:5:17: `coverage-loss` is 95, expected a share such as \"95%\" or 0.95 | write a percentage as a string with a percent sign, such as \"95%\"",
    );
    one(&format!("{START}[gates]\ngrowth = -0.1\n"), "F:5:10: `growth` is -0.1, expected a share such as \"10%\" or 0.1");
}

#[test]
fn tables_of_the_wrong_form_are_told_how_to_begin() {
    one(&format!("{START}[target]\n"), "F:4:1: `target` is a table, expected the table [[target]] | begin it with a line [[target]]");
    one("module = 'a'\n[[train]]\n[[train.run]]\n", "F:2:1: `train` is a list, expected the table [train] | begin it with a line [train]");
    one(&format!("gates = 1\n{START}"), "F:1:9: `gates` is 1, expected the table [gates] | begin it with a line [gates]");
}

#[test]
fn there_must_be_something_to_train_on() {
    let help = "add a run of the module with `[[train.run]]` and its `args`, or `command = [..]` with the command that runs the tests";
    let nothing = "there is nothing to train on: expected one of `command` and `profile` in [train], or a [[train.run]]";
    one("module = 'a'\n", &format!("F:1:1: {nothing} | {help}"));
    one("module = 'a'\n[train]\njobs = 1\n", &format!("F:2:1: {nothing} | {help}"));
    one(
        "module = 'a'\n[train]\n[[train.run]]\nleft-out = true\n",
        "F:2:1: every [[train.run]] is left out, so that there is nothing to train on | let at least one run without `left-out = true`",
    );
    one("[[train.run]]\n", "F:1:1: `module` is missing in the top of the file");
}

#[test]
fn names_are_unique_also_those_made_up() {
    let help = "give each run a `name` of its own";
    one(
        &format!("{START}[[train.run]]\nname = 'a'\n[[train.run]]\nname = 'a'\n"),
        &format!("F:7:8: two runs are called `a`, the first in line 5 | {help}"),
    );
    one(
        &format!("{START}[[train.run]]\nname = 'run-2'\n[[train.run]]\n"),
        &format!("F:6:1: two runs are called `run-2`, the first in line 5 | {help}"),
    );
}

#[test]
fn no_file_is_written_twice_or_written_and_read() {
    let help = " | name another file to write";
    one(
        &format!("{START}[[target]]\n[[target]]\n"),
        &format!("F:5:1: `app.x86-64-v3.trjit` is written as the cache of a target and is also written as the cache of a target{help}"),
    );
    one(
        &format!("{START}[[target]]\ncache = './app.wasm'\n"),
        &format!("F:5:9: `app.wasm` is written as the cache of a target and is also read as module{help}"),
    );
    one(
        &format!("{START}profile = 'x/../p.trprof'\n[output]\nsummary = 'p.trprof'\n"),
        &format!("F:6:11: `p.trprof` is written as output.summary and is also read as train.profile{help}"),
    );
    // Training writes the kept profile anew.
    parse(&format!("{START}profile = 'p.trprof'\n[output]\nprofile = 'p.trprof'\n"), "F").expect("it is not read where it is written");
    one(
        &format!("{START}[output]\nsummary = 'trjit-baseline.json'\n"),
        &format!("F:5:11: `trjit-baseline.json` is written as output.summary and is also written as output.baseline{help}"),
    );
    one(
        "module = 'app.wasm'\n[output]\nsummary = 'in'\n[train]\n[[train.run]]\nstdin = 'in'\n",
        &format!("F:6:9: `in` is written as output.summary and is also read as standard input of run `run-1`{help}"),
    );
}

#[test]
fn what_has_no_effect_or_can_not_be_measured_is_refused() {
    one("module = 'a'\n[train]\nas = 'wasmtime'\n[[train.run]]\n", "F:3:6: `as` has no effect without `command`");
    one(
        &format!("{START}[gates]\nstaleness = 1\n"),
        "F:5:13: gate `staleness` can not be measured: there is no `profile` in [train] that could be stale | what is trained on the spot is never stale: take the gate away, or name a kept profile",
    );
    let digest = "0".repeat(64);
    one(
        &format!("{START}[[train.run]]\nexpect = {{ stdout = 'a', stdout-sha256 = '{digest}' }}\n"),
        "F:5:42: `stdout` and `stdout-sha256` can not both be given",
    );
}

#[test]
fn options_that_are_not_the_guests_are_refused() {
    let help = "options are those of the guest: -W, -S, -C, -O, --invoke, --argv0, --preload, each with a value";
    let found = problems(&format!("{START}[[train.run]]\noptions = ['--cache', 'x', '-W', 'fuel=1', '--dir=.', '--frob']\n"));
    let expected = [
        format!("F:5:12: `--cache` can not stand in `options`: trjit ci sets it itself | {help}"),
        format!("F:5:44: `--dir=.` can not stand in `options`: the key `dirs` says that | {help}"),
        format!("F:5:55: `--frob` can not stand in `options`: it is no option of both training and running | {help}"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn several_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = "module = 1\n[train]\ntimout = 3\njobs = 'x'\n[[train.run]]\nagrs = []\nenv = ['a']\n[gates]\ngrowth = []\n";
    let places: Vec<_> = parse(text, "F").expect_err("five problems").problems.iter().map(|problem| problem.place).collect();
    assert_eq!(places, [(1, 10), (3, 1), (4, 8), (6, 1), (7, 8), (9, 10)].map(Some));
    let text = "module = 'a'\n[[train.run]]\nname='x'\noptions = ['--cache=x']\n[[train.run]]\nname = 'x'\n[gates]\nstaleness = 0.1\n";
    let found = parse(text, "F").expect_err("three problems");
    assert!(
        matches!(found.problems.as_slice(), [a, b, c] if matches!((&a.what, &b.what, &c.what), (What::RunOption { .. }, What::SameName { .. }, What::Unmeasurable { .. }))),
        "{found}"
    );
}

/// No value makes the reader panic, and what is refused has a place within the text.
#[test]
fn any_value_of_any_key_is_answered() {
    for (table, key) in keys() {
        for value in crate::agreement::SAMPLES {
            let text = with_key(table, key.name, value);
            let Err(error) = parse(&text, "F") else { continue };
            for problem in &error.problems {
                let (line, column) = problem.place.expect("it is within the file");
                let found = text.lines().nth(line - 1).unwrap_or_default();
                assert!(column <= found.chars().count() + 1, "{problem}: {text}");
            }
        }
    }
}
