//! Modules that provide what a generated module imports: memories, tables, globals, and functions that live beside them.

use anyhow::Result;
use std::fmt::Write;
use wasmi::{ExternType, FuncType, ImportType, ValType};

/// A module that exports something of the right type under each import's name.
pub fn module(imports: &[ImportType<'_>]) -> Result<Vec<u8>> {
    let mut text = String::from("(module");
    for (at, import) in imports.iter().enumerate() {
        let name = quoted(import.name());
        match import.ty() {
            ExternType::Func(ty) => function(&mut text, &name, ty)?,
            ExternType::Global(ty) => {
                let content = ty.content();
                let written = if ty.mutability().is_mut() { format!("(mut {})", word(content)) } else { word(content).to_string() };
                write!(text, " (global (export {name}) {written} ({}))", constant(content, at))?;
            }
            ExternType::Memory(ty) => write!(text, " (memory (export {name}) {}{})", ty.minimum(), limit(ty.maximum()))?,
            ExternType::Table(ty) => {
                let element = word(ty.element().into());
                write!(text, " (table (export {name}) {}{} {element})", ty.minimum(), limit(ty.maximum()))?;
            }
        }
    }
    text.push(')');
    Ok(wat::parse_str(text)?)
}

/// A function whose results are the first arguments of their types, or constants.
fn function(text: &mut String, name: &str, ty: &FuncType) -> Result<()> {
    let words = |types: &[ValType]| types.iter().map(|&ty| word(ty)).collect::<Vec<_>>().join(" ");
    write!(text, " (func (export {name}) (param {}) (result {})", words(ty.params()), words(ty.results()))?;
    for (at, &result) in ty.results().iter().enumerate() {
        match ty.params().iter().position(|&param| param == result) {
            Some(param) => write!(text, " local.get {param}")?,
            None => write!(text, " {}", constant(result, at))?,
        }
    }
    text.push(')');
    Ok(())
}

fn limit(maximum: Option<u64>) -> String {
    maximum.map_or(String::new(), |maximum| format!(" {maximum}"))
}

fn word(ty: ValType) -> String {
    ty.to_string()
}

fn constant(ty: ValType, at: usize) -> String {
    match ty {
        ValType::Ref(ty) => format!("ref.null {}", ty.heap),
        ValType::V128 => format!("v128.const i64x2 {at} {at}"),
        ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 => format!("{}.const {}", word(ty), at * 3 + 5),
    }
}

/// Any string as the text format writes it.
fn quoted(name: &str) -> String {
    let bytes: String = name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    format!("\"{bytes}\"")
}
