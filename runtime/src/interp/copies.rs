//! The bytes that the interpreter runs: the module's own, or an instance's copies, which are filled function by function on first entry.
//!
//! | runs | bodies of the module | code | side table |
//! |---|---|---|---|
//! | quickened code | in place | a [quickened](super::quicken) copy | the module's |
//! | quickened code | in blocks (from a cache) | a quickened copy | a copy |
//! | original code | in place | the module's | the module's |
//! | original code | in blocks | a copy | a copy |
//!
//! Copies have the layout of the whole code section's contents and of the module's whole side table, so that positions are the same everywhere; untouched
//! pages cost nothing.

use super::quicken::{has_simple_memory, quicken};
use trjit_module::flat::{FunctionRecord, SideTableEntry};
use trjit_module::{CodeError, Module};
use zerocopy::IntoBytes;

/// An instance's copies; empty until something is interpreted.
#[derive(Default)]
pub(crate) struct Copies {
    code: Vec<u8>,
    side_table: Vec<[u32; size_of::<SideTableEntry>() / 4]>,
    original: bool,
}

impl Copies {
    /// Where positions in the code and in the side table count from, for who runs `original` or quickened code: always the same for an instance.
    pub fn bases(&mut self, module: &Module, original: bool) -> (*const u8, *const SideTableEntry) {
        self.original = original;
        let whole = module.bodies_in_place();
        // Copies are zeroed by the system, page by page on first use.
        if self.code.is_empty() && !(original && whole.is_some()) {
            self.code = vec![0; module.code_len()];
        }
        if self.side_table.is_empty() && whole.is_none() {
            self.side_table = vec![Default::default(); module.side_table_len()];
        }
        let side_table = whole.map_or(self.side_table.as_ptr().cast(), |whole| whole.side_table.as_ptr());
        let code = whole.filter(|_| original).map_or(self.code.as_ptr(), |whole| whole.code.as_ptr());
        (code, side_table)
    }

    /// Whether a function has a copy, and so was interpreted.
    pub fn has(&self, record: &FunctionRecord) -> bool {
        // The last instruction is never the byte 0.
        let end = (record.body.offset + record.body.len) as usize;
        self.code.get(end - 1).is_some_and(|&last| last != 0)
    }

    /// Makes sure that a function can run. The error leaves everything as it was.
    pub fn fill(&mut self, module: &Module, record: &FunctionRecord) -> Result<(), CodeError> {
        if self.code.is_empty() || self.has(record) {
            return Ok(());
        }
        let body = module.body(record)?;
        let outside = || CodeError::new("a function's record tells of places outside of the module");
        let entries = record.side_table_start as usize..(record.side_table_start + record.side_table_len) as usize;
        if !self.side_table.is_empty() {
            self.side_table.get_mut(entries).ok_or_else(outside)?.as_mut_bytes().copy_from_slice(body.side_table.as_bytes());
        }
        let places = record.code_start as usize..(record.body.offset + record.body.len) as usize;
        let copy = self.code.get_mut(places).ok_or_else(outside)?;
        let original = body.code.get(body.code.len() - copy.len()..).ok_or_else(outside)?;
        match self.original {
            true => copy.copy_from_slice(original),
            false => quicken(original, copy, record.results, has_simple_memory(module)),
        }
        Ok(())
    }
}
