//! Tables of code that was published at run time: an append-only list that a signal handler searches without locks or allocation.
//!
//! ```text
//! segment k holds 2^k slots; batch n stands in segment floor(log2(n + 1)); offsets ascend with n, so that a search is binary
//! ```
//! Invariant: batches are pushed by one thread at a time (the image's lock), in the order of their offsets; `count` is stored after the slot it covers.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use trjit_cache_format::PlacedFunction;
use trjit_code::{CallSite, HandlerSite, InlinedPlace, TrapSite};

const SEGMENTS: usize = 32;

/// Numbers of inlined places from here on are of code published at run time, those below of a cache's.
pub(crate) const FRESH: u32 = 1 << 30;

/// The tables of one publication. All offsets count from the image's base and ascend.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) range: Range<u32>,
    pub(crate) functions: Vec<PlacedFunction>,
    pub(crate) traps: Vec<TrapSite>,
    pub(crate) calls: Vec<CallSite>,
    pub(crate) handlers: Vec<HandlerSite>,
    /// What the inlined places of traps and calls refer to, by numbers from `first_inlined` on: those of all batches before are below.
    pub(crate) inlined: Vec<InlinedPlace>,
    pub(crate) first_inlined: u32,
}

impl Batch {
    pub(crate) fn trap_at(&self, offset: u32) -> Option<TrapSite> {
        self.traps.binary_search_by_key(&offset, |site| site.offset).ok().map(|at| self.traps[at])
    }

    pub(crate) fn call_at(&self, offset: u32) -> Option<CallSite> {
        self.calls.binary_search_by_key(&offset, |site| site.offset).ok().map(|at| self.calls[at])
    }

    pub(crate) fn handler_at(&self, offset: u32) -> Option<HandlerSite> {
        self.handlers.binary_search_by_key(&offset, |site| site.offset).ok().map(|at| self.handlers[at])
    }

    pub(crate) fn function_at(&self, offset: u32) -> Option<PlacedFunction> {
        let behind = self.functions.partition_point(|placed| placed.offset <= offset);
        let placed = self.functions.get(behind.checked_sub(1)?)?;
        (offset - placed.offset < placed.len).then_some(*placed)
    }
}

type Segment = Box<[OnceLock<Batch>]>;

/// All batches of an image.
#[derive(Debug)]
pub(crate) struct Batches {
    segments: [OnceLock<Segment>; SEGMENTS],
    count: AtomicUsize,
}

impl Batches {
    pub(crate) const fn new() -> Batches {
        Batches { segments: [const { OnceLock::new() }; SEGMENTS], count: AtomicUsize::new(0) }
    }

    /// Appends a batch, whose offsets are above those of all before it. The caller holds the image's lock. Does nothing when the list is full, which
    /// it can not be: 2^32 batches of a page each exceed what an image can hold.
    pub(crate) fn push(&self, batch: Batch) {
        let index = self.count.load(Ordering::Relaxed);
        let (segment, slot) = place(index);
        let Some(segment) = self.segments.get(segment).map(|cell| cell.get_or_init(|| new_segment(segment))) else { return };
        if segment[slot].set(batch).is_ok() {
            self.count.store(index + 1, Ordering::Release);
        }
    }

    /// The number that the next inlined place gets.
    pub(crate) fn next_inlined(&self) -> u32 {
        let last = self.count.load(Ordering::Acquire).checked_sub(1).and_then(|last| self.get(last));
        last.map_or(FRESH, |batch| batch.first_inlined + batch.inlined.len() as u32)
    }

    /// The inlined place of that number.
    pub(crate) fn inlined_at(&self, number: u32) -> Option<InlinedPlace> {
        let (mut low, mut high) = (0, self.count.load(Ordering::Acquire));
        // The last batch that does not begin above it.
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle)?.first_inlined <= number { low = middle + 1 } else { high = middle }
        }
        let batch = self.get(low.checked_sub(1)?)?;
        batch.inlined.get((number - batch.first_inlined) as usize).copied()
    }

    /// The batch whose pages hold that offset.
    pub(crate) fn at(&self, offset: u32) -> Option<&Batch> {
        let (mut low, mut high) = (0, self.count.load(Ordering::Acquire));
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle)?.range.end <= offset { low = middle + 1 } else { high = middle }
        }
        self.get(low).filter(|batch| batch.range.contains(&offset))
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    fn get(&self, index: usize) -> Option<&Batch> {
        let (segment, slot) = place(index);
        self.segments.get(segment)?.get()?.get(slot)?.get()
    }
}

fn new_segment(segment: usize) -> Segment {
    (0..1usize << segment).map(|_| OnceLock::new()).collect()
}

const fn place(index: usize) -> (usize, usize) {
    let segment = (index + 1).ilog2() as usize;
    (segment, index + 1 - (1 << segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few where each step is checked.
    const BATCHES: u32 = if cfg!(miri) { 40 } else { 2000 };

    #[test]
    fn every_offset_finds_its_batch_while_others_are_pushed() {
        let batches = Batches::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..BATCHES {
                    // Every tenth page is left out.
                    let start = n * 4096 + n / 10 * 4096;
                    batches.push(Batch { range: start..start + 4096, ..Batch::default() });
                }
            });
            while batches.len() < BATCHES as usize {
                let last = batches.len();
                if let Some(n) = last.checked_sub(1) {
                    let start = (n + n / 10) as u32 * 4096;
                    assert_eq!(batches.at(start + 7).map(|batch| batch.range.start), Some(start));
                }
            }
        });
        for n in 0..BATCHES {
            let start = (n + n / 10) * 4096;
            for offset in [start, start + 4095] {
                assert_eq!(batches.at(offset).map(|batch| batch.range.start), Some(start));
            }
        }
        assert!(batches.at(10 * 4096).is_none(), "the page left out");
        assert!(batches.at(u32::MAX).is_none());
    }
}
