//! `.trjit.jumptable`: the jump table of a fresh instance, mapped copy-on-write by each.
//!
//! ```text
//! i32 x functions of the module   offset of the function's code from the start of `.text`; 0 = the lazy stub (no code, or imported)
//! ```
//! The text is mapped at the image's base, so that text offsets are the image offsets that [`VmHeader::jump_table`](trjit_module::vm::VmHeader) wants.

use crate::functions::Functions;
use crate::table::records;
use crate::text::{CodeItem, PlacedFunction};
use zerocopy::IntoBytes;

/// Writes the section for a module of `count` functions. The text was checked: indices are below `count`, offsets fit.
pub fn encode(functions: &[PlacedFunction], count: u32) -> Vec<u8> {
    let mut table = vec![0i32; count as usize];
    for placed in functions {
        if let CodeItem::Function(function) = placed.what {
            table[function.index()] = placed.offset as i32;
        }
    }
    table.as_bytes().to_vec()
}

/// The section, in place: one entry a function.
pub fn view(bytes: &[u8]) -> Result<&[i32], String> {
    records(bytes)
}

/// Checks that the table says what `functions` (checked before) says.
pub fn check(table: &[i32], functions: Functions<'_>, count: u32) -> Result<(), String> {
    if table.len() != count as usize {
        return Err(format!("{} entries, but the module has {count} functions", table.len()));
    }
    let mut with_code = 0;
    for placed in functions.iter() {
        if let CodeItem::Function(function) = placed.what {
            if table.get(function.index()) != Some(&(placed.offset as i32)) {
                return Err(format!("the entry of function {function} is not the offset of its code, {}", placed.offset));
            }
            with_code += 1;
        }
    }
    match table.iter().filter(|&&entry| entry != 0).count() {
        found if found == with_code => Ok(()),
        found => Err(format!("{found} entries are not 0, but {with_code} functions have code")),
    }
}
