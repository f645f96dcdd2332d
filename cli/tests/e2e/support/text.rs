//! Text-format fixtures: the header lines of `fixtures/wat/*.wat`, as `fixtures/README.md` describes them.

use std::path::Path;

/// A run and its recorded answer.
#[derive(Default, Debug)]
pub struct Block {
    /// Line of the file, from 1.
    pub line: usize,
    /// `--invoke NAME`, or nothing.
    pub options: Vec<String>,
    /// What follows the module.
    pub guest: Vec<String>,
    pub env: Vec<String>,
    pub stdin: String,
    /// What the guest writes, then its results.
    pub stdout: String,
    pub trap: Option<String>,
    pub error: Option<String>,
    pub exit: Option<i32>,
}

/// The blocks of a fixture; a file without one is a fault.
pub fn blocks(path: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(path).expect("the fixture is readable");
    let mut blocks: Vec<Block> = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let Some((key, value)) = header(text) else { continue };
        if key == "run" {
            blocks.push(run(line + 1, value));
            continue;
        }
        let block = blocks.last_mut().unwrap_or_else(|| panic!("{}:{}: `{key}` before `run`", path.display(), line + 1));
        match key {
            "env" => block.env = words(value),
            "stdin" => block.stdin = json(value),
            "stdout" => block.stdout = json(value) + &block.stdout,
            "result" => block.stdout += &format!("{value}\n"),
            "trap" => block.trap = Some(value.to_string()),
            "error" => block.error = Some(value.to_string()),
            _ => block.exit = Some(value.parse().expect("`exit` is a number")),
        }
    }
    assert!(!blocks.is_empty(), "{}: no run block", path.display());
    blocks
}

fn header(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix(";; ")?.split_once(':')?;
    ["run", "env", "stdin", "result", "stdout", "trap", "exit", "error"].contains(&key).then_some((key, value.trim()))
}

fn run(line: usize, value: &str) -> Block {
    let mut words = words(value);
    let options = if words.first().is_some_and(|word| word == "--invoke") { words.drain(..2).collect() } else { Vec::new() };
    Block { line, options, guest: words, ..Block::default() }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_string).collect()
}

fn json(text: &str) -> String {
    serde_json::from_str(text).expect("the value is a JSON string")
}
