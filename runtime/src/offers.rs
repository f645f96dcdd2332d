//! Whether what is offered is what a module imports, and both in words for people.

use crate::code::ModuleCode;
use crate::context::StoreContext;
use crate::error::LinkError;
use crate::exports::Extern;
use crate::host::HostFunction;
use crate::matching::{canonical, global_matches, memory_matches, table_matches};
use crate::store::StoreInner;
use trjit_module::flat::{ImportRecord, MemoryRecord, kind};
use trjit_module::{FuncIndex, TableIndex, TypeIndex, ValType};

/// What a module asks for, in words.
pub(crate) struct Wanted {
    pub module: String,
    pub name: String,
    expected: String,
}

impl Wanted {
    pub fn new(module: &trjit_module::Module, import: &ImportRecord) -> Wanted {
        Wanted {
            module: module.string(import.module).to_string(),
            name: module.string(import.name).to_string(),
            expected: describe(module, import.kind, import.index),
        }
    }

    pub fn unknown(self) -> LinkError {
        LinkError::Unknown { module: self.module, name: self.name, expected: self.expected }
    }

    pub fn incompatible(self, found: String) -> LinkError {
        LinkError::Incompatible { module: self.module, name: self.name, expected: self.expected, found }
    }
}

/// An import's type in words.
fn describe(module: &trjit_module::Module, of_kind: u32, index: u32) -> String {
    match of_kind {
        kind::FUNC => format!("function {}", module.func_type(module.type_of(FuncIndex(index)))),
        kind::TABLE => {
            let table = &module.tables()[index as usize];
            let limits = limits(table.min, (table.has_max != 0).then_some(table.max));
            format!("table of {} with {limits} elements", module.table_type(TableIndex(index)))
        }
        kind::MEMORY => {
            let memory = &module.memories()[index as usize];
            memory_in_words(memory.flags, memory.min, (memory.has_max != 0).then_some(memory.max))
        }
        kind::GLOBAL => {
            let global = &module.globals()[index as usize];
            global_in_words(ValType::from_code(global.ty).unwrap_or(ValType::I32), global.mutable != 0)
        }
        _ => {
            let ty = module.tags().get(index as usize).copied().unwrap_or(0);
            format!("tag of type {}", module.func_type(TypeIndex(ty)))
        }
    }
}

fn limits(min: u64, max: Option<u64>) -> String {
    max.map_or(format!("{min}.."), |max| format!("{min}..{max}"))
}

fn memory_in_words(flags: u32, min: u64, max: Option<u64>) -> String {
    let shared = if flags & MemoryRecord::SHARED != 0 { "shared " } else { "" };
    let wide = if flags & MemoryRecord::MEMORY64 != 0 { "64-bit " } else { "" };
    format!("{shared}{wide}memory of {} pages", limits(min, max))
}

fn global_in_words(ty: ValType, mutable: bool) -> String {
    format!("{}global of type {ty}", if mutable { "mutable " } else { "" })
}

/// Whether a host function has the type of an import.
pub(crate) fn host_matches(code: &ModuleCode, import: &ImportRecord, host: &HostFunction) -> Result<(), String> {
    let wanted = || code.type_ids()[code.module().type_of(FuncIndex(import.index)).index()];
    let matches = import.kind == kind::FUNC && wanted() == code.engine().type_id(host.ty.view(), &[]);
    if matches { Ok(()) } else { Err(format!("function {}", host.ty.view())) }
}

/// Whether something of the store is what an import asks for; if not, what it is.
///
/// # Safety
/// `store` is alive; `item` was checked to be of it.
pub(crate) unsafe fn item_matches(store: *mut StoreInner, code: &ModuleCode, import: &ImportRecord, item: &Extern) -> Result<(), String> {
    // SAFETY: by contract; only looked at.
    let context: StoreContext<'_, ()> = unsafe { StoreContext::new(store) };
    let module = code.module();
    let at = import.index as usize;
    let (matches, found) = match item {
        Extern::Func(func) => {
            let (instance, function) = func.target(&context);
            // SAFETY: instances live as long as their store.
            let exporter = unsafe { &(*instance).code };
            let found = exporter.type_ids()[exporter.module().type_of(function).index()];
            let matches = import.kind == kind::FUNC && code.type_ids()[module.type_of(FuncIndex(import.index)).index()] == found;
            (matches, format!("function {}", func.owned_type(&context).view()))
        }
        Extern::Table(table) => {
            let (ty, inner) = (table.ty(&context), table.inner().get(&context));
            let matches = import.kind == kind::TABLE && table_matches(code, &module.tables()[at], inner);
            (matches, format!("table of {} with {} elements", ty.element, limits(ty.minimum, ty.maximum)))
        }
        Extern::Memory(memory) => {
            let (ty, inner) = (memory.ty(&context), memory.inner().get(&context));
            let matches = import.kind == kind::MEMORY && memory_matches(&module.memories()[at], inner);
            (matches, memory_in_words(inner.flags, ty.minimum, ty.maximum))
        }
        Extern::Global(global) => {
            let ty = global.ty(&context);
            // SAFETY: instances live as long as their store.
            let exporter = unsafe { &(*global.instance().address()).code };
            let matches = import.kind == kind::GLOBAL && {
                let record = &module.globals()[at];
                let wanted = canonical(code, ValType::from_code(record.ty).unwrap_or(ValType::I64));
                global_matches((wanted, record.mutable != 0), (canonical(exporter, ty.content), ty.mutable))
            };
            (matches, global_in_words(ty.content, ty.mutable))
        }
        Extern::Tag(tag) => {
            let wanted = || module.tags().get(at).map(|&ty| code.type_ids()[ty as usize]);
            (import.kind == kind::TAG && wanted() == Some(tag.inner(&context).type_id), "tag of another type".to_string())
        }
    };
    if matches { Ok(()) } else { Err(found) }
}
