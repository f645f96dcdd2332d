//! A table of a store. Elements are kept as compiled code reads them: the reference times two plus one, 0 where an element is not filled yet.
//!
//! Fresh elements are zero pages, and 0 stands for what the element begins with: null, or what the segments of the defining instance say where its table is filled
//! lazily. Compiled code and the interpreter ask for the reference when they meet a 0; operations on ranges fill what they read.

use crate::assumptions;
use crate::instance::InstanceInner;
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
    /// Those of [`TableRecord::flags`] that are part of its type.
    pub flags: u32,
    pub declared_max: Option<u64>,
    max: u64,
    /// Whose segments say what elements begin with, and which of its tables this is; none: all are null.
    source: Option<(*mut InstanceInner, u32)>,
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
        let mut table = TableInner {
            elements,
            definition,
            element,
            flags: record.flags & TableRecord::TABLE64,
            declared_max,
            max: max.max(record.min),
            source: None,
        };
        table.grow(record.min, 0);
        Ok(table)
    }

    pub fn len(&self) -> u64 {
        self.definition.len
    }

    /// Elements that nothing was written to begin with what the instance's segments say of its table `table`.
    ///
    /// # Safety
    /// The instance lives as long as this table, and is of the same store.
    pub unsafe fn fill_lazily(&mut self, instance: *mut InstanceInner, table: u32) {
        self.source = Some((instance, table));
    }

    /// Before somebody else than the defining module changes an element, and when others can from now on: whoever relies on what the table begins with is told.
    pub fn changes(&mut self) {
        if let Some((instance, table)) = self.source {
            // SAFETY: by the contract of `fill_lazily`; guests wait, and nobody uses the instance while its table is changed.
            assumptions::table_changes(unsafe { &mut *instance }, table);
        }
    }

    /// The elements as they are stored: 0 where one is not filled yet.
    pub fn stored(&mut self) -> &mut [u64] {
        // SAFETY: `len` elements of the array are in use; the borrow of `self` keeps others away, and guests wait meanwhile.
        unsafe { std::slice::from_raw_parts_mut(self.elements.base(), self.definition.len as usize) }
    }

    /// The reference at `index`; none outside of the table.
    pub fn get(&mut self, index: u64) -> Option<u64> {
        let at = usize::try_from(index).ok()?;
        let stored = *self.stored().get(at)?;
        if stored != 0 {
            return Some(stored >> 1);
        }
        let reference = self.beginning(index);
        self.stored()[at] = encode(reference);
        Some(reference)
    }

    /// `len` elements from `start`, all filled; none where not all of them exist.
    pub fn filled(&mut self, start: u64, len: u64) -> Option<&mut [u64]> {
        let end = start.checked_add(len).filter(|&end| end <= self.definition.len)?;
        for index in start..end {
            if self.stored()[index as usize] == 0 {
                self.stored()[index as usize] = encode(self.beginning(index));
            }
        }
        self.stored().get_mut(start as usize..end as usize)
    }

    /// The reference that an element begins with.
    fn beginning(&self, index: u64) -> u64 {
        let Some((instance, table)) = self.source else { return 0 };
        // SAFETY: by the contract of `fill_lazily`; the guest waits, and nobody uses the instance while its table is asked.
        unsafe { (*instance).initial_element(table, index) }
    }

    /// Adds `delta` elements of value `reference`; the old length, or none where the table can not grow.
    pub fn grow(&mut self, delta: u64, reference: u64) -> Option<u64> {
        let old = self.definition.len;
        let new = old.checked_add(delta).filter(|&new| new <= self.max)?;
        self.definition.len = new;
        // Null is what fresh elements are: segments speak of none beyond the table's first size.
        if reference != 0 {
            self.stored()[old as usize..].fill(encode(reference));
        }
        Some(old)
    }
}
