//! Digests of content. A digest detects damage and identifies; it is no proof of who made something.

use blake3::hazmat::{self, ChainingValue, HasherExt, Mode};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes that a thread reads and hashes at once: a subtree of BLAKE3's tree, and what stays in a core's cache.
const PIECE: u64 = 256 << 10;
/// Fewer than this are not worth another thread.
const PIECES_PER_THREAD: usize = 16;

/// The BLAKE3 digest of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(transparent)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of a file's first `len` bytes, read and hashed by several threads where it is long; nothing of it stays in memory.
    pub fn of_file(file: &File, len: u64) -> io::Result<Digest> {
        let pieces = len.div_ceil(PIECE) as usize;
        if pieces <= 1 {
            let mut bytes = vec![0; len as usize];
            file.read_exact_at(&mut bytes, 0)?;
            return Ok(Digest::of(&bytes));
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(pieces.div_ceil(PIECES_PER_THREAD));
        let (next, values) = (AtomicUsize::new(0), Mutex::new(vec![ChainingValue::default(); pieces]));
        let work = || {
            let mut buffer = vec![0; PIECE as usize];
            loop {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= pieces {
                    return Ok(());
                }
                let start = piece as u64 * PIECE;
                let bytes = &mut buffer[..(len - start).min(PIECE) as usize];
                file.read_exact_at(bytes, start)?;
                let value = blake3::Hasher::new().set_input_offset(start).update(bytes).finalize_non_root();
                values.lock().unwrap_or_else(PoisonError::into_inner)[piece] = value;
            }
        };
        std::thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mine = work();
            // A panic of a helper is a panic here.
            helpers
                .into_iter()
                .map(|helper| helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .fold(mine, io::Result::and)
        })?;
        let values = values.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (left, right) = children(&values, len);
        Ok(Digest(*hazmat::merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()))
    }

    /// Parses the 64 hexadecimal digits that [`Display`](std::fmt::Display) writes.
    pub fn from_hex(text: &str) -> Option<Digest> {
        let mut out = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| (c as char).to_digit(16);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Some(Digest(out))
    }

    /// The first 12 hexadecimal digits, for messages to people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_string()
    }
}

/// The chaining values of the two children of a node over `len` bytes, more than a piece, whose pieces have these values.
fn children(pieces: &[ChainingValue], len: u64) -> (ChainingValue, ChainingValue) {
    let left_len = hazmat::left_subtree_len(len);
    let (left, right) = pieces.split_at((left_len / PIECE) as usize);
    (subtree(left, left_len), subtree(right, len - left_len))
}

fn subtree(pieces: &[ChainingValue], len: u64) -> ChainingValue {
    if let [piece] = pieces {
        return *piece;
    }
    let (left, right) = children(pieces, len);
    hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash)
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let bytes: Vec<u8> = (0..9 * PIECE as usize + 5000).map(|at| (at % 251) as u8 ^ (at >> 9) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let piece = PIECE as usize;
        for len in [0, 1, piece - 1, piece, piece + 1, 2 * piece, 3 * piece + 7, 4 * piece, 8 * piece + 1, bytes.len()] {
            assert_eq!(Digest::of_file(&file, len as u64).unwrap(), Digest::of(&bytes[..len]), "{len}");
        }
        assert_eq!(Digest::of_file(&file, bytes.len() as u64 + 1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
