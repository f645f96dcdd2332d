//! What a value may be: for messages in words, for the schema as JSON. How it is read is in [`values`](super::values), which accepts the same; a test compares both on samples.

use serde_json::{Value, json};

/// The kind of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A path; not empty.
    Path,
    /// The last part of a path.
    FileName,
    /// A name of one line.
    Name,
    Flag,
    Count {
        least: u64,
        most: u64,
    },
    /// `"500ms"`, `"60s"`, `"5m"`, `"1h"`, or a number of seconds; more than 0.
    Time,
    /// `"95%"` or `0.95`, at most all.
    Share,
    /// As [`Share`](Kind::Share); a percentage may be over 100.
    Growth,
    /// `0.8` or `"80%"`; more than 0.
    Ratio,
    /// `"4MiB"`, or a number of bytes; more than 0.
    Size,
    Sha256,
    /// A list of words, or one line for the shell.
    Command,
    Choice(Choices),
    /// CPU levels.
    Levels,
    List(Word),
}

/// Names of which one is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choices {
    Level,
    LevelOrNative,
    Memory,
    Functions,
}

/// What the items of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Any,
    Path,
    /// `HOST[::GUEST]`
    Dir,
    /// Absolute.
    GuestPath,
    /// `NAME=VALUE`
    Variable,
}

impl Choices {
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Choices::Level => &["x86-64", "x86-64-v2", "x86-64-v3"],
            Choices::LevelOrNative => &["x86-64", "x86-64-v2", "x86-64-v3", "native"],
            Choices::Memory => &["reserved", "checked"],
            Choices::Functions => &["default", "all", "recorded"],
        }
    }
}

impl Word {
    /// Expected in a list, for messages.
    pub const fn expected(self) -> &'static str {
        match self {
            Word::Any => "a string",
            Word::Path => "a path (a string that is not empty)",
            Word::Dir => "`HOST` or `HOST::GUEST`, neither of them empty",
            Word::GuestPath => "an absolute path of the guest, such as \"/out\"",
            Word::Variable => "`NAME=VALUE`",
        }
    }

    pub fn accepts(self, text: &str) -> bool {
        match self {
            Word::Any => true,
            Word::Path => !text.is_empty(),
            Word::Dir => !text.is_empty() && !text.starts_with("::") && !text.ends_with("::"),
            Word::GuestPath => text.starts_with('/'),
            Word::Variable => text.find('=').is_some_and(|at| at > 0),
        }
    }

    fn schema(self) -> Value {
        match self {
            Word::Any => json!({ "type": "string" }),
            Word::Path => json!({ "type": "string", "minLength": 1 }),
            Word::Dir => json!({ "type": "string", "minLength": 1, "not": { "pattern": "^::|::$" } }),
            Word::GuestPath => json!({ "type": "string", "pattern": "^/" }),
            Word::Variable => json!({ "type": "string", "pattern": "^[^=]+=" }),
        }
    }
}

/// Digits that are more than 0, perhaps with a fraction; without look-ahead, which not every validator has.
const POSITIVE: &str = r"(0*[1-9][0-9]*(\.[0-9]+)?|0+\.0*[1-9][0-9]*)";

impl Kind {
    /// What is expected, for messages.
    pub fn expected(self) -> String {
        match self {
            Kind::Path => "a path (a string that is not empty)".into(),
            Kind::FileName => "the name of a program, without a slash".into(),
            Kind::Name => "a name (a string of one line)".into(),
            Kind::Flag => "true or false".into(),
            Kind::Count { least, most } => format!("a whole number from {least} to {most}"),
            Kind::Time => "a time such as \"500ms\", \"60s\" or \"5m\", or a number of seconds, of more than 0".into(),
            Kind::Share => "a share such as \"95%\" or 0.95".into(),
            Kind::Growth => "a share such as \"10%\" or 0.1".into(),
            Kind::Ratio => "a ratio of more than 0, such as 0.8 or \"80%\"".into(),
            Kind::Size => "a size such as \"4MiB\" or \"500kB\", or a number of bytes, of more than 0".into(),
            Kind::Sha256 => "64 hexadecimal digits".into(),
            Kind::Command => "a list of words, or a line for the shell".into(),
            Kind::Choice(choices) => format!("one of {}", quoted(choices.names())),
            Kind::Levels => format!("a list of {}", quoted(Choices::Level.names())),
            Kind::List(word) => format!("a list, each item {}", word.expected()),
        }
    }

    /// In a word or two, for the tables of the documentation.
    pub fn short(self) -> String {
        match self {
            Kind::Path => "path".into(),
            Kind::FileName | Kind::Name => "name".into(),
            Kind::Flag => "flag".into(),
            Kind::Count { .. } => "number".into(),
            Kind::Time => "time".into(),
            Kind::Share | Kind::Growth => "share".into(),
            Kind::Ratio => "ratio".into(),
            Kind::Size => "size".into(),
            Kind::Sha256 => "digest".into(),
            Kind::Command => "words or a line".into(),
            Kind::Choice(choices) => choices.names().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            Kind::Levels => "CPU levels".into(),
            Kind::List(Word::Path) => "paths".into(),
            Kind::List(_) => "words".into(),
        }
    }

    /// The JSON Schema of such a value.
    pub fn schema(self) -> Value {
        let percentage = |pattern: &str| json!({ "type": "string", "pattern": format!("^{pattern} ?%$") });
        match self {
            Kind::Path => json!({ "type": "string", "minLength": 1 }),
            Kind::FileName => json!({ "type": "string", "pattern": "^[^/]+$", "not": { "enum": [".", ".."] } }),
            Kind::Name => json!({ "type": "string", "pattern": r"^[^\n\r]+$" }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Count { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Kind::Time => either([
                json!({ "type": "string", "pattern": format!("^{POSITIVE}(ms|s|m|h)$") }),
                json!({ "type": "number", "exclusiveMinimum": 0 }),
            ]),
            Kind::Share => {
                either([percentage(r"0*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)"), json!({ "type": "number", "minimum": 0, "maximum": 1 })])
            }
            Kind::Growth => either([percentage(r"[0-9]+(\.[0-9]+)?"), json!({ "type": "number", "minimum": 0, "maximum": 1 })]),
            Kind::Ratio => either([percentage(POSITIVE), json!({ "type": "number", "exclusiveMinimum": 0 })]),
            Kind::Size => either([
                json!({ "type": "string", "pattern": format!("^{POSITIVE} ?(B|kB|MB|GB|KiB|MiB|GiB)$") }),
                json!({ "type": "integer", "exclusiveMinimum": 0 }),
            ]),
            Kind::Sha256 => json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" }),
            Kind::Command => either([
                json!({ "type": "string", "minLength": 1 }),
                json!({ "type": "array", "minItems": 1, "items": { "type": "string" }, "prefixItems": [{ "type": "string", "minLength": 1 }] }),
            ]),
            Kind::Choice(choices) => json!({ "enum": choices.names() }),
            Kind::Levels => json!({ "type": "array", "items": { "enum": Choices::Level.names() } }),
            Kind::List(word) => json!({ "type": "array", "items": word.schema() }),
        }
    }
}

fn either(kinds: [Value; 2]) -> Value {
    json!({ "anyOf": kinds })
}

/// `"a", "b" or "c"`
pub fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
