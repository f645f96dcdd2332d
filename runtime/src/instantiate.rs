//! Instantiation: from a module and definitions for its imports to an instance whose start function has run.

use crate::builtins_table;
use crate::code::ModuleCode;
use crate::error::Error;
use crate::exception::{self, TagInner};
use crate::instance::{ImportedFunction, InstanceInner, memory_ref};
use crate::matching::canonical;
use crate::memory::MemoryInner;
use crate::planted::{self, WatchBug};
use crate::store::StoreInner;
use crate::sys::{self, MemoryError};
use crate::table::TableInner;
use crate::trap::Reason;
use std::ptr;
use std::sync::{Arc, OnceLock};
use trjit_module::flat::{Header, TableRecord, kind, mode};
use trjit_module::vm::{GlobalPlace, VMCTX_MAGIC, VmHeader, VmImport, VmLayout};
use trjit_module::{FuncIndex, TrapCode, ValType};

/// Definitions for a module's imports, in the order of the module, one list a kind.
#[derive(Default)]
pub(crate) struct Imports {
    pub functions: Vec<ImportedFunction>,
    pub memories: Vec<*mut MemoryInner>,
    pub tables: Vec<*mut TableInner>,
    pub globals: Vec<*mut u64>,
    pub tags: Vec<TagInner>,
}

/// The embedder's limits for each instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a memory.
    pub memory_size: Option<u64>,
    /// Elements of a table.
    pub table_elements: Option<u64>,
}

/// Makes an instance and initializes it, up to the start function, which the caller runs.
///
/// # Safety
/// `store` is alive and used by this thread only; the imports have the types that the module asks for and live in this store.
pub(crate) unsafe fn instantiate(
    store: *mut StoreInner,
    code: &Arc<ModuleCode>,
    imports: Imports,
    limits: Limits,
) -> Result<*mut InstanceInner, Error> {
    // SAFETY: by contract; the instance is boxed, so that its address stays.
    unsafe {
        if !crate::limits::allows_instance(store) {
            return Err(Error::Resource { what: "instance", detail: "the store's limiter refuses one more".to_string() });
        }
        // The instance's code will write to them as to its own.
        if !planted::has(WatchBug::UnwatchedLinks) {
            imports.tables.iter().for_each(|&table| (*table).changes());
        }
        let mut instance = allocate(store, code, imports)?;
        define_memories(store, &mut instance, limits)?;
        define_tables(store, &mut instance, limits)?;
        fill_vmctx(store, &mut instance);
        code.attach(&instance.jump_table, instance.vmctx());
        let address: *mut InstanceInner = &raw mut *instance;
        (*store).instances.push(instance);
        let instance = address;
        initialize_globals(&mut *instance);
        initialize_segments(&mut *instance).map_err(|code| {
            crate::driver::raise(store, Reason::Trap(code));
            take_trap(store)
        })?;
        Ok(instance)
    }
}

/// The pending trap as an error.
///
/// # Safety
/// `store` is alive and a trap is pending.
pub(crate) unsafe fn take_trap(store: *mut StoreInner) -> Error {
    // SAFETY: by contract.
    let trap = unsafe { (*store).pending.take() };
    let mut trap = trap.expect("whoever unwinds has made a trap the pending one");
    if let Reason::Exception(exception) = &trap.reason {
        // SAFETY: by contract.
        trap.backtrace = unsafe { exception::backtrace(store, exception) };
    }
    trap.into()
}

/// # Safety
/// As [`instantiate`].
unsafe fn allocate(store: *mut StoreInner, code: &Arc<ModuleCode>, imports: Imports) -> Result<Box<InstanceInner>, Error> {
    let module = code.module();
    let layout = VmLayout::new(module);
    let resource = |what| move |detail: String| Error::Resource { what, detail };
    // SAFETY: by contract.
    let (id, func_ref_base) = unsafe { ((*store).instances.len() as u32, (*store).reserve_func_refs(module.function_count())) };
    let func_ref_base = func_ref_base.ok_or_else(|| resource("instance")("the store has no room for more function references".into()))?;
    let jump_table = code.new_jump_table().map_err(resource("instance"))?;
    let exported_memory = module.export("memory").filter(|export| export.kind == kind::MEMORY).map(|export| export.index);
    let instance = Box::new(InstanceInner {
        id,
        store,
        code: Arc::clone(code),
        layout,
        vmctx: vec![0; layout.size().div_ceil(16)].into(),
        jump_table,
        hotness: OnceLock::new(),
        copies: Default::default(),
        recorder: code.recorder(),
        imports: imports.functions,
        memories: imports.memories,
        tables: imports.tables,
        tags: define_tags(code, imports.tags),
        dropped_data: Vec::new(),
        dropped_elems: Vec::new(),
        func_ref_base,
        exported_memory,
    });
    for (at, global) in imports.globals.iter().enumerate() {
        if let GlobalPlace::Pointer(offset) = layout.global(at as u32) {
            // SAFETY: the layout has a pointer there for each imported global.
            unsafe { instance.write(offset, *global) };
        }
    }
    Ok(instance)
}

/// Imported tags, then new ones for those that the module defines.
fn define_tags(code: &ModuleCode, mut tags: Vec<TagInner>) -> Vec<TagInner> {
    let defined = code.module().tags().iter().skip(tags.len());
    tags.extend(defined.map(|&ty| TagInner::new(code.type_ids()[ty as usize])));
    tags
}

/// # Safety
/// As [`instantiate`].
unsafe fn define_memories(store: *mut StoreInner, instance: &mut InstanceInner, limits: Limits) -> Result<(), Error> {
    let code = Arc::clone(&instance.code);
    for record in &code.module().memories()[instance.memories.len()..] {
        if limits.memory_size.is_some_and(|limit| record.min.saturating_mul(trjit_module::vm::PAGE_SIZE) > limit) {
            let detail = format!("the module's memory begins with {} pages of 64 KiB, more than the limit allows", record.min);
            return Err(Error::Resource { what: "memory", detail });
        }
        // SAFETY: by contract.
        if !unsafe { crate::limits::allows_memory(store, record.min, (record.has_max != 0).then_some(record.max)) }? {
            let detail = format!("the store's limiter refuses a memory of {} pages of 64 KiB", record.min);
            return Err(Error::Resource { what: "memory", detail });
        }
        let failed = |error: MemoryError| Error::Resource { what: "memory", detail: error.to_string() };
        let (style, space) = (code.engine().settings().memory, code.engine().address_space());
        let mut memory = Box::new(MemoryInner::new(record, limits.memory_size, style, space).map_err(failed)?);
        if let Some(cache) = code.cache() {
            memory.begin_with(cache, instance.memories.len() as u32, code.engine().tunables().copied_image).map_err(failed)?;
        }
        instance.memories.push(&raw mut *memory);
        // SAFETY: by contract.
        unsafe { (*store).memories.push(memory) };
    }
    Ok(())
}

/// # Safety
/// As [`instantiate`].
unsafe fn define_tables(store: *mut StoreInner, instance: &mut InstanceInner, limits: Limits) -> Result<(), Error> {
    let code = Arc::clone(&instance.code);
    for record in &code.module().tables()[instance.tables.len()..] {
        if record.min > crate::table::MAX_ELEMENTS || limits.table_elements.is_some_and(|limit| record.min > limit) {
            let detail = format!("the module's table begins with {} elements, more than the limit allows", record.min);
            return Err(Error::Resource { what: "table", detail });
        }
        // SAFETY: by contract.
        if !unsafe { crate::limits::allows_table(store, record.min, (record.has_max != 0).then_some(record.max)) }? {
            let detail = format!("the store's limiter refuses a table of {} elements", record.min);
            return Err(Error::Resource { what: "table", detail });
        }
        let element = canonical(&code, ValType::from_code(record.element).unwrap_or(ValType::FUNCREF));
        let table = TableInner::new(record, element, limits.table_elements)
            .map_err(|error| Error::Resource { what: "table", detail: error.to_string() })?;
        let mut table = Box::new(table);
        instance.tables.push(&raw mut *table);
        // SAFETY: by contract.
        unsafe { (*store).tables.push(table) };
    }
    Ok(())
}

/// Writes the header and the arrays of pointers.
///
/// # Safety
/// As [`instantiate`]; `instance` stays at its address.
unsafe fn fill_vmctx(store: *mut StoreInner, instance: &mut InstanceInner) {
    let code = Arc::clone(&instance.code);
    let layout = instance.layout;
    let (profile_entries, profile_branches, profile_sites) = match &instance.recorder {
        Some(recorder) => (recorder.entries().as_ptr(), recorder.branches().as_ptr(), recorder.sites()),
        None => (ptr::null(), ptr::null(), ptr::null_mut()),
    };
    let tunables = code.engine().tunables();
    let header = VmHeader {
        magic: VMCTX_MAGIC,
        callee: 0,
        // SAFETY: by contract.
        store: unsafe { &raw mut (*store).vm },
        image_base: code.image_base(),
        jump_table: instance.jump_table.as_ptr(),
        lazy_stub: sys::lazy_stub_address(),
        builtins: builtins_table(),
        type_ids: code.type_ids().as_ptr(),
        func_types: code.module().func_types().as_ptr(),
        trampolines: code.trampolines(),
        instance: (&raw mut *instance).cast(),
        // SAFETY: by contract.
        func_refs: unsafe { (*store).func_refs.base() },
        func_ref_base: instance.func_ref_base,
        profile_entries: profile_entries.cast_mut().cast(),
        profile_branches: profile_branches.cast_mut().cast(),
        profile_sites,
        entries_mask: mask(tunables.profile_calls),
        back_edges_mask: mask(tunables.profile_loops),
        broken: 0,
    };
    // SAFETY: the layout's offsets lie in the vmctx, and nothing runs yet.
    unsafe {
        instance.vmctx().cast::<VmHeader>().write(header);
        for at in 0..instance.memories.len() {
            let memory = memory_ref(&mut *instance.memories[at]);
            instance.write(layout.memory(at as u32), memory);
        }
        for at in 0..instance.tables.len() as u32 {
            instance.write(layout.table(at), instance.table_definition(at));
        }
        for (at, tag) in instance.tags.iter().enumerate() {
            instance.write(layout.tag(at as u32), tag.id);
        }
        for (at, import) in instance.imports.iter().enumerate() {
            instance.write(layout.import(at as u32), import_entry(instance, at as u32, *import));
        }
    }
}

/// The mask that leaves no bit of every so manieth count.
fn mask(every: u32) -> u32 {
    every.max(1).checked_next_power_of_two().unwrap_or(1 << 31) - 1
}

/// How compiled code reaches an imported function: host functions through this instance's own lazy stub, others through the exporter's jump table.
fn import_entry(instance: &InstanceInner, at: u32, import: ImportedFunction) -> VmImport {
    match import {
        ImportedFunction::Host(_) => VmImport { entry: sys::lazy_stub_address(), vmctx: instance.vmctx(), index: at, reserved: 0 },
        ImportedFunction::Wasm { instance, function } => {
            // SAFETY: instances live as long as the store.
            let vmctx = unsafe { (*instance).vmctx() };
            VmImport { entry: sys::dispatch_stub_address(), vmctx, index: function.0, reserved: 0 }
        }
    }
}

fn initialize_globals(instance: &mut InstanceInner) {
    let code = Arc::clone(&instance.code);
    let module = code.module();
    let imported = module.header().imported_globals as usize;
    for (at, record) in module.globals().iter().enumerate().skip(imported) {
        let value = instance.evaluate_words(&record.init);
        // SAFETY: a cell of this vmctx, which has 16 bytes; nothing runs yet.
        unsafe { instance.global(at as u32).cast::<[u64; 2]>().write(value) };
    }
}

/// Fills tables and memories from active segments, in order, where that was not done otherwise; the first that does not fit traps, and what was written before
/// stays, as the specification has it. Tables that are filled lazily and images of memories are those of modules in which no segment can trap.
fn initialize_segments(instance: &mut InstanceInner) -> Result<(), TrapCode> {
    let code = Arc::clone(&instance.code);
    let module = code.module();
    let this: *mut InstanceInner = &raw mut *instance;
    let is_lazy = |table: u32| module.tables().get(table as usize).is_some_and(|table| table.filling == TableRecord::LAZILY);
    for (at, table) in module.tables().iter().enumerate().skip(module.header().imported_tables as usize) {
        if is_lazy(at as u32) {
            // SAFETY: instances and tables live as long as their store.
            unsafe { (*instance.tables[at]).fill_lazily(this, at as u32) };
            continue;
        }
        let value = instance.evaluate(&table.init);
        if value != 0 {
            instance.table_fill(at as u32, 0, value, table.min)?;
        }
    }
    for elem in module.elems().iter().filter(|elem| elem.mode == mode::ACTIVE && !is_lazy(elem.table)) {
        let offset = instance.evaluate(&elem.offset);
        instance.table_write(elem.table, module.elem_items(elem), offset, 0, elem.items_len.into())?;
    }
    // The records of a large module fill pages: they are not read for nothing.
    if module.header().flags & Header::HAS_ACTIVE_DATA == 0 {
        return Ok(());
    }
    for data in module.data_segments().iter().filter(|data| data.mode == mode::ACTIVE) {
        let offset = instance.evaluate(&data.offset);
        instance.memory_write(data.memory, module.data_bytes(data), offset, 0, data.bytes.len.into())?;
    }
    Ok(())
}

/// The start function of an instance.
pub(crate) fn start_function(instance: &InstanceInner) -> Option<FuncIndex> {
    instance.code.module().start()
}
