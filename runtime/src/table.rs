//! A table of a store. Elements are kept as compiled code reads them: the reference times two plus one, 0 where an element is not filled yet.

use crate::sys::{MemoryError, ReservedArray};
use trjit_module::ValType;
use trjit_module::flat::TableRecord;
use trjit_module::vm::VmTable;

/// Most elements of a table: what an engine must allow at least by the JavaScript API's limits.
pub(crate) const MAX_ELEMENTS: u64 = 10_000_000;

pub(crate) struct TableInner {
    /// Address space for every element that the table may ever have.
    elements: ReservedArray<u64>,
    pub definition: VmTable,
    /// Canonical: types of functions by the engine's numbers.
    pub element: ValType,
    /// [`TableRecord::flags`].
    pub flags: u32,
    pub declared_max: Option<u64>,
    max: u64,
}

/// The stored form of a reference.
pub(crate) const fn encode(reference: u64) -> u64 {
    reference << 1 | 1
}

impl TableInner {
    /// A table of null references of the canonical type `element`; `limit` is the embedder's limit in elements.
    pub fn new(record: &TableRecord, element: ValType, limit: Option<u64>) -> Result<TableInner, MemoryError> {
        let declared_max = (record.has_max != 0).then_some(record.max);
        let max = declared_max.unwrap_or(MAX_ELEMENTS).min(limit.unwrap_or(MAX_ELEMENTS)).min(MAX_ELEMENTS);
        let elements = ReservedArray::new("a table", max.max(record.min) as usize)?;
        let definition = VmTable { elements: elements.base(), len: 0 };
        let mut table = TableInner { elements, definition, element, flags: record.flags, declared_max, max: max.max(record.min) };
        table.grow(record.min, 0);
        Ok(table)
    }

    pub fn len(&self) -> u64 {
        self.definition.len
    }

    /// All elements.
    pub fn elements_mut(&mut self) -> &mut [u64] {
        // SAFETY: `len` elements of the array are in use; the borrow of `self` keeps others away, and guests wait meanwhile.
        unsafe { std::slice::from_raw_parts_mut(self.elements.base(), self.definition.len as usize) }
    }

    /// Adds `delta` elements of value `reference`; the old length, or none where the table can not grow.
    pub fn grow(&mut self, delta: u64, reference: u64) -> Option<u64> {
        let old = self.definition.len;
        let new = old.checked_add(delta).filter(|&new| new <= self.max)?;
        self.definition.len = new;
        self.elements_mut()[old as usize..].fill(encode(reference));
        Some(old)
    }
}
