//! The file that `trjit init` writes: what was found as values, and each other key as a comment with its meaning and default, both from the table of keys.

use super::{Case, Found, Suite};
use crate::config::keys::{Default, FILE, Key, Table};
use std::fmt::Write;
use std::path::Path;

/// More runs than that are left to the user.
const MOST_RUNS: usize = 30;
/// With so many cases one is left out of the training, so that coverage means something.
const ENOUGH_TO_LEAVE_OUT: usize = 3;

/// What the file trains on.
enum Training<'a> {
    Cases(&'a [Case]),
    Command(&'a Suite),
    /// One run, to be edited.
    Start,
}

fn training(found: &Found) -> Training<'_> {
    match &found.suite {
        _ if !found.cases.is_empty() => Training::Cases(&found.cases[..found.cases.len().min(MOST_RUNS)]),
        Some(suite) if suite.runs_module => Training::Command(suite),
        _ => Training::Start,
    }
}

/// Values of keys of a table, as TOML.
type Values = Vec<(&'static str, String)>;

pub(super) fn write(found: &Found) -> String {
    let training = training(found);
    let runs = runs(found, &training);
    let mut page = String::from(
        "# What `trjit ci` does here. Lines that begin with #, and no blank, are keys with their default, or an example.\n\
         # For editors: `trjit ci --schema > trjit.schema.json`, and a first line `#:schema ./trjit.schema.json`.\n\n",
    );
    for table in FILE.all() {
        let (values, there) = match table.name {
            "" => (vec![("module", quote(found.module()))], true),
            "train" => (command(&training), true),
            "train.run" => (runs.first().cloned().unwrap_or_default().0, !runs.is_empty()),
            "train.run.expect" => (runs.first().cloned().unwrap_or_default().1, !runs.is_empty()),
            _ => (Vec::new(), true),
        };
        write_table(&mut page, table, &values, there, found.suite.as_ref());
        if table.name == "train.run.expect" {
            runs.iter().skip(1).for_each(|run| write_run(&mut page, run));
        }
    }
    page.truncate(page.trim_end().len());
    page + "\n"
}

/// What is said of a wrapped command.
fn command(training: &Training<'_>) -> Values {
    let Training::Command(suite) = training else { return Vec::new() };
    let mut values = vec![("command", quote(&suite.command))];
    values.extend(suite.shim.as_ref().map(|shim| ("as", quote(shim))));
    if !suite.inputs.is_empty() {
        values.push(("inputs", list(&suite.inputs)));
    }
    values
}

/// Each run with what it expects.
fn runs(found: &Found, training: &Training<'_>) -> Vec<(Values, Values)> {
    match training {
        Training::Command(_) => Vec::new(),
        Training::Start => vec![(start(found), Vec::new())],
        Training::Cases(cases) => {
            let left_out = (cases.len() >= ENOUGH_TO_LEAVE_OUT).then_some(cases.len() - 1);
            cases.iter().enumerate().map(|(at, case)| of_case(case, left_out == Some(at), found)).collect()
        }
    }
}

fn start(found: &Found) -> Values {
    let mut values = vec![("name", quote("start")), ("args", "[]".to_string())];
    values.extend(invoked(found));
    values
}

/// The option that calls a function, of a library.
fn invoked(found: &Found) -> Option<(&'static str, String)> {
    let function = found.program.as_ref().filter(|program| !program.command)?.functions.first()?;
    // A name that looks like an option, or is not there, could not be said behind the option.
    let option = format!("--invoke={function}");
    (!function.is_empty()).then(|| ("options", list(&[option])))
}

fn of_case(case: &Case, left_out: bool, found: &Found) -> (Values, Values) {
    let mut values = vec![("name", quote(&case.name))];
    if !case.args.is_empty() {
        values.push(("args", list(&case.args)));
    }
    if !case.dirs.is_empty() {
        values.push(("dirs", list(&case.dirs)));
    }
    values.extend(case.stdin.as_ref().map(|stdin| ("stdin", quote(stdin))));
    values.extend(invoked(found));
    if left_out {
        values.push(("left-out", "true".into()));
    }
    (values, vec![("stdout", quote(&case.expected))])
}

/// A table with all of its keys.
fn write_table(page: &mut String, table: &Table, values: &Values, there: bool, suite: Option<&Suite>) {
    if !table.name.is_empty() {
        let _ = writeln!(page, "# {}\n{}{}", table.meaning, if there { "" } else { "#" }, table.title());
    }
    for key in table.keys {
        let value = values.iter().find(|(name, _)| *name == key.name);
        let (meaning, shown) = match value {
            Some((_, value)) => (key.meaning.to_string(), format!("{} = {value}", key.name)),
            None => commented(key, suite),
        };
        let _ = writeln!(page, "# {meaning}\n{shown}");
    }
    page.push('\n');
}

/// Meaning and line of a key that is not said.
fn commented(key: &Key, suite: Option<&Suite>) -> (String, String) {
    let (meaning, value) = match key.default {
        Default::Value(value) => (key.meaning.to_string(), value.to_string()),
        Default::Said(words) => (format!("{}; default: {words}", key.meaning), key.example.to_string()),
        Default::Required => (key.meaning.to_string(), key.example.to_string()),
    };
    match suite.filter(|_| key.name == "command") {
        Some(suite) if !suite.runs_module => (
            format!("{meaning}. {} has tests, but they are programs of their own: wrap a command that runs the module itself", suite.found),
            format!("#command = {}", quote(&suite.command)),
        ),
        Some(suite) => (meaning, format!("#command = {}", quote(&suite.command))),
        None => (meaning, format!("#{} = {value}", key.name)),
    }
}

/// A further run, with what it says alone.
fn write_run(page: &mut String, (values, expected): &(Values, Values)) {
    page.push_str("[[train.run]]\n");
    for (key, value) in values {
        let _ = writeln!(page, "{key} = {value}");
    }
    for (key, value) in expected {
        let _ = writeln!(page, "expect.{key} = {value}");
    }
    page.push('\n');
}

/// A text as TOML.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quote(text)).collect::<Vec<_>>().join(", "))
}

pub(super) fn notes(found: &Found) -> Vec<String> {
    let mut notes = vec![note_of_module(found), note_of_training(found)];
    if let Some(program) = &found.program {
        if !program.command {
            notes.push(format!(
                "program   a library without `_start`: name the function to call, and give it `args` ({})",
                if program.functions.is_empty() { "it exports none".to_string() } else { few(&program.functions) }
            ));
        }
        if program.opens {
            notes.push("program   it opens files: name the directories that it may see as `dirs`, where it writes as `scratch`".into());
        }
        if !program.others.is_empty() {
            let names: Vec<String> = program.others.iter().cloned().collect();
            notes.push(format!(
                "program   it imports from {}, which is not WASI: say `options = [\"--preload\", \"NAME=FILE\"]`",
                few(&names)
            ));
        }
    }
    notes
}

fn note_of_module(found: &Found) -> String {
    match found.modules.split_first() {
        Some((module, [])) => format!("module    {module}"),
        Some((module, others)) => format!("module    {module}; there are also {}", few(others)),
        None => format!("module    none is built yet, so that {} is a guess: correct `module`", found.module()),
    }
}

fn note_of_training(found: &Found) -> String {
    match training(found) {
        Training::Cases(cases) => {
            let left_out = if cases.len() >= ENOUGH_TO_LEAVE_OUT { ", the last one left out of the training" } else { "" };
            let more = if found.cases.len() > cases.len() { format!(" (of {})", found.cases.len()) } else { String::new() };
            let one = &cases[0];
            let args = Path::new(&one.expected).with_extension("args");
            let from = one.stdin.clone().unwrap_or_else(|| args.display().to_string());
            format!(
                "training  {}{more} runs, such as {from} with {}{left_out}: see that inputs are given as the program wants them",
                cases.len(),
                one.expected
            )
        }
        Training::Command(suite) => {
            let shim = suite.shim.as_ref().map(|shim| format!(", with trjit as {shim}")).unwrap_or_default();
            format!("training  `{}`, wrapped{shim}, since there is {}", suite.command, suite.found)
        }
        Training::Start => "training  one run without arguments: say what the program is to do, in [[train.run]]".into(),
    }
}

/// The first names of a list.
fn few(names: &[String]) -> String {
    const FEW: usize = 4;
    let shown = names.iter().take(FEW).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > FEW { format!("{shown} and {} more", names.len() - FEW) } else { shown }
}
