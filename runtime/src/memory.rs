//! A linear memory of a store: the reservation and the definition that instances share.

use crate::sys::{LinearMemory, MemoryError};
use trjit_module::flat::MemoryRecord;
use trjit_module::vm::{PAGE_SIZE, VmMemory};

/// Most pages that a 32-bit memory can have.
const MAX_PAGES: u64 = 1 << 16;

pub(crate) struct MemoryInner {
    memory: LinearMemory,
    /// What compiled code and the interpreter see.
    pub definition: VmMemory,
    /// Declared limits in pages, for matching imports.
    pub declared_max: Option<u64>,
    /// Most pages, by declaration and by the embedder's limit.
    max: u64,
}

impl MemoryInner {
    /// A memory of the declared size; `limit` is the embedder's limit in bytes.
    pub fn new(record: &MemoryRecord, limit: Option<u64>) -> Result<MemoryInner, MemoryError> {
        let memory = LinearMemory::new(record.min)?;
        let declared_max = (record.has_max != 0).then_some(record.max);
        let max = declared_max.unwrap_or(MAX_PAGES).min(limit.map_or(MAX_PAGES, |bytes| bytes / PAGE_SIZE));
        let definition = VmMemory { base: memory.base(), len: memory.byte_len() as u64 };
        Ok(MemoryInner { memory, definition, declared_max, max })
    }

    pub fn pages(&self) -> u64 {
        self.memory.pages()
    }

    /// Grows by pages; the old size, or none where it can not grow.
    pub fn grow(&mut self, delta: u64) -> Option<u64> {
        let old = self.memory.grow(delta, self.max.max(self.memory.pages()))?;
        self.definition.len = self.memory.byte_len() as u64;
        Some(old)
    }
}
