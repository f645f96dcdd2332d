//! `.trjit.handlers`: where exceptions go that leave the callee of a call in a `try_table`.
//!
//! ```text
//! HandlerEntry x n   offset u32 | landing u32 | frame_offset u32      12 bytes
//! ```
//! `offset`: return address, strictly ascending; `landing`: code of the handler; both count from the start of `.text`. `frame_offset`: the stack pointer's distance
//! below the frame pointer of the calling frame, which both are set to before control goes to `landing`.

use crate::table::records;
use trjit_code::HandlerSite;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct HandlerEntry {
    offset: u32,
    landing: u32,
    frame_offset: u32,
}

/// Writes the section; `sites` are sorted by offset.
pub fn encode(sites: &[HandlerSite]) -> Vec<u8> {
    let entry = |&HandlerSite { offset, landing, frame_offset }: &HandlerSite| HandlerEntry { offset, landing, frame_offset };
    let entries: Vec<HandlerEntry> = sites.iter().map(entry).collect();
    entries.as_bytes().to_vec()
}

/// The section, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handlers<'a> {
    entries: &'a [HandlerEntry],
}

impl<'a> Handlers<'a> {
    /// A view of the section; the error tells what is wrong with its shape.
    pub fn view(bytes: &'a [u8]) -> Result<Handlers<'a>, String> {
        records(bytes).map(|entries| Handlers { entries })
    }

    /// Checks order and bounds.
    pub fn check(&self, text_len: usize) -> Result<(), String> {
        if let Some(at) = self.entries.windows(2).position(|pair| pair[0].offset >= pair[1].offset) {
            return Err(format!("record {} is not behind the one before it", at + 1));
        }
        match self.entries.iter().find(|entry| entry.offset as usize > text_len || entry.landing as usize >= text_len) {
            Some(entry) => {
                Err(format!("a call that returns to {} is caught at {}, but the text has {text_len} bytes", entry.offset, entry.landing))
            }
            None => Ok(()),
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The handler of the call that returns to exactly that offset.
    pub fn lookup(&self, text_offset: u32) -> Option<HandlerSite> {
        let at = self.entries.binary_search_by_key(&text_offset, |entry| entry.offset).ok()?;
        self.entries.get(at).map(decode)
    }

    pub fn iter(&self) -> impl Iterator<Item = HandlerSite> + 'a {
        self.entries.iter().map(decode)
    }
}

fn decode(&HandlerEntry { offset, landing, frame_offset }: &HandlerEntry) -> HandlerSite {
    HandlerSite { offset, landing, frame_offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITES: [HandlerSite; 2] =
        [HandlerSite { offset: 20, landing: 64, frame_offset: 16 }, HandlerSite { offset: 40, landing: 64, frame_offset: 16 }];

    #[test]
    fn what_was_written_is_found() {
        let bytes = encode(&SITES);
        let view = Handlers::view(&bytes).unwrap();
        assert_eq!(view.check(65), Ok(()));
        assert_eq!(view.iter().collect::<Vec<_>>(), SITES);
        assert_eq!((view.lookup(40), view.lookup(39)), (Some(SITES[1]), None));
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = encode(&SITES);
        assert!(Handlers::view(&bytes[..23]).is_err());
        assert!(Handlers::view(&bytes).unwrap().check(64).is_err());
        let swapped = encode(&[SITES[1], SITES[0]]);
        assert!(Handlers::view(&swapped).unwrap().check(100).is_err());
    }
}
