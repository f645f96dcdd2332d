//! `.trjit.calls`: from return addresses to wasm positions, for backtraces.
//!
//! The encoding is that of [`sites`](crate::sites): `offset` of the return address from the start of `.text`, and the position of the call. No codes are told.

use crate::sites::{self, Site, Sites};
use trjit_code::CallSite;

/// Writes the section; `sites` are sorted by offset.
pub fn encode(sites: &[CallSite]) -> Vec<u8> {
    let sites: Vec<Site> = sites.iter().map(|&CallSite { offset, wasm }| Site::without_code(offset, wasm)).collect();
    sites::encode(&sites)
}

/// The section, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls<'a> {
    sites: Sites<'a>,
}

impl<'a> Calls<'a> {
    /// A view of the section; the error tells what is wrong with its shape.
    pub fn view(bytes: &'a [u8]) -> Result<Calls<'a>, String> {
        Sites::view(bytes).map(|sites| Calls { sites })
    }

    /// Checks that every entry is whole, in order and within the text. A return address may lie at the very end of the text.
    pub fn check(&self, text_len: usize) -> Result<(), String> {
        self.sites.check(text_len as u64 + 1)?;
        match self.sites.iter().find(|site| *site != Site::without_code(site.offset, site.wasm)) {
            Some(site) => Err(format!("a call at text offset {} with code {}", site.offset, site.code)),
            None => Ok(()),
        }
    }

    pub fn len(&self) -> usize {
        self.sites.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The call that returns to exactly that offset.
    pub fn lookup(&self, text_offset: u32) -> Option<CallSite> {
        self.sites.lookup(text_offset).map(decode)
    }

    pub fn iter(&self) -> impl Iterator<Item = CallSite> + 'a {
        self.sites.iter().map(decode)
    }
}

fn decode(Site { offset, wasm, code: _ }: Site) -> CallSite {
    CallSite { offset, wasm }
}
