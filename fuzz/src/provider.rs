//! Modules that provide what a generated module imports: memories, tables, globals, tags, and functions that live beside them.

use crate::shape::{Import, Item};
use anyhow::Result;
use std::fmt::Write;
use trjit_module::ValType;

/// A module that exports something of the right type under each import's name.
pub fn module(imports: &[&Import]) -> Result<Vec<u8>> {
    let mut text = String::from("(module");
    for (at, import) in imports.iter().enumerate() {
        let name = quoted(&import.name);
        match &import.item {
            Item::Func { params, results } => function(&mut text, &name, params, results)?,
            Item::Global { content, mutable } => {
                let written = if *mutable { format!("(mut {content})") } else { content.to_string() };
                write!(text, " (global (export {name}) {written} ({}))", constant(*content, at))?;
            }
            Item::Memory(ty) => {
                let shared = if ty.shared { " shared" } else { "" };
                write!(text, " (memory (export {name}) {}{}{}{shared})", index(ty.memory64), ty.initial, limit(ty.maximum))?;
            }
            Item::Table { ty, element } => {
                write!(text, " (table (export {name}) {}{}{} {element})", index(ty.table64), ty.initial, limit(ty.maximum))?;
            }
            Item::Tag { params } => write!(text, " (tag (export {name}) (param {}))", words(params))?,
        }
    }
    text.push(')');
    Ok(wat::parse_str(text)?)
}

/// A function whose results are the first arguments of their types, or constants.
fn function(text: &mut String, name: &str, params: &[ValType], results: &[ValType]) -> Result<()> {
    write!(text, " (func (export {name}) (param {}) (result {})", words(params), words(results))?;
    for (at, &result) in results.iter().enumerate() {
        match params.iter().position(|&param| param == result) {
            Some(param) => write!(text, " local.get {param}")?,
            None => write!(text, " {}", constant(result, at))?,
        }
    }
    text.push(')');
    Ok(())
}

fn words(types: &[ValType]) -> String {
    types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn index(is_64: bool) -> &'static str {
    if is_64 { "i64 " } else { "" }
}

fn limit(maximum: Option<u64>) -> String {
    maximum.map_or(String::new(), |maximum| format!(" {maximum}"))
}

fn constant(ty: ValType, at: usize) -> String {
    match ty {
        ValType::Ref(ty) => format!("ref.null {}", ty.heap),
        ValType::V128 => format!("v128.const i64x2 {at} {at}"),
        ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 => format!("{ty}.const {}", at * 3 + 5),
    }
}

/// Any string as the text format writes it.
fn quoted(name: &str) -> String {
    let bytes: String = name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    format!("\"{bytes}\"")
}
