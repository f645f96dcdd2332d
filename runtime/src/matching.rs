//! Whether a definition is what an import asks for. Types of functions are compared by the engine's numbers, so that types of different modules can be.

use crate::code::ModuleCode;
use crate::memory::MemoryInner;
use crate::table::TableInner;
use trjit_module::flat::{MemoryRecord, TableRecord};
use trjit_module::{HeapType, RefType, TypeIndex, ValType};

/// A value type of a module with the engine's number in place of the module's, where it refers to functions of one type.
pub(crate) fn canonical(code: &ModuleCode, ty: ValType) -> ValType {
    match ty {
        ValType::Ref(RefType { nullable, heap: HeapType::Concrete(index) }) => {
            ValType::Ref(RefType::new(nullable, HeapType::Concrete(TypeIndex(code.type_ids()[index.index()]))))
        }
        other => other,
    }
}

/// Tables must have the very type of elements, since both sides may write.
pub(crate) fn table_matches(importer: &ModuleCode, wanted: &TableRecord, table: &TableInner) -> bool {
    let element = ValType::from_code(wanted.element).map(|ty| canonical(importer, ty));
    element == Some(table.element)
        && wanted.flags == table.flags
        && limits_match(table.len(), table.declared_max, wanted.min, wanted.has_max, wanted.max)
}

/// Width of the index and sharing must be the same.
pub(crate) fn memory_matches(wanted: &MemoryRecord, memory: &MemoryInner) -> bool {
    wanted.flags == memory.flags && limits_match(memory.pages(), memory.declared_max, wanted.min, wanted.has_max, wanted.max)
}

/// Canonical types, and whether they may change: a constant may be of a narrower type than asked for.
pub(crate) fn global_matches((wanted, wanted_mutable): (ValType, bool), (found, mutable): (ValType, bool)) -> bool {
    wanted_mutable == mutable && if mutable { wanted == found } else { found.is_subtype_of(wanted) }
}

/// Whether something of `size` that may grow up to `max` is what an import asks for: at least its minimum, and no wider than its maximum.
fn limits_match(size: u64, max: Option<u64>, wanted_min: u64, wanted_has_max: u32, wanted_max: u64) -> bool {
    size >= wanted_min && (wanted_has_max == 0 || max.is_some_and(|max| max <= wanted_max))
}
