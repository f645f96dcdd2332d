//! `.trjit.inlined`: instructions of inlined bodies, for backtraces. Places in `.trjit.traps` and `.trjit.calls` refer to them.
//!
//! ```text
//! InlinedPlace x n    wasm u32 | caller u32    position in the module's code; place of the call: a position, or 0x8000_0000 + the number of an entry before this one
//! ```

use crate::table::records;
use trjit_code::InlinedPlace;
use trjit_code::place::{INLINED, UNKNOWN, inlined};
use zerocopy::IntoBytes;

/// Writes the section.
pub fn encode(places: &[InlinedPlace]) -> Vec<u8> {
    places.as_bytes().to_vec()
}

/// The section, in place.
pub fn view(bytes: &[u8]) -> Result<&[InlinedPlace], String> {
    records(bytes)
}

/// Checks that every entry has a position, and a caller that stands before it: so chains end.
pub fn check(places: &[InlinedPlace]) -> Result<(), String> {
    for (number, place) in places.iter().enumerate() {
        let is_caller_before = inlined(place.caller).is_none_or(|caller| (caller as usize) < number);
        if place.wasm & INLINED != 0 || place.caller == UNKNOWN || !is_caller_before {
            return Err(format!("entry {number} is {place:x?}"));
        }
    }
    Ok(())
}

/// Checks that places refer to entries that exist.
pub(crate) fn check_places(mut places: impl Iterator<Item = u32>, entries: usize) -> Result<(), String> {
    match places.find(|&place| inlined(place).is_some_and(|number| number as usize >= entries)) {
        Some(place) => Err(format!("the place {place:#x} refers to an entry that is not there, of {entries}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_that_do_not_end_are_found() {
        let place = |wasm, caller| InlinedPlace { wasm, caller };
        assert_eq!(check(&[place(4, 9), place(5, INLINED), place(6, INLINED | 1), place(7, INLINED)]), Ok(()));
        for wrong in [place(4, INLINED | 1), place(4, INLINED | 7), place(4, UNKNOWN), place(INLINED, 9)] {
            assert!(check(&[place(1, 2), wrong]).is_err(), "{wrong:x?}");
        }
        assert!(check_places([3, UNKNOWN, INLINED | 1].into_iter(), 2).is_ok());
        assert!(check_places([INLINED | 2].into_iter(), 2).is_err());
    }
}
