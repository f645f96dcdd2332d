//! `.trjit.digests`: a digest for each chunk of the file, so that bytes are verified when they are first used, and those that no run needs never.
//!
//! ```text
//! ChunkDigest x chunks    XXH3 of 128 bits, little-endian: 16 bytes each
//! ```
//! The digest detects damage and no malice, as all digests of a cache, so that it can be one that costs next to nothing: text is verified at every start.
//!
//! Chunk `n` are the bytes of `n * CHUNK .. (n + 1) * CHUNK` that are covered: from the end of the manifest to the end of the last section. What stands before has
//! digests in the header, what stands behind is for tools only. The section's own digest stands in the header.
//!
//! Verifying neither locks nor allocates, so that a signal handler may do it; two threads that verify the same chunk only do the work twice.

use crate::section::{SECTIONS, SectionId};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use twox_hash::XxHash3_128;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a chunk: what the kernel maps around a page fault.
pub const CHUNK: usize = 64 << 10;

/// The digest of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(transparent)]
pub struct ChunkDigest(pub [u8; 16]);

impl ChunkDigest {
    /// Neither allocates nor locks.
    pub fn of(bytes: &[u8]) -> ChunkDigest {
        ChunkDigest(XxHash3_128::oneshot(bytes).to_le_bytes())
    }

    pub(crate) const NONE: ChunkDigest = ChunkDigest([0; 16]);
}

/// Hexadecimal digits, for messages to people.
impl std::fmt::Display for ChunkDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The bytes that chunks cover.
pub fn covered(places: &[Range<usize>; SECTIONS]) -> Range<usize> {
    let start = places[SectionId::Manifest as usize].end;
    start..places.iter().map(|place| place.end).max().unwrap_or(start)
}

/// Length of the section for a file whose last section ends at `end`.
pub(crate) fn len(end: usize) -> usize {
    end.div_ceil(CHUNK) * size_of::<ChunkDigest>()
}

/// Writes the section; `bytes` is the file with everything else in place.
pub(crate) fn encode(bytes: &[u8], covered: &Range<usize>) -> Vec<u8> {
    (0..covered.end.div_ceil(CHUNK)).flat_map(|chunk| ChunkDigest::of(&bytes[part(chunk, covered)]).0).collect()
}

/// The covered bytes of a chunk; empty where there are none.
fn part(chunk: usize, covered: &Range<usize>) -> Range<usize> {
    let start = (chunk * CHUNK).clamp(covered.start, covered.end);
    start..((chunk + 1) * CHUNK).clamp(start, covered.end)
}

/// Which chunks were verified. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    covered: Range<usize>,
    verified: Arc<[AtomicU64]>,
}

impl Chunks {
    pub fn new(covered: Range<usize>) -> Chunks {
        let words = covered.end.div_ceil(CHUNK).div_ceil(64);
        Chunks { covered, verified: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The bytes that have digests.
    pub fn covered(&self) -> &Range<usize> {
        &self.covered
    }

    /// Verifies the chunks that overlap `range` (file offsets) and were not verified before; the error is the first damaged one's bytes. `table` is the section;
    /// `digest_of` gives the digest of the file's bytes at a range, wherever they are mapped.
    pub fn ensure(
        &self,
        table: &[ChunkDigest],
        range: Range<usize>,
        digest_of: impl Fn(Range<usize>) -> Option<ChunkDigest>,
    ) -> Result<(), Range<usize>> {
        if range.is_empty() {
            return Ok(());
        }
        for chunk in range.start / CHUNK..range.end.div_ceil(CHUNK) {
            let (word, bit) = (self.verified.get(chunk / 64), 1 << (chunk % 64));
            let part = part(chunk, &self.covered);
            let Some(word) = word else { return Err(part) };
            if word.load(Ordering::Acquire) & bit != 0 {
                continue;
            }
            let found = digest_of(part.clone());
            if found.is_none() || found.as_ref() != table.get(chunk) {
                return Err(part);
            }
            word.fetch_or(bit, Ordering::Release);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_verified_once_and_damage_is_placed() {
        let mut bytes: Vec<u8> = (0..3 * CHUNK + 100).map(|at| ((at * 7) >> 3) as u8).collect();
        let covered = 50..bytes.len();
        let section = encode(&bytes, &covered);
        assert_eq!(section.len(), len(bytes.len()));
        let table = <[ChunkDigest]>::ref_from_bytes(&section).unwrap();
        let chunks = Chunks::new(covered);
        let whole = |bytes: &Vec<u8>, range: Range<usize>| chunks.ensure(table, range, |part| bytes.get(part).map(ChunkDigest::of));
        assert_eq!(whole(&bytes, CHUNK..CHUNK), Ok(()));
        bytes[2 * CHUNK] ^= 1;
        bytes[10] ^= 1;
        assert_eq!(whole(&bytes, 60..2 * CHUNK), Ok(()));
        assert_eq!(whole(&bytes, 60..2 * CHUNK + 1), Err(2 * CHUNK..3 * CHUNK));
        bytes[CHUNK] ^= 1;
        assert_eq!(whole(&bytes, CHUNK..CHUNK + 9), Ok(()), "it was verified before");
        assert_eq!(whole(&bytes, 3 * CHUNK + 99..3 * CHUNK + 100), Ok(()));
        assert_eq!(whole(&bytes, 9 * CHUNK..9 * CHUNK + 1).map_err(|part| part.len()), Err(0), "outside of the file");
        let short = bytes[..2 * CHUNK].to_vec();
        assert_eq!(whole(&short, 2 * CHUNK..2 * CHUNK + 1), Err(2 * CHUNK..3 * CHUNK));
    }
}
