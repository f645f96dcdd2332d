//! A third engine for disputes: where all modes of trjit agree with each other and not with the reference, V8 (node) runs the case, too.
//!
//! Traps are compared as such, without their reason: V8 tells fewer of them apart.

use crate::case::Case;
use crate::observation::Outcome;
use crate::value::Value;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::Path;
use std::process::Command;

const SCRIPT: &str = include_str!("../arbiter.mjs");

/// Whether V8 sides with these outcomes. `None` where it can not be asked: the case has imports, or there is no node.
pub fn sides_with(case: &Case, outcomes: &[Outcome], scratch: &Path) -> Option<bool> {
    let has_vectors = |values: &[Value]| values.iter().any(|value| matches!(value, Value::V128(_) | Value::ExnRef(_)));
    let returns_vectors = |outcome: &Outcome| matches!(outcome, Outcome::Returned(values) if has_vectors(values));
    let vectors = case.calls.iter().any(|call| has_vectors(&call.arguments)) || outcomes.iter().any(returns_vectors);
    if vectors || !case.hosts.is_empty() || !case.providers.is_empty() {
        return None;
    }
    let answer = ask(case, scratch).ok()?;
    Some(answer.lines().count() == outcomes.len() && answer.lines().zip(outcomes).all(|(line, outcome)| matches(line, outcome)))
}

fn ask(case: &Case, scratch: &Path) -> Result<String> {
    let paths = ["arbiter.mjs", "case.wasm", "calls.json"].map(|name| scratch.join(name));
    let argument = |value: &Value| match *value {
        Value::I32(value) => json!(["i32", value.to_string()]),
        Value::I64(value) => json!(["i64", value.to_string()]),
        Value::F32(bits) => json!(["f32", bits.to_string()]),
        Value::F64(bits) => json!(["f64", bits.to_string()]),
        Value::V128(lanes) => json!(["v128", lanes.to_string()]),
        Value::ExnRef(_) => json!(["exnref", "0"]),
        Value::FuncRef(_) => json!(["funcref", "0"]),
        Value::ExternRef(number) => json!(["externref", number.to_string()]),
    };
    let calls: Vec<_> = case
        .calls
        .iter()
        .map(|call| json!({"export": call.export, "arguments": call.arguments.iter().map(argument).collect::<Vec<_>>()}))
        .collect();
    std::fs::write(&paths[0], SCRIPT)?;
    std::fs::write(&paths[1], &case.wasm)?;
    std::fs::write(&paths[2], json!({"fuel": case.fuel, "calls": calls}).to_string())?;
    let output = Command::new("node").args(&paths).output().context("node")?;
    ensure!(output.status.success(), "node failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether a line of the script is this outcome.
fn matches(line: &str, outcome: &Outcome) -> bool {
    let mut words = line.split(' ');
    match (words.next(), outcome) {
        (Some("returned"), Outcome::Returned(values)) => {
            let words: Vec<&str> = words.collect();
            words.len() == values.len() && words.iter().zip(values).all(|(word, &value)| is(word, value))
        }
        (Some("trapped"), Outcome::Trapped(_) | Outcome::Exited(_)) => true,
        (Some("threw"), Outcome::Threw) => true,
        _ => false,
    }
}

/// Whether a word of the script (a number has two readings, `5|bits:4014000000000000`) is this value.
fn is(word: &str, value: Value) -> bool {
    let (number, bits) = word.split_once("|bits:").unwrap_or((word, ""));
    let float = |value: f64| if value.is_nan() { number == "nan" } else { bits == format!("{:016x}", value.to_bits()) };
    match value {
        Value::I32(value) => number == value.to_string(),
        Value::I64(value) => number == value.to_string(),
        Value::F32(bits) => float(f64::from(f32::from_bits(bits))),
        Value::F64(bits) => float(f64::from_bits(bits)),
        Value::FuncRef(false) | Value::ExternRef(0) => word == "null",
        // V8 passes neither vectors nor exceptions through exports.
        Value::V128(_) | Value::ExnRef(_) => false,
        Value::FuncRef(true) => word == "ref",
        Value::ExternRef(reference) => number == reference.to_string(),
    }
}
