//! What is known of active segments before anything runs: whether one can trap, and which tables need not be filled when an instance begins.

use crate::flat::{ConstExpr, DataRecord, ElemRecord, MemoryRecord, TableRecord, mode};
use crate::vm::PAGE_SIZE;

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
