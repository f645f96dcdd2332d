//! Linear memories at the border of the embedding API.

use crate::context::{AsContext, AsContextMut};
use crate::error::Error;
use crate::handle::Handle;
use crate::host_module;
use crate::limits;
use crate::memory::MemoryInner;
use trjit_module::flat::MemoryRecord;
use trjit_module::vm::PAGE_SIZE;

/// Limits of a memory in pages of 64 KiB, and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryType {
    /// Pages that it begins with.
    pub minimum: u64,
    /// Pages that it may grow to.
    pub maximum: Option<u64>,
    /// Addresses have 64 bits.
    pub is_64: bool,
    /// Atomic instructions may wait on it; it needs a maximum.
    pub shared: bool,
}

impl MemoryType {
    /// A memory with addresses of 32 bits.
    pub const fn new(minimum: u32, maximum: Option<u32>) -> MemoryType {
        let maximum = match maximum {
            Some(pages) => Some(pages as u64),
            None => None,
        };
        MemoryType { minimum: minimum as u64, maximum, is_64: false, shared: false }
    }
}

/// An access outside of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes at {offset} do not lie in the memory, which has {size} bytes")]
pub struct MemoryAccessError {
    /// Where the access begins.
    pub offset: usize,
    /// Its bytes.
    pub len: usize,
    /// Bytes of the memory.
    pub size: usize,
}

/// A memory of a store.
#[derive(Clone, Copy)]
pub struct Memory {
    inner: Handle<MemoryInner>,
}

impl Memory {
    pub(crate) fn of(inner: Handle<MemoryInner>) -> Memory {
        Memory { inner }
    }

    /// Makes a memory of zeros.
    pub fn new(store: &mut impl AsContextMut, ty: MemoryType) -> Result<Memory, Error> {
        let instance = host_module::memory(store.as_context_mut().inner, ty)?;
        let memory = instance.get_memory(store, "");
        memory.ok_or_else(|| Error::Resource { what: "memory", detail: "it was not made".to_string() })
    }

    /// The type; its minimum is the present size.
    ///
    /// # Panics
    /// This and the other functions here: when the memory is of another store.
    pub fn ty(&self, store: &impl AsContext) -> MemoryType {
        let memory = self.inner.get(store);
        MemoryType {
            minimum: memory.pages(),
            maximum: memory.declared_max,
            is_64: memory.flags & MemoryRecord::MEMORY64 != 0,
            shared: memory.is_shared(),
        }
    }

    /// All bytes.
    pub fn data<'a>(&self, store: &'a impl AsContext) -> &'a [u8] {
        let memory = self.inner.get(store);
        match memory.definition.len {
            0 => &[],
            // SAFETY: so many bytes lie at the base; guests and growth need the store, which is borrowed.
            len => unsafe { std::slice::from_raw_parts(memory.definition.base, len as usize) },
        }
    }

    /// All bytes, to be changed.
    pub fn data_mut<'a>(&self, store: &'a mut impl AsContextMut) -> &'a mut [u8] {
        let memory = self.inner.get(store);
        match memory.definition.len {
            0 => &mut [],
            // SAFETY: as in `data`; the store is borrowed mutably.
            len => unsafe { std::slice::from_raw_parts_mut(memory.definition.base, len as usize) },
        }
    }

    /// All bytes, and the store's data beside them.
    pub fn data_and_store_mut<'a, C: AsContextMut>(&self, store: &'a mut C) -> (&'a mut [u8], &'a mut C::Data) {
        let data = store.as_context_mut().data_mut() as *mut C::Data;
        // SAFETY: the data is no part of a memory; both are borrowed with the store.
        (self.data_mut(store), unsafe { &mut *data })
    }

    /// Where byte 0 is. It may move when a 64-bit memory grows.
    pub fn data_ptr(&self, store: &impl AsContext) -> *mut u8 {
        self.inner.get(store).definition.base
    }

    /// Bytes.
    pub fn data_size(&self, store: &impl AsContext) -> usize {
        self.inner.get(store).definition.len as usize
    }

    /// The size in pages of 64 KiB.
    pub fn size(&self, store: &impl AsContext) -> u64 {
        self.inner.get(store).pages()
    }

    /// Copies bytes out.
    pub fn read(&self, store: &impl AsContext, offset: usize, buffer: &mut [u8]) -> Result<(), MemoryAccessError> {
        let bytes = self.data(store);
        let error = MemoryAccessError { offset, len: buffer.len(), size: bytes.len() };
        let range = offset.checked_add(buffer.len()).and_then(|end| bytes.get(offset..end)).ok_or(error)?;
        buffer.copy_from_slice(range);
        Ok(())
    }

    /// Copies bytes in.
    pub fn write(&self, store: &mut impl AsContextMut, offset: usize, buffer: &[u8]) -> Result<(), MemoryAccessError> {
        let bytes = self.data_mut(store);
        let error = MemoryAccessError { offset, len: buffer.len(), size: bytes.len() };
        let range = offset.checked_add(buffer.len()).and_then(|end| bytes.get_mut(offset..end)).ok_or(error)?;
        range.copy_from_slice(buffer);
        Ok(())
    }

    /// Grows by so many pages and returns the old size, as `memory.grow` does.
    pub fn grow(&self, store: &mut impl AsContextMut, delta: u64) -> Result<u64, Error> {
        let memory = self.inner.pointer(store);
        // SAFETY: memories live as long as their store, which is borrowed.
        let grown = unsafe { limits::grow_memory(store.as_context_mut().inner, memory, delta) };
        grown.map_err(Error::Limiter)?.ok_or_else(|| {
            let size = self.size(store);
            Error::Resource { what: "memory", detail: format!("{size} pages of {PAGE_SIZE} bytes can not grow by {delta}") }
        })
    }

    pub(crate) fn inner(&self) -> &Handle<MemoryInner> {
        &self.inner
    }
}
