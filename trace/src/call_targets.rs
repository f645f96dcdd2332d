//! The callees of one indirect call site: as counters that one thread writes while others look, and as plain numbers.
//!
//! Invariant: only the thread that runs the instance writes; a target's place is visible to others before its number counts (`len` is released last).

use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use trjit_module::FuncIndex;
use trjit_module::vm::VmCallTargets;

/// How many targets of an indirect call site are told apart; calls of further ones count as `other`.
pub const INLINE_TARGETS: usize = trjit_module::vm::CALL_TARGETS;

/// The callees seen at one indirect call site: the first [`INLINE_TARGETS`] different ones, each with its count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTargets {
    counts: [u64; INLINE_TARGETS],
    /// Calls of targets that found no place, and of functions of other instances.
    pub other: u64,
    functions: [u32; INLINE_TARGETS],
    len: u32,
}

impl CallTargets {
    /// Adds calls of a target; `None` is a function of another instance.
    pub fn add(&mut self, target: Option<FuncIndex>, calls: u64) {
        let len = self.len as usize;
        let known = target.and_then(|FuncIndex(function)| self.functions[..len].iter().position(|&known| known == function));
        match (known, target) {
            (Some(place), _) => self.counts[place] = self.counts[place].wrapping_add(calls),
            (None, Some(FuncIndex(function))) if len < INLINE_TARGETS => {
                (self.functions[len], self.counts[len]) = (function, calls);
                self.len += 1;
            }
            (None, _) => self.other = self.other.wrapping_add(calls),
        }
    }

    /// Adds the calls of the same site in another instance.
    pub(crate) fn add_all(&mut self, more: &CallTargets) {
        more.iter().for_each(|(function, calls)| self.add(Some(function), calls));
        self.other = self.other.wrapping_add(more.other);
    }

    /// What came after `earlier`, an older state of the same counters; targets without a call since then are left out.
    pub(crate) fn since(&self, earlier: &CallTargets) -> CallTargets {
        let mut since = CallTargets { other: self.other.wrapping_sub(earlier.other), ..CallTargets::default() };
        // Places are never given to another target, and those that the older state did not have are zero in it.
        for (place, (function, calls)) in self.iter().enumerate() {
            let calls = calls.wrapping_sub(earlier.counts[place]);
            if calls != 0 {
                since.add(Some(function), calls);
            }
        }
        since
    }

    /// The targets in the order of their first call, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (FuncIndex, u64)> + '_ {
        self.functions.iter().zip(&self.counts).take(self.len as usize).map(|(&function, &count)| (FuncIndex(function), count))
    }

    /// Whether the site was never reached.
    pub fn is_empty(&self) -> bool {
        self.len == 0 && self.other == 0
    }
}

/// [`CallTargets`] of an instance that runs: a [`VmCallTargets`], to which compiled code writes, too.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct LiveTargets {
    counts: [AtomicU64; INLINE_TARGETS],
    other: AtomicU64,
    functions: [AtomicU32; INLINE_TARGETS],
    len: AtomicU32,
    reserved: u32,
}

const _: () = assert!(
    size_of::<LiveTargets>() == size_of::<VmCallTargets>()
        && offset_of!(LiveTargets, counts) == offset_of!(VmCallTargets, counts)
        && offset_of!(LiveTargets, other) == offset_of!(VmCallTargets, other)
        && offset_of!(LiveTargets, functions) == offset_of!(VmCallTargets, functions)
        && offset_of!(LiveTargets, len) == offset_of!(VmCallTargets, len)
);

impl Default for LiveTargets {
    fn default() -> LiveTargets {
        LiveTargets {
            counts: Default::default(),
            other: AtomicU64::default(),
            functions: [const { AtomicU32::new(VmCallTargets::NO_TARGET) }; INLINE_TARGETS],
            len: AtomicU32::default(),
            reserved: 0,
        }
    }
}

impl LiveTargets {
    /// Counts a call; `None` is a function of another instance.
    #[inline]
    pub fn record(&self, target: Option<FuncIndex>) {
        let len = self.len.load(Ordering::Relaxed) as usize;
        let Some(FuncIndex(function)) = target else {
            count(&self.other);
            return;
        };
        if let Some(place) = self.functions[..len].iter().position(|known| known.load(Ordering::Relaxed) == function) {
            count(&self.counts[place]);
        } else if len < INLINE_TARGETS {
            self.functions[len].store(function, Ordering::Relaxed);
            self.counts[len].store(1, Ordering::Relaxed);
            self.len.store(len as u32 + 1, Ordering::Release);
        } else {
            count(&self.other);
        }
    }

    /// The counters of this moment.
    pub fn look(&self) -> CallTargets {
        let len = self.len.load(Ordering::Acquire);
        let mut seen = CallTargets { other: self.other.load(Ordering::Relaxed), len, ..CallTargets::default() };
        for place in 0..len as usize {
            seen.functions[place] = self.functions[place].load(Ordering::Relaxed);
            seen.counts[place] = self.counts[place].load(Ordering::Relaxed);
        }
        seen
    }
}

/// Adds one to a counter that only this thread writes, wrapping, and returns the sum: an ordinary load and an ordinary store.
#[inline(always)]
pub fn count(counter: &AtomicU64) -> u64 {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(1);
    counter.store(sum, Ordering::Relaxed);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice(functions: std::ops::Range<u32>) -> LiveTargets {
        let live = LiveTargets::default();
        functions.clone().chain(functions).for_each(|function| live.record(Some(FuncIndex(function))));
        live
    }

    #[test]
    fn a_ninth_target_and_foreign_functions_count_as_other() {
        assert!(LiveTargets::default().look().is_empty());
        let live = twice(0..10);
        live.record(None);
        let targets = live.look();
        assert_eq!(targets.iter().collect::<Vec<_>>(), (0..8).map(|function| (FuncIndex(function), 2)).collect::<Vec<_>>());
        assert_eq!(targets.other, 5);
        let mut plain = CallTargets::default();
        (0..10).for_each(|function| plain.add(Some(FuncIndex(function)), 2));
        plain.add(None, 1);
        assert_eq!(plain, targets);
    }

    #[test]
    fn sums_and_differences_are_those_of_each_target() {
        let live = twice(3..5);
        let earlier = live.look();
        live.record(Some(FuncIndex(4)));
        live.record(Some(FuncIndex(7)));
        live.record(None);
        let since = live.look().since(&earlier);
        assert_eq!((since.iter().collect::<Vec<_>>(), since.other), (vec![(FuncIndex(4), 1), (FuncIndex(7), 1)], 1));
        let mut sum = since;
        sum.add_all(&earlier);
        assert_eq!(sum.iter().collect::<Vec<_>>(), [(FuncIndex(4), 3), (FuncIndex(7), 1), (FuncIndex(3), 2)]);
        assert!(live.look().since(&live.look()).is_empty());
    }
}
