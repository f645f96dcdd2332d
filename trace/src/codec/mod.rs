//! The profile file, `*.trprof`: header in the clear, payload compressed. Writer and reader stand beside each other.
//!
//! ```text
//! ┌────────┬──────┬──────────────────────────────────────────────────────────────┐
//! │ offset │ size │ header; numbers are little-endian                            │
//! ├────────┼──────┼──────────────────────────────────────────────────────────────┤
//! │      0 │    8 │ "trjitprf"                                                   │
//! │      8 │    4 │ format version                                               │
//! │     12 │    4 │ 0                                                            │
//! │     16 │    8 │ length of the compressed payload: all that follows           │
//! │     24 │    8 │ length of the payload, at most MAX_PAYLOAD                   │
//! │     32 │   32 │ BLAKE3 of bytes 0..32 and of the compressed payload          │
//! ├────────┼──────┼──────────────────────────────────────────────────────────────┤
//! │     64 │      │ payload: one zstd frame                                      │
//! └────────┴──────┴──────────────────────────────────────────────────────────────┘
//! payload  = digest(32) wasm_len imported_functions defined_functions imports functions runs
//! imports  = count { gap(function) module:string name:string }
//! functions= count { gap(defined index) digest(32) optional_name rank twins branch_entries indirect_sites
//!                    entries branches sites }
//! branches = count { gap(position)*2+back_edge taken }
//! sites    = count { gap(site) targets other }
//! targets  = count { gap(function index) count }
//! runs     = count { workload:string ended:string weight micros entries order }
//! order    = count { step(defined index) step(micros) }
//! ```
//! Numbers are LEB128 of up to 64 bits in the shortest form. A *gap* is the number less the successor of the one before it in the list (the
//! first: less 0), so that a list ascends without repetition. A *step* is the zigzag of the wrapped difference to the one before it (the first: to 0).
//! A string is its length and UTF-8 bytes; an optional name is 0, or 1 and a string.
//!
//! Policy: a reader reads its own version and no other, and refuses all that the writer would not write (see the invariants of [`Profile`]), so
//! that one content has one file. The level of compression is fixed and single-threaded: same profile, same bytes.
//!
//! [`Profile`]: crate::Profile

mod read;
pub mod varint;
mod write;

/// First bytes of a profile.
pub(crate) const MAGIC: [u8; 8] = *b"trjitprf";
/// Counts changes of the format, and of how match digests are made.
pub const FORMAT_VERSION: u32 = 1;
/// Largest payload in bytes, decompressed.
pub const MAX_PAYLOAD: u64 = 1 << 29;
pub(crate) const HEADER_LEN: usize = 64;
/// The header's part that the digest covers.
pub(crate) const DIGESTED_HEADER_LEN: usize = 32;

/// Why bytes are not a profile that this build reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("not a trjit profile: it begins with {:?}, expected {:?}", String::from_utf8_lossy(found), "trjitprf")]
    NotAProfile { found: Vec<u8> },
    #[error("the profile has format version {found}, this build reads version {expected}: record it again")]
    Version { found: u32, expected: u32 },
    #[error("the profile is truncated: {found} bytes, expected {expected}")]
    Truncated { found: u64, expected: u64 },
    #[error("the profile is corrupt: {what}")]
    Corrupt { what: String },
}

impl FormatError {
    pub(crate) fn corrupt(what: impl Into<String>) -> FormatError {
        FormatError::Corrupt { what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;
    use crate::testing::{Random, profile, small_profile};

    #[test]
    fn what_is_written_is_read_again() {
        for seed in 0..300 {
            let profile = profile(&mut Random::new(seed));
            let bytes = profile.to_bytes();
            let read = Profile::from_bytes(&bytes).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(read, profile, "seed {seed}");
            assert_eq!(read.to_bytes(), bytes, "seed {seed}");
        }
    }

    #[test]
    fn every_truncation_is_named() {
        let bytes = profile(&mut Random::new(7)).to_bytes();
        assert_eq!(Profile::from_bytes(&[]), Err(FormatError::NotAProfile { found: vec![] }));
        for len in 1..bytes.len() {
            let result = Profile::from_bytes(&bytes[..len]);
            assert!(matches!(result, Err(FormatError::Truncated { found, .. }) if found == len as u64), "{len}: {result:?}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(Profile::from_bytes(&longer), Err(FormatError::Corrupt { .. })));
    }

    #[test]
    fn other_files_and_other_versions_are_told_apart() {
        let bytes = small_profile(3).to_bytes();
        let text = Profile::from_bytes(b"\0asm\x01\0\0\0").unwrap_err().to_string();
        assert!(text.contains("not a trjit profile") && text.contains("trjitprf"), "{text}");
        let mut newer = bytes.clone();
        newer[8] += 1;
        let expected = FormatError::Version { found: FORMAT_VERSION + 1, expected: FORMAT_VERSION };
        assert_eq!(Profile::from_bytes(&newer), Err(expected));
    }

    #[test]
    fn every_changed_byte_is_an_error() {
        let bytes = profile(&mut Random::new(11)).to_bytes();
        let mut random = Random::new(12);
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << random.below(8);
            assert!(Profile::from_bytes(&damaged).is_err(), "byte {position}");
        }
    }

    /// With a digest that is right again, damage must still be refused or read as a profile in canonical form.
    #[test]
    fn forged_payloads_are_refused_or_canonical() {
        let mut read = 0;
        for seed in 0..4000 {
            let mut random = Random::new(seed);
            let mut payload = write::payload(&profile(&mut Random::new(seed % 16)));
            for _ in 0..1 + random.below(3) {
                let position = random.below(payload.len() as u64) as usize;
                payload[position] = random.next() as u8;
            }
            if let Ok(profile) = Profile::from_bytes(&write::sealed(&payload)) {
                read += 1;
                assert_eq!(write::payload(&profile), payload, "seed {seed}");
            }
        }
        assert!(read > 100, "the mutations reach past the reader's first checks: {read}");
    }

    #[test]
    fn forged_counts_and_lengths_allocate_nothing() {
        let payload = write::payload(&small_profile(0));
        let mut counts = payload[..payload.len() - 3].to_vec();
        varint::push(&mut counts, u64::MAX);
        let result = Profile::from_bytes(&write::sealed(&counts));
        assert!(matches!(&result, Err(FormatError::Corrupt { what }) if what.contains("count")), "{result:?}");

        let mut bomb = write::sealed(&vec![0; 1 << 20]);
        bomb[24..32].copy_from_slice(&(MAX_PAYLOAD + 1).to_le_bytes());
        write::seal(&mut bomb);
        assert!(matches!(Profile::from_bytes(&bomb), Err(FormatError::Corrupt { what }) if what.contains(&(MAX_PAYLOAD + 1).to_string())));
        for len in [(1u64 << 20) - 1, (1 << 20) + 1] {
            bomb[24..32].copy_from_slice(&len.to_le_bytes());
            write::seal(&mut bomb);
            let result = Profile::from_bytes(&bomb);
            assert!(matches!(&result, Err(FormatError::Corrupt { what }) if what.contains("payload")), "{result:?}");
        }
    }
}
