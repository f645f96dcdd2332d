//! Cranelift IR as people read it: positions as offsets in the wasm file, and names beside functions.

use crate::names;
use trjit_code::InlinedPlace;
use trjit_module::{FuncIndex, Module};

/// Rewrites an IR text: `@0005` becomes `@1a2b`, and of what was inlined `@1a2b<`; `fn0 = colocated u0:12 sig0` gets the name of function 12.
pub fn readable(module: &Module, table: &[InlinedPlace], text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix('@') {
        Some(rest) => positioned(module, table, rest).unwrap_or_else(|| line.to_string()),
        None => named(module, line).unwrap_or_else(|| line.to_string()),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What follows the `@`: a place in hexadecimal digits, and the instruction behind blanks.
fn positioned(module: &Module, table: &[InlinedPlace], rest: &str) -> Option<String> {
    let (place, instruction) = rest.split_once(' ')?;
    let place = u32::from_str_radix(place, 16).ok()?;
    let chain = crate::inlined::chain(place, table);
    let &position = chain.first()?;
    let mark = if chain.len() > 1 { "<" } else { "" };
    // As wide as the margin of lines without a place.
    Some(format!("{:<36}{}", format!("@{:x}{mark}", module.wasm_offset(position)), instruction.trim_start()))
}

fn named(module: &Module, line: &str) -> Option<String> {
    let (name, rest) = line.trim_start().split_once(" = ")?;
    let index = rest.split_whitespace().find_map(|word| word.strip_prefix("u0:"))?;
    let is_function = name.strip_prefix("fn").is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()));
    let index: u32 = index.parse().ok().filter(|_| is_function)?;
    Some(format!("{line} ; {}", names::label(module, FuncIndex(index))))
}
