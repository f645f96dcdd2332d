//! What is known of active segments before anything runs: whether one can trap, which tables need not be filled when an instance begins, and which go on to hold what they begin with.

use crate::flat::{ConstExpr, DataRecord, ElemRecord, ExportRecord, MemoryRecord, TableRecord, kind, mode};
use crate::index::FuncIndex;
use crate::module::Module;
use crate::vm::PAGE_SIZE;
use std::collections::BTreeSet;

/// Most element segments of a module whose tables are filled lazily: who asks for an element looks through them.
const MAX_LAZY_SEGMENTS: usize = 64;

/// Whether every active segment has a constant offset and fits the least size of its memory or table: then no instantiation traps half-way, whatever is imported.
pub(crate) fn none_traps(tables: &[TableRecord], memories: &[MemoryRecord], elems: &[ElemRecord], data: &[DataRecord]) -> bool {
    let fits = |offset: &ConstExpr, len: u32, room: Option<u64>| {
        let end = (offset.kind == ConstExpr::CONST).then(|| offset.value.checked_add(len.into())).flatten();
        end.zip(room).is_some_and(|(end, room)| end <= room)
    };
    let elements = |table: u32| tables.get(table as usize).map(|table| table.min);
    let bytes = |memory: u32| memories.get(memory as usize).map(|memory| memory.min.saturating_mul(PAGE_SIZE));
    let mut elems = elems.iter().filter(|elem| elem.mode == mode::ACTIVE);
    let mut data = data.iter().filter(|data| data.mode != mode::PASSIVE);
    elems.all(|elem| fits(&elem.offset, elem.items_len, elements(elem.table)))
        && data.all(|data| fits(&data.offset, data.bytes.len, bytes(data.memory)))
}

/// Marks the tables, from the first that is not imported, whose beginning is known without an instance: each element is a function or null by its place alone.
/// The segments do not trap ([`none_traps`]).
pub(crate) fn mark_lazy_tables(tables: &mut [TableRecord], imported: u32, elems: &[ElemRecord], items: &[ConstExpr]) {
    if elems.len() > MAX_LAZY_SEGMENTS {
        return;
    }
    let of = |elem: &ElemRecord| items.get(elem.items_start as usize..).and_then(|rest| rest.get(..elem.items_len as usize)).unwrap_or(&[]);
    let is_known = |item: &ConstExpr| matches!(item.kind, ConstExpr::REF_FUNC | ConstExpr::REF_NULL);
    for (at, table) in tables.iter_mut().enumerate().skip(imported as usize) {
        let mut active = elems.iter().filter(|elem| elem.mode == mode::ACTIVE && elem.table as usize == at);
        let known = table.init.kind == ConstExpr::REF_NULL && active.all(|elem| of(elem).iter().all(is_known));
        table.filling = if known { TableRecord::LAZILY } else { TableRecord::AT_ONCE };
    }
}

/// Marks those of them whose elements no instruction of the module changes, and whether others can.
pub(crate) fn mark_lasting_tables(tables: &mut [TableRecord], written: &BTreeSet<u32>, exports: &[ExportRecord]) {
    let exported: BTreeSet<u32> = exports.iter().filter(|export| export.kind == kind::TABLE).map(|export| export.index).collect();
    for (at, table) in (0..).zip(tables) {
        if table.filling == TableRecord::LAZILY && !written.contains(&at) {
            table.flags |= if exported.contains(&at) { TableRecord::LASTING_HERE } else { TableRecord::LASTING };
        }
    }
}

/// Who can change what the elements of a table begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Changers {
    /// Nobody: no instruction of the module does, nobody else reaches the table, and it is known what it begins with.
    Nobody,
    /// Those to whom the module exports it, and nobody else.
    Others,
    /// The module itself; or it is not known what the table begins with, or the table is imported.
    Anyone,
}

impl Module {
    /// Who can change the elements of a table. That it grows is no change: what it has stays.
    pub fn changers(&self, table: u32) -> Changers {
        let flags = self.tables().get(table as usize).map_or(0, |record| record.flags);
        match flags & (TableRecord::LASTING | TableRecord::LASTING_HERE) {
            TableRecord::LASTING => Changers::Nobody,
            TableRecord::LASTING_HERE => Changers::Others,
            _ => Changers::Anyone,
        }
    }

    /// The only index at which a table begins with that function; none where it is at none or at several of them, or that is not known ([`Changers::Anyone`]).
    pub fn only_index_of(&self, table: u32, function: FuncIndex) -> Option<u64> {
        if self.changers(table) == Changers::Anyone {
            return None;
        }
        let is_it = |item: &ConstExpr| item.kind == ConstExpr::REF_FUNC && item.value == u64::from(function.0);
        let active = self.elems().iter().filter(|elem| elem.mode == mode::ACTIVE && elem.table == table);
        let mut found = active.flat_map(|elem| (elem.offset.value..).zip(self.elem_items(elem))).filter(|(_, item)| is_it(item));
        let (index, _) = found.next()?;
        // A later segment may have put something else there.
        (found.next().is_none() && self.initial_element(table, index).is_some_and(|item| is_it(&item))).then_some(index)
    }
}
