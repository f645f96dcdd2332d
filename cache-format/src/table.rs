//! Views of sections as arrays of fixed-size records, without copying.

use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The section as records; the error tells what is wrong with its length or place.
pub(crate) fn records<T: FromBytes + Immutable + KnownLayout>(bytes: &[u8]) -> Result<&[T], String> {
    <[T]>::ref_from_bytes(bytes)
        .map_err(|_| format!("{} bytes are no multiple of the record size {}, or not aligned", bytes.len(), size_of::<T>()))
}

/// Whether each item is greater than the one before; the error names the first position where it is not.
pub(crate) fn ascending<T: PartialOrd>(items: &[T]) -> Result<(), String> {
    match items.windows(2).position(|pair| pair[0] >= pair[1]) {
        Some(at) => Err(format!("record {} is not behind the one before it", at + 1)),
        None => Ok(()),
    }
}
