//! Limits that the embedder sets for a store: asked before a memory or a table is made or grows, whoever makes or grows it. The limits themselves are
//! [`StoreLimits`](crate::StoreLimits), for most embedders.

use crate::error::Error;
use crate::memory::MemoryInner;
use crate::store::StoreInner;
use crate::table::TableInner;
use crate::trap::HostError;
use trjit_module::vm::PAGE_SIZE;

/// Decides about growth; see [`Store::limiter`](crate::Store::limiter).
///
/// `Ok(false)` lets the guest's `memory.grow` or `table.grow` give -1, and calls of the API fail. An error ends the guest as a trap does, with the error as its
/// reason, and is what calls of the API fail with.
pub trait ResourceLimiter: Send {
    /// Whether a memory may have `desired` bytes; it has `current` now (0 where it is about to be made), and `maximum` is what it declares.
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool, HostError>;

    /// The same for a table, in elements.
    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool, HostError>;

    /// A memory could not grow though it was allowed to: it is at its maximum, or the system has no more.
    fn memory_grow_failed(&mut self, _error: HostError) -> Result<(), HostError> {
        Ok(())
    }

    /// A table could not grow though it was allowed to.
    fn table_grow_failed(&mut self, _error: HostError) -> Result<(), HostError> {
        Ok(())
    }

    /// Most instances, with those that hold what the host itself makes.
    fn instances(&self) -> usize {
        10_000
    }

    /// Most memories.
    fn memories(&self) -> usize {
        10_000
    }

    /// Most tables.
    fn tables(&self) -> usize {
        10_000
    }
}

/// Finds the limiter in the store's data.
pub(crate) type Limiter = Box<dyn (Fn(*mut ()) -> *mut dyn ResourceLimiter) + Send>;

/// The store's limiter.
///
/// # Safety
/// `store` is alive and used by this thread only; the result is used before anything else of the store's data is.
unsafe fn limiter<'a>(store: *mut StoreInner) -> Option<&'a mut (dyn ResourceLimiter + 'static)> {
    // SAFETY: by contract: the limiter was made for the type of the store's data.
    unsafe { (*store).limiter.as_ref().map(|find| &mut *find((*store).data)) }
}

/// Whether one more instance is allowed.
///
/// # Safety
/// As [`limiter`].
pub(crate) unsafe fn allows_instance(store: *mut StoreInner) -> bool {
    // SAFETY: by contract.
    unsafe {
        let instances = &(*store).instances;
        limiter(store).is_none_or(|limiter| instances.len() < limiter.instances())
    }
}

/// Whether a memory of so many pages may be made.
///
/// # Safety
/// As [`limiter`].
pub(crate) unsafe fn allows_memory(store: *mut StoreInner, pages: u64, maximum: Option<u64>) -> Result<bool, Error> {
    // SAFETY: by contract.
    unsafe {
        let memories = &(*store).memories;
        let Some(limiter) = limiter(store) else { return Ok(true) };
        let allowed = memories.len() < limiter.memories();
        Ok(allowed && limiter.memory_growing(0, bytes(pages), maximum.map(bytes)).map_err(Error::Limiter)?)
    }
}

/// Whether a table of so many elements may be made.
///
/// # Safety
/// As [`limiter`].
pub(crate) unsafe fn allows_table(store: *mut StoreInner, elements: u64, maximum: Option<u64>) -> Result<bool, Error> {
    // SAFETY: by contract.
    unsafe {
        let tables = &(*store).tables;
        let Some(limiter) = limiter(store) else { return Ok(true) };
        let allowed = tables.len() < limiter.tables();
        Ok(allowed && limiter.table_growing(0, elements as usize, maximum.map(|max| max as usize)).map_err(Error::Limiter)?)
    }
}

/// Grows a memory by pages where the limiter agrees; the old size, or none.
///
/// # Safety
/// As [`limiter`]; `memory` is of the store.
pub(crate) unsafe fn grow_memory(store: *mut StoreInner, memory: *mut MemoryInner, delta: u64) -> Result<Option<u64>, HostError> {
    // SAFETY: by contract.
    unsafe {
        let old = (*memory).pages();
        let maximum = (*memory).declared_max.map(bytes);
        let Some(limiter) = limiter(store).filter(|_| delta != 0) else { return Ok((*memory).grow(delta)) };
        if let Some(desired) = old.checked_add(delta)
            && !limiter.memory_growing(bytes(old), bytes(desired), maximum)?
        {
            return Ok(None);
        }
        let grown = (*memory).grow(delta);
        if grown.is_none() {
            limiter.memory_grow_failed(format!("a memory of {old} pages can not grow by {delta}").into())?;
        }
        Ok(grown)
    }
}

/// Grows a table by elements where the limiter agrees; the old size, or none.
///
/// # Safety
/// As [`limiter`]; `table` is of the store.
pub(crate) unsafe fn grow_table(
    store: *mut StoreInner,
    table: *mut TableInner,
    delta: u64,
    reference: u64,
) -> Result<Option<u64>, HostError> {
    // SAFETY: by contract.
    unsafe {
        let old = (*table).len();
        let maximum = (*table).declared_max.map(|max| max as usize);
        let Some(limiter) = limiter(store).filter(|_| delta != 0) else { return Ok((*table).grow(delta, reference)) };
        let desired = old.checked_add(delta).and_then(|desired| usize::try_from(desired).ok());
        if let Some(desired) = desired
            && !limiter.table_growing(old as usize, desired, maximum)?
        {
            return Ok(None);
        }
        let grown = (*table).grow(delta, reference);
        if grown.is_none() {
            limiter.table_grow_failed(format!("a table of {old} elements can not grow by {delta}").into())?;
        }
        Ok(grown)
    }
}

fn bytes(pages: u64) -> usize {
    usize::try_from(pages.saturating_mul(PAGE_SIZE)).unwrap_or(usize::MAX)
}
