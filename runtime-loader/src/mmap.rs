//! Memory mappings as owned objects: the only file of this crate with unsafe code. What the rest needs is safe to call.
//!
//! A file that is mapped may be truncated or written by others: reading beyond its new end is SIGBUS, and bytes may change after they were verified.
//! Caches are replaced by renaming, never written in place; whoever can write the file in place can also replace it by code of their own.
#![allow(unsafe_code)]

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};
use std::ops::Range;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicI32;

/// Unit of protection. On other architectures pages may be as large as this.
#[cfg(target_arch = "x86_64")]
pub(crate) const PAGE: usize = 4096;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const PAGE: usize = 65536;

/// A mapped range, unmapped when dropped.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping is plain memory of the process, not bound to the thread that made it; each type below tells who may access it.
unsafe impl Send for Mapping {}
// SAFETY: as above; shared references only read, or use atomics.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(address: *mut std::ffi::c_void, len: usize) -> Mapping {
        // A successful mmap without a fixed address is never null.
        Mapping { start: NonNull::new(address.cast()).unwrap_or(NonNull::dangling()), len }
    }

    fn anonymous(len: usize, protection: ProtFlags, flags: MapFlags) -> Result<Mapping, Errno> {
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory in use.
        let address = unsafe { mmap_anonymous(null_mut(), len, protection, MapFlags::PRIVATE | flags) }?;
        Ok(Mapping::new(address, len))
    }

    fn of_file(file: impl AsFd, offset: u64, len: usize, protection: ProtFlags) -> Result<Mapping, Errno> {
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory in use.
        let address = unsafe { mmap(null_mut(), len, protection, MapFlags::PRIVATE, file, offset) }?;
        Ok(Mapping::new(address, len))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new`'s caller and belongs to this object alone; nothing borrowed from it outlives it.
        // An error leaves the range mapped, which harms nobody.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// A file mapped read-only.
#[derive(Debug)]
pub(crate) struct FileMapping(Mapping);

impl FileMapping {
    /// Maps the first `len` bytes, at least one.
    pub(crate) fn new(file: impl AsFd, len: usize) -> Result<FileMapping, Errno> {
        Mapping::of_file(file, 0, len, ProtFlags::READ).map(FileMapping)
    }
}

impl AsRef<[u8]> for FileMapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the range is mapped readable as long as `self` lives, and this process never writes it. See the header on other processes.
        unsafe { std::slice::from_raw_parts(self.0.start.as_ptr(), self.0.len) }
    }
}

/// `i32`s that are read and written atomically, as the compiled code and all threads of a store do.
#[derive(Debug)]
pub(crate) struct AtomicTable {
    mapping: Option<Mapping>,
    len: usize,
}

impl AtomicTable {
    /// Zeros; pages that are never touched cost nothing.
    pub(crate) fn zeroed(len: usize) -> Result<AtomicTable, Errno> {
        let bytes = len * size_of::<i32>();
        let mapping = (len > 0).then(|| Mapping::anonymous(bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::empty()));
        Ok(AtomicTable { mapping: mapping.transpose()?, len })
    }

    /// A private copy-on-write mapping of `len` entries at `offset` (a multiple of [`PAGE`]) of the file.
    pub(crate) fn of_file(file: impl AsFd, offset: u64, len: usize) -> Result<AtomicTable, Errno> {
        let bytes = len * size_of::<i32>();
        let mapping = (len > 0).then(|| Mapping::of_file(file, offset, bytes, ProtFlags::READ | ProtFlags::WRITE));
        Ok(AtomicTable { mapping: mapping.transpose()?, len })
    }

    pub(crate) fn entries(&self) -> &[AtomicI32] {
        let Some(mapping) = &self.mapping else { return &[] };
        // SAFETY: the mapping is page-aligned, readable and writable, has `len * 4` bytes, lives as long as `self`, and is accessed by atomics
        // (and by loads of compiled code) only.
        unsafe { std::slice::from_raw_parts(mapping.start.as_ptr().cast(), self.len) }
    }

    pub(crate) fn as_ptr(&self) -> *mut i32 {
        self.mapping.as_ref().map_or(NonNull::dangling().as_ptr(), |mapping| mapping.start.as_ptr().cast())
    }
}

/// Address space that code is placed into: inaccessible at first, then page by page executable, never back.
///
/// Pages go through the states inaccessible -> (writable ->) executable; the caller hands out each page once.
#[derive(Debug)]
pub(crate) struct Reservation {
    mapping: Mapping,
    /// Distance of the aligned base from the mapping's start.
    base: usize,
    len: usize,
}

/// Why pages could not be made executable.
#[derive(Debug)]
pub(crate) enum SealError {
    /// The range lies outside of the reservation or is not made of pages.
    Range,
    /// Memory for the code could not be had.
    Writable(Errno),
    /// The system allows no executable mapping there.
    Executable(Errno),
}

impl Reservation {
    /// Reserves `len` bytes (whole pages) at a multiple of `align`.
    pub(crate) fn new(len: usize, align: usize) -> Result<Reservation, Errno> {
        let mapping = Mapping::anonymous(len + align, ProtFlags::empty(), MapFlags::NORESERVE)?;
        let start = mapping.start.as_ptr().addr();
        Ok(Reservation { base: start.next_multiple_of(align) - start, mapping, len })
    }

    pub(crate) fn base(&self) -> *const u8 {
        self.at(0)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn at(&self, offset: usize) -> *mut u8 {
        self.mapping.start.as_ptr().wrapping_add(self.base + offset)
    }

    fn check(&self, pages: &Range<usize>) -> Result<(), SealError> {
        let whole = pages.start.is_multiple_of(PAGE) && pages.end.is_multiple_of(PAGE);
        if whole && pages.start < pages.end && pages.end <= self.len { Ok(()) } else { Err(SealError::Range) }
    }

    /// Maps a part of a file read-execute at offset 0, which nothing was placed at before; the mapped bytes.
    pub(crate) fn map_file(&mut self, file: impl AsFd, offset: u64, len: usize) -> Result<&[u8], SealError> {
        self.check(&(0..len))?;
        let protection = ProtFlags::READ | ProtFlags::EXEC;
        // SAFETY: the range lies within this reservation (checked), which this object owns; `&mut self` and the contract say that nobody uses
        // its pages yet.
        let mapped = unsafe { mmap(self.at(0).cast(), len, protection, MapFlags::PRIVATE | MapFlags::FIXED, file, offset) };
        mapped.map_err(SealError::Executable)?;
        // SAFETY: the range was just mapped readable, is never written, and lives as long as this object.
        Ok(unsafe { std::slice::from_raw_parts(self.at(0), len) })
    }

    /// Copies `code` onto the pages at `offset` and makes them executable; the rest of the last page is filled with `fill`. Each page is
    /// given once: the caller holds the lock of the allocator that handed them out.
    pub(crate) fn seal(&self, offset: usize, code: &[u8], fill: u8) -> Result<(), SealError> {
        let pages = offset..offset + code.len().next_multiple_of(PAGE);
        self.check(&pages)?;
        let start = self.at(offset);
        // SAFETY: the pages lie within this reservation (checked) and were handed out to this call alone: no code or data is there yet.
        unsafe { mprotect(start.cast(), pages.len(), MprotectFlags::READ | MprotectFlags::WRITE) }.map_err(SealError::Writable)?;
        // SAFETY: the pages are writable now, `pages.len()` bytes long, at least `code.len()`, and no other thread knows of them.
        unsafe {
            start.copy_from_nonoverlapping(code.as_ptr(), code.len());
            start.add(code.len()).write_bytes(fill, pages.len() - code.len());
        }
        // SAFETY: as above. From here on nobody writes these pages.
        unsafe { mprotect(start.cast(), pages.len(), MprotectFlags::READ | MprotectFlags::EXEC) }.map_err(SealError::Executable)
    }
}
