//! A linear memory of a store: the reservation and the definition that instances share.

use crate::sys::{AddressSpace, LinearMemory, MemoryError};
use trjit_code::MemoryStyle;
use trjit_module::flat::MemoryRecord;
use trjit_module::vm::{PAGE_SIZE, VmMemory};
use trjit_runtime_loader::MappedCache;

/// Most pages that a 32-bit memory can have.
const MAX_PAGES: u64 = 1 << 16;
/// Most pages that a 64-bit memory can have here: what its reservation holds. A module that begins with more gets what it begins with.
const MAX_PAGES_64: u64 = 1 << 20;

pub(crate) struct MemoryInner {
    memory: LinearMemory,
    /// What compiled code and the interpreter see.
    pub definition: VmMemory,
    /// Declared limits in pages and [`MemoryRecord::flags`], for matching imports.
    pub declared_max: Option<u64>,
    pub flags: u32,
    /// Most pages, by declaration and by the embedder's limit.
    max: u64,
}

impl MemoryInner {
    /// A memory of the declared size; `limit` is the embedder's limit in bytes, `style` and `space` are the engine's.
    pub fn new(record: &MemoryRecord, limit: Option<u64>, style: MemoryStyle, space: AddressSpace) -> Result<MemoryInner, MemoryError> {
        let wide = record.flags & MemoryRecord::MEMORY64 != 0;
        let most = if wide { MAX_PAGES_64 } else { MAX_PAGES };
        let declared_max = (record.has_max != 0).then_some(record.max);
        let max = declared_max.unwrap_or(most).min(most).min(limit.map_or(most, |bytes| bytes / PAGE_SIZE));
        let memory = match style {
            MemoryStyle::Reserved if !wide => LinearMemory::new(record.min)?,
            MemoryStyle::Reserved | MemoryStyle::Checked => LinearMemory::new_checked(record.min, max, space)?,
        };
        let definition = VmMemory { base: memory.base(), len: memory.byte_len() as u64 };
        Ok(MemoryInner { memory, definition, declared_max, flags: record.flags, max })
    }

    /// Puts what the module's cache says the fresh memory begins with into it: up to `copied` bytes are copied, more are mapped.
    pub fn begin_with(&mut self, cache: &MappedCache, memory: u32, copied: usize) -> Result<(), MemoryError> {
        let size: usize = cache.memory_image(memory).map(|part| part.bytes.len()).sum();
        for part in cache.memory_image(memory) {
            if size > copied && cfg!(target_arch = "x86_64") {
                self.memory.map_file(part.at, cache.fd(), part.offset, part.bytes.len())?;
            } else {
                self.memory.load(part.at, part.bytes)?;
            }
        }
        Ok(())
    }

    pub fn pages(&self) -> u64 {
        self.memory.pages()
    }

    pub fn is_shared(&self) -> bool {
        self.flags & MemoryRecord::SHARED != 0
    }

    /// Grows by pages; the old size, or none where it can not grow.
    pub fn grow(&mut self, delta: u64) -> Option<u64> {
        let old = self.memory.grow(delta, self.max.max(self.memory.pages()))?;
        self.definition.len = self.memory.byte_len() as u64;
        Some(old)
    }
}
