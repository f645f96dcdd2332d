//! Which addresses are compiled code, and which are linear memory: process-wide, written under a lock, read without one in signal handlers.
//!
//! A set of ranges is a list of chunks of [slots](super::slot) that is only ever appended to; a slot is reused after its range is gone. A reader skips a slot that is being written or changed under its eyes, and loses nothing by that: the range that it asks for
//! is in use by its own thread, so it was complete before and is not removed meanwhile.

use super::slot::Slot;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use trjit_code::InlinedPlace;
use trjit_module::{FuncIndex, TrapCode};

/// What is known of compiled code by its offset from the range's base. Called in signal handlers: implementations neither allocate nor lock.
pub trait CodeTables: Send + Sync {
    /// The trap of the instruction at `offset`, and where in the wasm it stands.
    fn trap_at(&self, offset: u32) -> Option<(TrapCode, u32)>;
    /// Where in the wasm the call stands that returns to `offset`.
    fn call_at(&self, offset: u32) -> Option<u32>;
    /// What an inlined place of the code refers to.
    fn inlined_at(&self, number: u32) -> Option<InlinedPlace>;
    /// The landing pad for exceptions that come out of the call that returns to `offset`: its offset, and the distance of its frame's stack pointer from
    /// the frame pointer.
    fn handler_at(&self, offset: u32) -> Option<(u32, u32)>;
    /// The function whose code holds `offset`; none for trampolines and padding.
    fn function_at(&self, offset: u32) -> Option<FuncIndex>;
}

const SLOTS: usize = 64;

struct Chunk {
    slots: [Slot; SLOTS],
    next: AtomicPtr<Chunk>,
}

impl Chunk {
    const fn empty() -> Chunk {
        let slots = [const { Slot::new([const { AtomicUsize::new(0) }; 4]) }; SLOTS];
        Chunk { slots, next: AtomicPtr::new(std::ptr::null_mut()) }
    }
}

/// A set of disjoint address ranges with a word of data each.
pub(super) struct RangeSet {
    first: Chunk,
    free: Mutex<Free>,
}

/// Slots for the next ranges: returned ones, then those never used.
struct Free {
    returned: Vec<&'static Slot>,
    last: Option<&'static Chunk>,
    used: usize,
}

impl RangeSet {
    pub(super) const fn new() -> RangeSet {
        RangeSet { first: Chunk::empty(), free: Mutex::new(Free { returned: Vec::new(), last: None, used: 0 }) }
    }

    /// Adds `[base, base + len)`; the range stays until the result is dropped.
    pub(super) fn insert(&'static self, base: usize, len: usize, data: usize) -> RangeEntry {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = free.returned.pop().unwrap_or_else(|| self.fresh_slot(&mut free));
        slot.write(base, len, data);
        RangeEntry { set: self, slot }
    }

    fn fresh_slot(&'static self, free: &mut Free) -> &'static Slot {
        let mut last = free.last.unwrap_or(&self.first);
        if free.used == SLOTS {
            let next: &'static Chunk = Box::leak(Box::new(Chunk::empty()));
            last.next.store((&raw const *next).cast_mut(), Ordering::Release);
            last = next;
            free.used = 0;
        }
        free.last = Some(last);
        free.used += 1;
        &last.slots[free.used - 1]
    }

    /// Base and data of the range that holds `address`. For signal handlers too.
    pub(super) fn find(&self, address: usize) -> Option<(usize, usize)> {
        let mut chunk = &self.first;
        loop {
            if let Some(found) = chunk.slots.iter().find_map(|slot| slot.read(address)) {
                return Some(found);
            }
            // SAFETY: null or a leaked chunk, complete before it was stored.
            chunk = unsafe { chunk.next.load(Ordering::Acquire).as_ref() }?;
        }
    }
}

/// A range's membership in a [`RangeSet`].
pub(super) struct RangeEntry {
    set: &'static RangeSet,
    slot: &'static Slot,
}

impl Drop for RangeEntry {
    fn drop(&mut self) {
        let mut free = self.set.free.lock().unwrap_or_else(PoisonError::into_inner);
        self.slot.write(0, 0, 0);
        free.returned.push(self.slot);
    }
}

static CODE: RangeSet = RangeSet::new();

/// Keeps a range of code registered, and its tables alive.
pub struct Registration {
    // Before the tables: fields are dropped in this order.
    _entry: RangeEntry,
    _tables: Box<Arc<dyn CodeTables>>,
}

/// Registers `[base, base + len)`, which may be larger than the code in it now, as compiled code. `len` is at most 4 GiB.
///
/// # Safety
/// The range overlaps no other registered one, and what `tables` says of it is true. While a thread may execute code of the range, or have frames of it
/// on its stack, the registration is not dropped.
pub unsafe fn register(base: *const u8, len: usize, tables: Arc<dyn CodeTables>) -> Registration {
    let tables = Box::new(tables);
    let entry = CODE.insert(base.addr(), len, (&raw const *tables).expose_provenance());
    Registration { _entry: entry, _tables: tables }
}

/// Tables of the code at `pc`, and its offset in the range. For signal handlers too.
///
/// # Safety
/// The registration that covers `pc`, if there is one, is not dropped during `'a`: for example since the calling thread is stopped there.
pub unsafe fn lookup<'a>(pc: usize) -> Option<(&'a dyn CodeTables, u32)> {
    let (base, data) = CODE.find(pc)?;
    let tables = std::ptr::with_exposed_provenance::<Arc<dyn CodeTables>>(data);
    // SAFETY: `data` is the address that `register` stored for this range, and the caller keeps the registration.
    let tables: &'a Arc<dyn CodeTables> = unsafe { &*tables };
    Some((&**tables, u32::try_from(pc - base).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_and_go() {
        static SET: RangeSet = RangeSet::new();
        let mut entries: Vec<RangeEntry> = (1..=200).map(|at| SET.insert(at * 100, 50, at)).collect();
        assert_eq!(SET.find(100), Some((100, 1)));
        assert_eq!(SET.find(149), Some((100, 1)));
        assert_eq!(SET.find(150), None);
        assert_eq!(SET.find(20049), Some((20000, 200)));
        drop(entries.remove(0));
        assert_eq!(SET.find(100), None);
        let again = SET.insert(5, 10, 9);
        assert_eq!(SET.find(14), Some((5, 9)));
        assert_eq!(SET.free.lock().unwrap().returned.len(), 0, "the returned slot is used again");
        drop((again, entries));
        assert_eq!(SET.find(14), None);
        assert_eq!(SET.find(20000), None);
    }

    /// Readers always see the range that stays, and never one made of two.
    #[test]
    fn readers_see_whole_ranges_while_others_change() {
        /// Fewer where each step is checked.
        const ROUNDS: usize = if cfg!(miri) { 40 } else { 20_000 };
        static SET: RangeSet = RangeSet::new();
        let _kept = SET.insert(1 << 40, 10, 77);
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..ROUNDS {
                    drop(SET.insert(round * 1000, round % 100 + 1, round));
                }
                done.store(1, Ordering::Relaxed);
            });
            let mut round = 0;
            while done.load(Ordering::Relaxed) == 0 {
                assert_eq!(SET.find((1 << 40) + 9), Some((1 << 40, 77)));
                round = (round + 1) % ROUNDS;
                if let Some(found) = SET.find(round * 1000) {
                    assert_eq!(found, (round * 1000, round));
                }
            }
        });
    }
}
