//! An instance's jump table: one `i32` a function of the index space, the offset of its code from the image's base, 0 = the lazy stub.

use crate::mapped::MappedCache;
use crate::mmap::{AtomicTable, PAGE};
use std::sync::atomic::Ordering;
use trjit_cache_format::SectionId;
use trjit_module::FuncIndex;

/// Private to one instance. Compiled code reads it through [`as_ptr`](JumpTable::as_ptr); installing code is one [`store`](JumpTable::store).
#[derive(Debug)]
pub struct JumpTable {
    table: AtomicTable,
}

/// No memory for a jump table.
#[derive(Debug, thiserror::Error)]
#[error("no memory for a jump table of {len} entries: {reason}")]
pub struct JumpTableError {
    pub len: usize,
    pub reason: std::io::Error,
}

impl JumpTable {
    /// All functions enter the lazy stub.
    pub fn zeroed(len: usize) -> Result<JumpTable, JumpTableError> {
        let table = AtomicTable::zeroed(len).map_err(|errno| JumpTableError { len, reason: errno.into() })?;
        Ok(JumpTable { table })
    }

    /// The cache's table, mapped copy-on-write: pages that no code is installed into stay shared with the file.
    pub fn from_cache(cache: &MappedCache) -> Result<JumpTable, JumpTableError> {
        let entries = cache.file().jump_table();
        let len = entries.len();
        let offset = cache.file().section_range(SectionId::JumpTable).start;
        if offset.is_multiple_of(PAGE) {
            let table =
                AtomicTable::of_file(cache.fd(), offset as u64, len).map_err(|errno| JumpTableError { len, reason: errno.into() })?;
            return Ok(JumpTable { table });
        }
        let table = JumpTable::zeroed(len)?;
        table.table.entries().iter().zip(entries).for_each(|(entry, &offset)| entry.store(offset, Ordering::Relaxed));
        Ok(table)
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.table.entries().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The offset of the function's code from the image's base, 0 = none. 0, too, for functions that the table does not have.
    pub fn get(&self, function: FuncIndex) -> i32 {
        self.table.entries().get(function.index()).map_or(0, |entry| entry.load(Ordering::Acquire))
    }

    /// Installs (or, with 0, removes) code: from now on calls enter it. Returns whether the table has the function.
    pub fn store(&self, function: FuncIndex, offset: i32) -> bool {
        let entry = self.table.entries().get(function.index());
        entry.inspect(|entry| entry.store(offset, Ordering::Release)).is_some()
    }

    /// What the vmctx holds. Valid as long as `self`; dangling (never to be read) when the table is empty.
    pub fn as_ptr(&self) -> *mut i32 {
        self.table.as_ptr()
    }
}
