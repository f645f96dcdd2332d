//! A slot of the [registry](super::registry): a sequence lock over a range and a word of data, odd while it is written. Readers never wait.
//!
//! Invariant: what a reader gets was written in one piece. `tests/slot_model.rs` compiles this file on the atomics of loom, and runs it in every order that they allow: so it names its atomics by
//! `super::atomic`.

use super::atomic::{AtomicUsize, Ordering, fence};

/// Sequence, base, length, data.
pub struct Slot([AtomicUsize; 4]);

impl Slot {
    /// Of words that are 0: no address is in it.
    pub const fn new(words: [AtomicUsize; 4]) -> Slot {
        Slot(words)
    }

    /// Writers take turns.
    pub fn write(&self, base: usize, len: usize, data: usize) {
        let Slot([sequence, words @ ..]) = self;
        let before = sequence.load(Ordering::Relaxed);
        sequence.store(before.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, value) in words.iter().zip([base, len, data]) {
            word.store(value, Ordering::Relaxed);
        }
        sequence.store(before.wrapping_add(2), Ordering::Release);
    }

    /// Base and data, if `address` is inside and nobody writes.
    pub fn read(&self, address: usize) -> Option<(usize, usize)> {
        let Slot([sequence, words @ ..]) = self;
        let before = sequence.load(Ordering::Acquire);
        let [base, len, data] = [0, 1, 2].map(|at: usize| words[at].load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let stable = before.is_multiple_of(2) && sequence.load(Ordering::Relaxed) == before;
        (stable && address.wrapping_sub(base) < len).then_some((base, data))
    }
}
