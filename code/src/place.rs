//! Where in the wasm a piece of code comes from, where calls may be inlined.
//!
//! A *place* is a `u32`: a position in the module's `code` bytes, which is below [`INLINED`]; or [`INLINED`] + n, the n-th [`InlinedPlace`] beside the code; or [`UNKNOWN`].
//! An inlined place tells the position in the callee's body and the place of the call, which may be inlined itself and then stands before it: so a chain ends.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Set in places that refer to an [`InlinedPlace`].
pub const INLINED: u32 = 1 << 31;
/// There is no wasm instruction (prologues).
pub const UNKNOWN: u32 = u32::MAX;

/// An instruction of a function whose body was put in place of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct InlinedPlace {
    /// Its position.
    pub wasm: u32,
    /// The place of the call.
    pub caller: u32,
}

/// The number of the [`InlinedPlace`] that a place refers to.
pub const fn inlined(place: u32) -> Option<u32> {
    if place != UNKNOWN && place & INLINED != 0 { Some(place & !INLINED) } else { None }
}

/// The positions of a place, from the innermost function's to that of the function whose code it is; none where it is unknown. `table` gives the n-th inlined place. Ends where
/// the table makes no sense.
pub fn positions(place: u32, mut table: impl FnMut(u32) -> Option<InlinedPlace>) -> impl Iterator<Item = u32> {
    let mut next = (place != UNKNOWN).then_some(place);
    let mut last = u32::MAX;
    std::iter::from_fn(move || {
        let place = next.take()?;
        let Some(number) = inlined(place) else { return Some(place) };
        let InlinedPlace { wasm, caller } = table(number).filter(|_| number < last)?;
        last = number;
        next = Some(caller);
        Some(wasm)
    })
}

/// The place moved behind `before` others.
pub const fn moved(place: u32, before: u32) -> u32 {
    if inlined(place).is_some() { place + before } else { place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_end() {
        let table = [
            InlinedPlace { wasm: 10, caller: 5 },
            InlinedPlace { wasm: 20, caller: INLINED },
            InlinedPlace { wasm: 30, caller: INLINED | 2 },
        ];
        let of = |place| positions(place, |number| table.get(number as usize).copied()).collect::<Vec<_>>();
        assert_eq!(of(7), [7]);
        assert_eq!(of(INLINED), [10, 5]);
        assert_eq!(of(INLINED | 1), [20, 10, 5]);
        assert_eq!(of(INLINED | 2), [30], "it refers to itself");
        assert_eq!((of(INLINED | 3), of(UNKNOWN)), (vec![], vec![]));
        assert_eq!([moved(7, 3), moved(INLINED | 1, 3), moved(UNKNOWN, 3)], [7, INLINED | 4, UNKNOWN]);
    }
}
