//! Names for what compiled code reaches through the vmctx: from a pointer that is known and an offset, what stands there.
//!
//! Invariant: offsets come from the layouts in [`trjit_module::vm`] themselves; a field that is added there does not compile here until it is named.

use std::mem::offset_of;
use trjit_module::vm::{Builtin, GlobalPlace, VmHeader, VmImport, VmLayout, VmMemory, VmMemoryRef, VmStore, VmTable};
use trjit_module::{FuncIndex, Module};

/// A value that the code is known to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    VmCtx,
    /// A field of the vmctx's header, by its offset, which is no other kind here.
    Field(u32),
    Store,
    Builtins,
    Builtin(Builtin),
    /// Base of a memory.
    MemoryBase(u32),
    /// The `VmMemory` of a memory.
    Memory(u32),
    Table(u32),
    Elements(u32),
    /// Code of an imported function.
    Import(u32),
    /// Address of an imported global.
    Global(u32),
    /// Offset of a function's code, from the jump table.
    Offset(u32),
    /// Address of a function's code, through the jump table.
    Code(u32),
}

macro_rules! fields {
    ($name:ident, $of:ident { $($field:ident),* $(,)? }) => {
        fn $name(offset: usize) -> Option<&'static str> {
            // Does not compile until every field is in the list.
            fn _all(of: &$of) {
                let $of { $($field: _),* } = of;
            }
            $(if offset == offset_of!($of, $field) {
                return Some(stringify!($field));
            })*
            None
        }
    };
}

fields!(
    header_field,
    VmHeader {
        magic,
        callee,
        store,
        image_base,
        jump_table,
        lazy_stub,
        builtins,
        type_ids,
        func_types,
        trampolines,
        instance,
        func_refs,
        func_ref_base,
        profile_entries,
        profile_branches,
        profile_sites,
        entries_mask,
        back_edges_mask,
        broken,
    }
);
fields!(
    store_field,
    VmStore {
        stack_limit,
        entry_sp,
        exit_fp,
        exit_pc,
        unwind,
        interrupt,
        trap_code,
        trap_pc,
        trap_fp,
        exn_tag,
        exn_payload,
        exn_ref,
        tail_vmctx,
        tail_code,
        tail_args,
        tail_function,
        fuel,
        exit_slots,
        exit_place,
        exit_spent,
        exit_of,
        exit_pending,
        exit_code,
        reserved,
    }
);
fields!(memory_field, VmMemory { base, len });
fields!(table_field, VmTable { elements, len });

/// What stands in a module's vmctx.
pub struct VmNames<'a> {
    module: &'a Module,
    layout: VmLayout,
}

impl<'a> VmNames<'a> {
    pub fn new(module: &'a Module) -> VmNames<'a> {
        VmNames { module, layout: VmLayout::new(module) }
    }

    /// The name of what a pointer and an offset refer to, and what a load from there gives.
    pub fn at(&self, base: Known, offset: i64) -> (Option<String>, Option<Known>) {
        let Ok(offset) = u32::try_from(offset) else { return (None, None) };
        let field = |prefix: &str, name: Option<&str>| name.map(|name| format!("{prefix}.{name}"));
        match base {
            Known::VmCtx => self.in_vmctx(offset),
            Known::Store => (field("store", store_field(offset as usize)), None),
            Known::Builtins => {
                let builtin = Builtin::ALL.iter().copied().find(|builtin| builtin.offset() == offset as usize);
                (builtin.map(|builtin| format!("builtin {}", builtin.signature().0)), builtin.map(Known::Builtin))
            }
            Known::Memory(memory) => {
                let loaded = (offset as usize == offset_of!(VmMemory, base)).then_some(Known::MemoryBase(memory));
                (field(&format!("memory {memory}"), memory_field(offset as usize)), loaded)
            }
            Known::Table(table) => {
                let loaded = (offset as usize == offset_of!(VmTable, elements)).then_some(Known::Elements(table));
                (field(&format!("table {table}"), table_field(offset as usize)), loaded)
            }
            Known::Elements(table) => (Some(format!("table {table}[{}]", offset / 8)), None),
            Known::MemoryBase(memory) => (Some(format!("memory {memory}")), None),
            Known::Global(global) => (Some(format!("global {global}")), None),
            Known::Field(at) if at as usize == offset_of!(VmHeader, jump_table) => {
                let function = offset / 4;
                (Some(format!("code of {}", self.function(function))), Some(Known::Offset(function)))
            }
            Known::Field(_) | Known::Builtin(_) | Known::Import(_) | Known::Offset(_) | Known::Code(_) => (None, None),
        }
    }

    pub fn function(&self, function: u32) -> String {
        crate::names::label(self.module, FuncIndex(function))
    }

    fn in_vmctx(&self, offset: u32) -> (Option<String>, Option<Known>) {
        if (offset as usize) < size_of::<VmHeader>() {
            let loaded = match offset as usize {
                at if at == offset_of!(VmHeader, store) => Known::Store,
                at if at == offset_of!(VmHeader, builtins) => Known::Builtins,
                _ => Known::Field(offset),
            };
            return (header_field(offset as usize).map(|name| format!("vmctx.{name}")), Some(loaded));
        }
        self.memory_at(offset)
            .or_else(|| self.table_at(offset))
            .or_else(|| self.import_at(offset))
            .or_else(|| self.global_at(offset))
            .map_or_else(|| (self.tag_at(offset), None), |(name, known)| (Some(name), known))
    }

    fn memory_at(&self, offset: u32) -> Option<(String, Option<Known>)> {
        let (memory, within) = element(offset, self.layout.memory(0), size_of::<VmMemoryRef>(), self.module.memories().len())?;
        if within == offset_of!(VmMemoryRef, base) {
            return Some((format!("vmctx.memory {memory} base"), Some(Known::MemoryBase(memory))));
        }
        Some((format!("vmctx.memory {memory}"), Some(Known::Memory(memory))))
    }

    fn table_at(&self, offset: u32) -> Option<(String, Option<Known>)> {
        let (table, _) = element(offset, self.layout.table(0), 8, self.module.tables().len())?;
        Some((format!("vmctx.table {table}"), Some(Known::Table(table))))
    }

    fn import_at(&self, offset: u32) -> Option<(String, Option<Known>)> {
        let (import, within) = element(offset, self.layout.import(0), size_of::<VmImport>(), self.module.imported_functions() as usize)?;
        let name = self.function(import);
        Some(match within {
            at if at == offset_of!(VmImport, entry) => (format!("import {name}: code"), Some(Known::Import(import))),
            at if at == offset_of!(VmImport, vmctx) => (format!("import {name}: vmctx"), None),
            _ => (format!("import {name}: index"), None),
        })
    }

    fn global_at(&self, offset: u32) -> Option<(String, Option<Known>)> {
        let globals = 0..self.module.globals().len() as u32;
        globals.into_iter().find_map(|global| match self.layout.global(global) {
            GlobalPlace::Pointer(at) if at == offset => Some((format!("vmctx.global {global} address"), Some(Known::Global(global)))),
            GlobalPlace::Inline(at) if offset >= at && offset - at < 16 => Some((format!("global {global}"), None)),
            GlobalPlace::Pointer(_) | GlobalPlace::Inline(_) => None,
        })
    }

    fn tag_at(&self, offset: u32) -> Option<String> {
        let (tag, _) = element(offset, self.layout.tag(0), 8, self.module.tags().len())?;
        Some(format!("vmctx.tag {tag}"))
    }
}

/// The element of an array that holds an offset, and the offset within it.
fn element(offset: u32, start: u32, size: usize, count: usize) -> Option<(u32, usize)> {
    let within = offset.checked_sub(start)? as usize;
    (within < size * count).then_some(((within / size) as u32, within % size))
}
