//! `.trjit.traps`: which instruction traps why. A signal handler asks it, so that a lookup neither allocates nor locks.
//!
//! The encoding is that of [`sites`](crate::sites): `offset` of the instruction from the start of `.text`, wasm position (none for prologues), and a
//! [`TrapCode`] as the code.

use crate::sites::{self, Site, Sites};
use trjit_code::TrapSite;
use trjit_module::TrapCode;

/// Writes the section; `sites` are sorted by offset.
pub fn encode(sites: &[TrapSite]) -> Vec<u8> {
    let sites: Vec<Site> = sites.iter().map(|&TrapSite { offset, wasm, code }| Site { offset, wasm, code: code as u8 }).collect();
    sites::encode(&sites)
}

/// The section, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traps<'a> {
    sites: Sites<'a>,
}

impl<'a> Traps<'a> {
    /// A view of the section; the error tells what is wrong with its shape.
    pub fn view(bytes: &'a [u8]) -> Result<Traps<'a>, String> {
        Sites::view(bytes).map(|sites| Traps { sites })
    }

    /// Checks every entry: whole, in order, within the text, of a known code.
    pub fn check(&self, text_len: usize) -> Result<(), String> {
        self.sites.check(text_len as u64)?;
        match self.sites.iter().find(|site| TrapCode::from_byte(site.code).is_none()) {
            Some(site) => Err(format!("unknown trap code {} at text offset {}", site.code, site.offset)),
            None => Ok(()),
        }
    }

    pub fn len(&self) -> usize {
        self.sites.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The trap of the instruction at exactly that offset.
    pub fn lookup(&self, text_offset: u32) -> Option<TrapSite> {
        decode(self.sites.lookup(text_offset)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = TrapSite> + 'a {
        self.sites.iter().filter_map(decode)
    }
}

fn decode(Site { offset, wasm, code }: Site) -> Option<TrapSite> {
    Some(TrapSite { offset, wasm, code: TrapCode::from_byte(code)? })
}
