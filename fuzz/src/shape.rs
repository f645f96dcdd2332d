//! What a module imports and exports, read by the validator, so that cases exist which one of the engines can not run.

use anyhow::{Context, Result, bail};
use trjit_module::{HeapType, RefType, ValType};
use wasmparser::types::{CoreTypeId, EntityType, TypesRef};
use wasmparser::{AbstractHeapType, MemoryType, TableType, Validator};

/// The type of an import or export.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    Func { params: Vec<ValType>, results: Vec<ValType> },
    Table { ty: TableType, element: ValType },
    Memory(MemoryType),
    Global { content: ValType, mutable: bool },
    Tag { params: Vec<ValType> },
}

/// An import.
#[derive(Clone, Debug)]
pub struct Import {
    pub module: String,
    pub name: String,
    pub item: Item,
}

/// Imports and exports.
#[derive(Clone, Debug)]
pub struct Shape {
    pub imports: Vec<Import>,
    pub exports: Vec<(String, Item)>,
}

/// The shape of a valid module. References to functions of one type at its border are an error: cases have no values of such types.
pub fn of(wasm: &[u8]) -> Result<Shape> {
    let types = Validator::new_with_features(trjit_module::FEATURES).validate_all(wasm).context("the generated module")?;
    let types = types.as_ref();
    let import = |(module, name, ty): (&str, &str, EntityType)| -> Result<Import> {
        Ok(Import { module: module.to_string(), name: name.to_string(), item: item(types, ty)? })
    };
    let imports = types.core_imports().context("a module")?.map(import).collect::<Result<_>>()?;
    let export = |(name, ty): (&str, EntityType)| -> Result<_> { Ok((name.to_string(), item(types, ty)?)) };
    let exports = types.core_exports().context("a module")?.map(export).collect::<Result<_>>()?;
    Ok(Shape { imports, exports })
}

fn item(types: TypesRef<'_>, ty: EntityType) -> Result<Item> {
    let function = |id: CoreTypeId| -> Result<_> {
        let ty = types[id].unwrap_func();
        Ok((value_types(ty.params())?, value_types(ty.results())?))
    };
    Ok(match ty {
        EntityType::Func(id) | EntityType::FuncExact(id) => {
            let (params, results) = function(id)?;
            Item::Func { params, results }
        }
        EntityType::Table(ty) => Item::Table { ty, element: value_type(wasmparser::ValType::Ref(ty.element_type))? },
        EntityType::Memory(ty) => Item::Memory(ty),
        EntityType::Global(ty) => Item::Global { content: value_type(ty.content_type)?, mutable: ty.mutable },
        EntityType::Tag(id) => Item::Tag { params: function(id)?.0 },
    })
}

fn value_types(types: &[wasmparser::ValType]) -> Result<Vec<ValType>> {
    types.iter().map(|&ty| value_type(ty)).collect()
}

fn value_type(ty: wasmparser::ValType) -> Result<ValType> {
    Ok(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) => {
            let heap = match ty.heap_type() {
                wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::Func } => HeapType::Func,
                wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::Extern } => HeapType::Extern,
                wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::Exn } => HeapType::Exn,
                other => bail!("cases have no values of type {other:?}"),
            };
            if !ty.is_nullable() {
                bail!("cases have no references that are never null");
            }
            ValType::Ref(RefType::new(true, heap))
        }
    })
}
