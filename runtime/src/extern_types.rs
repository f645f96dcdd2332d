//! What a module imports and exports, for embedders that look before they instantiate.

use crate::code::Module;
use crate::global_handle::GlobalType;
use crate::host::OwnedFuncType;
use crate::memory_handle::MemoryType;
use crate::table_handle::TableType;
use trjit_module::flat::{MemoryRecord, StrRange, TableRecord, kind};
use trjit_module::{FuncIndex, RefType, TypeIndex, ValType};

/// The type of something that can be imported and exported. References to functions of one type name it by the module's type index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// A function.
    Func(OwnedFuncType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// A tag: its parameters are what an exception carries.
    Tag(OwnedFuncType),
}

/// An import of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportType<'a> {
    /// The module name that it is asked for by.
    pub module: &'a str,
    /// The name within that.
    pub name: &'a str,
    /// What the definition must be.
    pub ty: ExternType,
}

/// An export of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportType<'a> {
    /// The name.
    pub name: &'a str,
    /// What it is.
    pub ty: ExternType,
}

impl Module {
    /// All imports, in the module's order.
    pub fn imports(&self) -> impl Iterator<Item = ImportType<'_>> {
        let text = |range: StrRange| self.parsed().string(range);
        let imports = self.parsed().imports().iter();
        imports.filter_map(move |import| {
            Some(ImportType { module: text(import.module), name: text(import.name), ty: extern_type(self, import.kind, import.index)? })
        })
    }

    /// All exports, in the module's order.
    pub fn exports(&self) -> impl Iterator<Item = ExportType<'_>> {
        let exports = self.parsed().exports().iter();
        exports.filter_map(move |export| {
            Some(ExportType { name: self.parsed().string(export.name), ty: extern_type(self, export.kind, export.index)? })
        })
    }

    /// The type of the export of that name.
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        let export = self.parsed().export(name)?;
        extern_type(self, export.kind, export.index)
    }
}

/// None for what no valid module has.
fn extern_type(module: &Module, of_kind: u32, index: u32) -> Option<ExternType> {
    let parsed = module.parsed();
    let at = index as usize;
    let func = |ty: TypeIndex| {
        let ty = parsed.func_type(ty);
        OwnedFuncType::new(ty.params(), ty.results())
    };
    Some(match of_kind {
        kind::FUNC => ExternType::Func(func(parsed.type_of(FuncIndex(index)))),
        kind::TABLE => ExternType::Table(table_type(parsed.tables().get(at)?)),
        kind::MEMORY => ExternType::Memory(memory_type(parsed.memories().get(at)?)),
        kind::GLOBAL => {
            let record = parsed.globals().get(at)?;
            ExternType::Global(GlobalType { content: ValType::from_code(record.ty)?, mutable: record.mutable != 0 })
        }
        kind::TAG => ExternType::Tag(func(TypeIndex(*parsed.tags().get(at)?))),
        _ => return None,
    })
}

fn table_type(record: &TableRecord) -> TableType {
    let element = match ValType::from_code(record.element) {
        Some(ValType::Ref(element)) => element,
        _ => RefType::FUNCREF,
    };
    let maximum = (record.has_max != 0).then_some(record.max);
    TableType { element, minimum: record.min, maximum, is_64: record.flags & TableRecord::TABLE64 != 0 }
}

fn memory_type(record: &MemoryRecord) -> MemoryType {
    MemoryType {
        minimum: record.min,
        maximum: (record.has_max != 0).then_some(record.max),
        is_64: record.flags & MemoryRecord::MEMORY64 != 0,
        shared: record.flags & MemoryRecord::SHARED != 0,
    }
}
