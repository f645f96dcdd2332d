//! `.trjit.calls`: from return addresses to wasm positions, for backtraces.
//!
//! ```text
//! offsets  u32 x n   return address as offset from the start of `.text`, strictly ascending
//! wasm     u32 x n   position of the wasm instruction in `.trjit.code`, or u32::MAX
//! ```
//! `n` is the section's length / 8.

use crate::table::{ascending, two_columns};
use trjit_code::CallSite;
use zerocopy::IntoBytes;

const ROW: usize = 8;

/// Writes the section; `sites` are sorted by offset.
pub fn encode(sites: &[CallSite]) -> Vec<u8> {
    let mut out = Vec::with_capacity(sites.len() * ROW);
    sites.iter().for_each(|site| out.extend(site.offset.as_bytes()));
    sites.iter().for_each(|site| out.extend(site.wasm.as_bytes()));
    out
}

/// The section, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls<'a> {
    offsets: &'a [u32],
    wasm: &'a [u32],
}

impl<'a> Calls<'a> {
    /// A view of the section; the error tells what is wrong with its shape.
    pub fn view(bytes: &'a [u8]) -> Result<Calls<'a>, String> {
        match two_columns(bytes, bytes.len() / ROW) {
            Some((offsets, wasm, [])) => Ok(Calls { offsets, wasm }),
            _ => Err(format!("{} bytes are no multiple of {ROW}, or not aligned", bytes.len())),
        }
    }

    /// Checks order and bounds. A return address may lie at the very end of the text.
    pub fn check(&self, text_len: usize) -> Result<(), String> {
        ascending(self.offsets)?;
        match self.offsets.last() {
            Some(&last) if last as usize > text_len => {
                Err(format!("a return address at text offset {last}, but the text has {text_len} bytes"))
            }
            _ => Ok(()),
        }
    }

    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The call that returns to exactly that offset.
    pub fn lookup(&self, text_offset: u32) -> Option<CallSite> {
        self.get(self.offsets.binary_search(&text_offset).ok()?)
    }

    pub fn iter(&self) -> impl Iterator<Item = CallSite> + '_ {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    fn get(&self, at: usize) -> Option<CallSite> {
        Some(CallSite { offset: *self.offsets.get(at)?, wasm: *self.wasm.get(at)? })
    }
}
