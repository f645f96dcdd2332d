//! Address space: linear memories and the runtime's large arrays. Both reserve all that they may ever need and never move.
//!
//! ```text
//! LinearMemory:  | base: committed, read-write, pages of a cache file mapped copy-on-write over it | inaccessible up to MEMORY_RESERVATION | MEMORY_GUARD: inaccessible always |
//! checked ones:  | base: committed, read-write | inaccessible up to its maximum, or as much as there is |     with 64-bit indices, or where addresses are few
//! ```
//! An access of compiled code outside of the committed part faults, and the signal handler asks [`is_reserved`] whether a memory lies there.

use super::address_space::AddressSpace;
use super::registry::{RangeEntry, RangeSet};
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use rustix::process::{Resource, getrlimit};
use std::ptr::NonNull;
use trjit_module::vm::{MEMORY_GUARD, MEMORY_RESERVATION, PAGE_SIZE};

static RESERVATIONS: RangeSet = RangeSet::new();

/// Whether `address` lies in the reservation of a linear memory. For signal handlers too.
pub(super) fn is_reserved(address: usize) -> bool {
    RESERVATIONS.find(address).is_some()
}

/// Why there is no memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error("cannot reserve {bytes} bytes of address space for {purpose}: {errno}{}", limit_note(*.limit))]
    Reserve { purpose: &'static str, bytes: usize, errno: Errno, limit: Option<u64> },
    #[error("cannot make the {bytes} bytes of a new linear memory accessible: {errno}{}", limit_note(*.limit))]
    Commit { bytes: usize, errno: Errno, limit: Option<u64> },
    #[error("cannot map the {bytes} bytes at {offset} of the cache file that a linear memory begins with: {errno}{}", limit_note(*.limit))]
    Image { bytes: usize, offset: u64, errno: Errno, limit: Option<u64> },
    #[error("a linear memory of {len} bytes begins with {bytes} bytes at {at}: they do not fit")]
    ImagePlace { bytes: usize, at: usize, len: usize },
    #[error("a linear memory of {pages} pages was asked for; {} pages are the most that a 32-bit index reaches", MEMORY_RESERVATION / PAGE_SIZE)]
    TooLarge { pages: u64 },
    #[error("a linear memory of {pages} pages of 64 KiB was asked for: more than this machine can address")]
    Unaddressable { pages: u64 },
}

fn limit_note(limit: Option<u64>) -> String {
    limit.map_or(String::new(), |limit| format!("; the limit of address space (RLIMIT_AS, `ulimit -v`) is {limit} bytes"))
}

fn address_space_limit() -> Option<u64> {
    getrlimit(Resource::As).current
}

/// An anonymous private mapping, without a claim on memory until it is touched.
struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and this is its only owner.
unsafe impl Send for Mapping {}
// SAFETY: shared references give out the address only.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(purpose: &'static str, len: usize, protection: ProtFlags) -> Result<Mapping, MemoryError> {
        let failed = |errno| MemoryError::Reserve { purpose, bytes: len, errno, limit: address_space_limit() };
        // SAFETY: the kernel chooses the place, so no mapping in use is replaced.
        let base = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, protection, MapFlags::PRIVATE | MapFlags::NORESERVE) };
        let base = NonNull::new(base.map_err(failed)?.cast()).ok_or_else(|| failed(Errno::NOMEM))?;
        Ok(Mapping { base, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the owner; users of the address promised not to outlive it. A failure would leak, nothing worse.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// A linear memory.
pub struct LinearMemory {
    // Before the mapping: the range is unregistered before its addresses can be given to somebody else.
    _registered: RangeEntry,
    mapping: Mapping,
    len: usize,
}

impl LinearMemory {
    /// A zeroed memory of `pages` wasm pages.
    pub fn new(pages: u64) -> Result<LinearMemory, MemoryError> {
        let reserved = (MEMORY_RESERVATION + MEMORY_GUARD) as usize;
        if pages > MEMORY_RESERVATION / PAGE_SIZE {
            return Err(MemoryError::TooLarge { pages });
        }
        let mapping = Mapping::new("a linear memory", reserved, ProtFlags::empty())?;
        let registered = RESERVATIONS.insert(mapping.base.addr().get(), reserved, 0);
        let mut memory = LinearMemory { _registered: registered, mapping, len: 0 };
        let bytes = (pages * PAGE_SIZE) as usize;
        memory.commit(bytes).map_err(|errno| MemoryError::Commit { bytes, errno, limit: address_space_limit() })?;
        Ok(memory)
    }

    /// A zeroed memory of `pages` wasm pages whose accesses are checked, with room for `max` or as many as there is address space for: that is where it ends
    /// to grow, as it never moves.
    pub fn new_checked(pages: u64, max: u64, space: AddressSpace) -> Result<LinearMemory, MemoryError> {
        let bytes_of = |pages: u64| pages.checked_mul(PAGE_SIZE).filter(|&bytes| bytes < 1 << 47).map(|bytes| bytes as usize);
        let bytes = bytes_of(pages).ok_or(MemoryError::Unaddressable { pages })?;
        let most = bytes_of(max.max(pages)).unwrap_or(bytes);
        let mut reserved = (space.memory(most) / PAGE_SIZE as usize * PAGE_SIZE as usize).max(bytes);
        let mapping = loop {
            match Mapping::new("a linear memory", reserved.max(PAGE_SIZE as usize), ProtFlags::empty()) {
                Ok(mapping) => break mapping,
                Err(error) if reserved == bytes => return Err(error),
                Err(_) => reserved = (reserved / 2 / PAGE_SIZE as usize * PAGE_SIZE as usize).max(bytes),
            }
        };
        let registered = RESERVATIONS.insert(mapping.base.addr().get(), mapping.len, 0);
        let mut memory = LinearMemory { _registered: registered, mapping, len: 0 };
        memory.commit(bytes).map_err(|errno| MemoryError::Commit { bytes, errno, limit: address_space_limit() })?;
        Ok(memory)
    }

    /// The address of byte 0; the same as long as the memory lives.
    pub fn base(&self) -> *mut u8 {
        self.mapping.base.as_ptr()
    }

    /// Accessible bytes, a multiple of the wasm page size.
    pub fn byte_len(&self) -> usize {
        self.len
    }

    pub fn pages(&self) -> u64 {
        self.len as u64 / PAGE_SIZE
    }

    /// Grows by `delta` pages, up to `max` at most, and returns the old size in pages; none (and no change) where that is not possible.
    pub fn grow(&mut self, delta: u64, max: u64) -> Option<u64> {
        let old = self.pages();
        let new = old.checked_add(delta).filter(|&new| new <= max.min(self.room()))?;
        self.commit((new * PAGE_SIZE) as usize).ok()?;
        Some(old)
    }

    /// Puts pages of a file at `at`, in place of what stands there: clean pages are shared with all who map them. `at`, `offset` and `len` are multiples of the
    /// system's page size. The memory is fresh: nobody has its bytes borrowed.
    pub fn map_file(&mut self, at: usize, file: impl AsFd, offset: u64, len: usize) -> Result<(), MemoryError> {
        self.check_place(at, len)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: the range is committed memory of this reservation (checked), which this object owns; whoever reads or writes it does so through the base,
        // as plain bytes.
        let mapped = unsafe { rustix::mm::mmap(self.base().add(at).cast(), len, protection, flags, file, offset) };
        mapped.map(|_| ()).map_err(|errno| MemoryError::Image { bytes: len, offset, errno, limit: address_space_limit() })
    }

    /// Copies bytes to `at`.
    pub fn load(&mut self, at: usize, bytes: &[u8]) -> Result<(), MemoryError> {
        self.check_place(at, bytes.len())?;
        // SAFETY: the range is committed memory of this reservation (checked), and no part of what is borrowed as `bytes`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base().add(at), bytes.len()) };
        Ok(())
    }

    fn check_place(&self, at: usize, bytes: usize) -> Result<(), MemoryError> {
        let inside = at.checked_add(bytes).is_some_and(|end| end <= self.len);
        if inside { Ok(()) } else { Err(MemoryError::ImagePlace { bytes, at, len: self.len }) }
    }

    /// Pages that the reservation holds.
    fn room(&self) -> u64 {
        let room = self.mapping.len as u64 / PAGE_SIZE;
        let guarded = (MEMORY_RESERVATION + MEMORY_GUARD) / PAGE_SIZE;
        if room == guarded { MEMORY_RESERVATION / PAGE_SIZE } else { room }
    }

    /// Makes everything below `len` accessible; `len` is within the reservation and not below the present length.
    fn commit(&mut self, len: usize) -> Result<(), Errno> {
        if len > self.len {
            // SAFETY: the range lies in the reservation, behind what is in use.
            unsafe {
                let start = self.base().add(self.len).cast();
                rustix::mm::mprotect(start, len - self.len, MprotectFlags::READ | MprotectFlags::WRITE)?;
            }
            self.len = len;
        }
        Ok(())
    }
}

/// Zeroed room for `T`s whose pages come when they are touched. It never moves; what it holds is never dropped.
pub struct ReservedArray<T> {
    mapping: Mapping,
    capacity: usize,
    marker: std::marker::PhantomData<*mut T>,
}

// SAFETY: the array owns its room and hands out raw pointers only; `T: Send` lets the contents change threads with it.
unsafe impl<T: Send> Send for ReservedArray<T> {}

impl<T: Copy> ReservedArray<T> {
    /// Room for `capacity` elements; `purpose` is named in the error.
    pub fn new(purpose: &'static str, capacity: usize) -> Result<ReservedArray<T>, MemoryError> {
        const { assert!(align_of::<T>() <= 4096) };
        let reserve = |bytes| MemoryError::Reserve { purpose, bytes, errno: Errno::NOMEM, limit: None };
        let bytes = capacity.checked_mul(size_of::<T>()).ok_or_else(|| reserve(usize::MAX))?;
        let mapping = Mapping::new(purpose, bytes.max(1), ProtFlags::READ | ProtFlags::WRITE)?;
        Ok(ReservedArray { mapping, capacity, marker: std::marker::PhantomData })
    }

    /// The address of element 0, readable and writable for `capacity` elements as long as the array lives. Fresh elements are zero bytes.
    pub fn base(&self) -> *mut T {
        self.mapping.base.as_ptr().cast()
    }

    /// Elements.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    #[test]
    fn memory_grows_in_place_up_to_its_maximum() {
        let mut memory = LinearMemory::new(1).unwrap();
        let base = memory.base();
        assert_eq!(memory.grow(2, 3), Some(1));
        assert_eq!(memory.grow(1, 3), None);
        assert_eq!(memory.grow(u64::MAX, u64::MAX), None);
        assert_eq!(memory.grow(0, 0), None);
        assert_eq!(memory.grow(0, 3), Some(3));
        assert_eq!((memory.base(), memory.byte_len()), (base, 3 * 65536));
        // SAFETY: the last byte of the third page, and one inside of the first.
        unsafe {
            assert_eq!(*base.add(3 * 65536 - 1), 0);
            *base.add(3 * 65536 - 1) = 7;
            assert_eq!(*base.add(100), 0);
        }
        let end = base.addr() + (MEMORY_RESERVATION + MEMORY_GUARD) as usize;
        assert!(is_reserved(base.addr()) && is_reserved(end - 1) && !is_reserved(end));
    }

    #[test]
    fn pages_of_a_file_are_private_to_each_memory() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[vec![1; 4096], vec![2; 4096]].concat()).unwrap();
        let mut memories = [0, 1].map(|_| LinearMemory::new(1).unwrap());
        for memory in &mut memories {
            memory.map_file(8192, &file, 4096, 4096).unwrap();
            memory.load(12286, b"abc").unwrap();
        }
        // SAFETY: all within the first wasm page.
        unsafe {
            let base = memories[0].base();
            assert_eq!([8191, 8192, 12285, 12286, 12288, 12289].map(|at| *base.add(at)), [0, 2, 2, b'a', b'c', 0]);
            *base.add(8192) = 9;
            assert_eq!((*base.add(8192), *memories[1].base().add(8192)), (9, 2));
        }
        assert_eq!(memories[0].grow(1, 2), Some(1));
        let mut byte = [0];
        file.read_exact_at(&mut byte, 4096).unwrap();
        assert_eq!(byte, [2], "the file stays as it is");
        for (at, len) in [(65536, 4096), (usize::MAX - 4095, 4096), (0, 65536 + 4096)] {
            assert!(matches!(memories[1].map_file(at, &file, 0, len), Err(MemoryError::ImagePlace { .. })), "{at} {len}");
        }
        let error = memories[1].map_file(0, &file, 1, 4096).unwrap_err().to_string();
        assert!(error.starts_with("cannot map the 4096 bytes at 1 of the cache file that a linear memory begins with"), "{error}");
        assert!(matches!(memories[1].load(65535, b"ab"), Err(MemoryError::ImagePlace { .. })));
    }

    #[test]
    fn checked_memories_grow_in_place_within_their_room() {
        let mut memory = LinearMemory::new_checked(1, 3, AddressSpace::of_process()).unwrap();
        let base = memory.base();
        assert_eq!(
            (memory.grow(1, 65536), memory.grow(2, 65536), memory.grow(1, 2), memory.grow(1, 65536)),
            (Some(1), None, None, Some(2))
        );
        assert_eq!((memory.base(), memory.byte_len()), (base, 3 * 65536));
        // SAFETY: the last byte.
        unsafe { *base.add(3 * 65536 - 1) = 7 };
        assert!(is_reserved(base.addr()) && !is_reserved(base.addr() + 3 * 65536));
        assert_eq!(LinearMemory::new_checked(0, 0, AddressSpace::of_process()).unwrap().byte_len(), 0);
    }

    #[test]
    fn the_largest_memory_is_possible_and_one_page_more_is_refused() {
        assert_eq!(LinearMemory::new(0).unwrap().grow(65536, 65536), Some(0));
        let error = LinearMemory::new(65537).err().unwrap();
        assert_eq!(error.to_string(), "a linear memory of 65537 pages was asked for; 65536 pages are the most that a 32-bit index reaches");
    }

    #[test]
    fn arrays_are_zero_and_large_ones_cost_nothing() {
        let array = ReservedArray::<u64>::new("a test", 1 << 32).unwrap();
        // SAFETY: both elements are inside.
        unsafe {
            *array.base().add((1 << 32) - 1) = 5;
            assert_eq!(*array.base(), 0);
        }
        assert!(matches!(ReservedArray::<u64>::new("a test", usize::MAX), Err(MemoryError::Reserve { .. })));
        assert_eq!(ReservedArray::<u64>::new("a test", 0).unwrap().capacity(), 0);
    }
}
