//! `docs/tutorial.md` is a transcript: its blocks `console` are executed in order, in one shell, in an empty directory, and what they print is compared with the page.
//!
//! In a block `$ ` begins a command and `> ` goes on with it; other lines are what it prints, on both streams. Each command must succeed; one that may not says so itself
//! (`; echo "status $?"`). Compared is all but times and sizes, and the order in which parallel runs end. `TRJIT_BLESS=1` writes the page anew.

use crate::support::{fixtures, scratch};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tutorial.md")
}

/// A command of the page, and the lines that it prints.
struct Step {
    command: Vec<String>,
    printed: Vec<String>,
}

/// The page in parts: prose as it is, blocks as steps.
enum Part {
    Prose(String),
    Console(Vec<Step>),
}

const BEGIN: &str = "```console\n";
const END: &str = "```\n";

fn parse(text: &str) -> Vec<Part> {
    let mut blocks = text.split(BEGIN);
    let mut parts = vec![Part::Prose(blocks.next().unwrap_or_default().to_string())];
    for block in blocks {
        let (console, prose) = block.split_once(END).expect("a block ends");
        let mut steps: Vec<Step> = Vec::new();
        for line in console.lines() {
            match (line.strip_prefix("$ "), line.strip_prefix("> "), steps.last_mut()) {
                (Some(command), ..) => steps.push(Step { command: vec![command.to_string()], printed: Vec::new() }),
                (None, Some(more), Some(step)) if step.printed.is_empty() => step.command.push(more.to_string()),
                (None, _, Some(step)) => step.printed.push(line.to_string()),
                (None, _, None) => panic!("a block begins with a command, not with `{line}`"),
            }
        }
        parts.push(Part::Console(steps));
        parts.push(Part::Prose(prose.to_string()));
    }
    parts
}

fn steps(parts: &mut [Part]) -> impl Iterator<Item = &mut Step> {
    parts.iter_mut().flat_map(|part| match part {
        Part::Console(steps) => steps.as_mut_slice(),
        Part::Prose(_) => &mut [],
    })
}

/// Stands between what commands print, and in front of their status.
const MARK: char = '\u{1}';

/// Runs the commands in one shell; the lines that each prints, and its status.
fn execute(commands: &[String], folder: &Path) -> Vec<(Vec<String>, String)> {
    let mark = |command: &String| format!("{command}\nprintf '\\001%s\\001' $?\n");
    let script: String = commands.iter().map(mark).collect();
    let output = tempfile::tempfile().expect("the tests need a directory for temporary files");
    let share = || Stdio::from(output.try_clone().expect("a file can be shared"));
    let binaries = Path::new(env!("CARGO_BIN_EXE_trjit")).parent().expect("the binary lies in a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let status = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder)
        .env_clear()
        .env("PATH", format!("{}:{path}", binaries.display()))
        .env("CHECKOUT", fixtures().parent().expect("the fixtures lie in the repository"))
        .stdin(Stdio::null())
        .stdout(share())
        .stderr(share())
        .status()
        .expect("there is a shell");
    assert!(status.success(), "{status}");
    let mut file = output;
    std::io::Seek::rewind(&mut file).expect("a file can be rewound");
    let printed = std::io::read_to_string(file).expect("the commands print text");
    let fields: Vec<&str> = printed.split(MARK).collect();
    let pairs = fields.chunks_exact(2).map(|pair| (pair[0].lines().map(str::to_string).collect(), pair[1].to_string()));
    pairs.collect()
}

/// A line without what differs from run to run: numbers in front of a unit of time or size.
fn plain(line: &str) -> String {
    const UNITS: [&str; 4] = ["s", "KiB", "MiB", "GiB"];
    let words: Vec<&str> = line.split(' ').collect();
    let measured = |at: usize| {
        let unit = words.get(at + 1).map(|unit| unit.trim_end_matches([',', ';', ':', ')', '.']));
        words[at].trim_start_matches('(').parse::<f64>().is_ok() && unit.is_some_and(|unit| UNITS.contains(&unit))
    };
    words.iter().enumerate().map(|(at, word)| if measured(at) { "_" } else { word }).collect::<Vec<_>>().join(" ")
}

/// What is compared: lines without times, those of parallel runs of one step sorted.
fn compared(lines: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = lines.iter().map(|line| plain(line)).collect();
    let step = |line: &String| ["train: ", "rerun: "].into_iter().find(|step| line.starts_with(step));
    lines.chunk_by_mut(|a, b| step(a).is_some() && step(a) == step(b)).for_each(<[String]>::sort);
    lines
}

#[test]
fn the_tutorial_prints_what_it_says() {
    let missing = "fixtures/fetched/quickjs-ng.wasm is not here: run fixtures/fetch quickjs-ng";
    if !fixtures().join("fetched/quickjs-ng.wasm").exists() {
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        return eprintln!("SKIPPED: {missing}");
    }
    let text = std::fs::read_to_string(page()).expect("the page is there");
    let mut parts = parse(&text);
    let commands: Vec<String> = steps(&mut parts).map(|step| step.command.join("\n")).collect();
    assert!(commands.len() > 20, "{}", commands.len());
    let folder = scratch();
    let found = execute(&commands, folder.path());
    assert_eq!(found.len(), commands.len(), "the shell ended early");
    let bless = std::env::var_os("TRJIT_BLESS").is_some();
    let mut faults = Vec::new();
    for (step, (printed, status)) in steps(&mut parts).zip(found) {
        if status != "0" || (!bless && compared(&printed) != compared(&step.printed)) {
            let (command, printed, expected) = (step.command.join("\n> "), printed.join("\n"), step.printed.join("\n"));
            faults.push(format!("$ {command}\nstatus {status}\n--- printed\n{printed}\n--- expected\n{expected}\n"));
        }
        step.printed = printed;
    }
    assert!(faults.is_empty(), "TRJIT_BLESS=1 writes the page anew\n{}", faults.join("\n"));
    if bless {
        std::fs::write(page(), parts.iter().map(show).collect::<String>()).expect("the page can be written");
    }
}

fn show(part: &Part) -> String {
    match part {
        Part::Prose(text) => text.clone(),
        Part::Console(steps) => {
            let lines = |step: &Step| {
                format!("$ {}\n{}", step.command.join("\n> "), step.printed.iter().fold(String::new(), |text, line| text + line + "\n"))
            };
            format!("{BEGIN}{}{END}", steps.iter().map(lines).collect::<String>())
        }
    }
}

#[test]
fn only_times_sizes_and_the_order_of_parallel_runs_are_not_compared() {
    assert_eq!(plain("rerun: big on qjs.trjit in 0.03 s"), "rerun: big on qjs.trjit in _ s");
    assert_eq!(
        plain("(1.44 s, on the cache 0.11 s): 2.7 MiB, 88 functions, 99.2 %"),
        "_ s, on the cache _ s): _ MiB, 88 functions, 99.2 %"
    );
    assert_eq!(plain("status 14"), "status 14");
    let lines = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(compared(&lines(&["train: b", "train: a", "x", "rerun: a"])), lines(&["train: a", "train: b", "x", "rerun: a"]));
    assert_ne!(compared(&lines(&["b", "a"])), compared(&lines(&["a", "b"])));
}
