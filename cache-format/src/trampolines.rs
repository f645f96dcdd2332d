//! `.trjit.trampolines`: the crossings between slots and registers for each type of the module.
//!
//! ```text
//! VmTrampolines x types of the module   to_native i32 | to_interpreter i32 | tail_to_native i32 | 0 i32   offsets from the start of `.text`, 0 = none
//! ```

use crate::functions::Functions;
use crate::table::records;
use crate::text::{CodeItem, PlacedFunction};
use trjit_module::vm::VmTrampolines;
use zerocopy::IntoBytes;

/// Writes the section for a module of `types` types. The text was checked: indices are below `types`.
pub fn encode(functions: &[PlacedFunction], types: u32) -> Vec<u8> {
    collect(functions.iter().copied(), types).as_bytes().to_vec()
}

/// The section, in place: one entry a type.
pub fn view(bytes: &[u8]) -> Result<&[VmTrampolines], String> {
    records(bytes)
}

/// Checks that the table says what `functions` (checked before) says.
pub fn check(table: &[VmTrampolines], functions: Functions<'_>, types: u32) -> Result<(), String> {
    if table.len() != types as usize {
        return Err(format!("{} entries, but the module has {types} types", table.len()));
    }
    match table.iter().zip(collect(functions.iter(), types)).position(|(found, expected)| *found != expected) {
        Some(ty) => Err(format!("the entry of type {ty} is not where its crossings lie")),
        None => Ok(()),
    }
}

fn collect(functions: impl Iterator<Item = PlacedFunction>, types: u32) -> Vec<VmTrampolines> {
    let mut table = vec![VmTrampolines::default(); types as usize];
    for placed in functions {
        let (ty, offset) = match placed.what {
            CodeItem::Function(_) => continue,
            CodeItem::ToNative(ty) | CodeItem::ToInterpreter(ty) | CodeItem::TailToNative(ty) => (ty, placed.offset as i32),
        };
        let Some(entry) = table.get_mut(ty.index()) else { continue };
        match placed.what {
            CodeItem::ToNative(_) => entry.to_native = offset,
            CodeItem::TailToNative(_) => entry.tail_to_native = offset,
            _ => entry.to_interpreter = offset,
        }
    }
    table
}
