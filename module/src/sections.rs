//! From wasmparser's section readers to records. Everything here was validated before: an error means that the validator and this file disagree
//! about what is accepted, and is still a typed refusal.

use crate::builder::Builder;
use crate::error::ParseError;
use crate::flat::*;
use crate::index::TypeIndex;
use crate::types::{HeapType, RefType, ValType};
use std::ops;
use wasmparser::{
    DataKind, DataSectionReader, ElementItems, ElementKind, ElementSectionReader, ExportSectionReader, ExternalKind, FunctionSectionReader,
    GlobalSectionReader, GlobalType, ImportSectionReader, MemorySectionReader, MemoryType, TableInit, TableSectionReader, TableType,
    TagSectionReader, TypeRef, TypeSectionReader,
};

/// A range of wasm bytes. The wasm bytes are shorter than 4 GiB.
pub(crate) fn range(range: ops::Range<u64>) -> Range {
    Range { offset: range.start as u32, len: (range.end - range.start) as u32 }
}

fn refuse<T>(offset: u64, what: impl std::fmt::Debug) -> Result<T, ParseError> {
    Err(ParseError::Invalid { offset, message: format!("unexpected {what:?}") })
}

fn ref_type(ty: wasmparser::RefType, offset: u64) -> Result<ValType, ParseError> {
    let heap = match ty.heap_type() {
        wasmparser::HeapType::FUNC => HeapType::Func,
        wasmparser::HeapType::EXTERN => HeapType::Extern,
        wasmparser::HeapType::Abstract { shared: false, ty: wasmparser::AbstractHeapType::Exn } => HeapType::Exn,
        wasmparser::HeapType::Abstract { shared: false, ty: wasmparser::AbstractHeapType::NoExn } => HeapType::NoExn,
        wasmparser::HeapType::Concrete(index) => match index.as_module_index() {
            Some(index) => HeapType::Concrete(TypeIndex(index)),
            None => return refuse(offset, ty),
        },
        _ => return refuse(offset, ty),
    };
    Ok(ValType::Ref(RefType::new(ty.is_nullable(), heap)))
}

fn val_type(ty: wasmparser::ValType, offset: u64) -> Result<ValType, ParseError> {
    Ok(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) => ref_type(ty, offset)?,
    })
}

fn table_record(ty: &TableType, init: ConstExpr, offset: u64) -> Result<TableRecord, ParseError> {
    let element = ref_type(ty.element_type, offset)?.code();
    let flags = if ty.table64 { TableRecord::TABLE64 } else { 0 };
    Ok(TableRecord {
        element,
        has_max: ty.maximum.is_some().into(),
        flags,
        filling: TableRecord::AT_ONCE,
        min: ty.initial,
        max: ty.maximum.unwrap_or(0),
        init,
    })
}

fn memory_record(ty: &MemoryType) -> MemoryRecord {
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    let flags = flag(ty.memory64, MemoryRecord::MEMORY64) | flag(ty.shared, MemoryRecord::SHARED);
    MemoryRecord { flags, has_max: ty.maximum.is_some().into(), min: ty.initial, max: ty.maximum.unwrap_or(0) }
}

impl<'a> Builder<'a> {
    fn val_types(&mut self, types: &[wasmparser::ValType], offset: u64) -> Result<Range, ParseError> {
        let start = self.val_types.len();
        for &ty in types {
            let ty = val_type(ty, offset)?;
            self.uses_v128 |= ty == ValType::V128;
            self.val_types.push(ty.code());
        }
        Ok(Range { offset: start as u32, len: types.len() as u32 })
    }

    fn global_record(&mut self, ty: &GlobalType, init: ConstExpr, offset: u64) -> Result<GlobalRecord, ParseError> {
        let content = val_type(ty.content_type, offset)?;
        self.uses_v128 |= content == ValType::V128;
        Ok(GlobalRecord { ty: content.code(), mutable: ty.mutable.into(), init })
    }

    pub(crate) fn type_section(&mut self, section: TypeSectionReader<'a>) -> Result<(), ParseError> {
        let offset = section.range().start;
        for ty in section.into_iter_err_on_gc_types() {
            let ty = ty?;
            let params = self.val_types(ty.params(), offset)?;
            let results = self.val_types(ty.results(), offset)?;
            self.types.push(TypeRecord { params, results });
        }
        Ok(())
    }

    pub(crate) fn import_section(&mut self, section: ImportSectionReader<'a>) -> Result<(), ParseError> {
        for import in section.into_imports_with_offsets() {
            let (offset, import) = import?;
            let (kind, index) = match &import.ty {
                TypeRef::Func(ty) => {
                    self.func_types.push(*ty);
                    (kind::FUNC, next(&mut self.imported_functions))
                }
                TypeRef::Table(ty) => {
                    self.tables.push(table_record(ty, ConstExpr::NULL, offset)?);
                    (kind::TABLE, next(&mut self.imported_tables))
                }
                TypeRef::Memory(ty) => {
                    self.memories.push(memory_record(ty));
                    (kind::MEMORY, next(&mut self.imported_memories))
                }
                TypeRef::Global(ty) => {
                    let record = self.global_record(ty, ConstExpr::NULL, offset)?;
                    self.globals.push(record);
                    (kind::GLOBAL, next(&mut self.imported_globals))
                }
                TypeRef::Tag(ty) => {
                    self.tags.push(ty.func_type_idx);
                    (kind::TAG, next(&mut self.imported_tags))
                }
                other => return refuse(offset, other),
            };
            let (module, name) = (self.intern(import.module), self.intern(import.name));
            self.imports.push(ImportRecord { module, name, kind, index });
        }
        Ok(())
    }

    pub(crate) fn function_section(&mut self, section: FunctionSectionReader<'a>) -> Result<(), ParseError> {
        for ty in section {
            self.func_types.push(ty?);
        }
        Ok(())
    }

    pub(crate) fn table_section(&mut self, section: TableSectionReader<'a>) -> Result<(), ParseError> {
        for item in section.into_iter_with_offsets() {
            let (offset, table) = item?;
            let init = match &table.init {
                TableInit::RefNull => ConstExpr::NULL,
                TableInit::Expr(expr) => self.const_expr(expr)?,
            };
            self.tables.push(table_record(&table.ty, init, offset)?);
        }
        Ok(())
    }

    pub(crate) fn memory_section(&mut self, section: MemorySectionReader<'a>) -> Result<(), ParseError> {
        for ty in section {
            self.memories.push(memory_record(&ty?));
        }
        Ok(())
    }

    pub(crate) fn tag_section(&mut self, section: TagSectionReader<'a>) -> Result<(), ParseError> {
        for ty in section {
            self.tags.push(ty?.func_type_idx);
        }
        Ok(())
    }

    pub(crate) fn global_section(&mut self, section: GlobalSectionReader<'a>) -> Result<(), ParseError> {
        for item in section.into_iter_with_offsets() {
            let (offset, global) = item?;
            let init = self.const_expr(&global.init_expr)?;
            let record = self.global_record(&global.ty, init, offset)?;
            self.globals.push(record);
        }
        Ok(())
    }

    pub(crate) fn export_section(&mut self, section: ExportSectionReader<'a>) -> Result<(), ParseError> {
        for item in section.into_iter_with_offsets() {
            let (offset, export) = item?;
            let kind = match export.kind {
                ExternalKind::Func => kind::FUNC,
                ExternalKind::Table => kind::TABLE,
                ExternalKind::Memory => kind::MEMORY,
                ExternalKind::Global => kind::GLOBAL,
                ExternalKind::Tag => kind::TAG,
                other => return refuse(offset, other),
            };
            let name = self.intern(export.name);
            self.exports.push(ExportRecord { name, kind, index: export.index });
        }
        Ok(())
    }

    pub(crate) fn element_section(&mut self, section: ElementSectionReader<'a>) -> Result<(), ParseError> {
        for element in section {
            let element = element?;
            let (mode, table, offset) = match &element.kind {
                ElementKind::Active { table_index, offset_expr } => (mode::ACTIVE, table_index.unwrap_or(0), self.const_expr(offset_expr)?),
                ElementKind::Passive => (mode::PASSIVE, 0, ConstExpr::NULL),
                ElementKind::Declared => (mode::DECLARED, 0, ConstExpr::NULL),
            };
            let items_start = self.elem_items.len() as u32;
            let ty = self.element_items(element.items, element.range.start)?;
            let items_len = self.elem_items.len() as u32 - items_start;
            self.elems.push(ElemRecord { mode, table, ty: ty.code(), items_start, items_len, reserved: 0, offset });
        }
        Ok(())
    }

    fn element_items(&mut self, items: ElementItems<'a>, offset: u64) -> Result<ValType, ParseError> {
        match items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    self.elem_items.push(ConstExpr { kind: ConstExpr::REF_FUNC, reserved: 0, value: function?.into() });
                }
                Ok(ValType::FUNCREF)
            }
            ElementItems::Expressions(ty, expressions) => {
                for expression in expressions {
                    let item = self.const_expr(&expression?)?;
                    self.elem_items.push(item);
                }
                ref_type(ty, offset)
            }
        }
    }

    pub(crate) fn data_section(&mut self, section: DataSectionReader<'a>) -> Result<(), ParseError> {
        self.data_range = range(section.range());
        for segment in section {
            let segment = segment?;
            let (mode, memory, offset) = match &segment.kind {
                DataKind::Active { memory_index, offset_expr } => (mode::ACTIVE, *memory_index, self.const_expr(offset_expr)?),
                DataKind::Passive => (mode::PASSIVE, 0, ConstExpr::NULL),
            };
            // The bytes are the end of the segment.
            let len = segment.data.len() as u32;
            let bytes = Range { offset: segment.range.end as u32 - len - self.data_range.offset, len };
            self.data.push(DataRecord { mode, memory, bytes, offset });
        }
        Ok(())
    }
}

/// Counts one more and returns its index.
fn next(count: &mut u32) -> u32 {
    *count += 1;
    *count - 1
}
