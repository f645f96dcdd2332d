//! `.trjit.traps`: which instruction traps why. A signal handler asks it, so that a lookup neither allocates nor locks.
//!
//! ```text
//! offsets  u32 x n   offset of the instruction from the start of `.text`, strictly ascending
//! wasm     u32 x n   position of the wasm instruction in `.trjit.code`, or u32::MAX (prologues)
//! codes    u8  x n   TrapCode
//! ```
//! `n` is the section's length / 9. Columns rather than records: 9 bytes instead of 12 each, and a search touches offsets only.

use crate::table::{ascending, two_columns};
use trjit_code::TrapSite;
use trjit_module::TrapCode;
use zerocopy::IntoBytes;

const ROW: usize = 9;

/// Writes the section; `sites` are sorted by offset.
pub fn encode(sites: &[TrapSite]) -> Vec<u8> {
    let mut out = Vec::with_capacity(sites.len() * ROW);
    sites.iter().for_each(|site| out.extend(site.offset.as_bytes()));
    sites.iter().for_each(|site| out.extend(site.wasm.as_bytes()));
    out.extend(sites.iter().map(|site| site.code as u8));
    out
}

/// The section, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traps<'a> {
    offsets: &'a [u32],
    wasm: &'a [u32],
    codes: &'a [u8],
}

impl<'a> Traps<'a> {
    /// A view of the section; the error tells what is wrong with its shape.
    pub fn view(bytes: &'a [u8]) -> Result<Traps<'a>, String> {
        let count = bytes.len() / ROW;
        match two_columns(bytes, count) {
            Some((offsets, wasm, codes)) if codes.len() == count => Ok(Traps { offsets, wasm, codes }),
            _ => Err(format!("{} bytes are no multiple of {ROW}, or not aligned", bytes.len())),
        }
    }

    /// Checks order, bounds and codes.
    pub fn check(&self, text_len: usize) -> Result<(), String> {
        ascending(self.offsets)?;
        if let Some(&last) = self.offsets.last().filter(|&&last| last as usize >= text_len) {
            return Err(format!("a trap at text offset {last}, but the text has {text_len} bytes"));
        }
        match self.codes.iter().find(|&&code| TrapCode::from_byte(code).is_none()) {
            Some(code) => Err(format!("unknown trap code {code}")),
            None => Ok(()),
        }
    }

    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The trap of the instruction at exactly that offset.
    pub fn lookup(&self, text_offset: u32) -> Option<TrapSite> {
        self.get(self.offsets.binary_search(&text_offset).ok()?)
    }

    pub fn iter(&self) -> impl Iterator<Item = TrapSite> + '_ {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    fn get(&self, at: usize) -> Option<TrapSite> {
        Some(TrapSite { offset: *self.offsets.get(at)?, wasm: *self.wasm.get(at)?, code: TrapCode::from_byte(*self.codes.get(at)?)? })
    }
}
