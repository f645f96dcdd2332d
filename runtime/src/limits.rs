//! Limits that the embedder sets for a store: asked before a memory or a table is made or grows, whoever makes or grows it.

use crate::memory::MemoryInner;
use crate::store::StoreInner;
use crate::table::TableInner;
use trjit_module::vm::PAGE_SIZE;

/// Decides about growth; see [`Store::limiter`](crate::Store::limiter).
pub trait ResourceLimiter: Send {
    /// Whether a memory may have `desired` bytes; it has `current` now (0 where it is about to be made), and `maximum` is what it declares.
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool;

    /// The same for a table, in elements.
    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool;

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

/// Fixed limits, for most embedders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Bytes of each memory.
    pub memory_size: Option<usize>,
    /// Elements of each table.
    pub table_elements: Option<usize>,
    pub instances: usize,
    pub memories: usize,
    pub tables: usize,
}

impl Default for StoreLimits {
    fn default() -> StoreLimits {
        StoreLimits { memory_size: None, table_elements: None, instances: 10_000, memories: 10_000, tables: 10_000 }
    }
}

impl ResourceLimiter for StoreLimits {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> bool {
        self.memory_size.is_none_or(|limit| desired <= limit)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> bool {
        self.table_elements.is_none_or(|limit| desired <= limit)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.memories
    }

    fn tables(&self) -> usize {
        self.tables
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
pub(crate) unsafe fn allows_memory(store: *mut StoreInner, pages: u64, maximum: Option<u64>) -> bool {
    // SAFETY: by contract.
    unsafe {
        let memories = &(*store).memories;
        limiter(store)
            .is_none_or(|limiter| memories.len() < limiter.memories() && limiter.memory_growing(0, bytes(pages), maximum.map(bytes)))
    }
}

/// Whether a table of so many elements may be made.
///
/// # Safety
/// As [`limiter`].
pub(crate) unsafe fn allows_table(store: *mut StoreInner, elements: u64, maximum: Option<u64>) -> bool {
    // SAFETY: by contract.
    unsafe {
        let tables = &(*store).tables;
        limiter(store).is_none_or(|limiter| {
            tables.len() < limiter.tables() && limiter.table_growing(0, elements as usize, maximum.map(|max| max as usize))
        })
    }
}

/// Grows a memory by pages where the limiter agrees; the old size, or none.
///
/// # Safety
/// As [`limiter`]; `memory` is of the store.
pub(crate) unsafe fn grow_memory(store: *mut StoreInner, memory: *mut MemoryInner, delta: u64) -> Option<u64> {
    // SAFETY: by contract.
    unsafe {
        let old = (*memory).pages();
        let desired = old.checked_add(delta)?;
        let maximum = (*memory).declared_max.map(bytes);
        if delta != 0 && limiter(store).is_some_and(|limiter| !limiter.memory_growing(bytes(old), bytes(desired), maximum)) {
            return None;
        }
        (*memory).grow(delta)
    }
}

/// Grows a table by elements where the limiter agrees; the old size, or none.
///
/// # Safety
/// As [`limiter`]; `table` is of the store.
pub(crate) unsafe fn grow_table(store: *mut StoreInner, table: *mut TableInner, delta: u64, reference: u64) -> Option<u64> {
    // SAFETY: by contract.
    unsafe {
        let old = (*table).len();
        let desired = usize::try_from(old.checked_add(delta)?).ok()?;
        let maximum = (*table).declared_max.map(|max| max as usize);
        if delta != 0 && limiter(store).is_some_and(|limiter| !limiter.table_growing(old as usize, desired, maximum)) {
            return None;
        }
        (*table).grow(delta, reference)
    }
}

fn bytes(pages: u64) -> usize {
    usize::try_from(pages.saturating_mul(PAGE_SIZE)).unwrap_or(usize::MAX)
}
