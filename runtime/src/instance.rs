//! An instance: a module's code with its own vmctx, jump table, memories, tables and globals. The operations that interpreted and compiled code share are here.

use crate::code::ModuleCode;
use crate::exception::TagInner;
use crate::limits;
use crate::memory::MemoryInner;
use crate::store::StoreInner;
use crate::table::{self, TableInner};
use crate::trap::HostError;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use trjit_module::flat::{ConstExpr, mode};
use trjit_module::vm::{GlobalPlace, VmFuncRef, VmLayout, VmMemory, VmMemoryRef, VmTable};
use trjit_module::{DefinedFuncIndex, FuncIndex, FuncType, TrapCode};
use trjit_runtime_loader::JumpTable;
use trjit_trace::Recorder;

/// Time between two looks of a waiting guest at the request to stop.
const WAIT_STEP: std::time::Duration = std::time::Duration::from_millis(5);

/// What stands behind an imported function.
#[derive(Clone, Copy)]
pub(crate) enum ImportedFunction {
    /// Position among the store's host functions.
    Host(usize),
    Wasm {
        instance: *mut InstanceInner,
        function: FuncIndex,
    },
}

pub(crate) struct InstanceInner {
    pub id: u32,
    pub store: *mut StoreInner,
    pub code: Arc<ModuleCode>,
    pub layout: VmLayout,
    /// Slots of 16 bytes, so that defined globals are aligned.
    pub vmctx: Box<[u128]>,
    pub jump_table: JumpTable,
    /// Calls and back-edges of each defined function in the interpreter; made when it first runs one.
    pub hotness: OnceLock<Box<[u32]>>,
    pub copies: crate::interp::copies::Copies,
    /// Training only.
    pub recorder: Option<Recorder>,
    pub imports: Vec<ImportedFunction>,
    /// By index, imported ones first; they live in the store.
    pub memories: Vec<*mut MemoryInner>,
    pub tables: Vec<*mut TableInner>,
    pub tags: Vec<TagInner>,
    /// Passive segments that were dropped; those behind the end were not. All others are dropped when guests run.
    pub dropped_data: Vec<bool>,
    pub dropped_elems: Vec<bool>,
    pub func_ref_base: u64,
    /// The memory that is exported as `memory`.
    pub exported_memory: Option<u32>,
}

impl InstanceInner {
    pub fn vmctx(&self) -> *mut u8 {
        self.vmctx.as_ptr().cast_mut().cast()
    }

    pub fn jump_table(&self) -> *mut i32 {
        self.jump_table.as_ptr()
    }

    pub fn hotness(&self) -> *mut u32 {
        self.hotness.get_or_init(|| vec![0; self.code.module().functions().len()].into()).as_ptr().cast_mut()
    }

    pub fn imported_function(&self, function: FuncIndex) -> Option<ImportedFunction> {
        self.imports.get(function.index()).copied()
    }

    pub fn func_type(&self, function: FuncIndex) -> FuncType<'_> {
        let module = self.code.module();
        module.func_type(module.type_of(function))
    }

    /// Whether this function was ever interpreted in this instance.
    pub fn was_interpreted(&self, function: DefinedFuncIndex) -> bool {
        match &self.recorder {
            Some(recorder) => recorder.entries()[function.index()].load(Ordering::Relaxed) != 0,
            None => self.copies.has(&self.code.module().functions()[function.index()]),
        }
    }

    /// Reads a value of the vmctx.
    ///
    /// # Safety
    /// A `T` stands at this offset.
    pub unsafe fn read<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: by contract.
        unsafe { self.vmctx().add(offset as usize).cast::<T>().read() }
    }

    /// Writes a value of the vmctx.
    ///
    /// # Safety
    /// A `T` belongs at this offset, and no guest code runs.
    pub unsafe fn write<T: Copy>(&self, offset: u32, value: T) {
        // SAFETY: by contract.
        unsafe { self.vmctx().add(offset as usize).cast::<T>().write(value) }
    }

    /// The cell of a global.
    pub fn global(&self, index: u32) -> *mut u64 {
        match self.layout.global(index) {
            // SAFETY: the layout's offsets lie in the vmctx.
            GlobalPlace::Inline(offset) => unsafe { self.vmctx().add(offset as usize).cast() },
            // SAFETY: as above; instantiation stored a pointer there.
            GlobalPlace::Pointer(offset) => unsafe { self.read(offset) },
        }
    }

    pub fn memory_definition(&self, memory: u32) -> Option<*mut VmMemory> {
        let memory = *self.memories.get(memory as usize)?;
        // SAFETY: memories live as long as the store.
        Some(unsafe { &raw mut (*memory).definition })
    }

    pub fn exported_memory(&self) -> Option<*mut VmMemory> {
        self.memory_definition(self.exported_memory?)
    }

    pub fn table_definition(&self, table: u32) -> *mut VmTable {
        let table = self.tables[table as usize];
        // SAFETY: tables live as long as the store; validation keeps the index in range.
        unsafe { &raw mut (*table).definition }
    }

    /// Charges a guest's bulk operation for its bytes or elements, where fuel is consumed.
    pub fn charge_bulk(&mut self, units: u64) -> Result<(), TrapCode> {
        // SAFETY: the store is alive while its instances are, and used by the thread that runs it only.
        unsafe { (*self.store).charge_bulk(units) }
    }

    fn memory(&mut self, memory: u32) -> &mut MemoryInner {
        // SAFETY: memories live as long as the store, and are changed by the thread that runs it only.
        unsafe { &mut *self.memories[memory as usize] }
    }

    fn table(&mut self, table: u32) -> &mut TableInner {
        // SAFETY: as for memories.
        unsafe { &mut *self.tables[table as usize] }
    }

    /// The old size in pages, or -1 (all bits) where the memory can not grow. An error is the limiter's, and ends the guest.
    pub fn memory_grow(&mut self, memory: u32, delta: u64) -> Result<u64, HostError> {
        // SAFETY: the instance is of this store, and so are its memories.
        let grown = unsafe { limits::grow_memory(self.store, self.memories[memory as usize], delta) };
        Ok(grown?.unwrap_or(u64::MAX))
    }

    /// The address of `len` bytes at `at`, which must lie in the memory.
    fn memory_range(&mut self, memory: u32, at: u64, len: u64) -> Result<*mut u8, TrapCode> {
        let definition = &self.memory(memory).definition;
        match at.checked_add(len) {
            // SAFETY: the range is within the memory.
            Some(end) if end <= definition.len => Ok(unsafe { definition.base.add(at as usize) }),
            _ => Err(TrapCode::MemoryOutOfBounds),
        }
    }

    pub fn memory_copy(&mut self, dst_memory: u32, src_memory: u32, dst: u64, src: u64, len: u64) -> Result<(), TrapCode> {
        let from = self.memory_range(src_memory, src, len)?;
        let to = self.memory_range(dst_memory, dst, len)?;
        // SAFETY: both ranges were checked; they may overlap.
        unsafe { std::ptr::copy(from, to, len as usize) };
        Ok(())
    }

    pub fn memory_fill(&mut self, memory: u32, dst: u64, value: u8, len: u64) -> Result<(), TrapCode> {
        let to = self.memory_range(memory, dst, len)?;
        // SAFETY: the range was checked.
        unsafe { std::ptr::write_bytes(to, value, len as usize) };
        Ok(())
    }

    pub fn memory_init(&mut self, memory: u32, segment: u32, dst: u64, src: u64, len: u64) -> Result<(), TrapCode> {
        let code = Arc::clone(&self.code);
        // A segment without a record is in the memory's image: it was active, and so is dropped.
        let record = code.module().data_segments().get(segment as usize).filter(|record| record.mode == mode::PASSIVE);
        let record = record.filter(|_| !is_dropped(&self.dropped_data, segment));
        let bytes = record.map_or(&[][..], |record| code.module().data_bytes(record));
        self.memory_write(memory, bytes, dst, src, len)
    }

    /// Copies `len` bytes from `src` of a segment's bytes to `dst` of a memory.
    pub fn memory_write(&mut self, memory: u32, bytes: &[u8], dst: u64, src: u64, len: u64) -> Result<(), TrapCode> {
        let source = range(bytes, src, len).ok_or(TrapCode::MemoryOutOfBounds)?;
        let to = self.memory_range(memory, dst, len)?;
        // SAFETY: the range was checked; segments are no part of a memory.
        unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), to, source.len()) };
        Ok(())
    }

    /// The address of an atomic access of `width` bytes.
    fn atomic_address(&mut self, memory: u32, address: u64, width: u64) -> Result<*mut u8, TrapCode> {
        if !address.is_multiple_of(width) {
            return Err(TrapCode::HeapMisaligned);
        }
        self.memory_range(memory, address, width)
    }

    /// `memory.atomic.wait32` and `wait64` (by `width` in bytes). There is one thread, so nobody will notify: 1 where the value differs from the one expected, else 2 after
    /// `timeout` nanoseconds; without a timeout (a negative one) it traps.
    pub fn atomic_wait(&mut self, memory: u32, address: u64, width: u64, expected: u64, timeout: i64) -> Result<u32, TrapCode> {
        let place = self.atomic_address(memory, address, width)?;
        if !self.memory(memory).is_shared() {
            return Err(TrapCode::ExpectedShared);
        }
        // SAFETY: checked to be in the memory, and aligned, since memories are.
        let found = unsafe { if width == 4 { u64::from(place.cast::<u32>().read()) } else { place.cast::<u64>().read() } };
        if found != expected {
            return Ok(1);
        }
        let timeout = u64::try_from(timeout).map_err(|_| TrapCode::WouldBlockForever)?;
        let start = std::time::Instant::now();
        let timeout = std::time::Duration::from_nanos(timeout);
        while let Some(rest) = timeout.checked_sub(start.elapsed()).filter(|rest| !rest.is_zero()) {
            // SAFETY: the store is alive while its instances are.
            if unsafe { (*self.store).interrupted() } {
                return Err(TrapCode::Interrupt);
            }
            std::thread::sleep(rest.min(WAIT_STEP));
        }
        Ok(2)
    }

    /// `memory.atomic.notify`: nobody waits.
    pub fn atomic_notify(&mut self, memory: u32, address: u64) -> Result<u32, TrapCode> {
        self.atomic_address(memory, address, 4).map(|_| 0)
    }

    pub fn data_drop(&mut self, segment: u32) {
        drop_segment(&mut self.dropped_data, segment);
    }

    pub fn table_get(&mut self, table: u32, index: u64) -> Result<u64, TrapCode> {
        let table = self.tables[table as usize];
        // SAFETY: tables live as long as the store, and are changed by the thread that runs it only.
        unsafe { (*table).get(index) }.ok_or(TrapCode::TableOutOfBounds)
    }

    pub fn table_set(&mut self, table: u32, index: u64, value: u64) -> Result<(), TrapCode> {
        let element = self.table(table).stored().get_mut(index as usize).ok_or(TrapCode::TableOutOfBounds)?;
        *element = table::encode(value);
        Ok(())
    }

    /// The old length, or -1 (all bits) where the table can not grow. An error is the limiter's, and ends the guest.
    pub fn table_grow(&mut self, table: u32, value: u64, delta: u64) -> Result<u64, HostError> {
        // SAFETY: the instance is of this store, and so are its tables.
        let grown = unsafe { limits::grow_table(self.store, self.tables[table as usize], delta, value) };
        Ok(grown?.unwrap_or(u64::MAX))
    }

    pub fn table_fill(&mut self, table: u32, dst: u64, value: u64, len: u64) -> Result<(), TrapCode> {
        let elements = self.table(table).stored();
        let end = dst.checked_add(len).filter(|&end| end <= elements.len() as u64).ok_or(TrapCode::TableOutOfBounds)?;
        elements[dst as usize..end as usize].fill(table::encode(value));
        Ok(())
    }

    pub fn table_copy(&mut self, dst_table: u32, src_table: u32, dst: u64, src: u64, len: u64) -> Result<(), TrapCode> {
        let target = range(self.table(dst_table).stored(), dst, len).ok_or(TrapCode::TableOutOfBounds)?.as_ptr().cast_mut();
        let source = self.tables[src_table as usize];
        // SAFETY: tables live as long as the store, and are changed by the thread that runs it only.
        let source = unsafe { (*source).filled(src, len) }.ok_or(TrapCode::TableOutOfBounds)?.as_ptr();
        // SAFETY: both ranges were checked; they may overlap where the tables are the same.
        unsafe { std::ptr::copy(source, target, len as usize) };
        Ok(())
    }

    pub fn table_init(&mut self, table: u32, segment: u32, dst: u64, src: u64, len: u64) -> Result<(), TrapCode> {
        let code = Arc::clone(&self.code);
        let record = &code.module().elems()[segment as usize];
        let dropped = record.mode != mode::PASSIVE || is_dropped(&self.dropped_elems, segment);
        let items = if dropped { &[] } else { code.module().elem_items(record) };
        self.table_write(table, items, dst, src, len)
    }

    /// Puts `len` items from `src` of a segment's items to `dst` of a table.
    pub fn table_write(&mut self, table: u32, items: &[ConstExpr], dst: u64, src: u64, len: u64) -> Result<(), TrapCode> {
        let items = range(items, src, len).ok_or(TrapCode::TableOutOfBounds)?;
        range(self.table(table).stored(), dst, len).ok_or(TrapCode::TableOutOfBounds)?;
        for (at, item) in items.iter().enumerate() {
            let reference = self.evaluate(item);
            self.table(table).stored()[dst as usize + at] = table::encode(reference);
        }
        Ok(())
    }

    /// The reference that an element of a table of this module begins with, by the segments.
    pub fn initial_element(&self, table: u32, index: u64) -> u64 {
        let item = self.code.module().initial_element(table, index);
        item.map_or(0, |item| self.evaluate(&item))
    }

    pub fn elem_drop(&mut self, segment: u32) {
        drop_segment(&mut self.dropped_elems, segment);
    }

    /// The store's reference to a function of this instance; for an imported function that is the exporter's own reference, so that a function has one.
    pub fn ref_func(&self, function: FuncIndex) -> u64 {
        if let Some(ImportedFunction::Wasm { instance, function }) = self.imported_function(function) {
            // SAFETY: instances live as long as the store; an import chain ends, since instances import from earlier ones only.
            return unsafe { (*instance).ref_func(function) };
        }
        let reference = self.func_ref_base + u64::from(function.0);
        let module = self.code.module();
        let record =
            VmFuncRef { vmctx: self.vmctx(), function: function.0, type_id: self.code.type_ids()[module.type_of(function).index()] };
        // SAFETY: instantiation reserved a reference for each function of the module.
        unsafe { (*self.store).func_refs.base().add(reference as usize).write(record) };
        reference
    }

    /// The value of a constant expression of a type other than v128, as a slot holds it.
    pub fn evaluate(&self, expr: &ConstExpr) -> u64 {
        self.evaluate_words(expr)[0]
    }

    /// The value of a constant expression in the words of a wide slot.
    pub fn evaluate_words(&self, expr: &ConstExpr) -> [u64; 2] {
        match expr.kind {
            // SAFETY: validation keeps the index in range; the global is initialized, since only earlier ones can be named; cells have 16 bytes.
            ConstExpr::GLOBAL_GET => unsafe { self.global(expr.value as u32).cast::<[u64; 2]>().read() },
            ConstExpr::REF_FUNC => [self.ref_func(FuncIndex(expr.value as u32)), 0],
            ConstExpr::REF_NULL => [0, 0],
            ConstExpr::V128 => match self.code.module().const_ops(expr) {
                [low, high] => [low.value, high.value],
                _ => [0, 0],
            },
            ConstExpr::EXTENDED => self.evaluate_extended(expr),
            _ => [expr.value, 0],
        }
    }

    fn evaluate_extended(&self, expr: &ConstExpr) -> [u64; 2] {
        let code = Arc::clone(&self.code);
        let mut stack: Vec<[u64; 2]> = Vec::new();
        for op in code.module().const_ops(expr) {
            if !(ConstExpr::I32_ADD..=ConstExpr::I64_MUL).contains(&op.kind) {
                stack.push(self.evaluate_words(op));
                continue;
            }
            // Validation has proved that the operands are there.
            let [right, _] = stack.pop().unwrap_or_default();
            let [left, _] = stack.pop().unwrap_or_default();
            let value = match op.kind {
                ConstExpr::I32_ADD | ConstExpr::I64_ADD => left.wrapping_add(right),
                ConstExpr::I32_SUB | ConstExpr::I64_SUB => left.wrapping_sub(right),
                _ => left.wrapping_mul(right),
            };
            stack.push([if op.kind <= ConstExpr::I32_MUL { u64::from(value as u32) } else { value }, 0]);
        }
        stack.pop().unwrap_or_default()
    }
}

/// `len` items from `start`, or none where they do not all exist.
fn range<T>(items: &[T], start: u64, len: u64) -> Option<&[T]> {
    let end = start.checked_add(len)?;
    items.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

fn is_dropped(dropped: &[bool], segment: u32) -> bool {
    dropped.get(segment as usize).copied().unwrap_or(false)
}

fn drop_segment(dropped: &mut Vec<bool>, segment: u32) {
    dropped.resize(dropped.len().max(segment as usize + 1), false);
    dropped[segment as usize] = true;
}

/// Where a memory's base and definition stand in the vmctx.
pub(crate) fn memory_ref(memory: &mut MemoryInner) -> VmMemoryRef {
    VmMemoryRef { base: memory.definition.base, definition: &raw mut memory.definition }
}

impl Drop for InstanceInner {
    fn drop(&mut self) {
        self.code.detach(&self.jump_table);
    }
}
