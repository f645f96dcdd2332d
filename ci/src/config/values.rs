//! Values of `trjit.toml`: from TOML to what [`Config`](super::Config) holds, a function a [`Kind`](super::kinds::Kind).

use super::kinds::{Choices, Word};
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// A value with its place, a byte offset in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    pub value: T,
    pub at: usize,
}

/// A value as it stands in the file.
pub type Found<'a> = Spanned<DeValue<'a>>;

/// A value that is not of the kind: where, and what was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    pub at: usize,
    pub found: String,
    /// What an item of a list should be; none: the value as a whole is wrong.
    pub item: Option<&'static str>,
    pub help: Option<&'static str>,
}

impl Wrong {
    fn of(value: &Found<'_>) -> Wrong {
        Wrong { at: value.span().start, found: describe(value.get_ref()), item: None, help: None }
    }
}

type Read<T> = Result<T, Wrong>;

/// How messages call a value.
pub fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() > 60 => format!("{:?}..", text.chars().take(60).collect::<String>()),
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date or time of day".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

fn text<'a>(value: &'a Found<'_>, accepts: impl Fn(&str) -> bool) -> Read<&'a str> {
    match value.get_ref() {
        DeValue::String(text) if accepts(text) => Ok(text),
        _ => Err(Wrong::of(value)),
    }
}

/// A whole number of 0 or more. `2.0` is one, too, as in JSON.
fn whole(value: &Found<'_>) -> Option<u64> {
    match value.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::Float(number) => {
            let number: f64 = number.as_str().parse().ok()?;
            (number.fract() == 0.0 && (0.0..=MOST_WHOLE).contains(&number)).then_some(number as u64)
        }
        _ => None,
    }
}

/// Up to here floating point has each whole number.
const MOST_WHOLE: f64 = (1u64 << 53) as f64;

/// A finite number, whole or not.
fn number(value: &Found<'_>) -> Option<f64> {
    let number: f64 = match value.get_ref() {
        DeValue::Integer(_) => whole(value)? as f64,
        DeValue::Float(number) => number.as_str().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// `12`, `1.5`: digits, perhaps with a fraction, before `unit`.
fn amount<'a>(text: &'a str, units: &[&'a str]) -> Option<(f64, &'a str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let plain = !number.starts_with('.') && !number.ends_with('.');
    (plain && units.contains(&unit)).then(|| number.parse().ok().map(|number| (number, unit)))?
}

pub fn path(value: &Found<'_>) -> Read<PathBuf> {
    text(value, |text| !text.is_empty()).map(PathBuf::from)
}

pub fn file_name(value: &Found<'_>) -> Read<String> {
    text(value, |text| !text.is_empty() && !text.contains('/') && ![".", ".."].contains(&text)).map(str::to_string)
}

pub fn name(value: &Found<'_>) -> Read<String> {
    text(value, |text| !text.is_empty() && !text.contains(['\n', '\r'])).map(str::to_string)
}

pub fn flag(value: &Found<'_>) -> Read<bool> {
    value.get_ref().as_bool().ok_or_else(|| Wrong::of(value))
}

pub fn count(value: &Found<'_>, least: u64, most: u64) -> Read<u64> {
    whole(value).filter(|number| (least..=most).contains(number)).ok_or_else(|| Wrong::of(value))
}

pub fn time(value: &Found<'_>) -> Read<Duration> {
    let seconds = match value.get_ref() {
        DeValue::String(text) => amount(text, &["ms", "s", "m", "h"]).map(|(number, unit)| {
            number
                * match unit {
                    "ms" => 0.001,
                    "m" => 60.0,
                    "h" => 3600.0,
                    _ => 1.0,
                }
        }),
        _ => number(value),
    };
    let time = seconds.filter(|&seconds| seconds > 0.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| Wrong::of(value))
}

/// Written as a percentage, or as a number.
enum Portion {
    Percent(f64),
    Number(f64),
}

fn portion(value: &Found<'_>) -> Read<Portion> {
    let found = match value.get_ref() {
        DeValue::String(text) => amount(text, &["%", " %"]).map(|(percent, _)| Portion::Percent(percent)),
        _ => number(value).map(Portion::Number),
    };
    found.ok_or_else(|| Wrong::of(value))
}

/// More than all, where that can not be; what is probably meant.
const PERCENT_MEANT: &str = "write a percentage as a string with a percent sign, such as \"95%\"";

pub fn share(value: &Found<'_>) -> Read<f64> {
    match portion(value)? {
        Portion::Percent(percent) if percent <= 100.0 => Ok(percent / 100.0),
        Portion::Number(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Portion::Number(share) if share > 1.0 => Err(Wrong { help: Some(PERCENT_MEANT), ..Wrong::of(value) }),
        _ => Err(Wrong::of(value)),
    }
}

pub fn growth(value: &Found<'_>) -> Read<f64> {
    match portion(value)? {
        Portion::Percent(percent) => Ok(percent / 100.0),
        Portion::Number(_) => share(value),
    }
}

pub fn ratio(value: &Found<'_>) -> Read<f64> {
    let ratio = match portion(value)? {
        Portion::Percent(percent) => percent / 100.0,
        Portion::Number(ratio) => ratio,
    };
    if ratio > 0.0 { Ok(ratio) } else { Err(Wrong::of(value)) }
}

const SIZES: [(&str, f64); 7] =
    [("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("KiB", 1024.0), ("MiB", 1048576.0), ("GiB", 1073741824.0)];

pub fn size(value: &Found<'_>) -> Read<u64> {
    let bytes = match value.get_ref() {
        DeValue::String(text) => SIZES.iter().find_map(|(unit, factor)| {
            let (number, _) = amount(text, &[unit, &format!(" {unit}")])?;
            Some((number * factor).ceil() as u64)
        }),
        _ => whole(value),
    };
    bytes.filter(|&bytes| bytes > 0).ok_or_else(|| Wrong::of(value))
}

pub fn sha256(value: &Found<'_>) -> Read<String> {
    let digits = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    text(value, digits).map(str::to_ascii_lowercase)
}

/// Program and arguments.
pub fn command(value: &Found<'_>) -> Read<Vec<String>> {
    if let DeValue::String(line) = value.get_ref() {
        return if line.is_empty() { Err(Wrong::of(value)) } else { Ok(["sh", "-c", line].map(str::to_string).to_vec()) };
    }
    let words: Vec<String> = list(value, Word::Any)?.into_iter().map(|word| word.value).collect();
    if words.first().is_some_and(|program| !program.is_empty()) { Ok(words) } else { Err(Wrong::of(value)) }
}

pub fn choice(value: &Found<'_>, choices: Choices) -> Read<&'static str> {
    let known = |text: &str| choices.names().iter().copied().find(|name| *name == text);
    value.get_ref().as_str().and_then(known).ok_or_else(|| Wrong::of(value))
}

/// The items of a list, each read by `item`.
fn items<T>(value: &Found<'_>, item: impl Fn(&Found<'_>) -> Read<T>) -> Read<Vec<Located<T>>> {
    let DeValue::Array(found) = value.get_ref() else { return Err(Wrong::of(value)) };
    found.iter().map(|found| Ok(Located { value: item(found)?, at: found.span().start })).collect()
}

pub fn list(value: &Found<'_>, word: Word) -> Read<Vec<Located<String>>> {
    let wrong = |wrong| Wrong { item: Some(word.expected()), ..wrong };
    items(value, |found| text(found, |text| word.accepts(text)).map(str::to_string).map_err(wrong))
}

pub fn levels(value: &Found<'_>) -> Read<Vec<Located<&'static str>>> {
    const EXPECTED: &str = "\"x86-64\", \"x86-64-v2\" or \"x86-64-v3\"";
    items(value, |found| choice(found, Choices::Level).map_err(|wrong| Wrong { item: Some(EXPECTED), ..wrong }))
}
