//! The interpreter's context: what its handlers reach beside their six registers, and the frames of one activation.
//!
//! An *activation* is one native call of the interpreter. Guest calls from interpreted to interpreted functions of the same instance push a [`Frame`] and
//! stay in the activation; every other call leaves it through [`super::out`].

use crate::store::StoreInner;
use std::sync::atomic::{AtomicI32, AtomicU64};
use trjit_module::flat::{FunctionRecord, SideTableEntry};
use trjit_module::vm::{VmLayout, VmStore};
use trjit_module::{FuncIndex, TrapCode};
use trjit_trace::count;

/// A suspended caller on the control stack.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Frame {
    /// Where the caller goes on: behind its call instruction.
    pub ip: *const u8,
    pub fp: *mut u64,
    pub st: *const SideTableEntry,
    pub function: u32,
}

/// How a run of handlers ended; a plain number, so that handlers can tail-call each other with it as their result.
pub type Exit = u32;
/// The activation's first function returned; its results stand at its frame's start.
pub const DONE: Exit = 0;
/// The guest trapped: `Cx::trap` tells why, unless a trap is pending in the store already.
pub const TRAP: Exit = 1;
/// A hot loop: the saved registers stand at a loop header, for which compiled code exists.
pub const OSR: Exit = 2;
/// The activation's first function ended in a tail call, which stands in the store (see [`driver::Outcome`](crate::driver::Outcome)).
pub const TAIL_CALL: Exit = 3;

/// See the module. Handlers get it as a raw pointer, since calls out of the interpreter may look at it, too (backtraces).
#[repr(C)]
pub struct Cx {
    /// Length in bytes and start of memory 0; refreshed after everything that may grow it. The length is 0 where the module has another memory or one with
    /// 64-bit addresses, so that no access passes for one of a simple memory.
    pub mem_len: u64,
    pub mem_base: *mut u8,
    /// Whether memory 0 is the only one and has 32-bit addresses.
    pub simple_memory: bool,
    /// Words of a slot.
    pub slot_words: usize,
    pub vmctx: *mut u8,
    /// The module's code bytes and side table (or the instance's copies of them), and its function records.
    pub code: *const u8,
    pub side_table: *const SideTableEntry,
    pub functions: *const FunctionRecord,
    pub imported_functions: u32,
    /// The running function.
    pub function: u32,
    /// Where the original code runs: behind the last instruction of the running function.
    pub code_end: *const u8,
    pub jump_table: *const AtomicI32,
    /// Calls and back-edges of each defined function so far.
    pub hotness: *mut u32,
    pub call_threshold: u32,
    /// `call_threshold` as the handlers compare it: less 2, and not below 0.
    pub hot_after: u32,
    pub loop_threshold: u32,
    pub frame_top: *mut Frame,
    pub frame_base: *mut Frame,
    pub frame_end: *mut Frame,
    pub stack_end: *mut u64,
    pub vm_store: *mut VmStore,
    /// Fuel: what straight code has cost so far that is not charged yet.
    pub spent: i64,
    pub layout: VmLayout,
    pub store: *mut StoreInner,
    /// Callee of a call that leaves the interpreter.
    pub callee: u32,
    pub callee_vmctx: *mut u8,
    /// Code for the loop at `ip`, on exit [`OSR`].
    pub osr_entry: *const u8,
    /// Registers, saved when handlers return or call out.
    pub ip: *const u8,
    pub sp: *mut u64,
    pub fp: *mut u64,
    pub st: *const SideTableEntry,
    pub trap: Option<TrapCode>,
    /// Training only: counters by function and by side table entry.
    pub entries: *const AtomicU64,
    pub branches: *const AtomicU64,
}

impl Cx {
    /// The position of `ip` in the module's code bytes.
    ///
    /// # Safety
    /// `ip` points into this module's code.
    pub unsafe fn code_offset(&self, ip: *const u8) -> u32 {
        // SAFETY: both point into the same allocation, by contract.
        unsafe { ip.offset_from(self.code) as u32 }
    }

    /// The record of the running function, which is a defined one.
    pub fn record(&self) -> *const FunctionRecord {
        self.functions.wrapping_add((self.function - self.imported_functions) as usize)
    }

    /// Training: counts a taken branch.
    ///
    /// # Safety
    /// The context records, and `entry` is in the side table.
    #[inline(always)]
    pub unsafe fn count_branch(&self, entry: *const SideTableEntry) {
        // SAFETY: by contract; there is a counter for each entry.
        unsafe { count(&*self.branches.offset(entry.offset_from(self.side_table))) };
    }

    /// Training: counts an invocation of a defined function.
    ///
    /// # Safety
    /// The context records, and the module has the function.
    #[inline(always)]
    pub unsafe fn count_entry(&self, defined: usize) {
        // SAFETY: by contract; there is a counter for each function.
        unsafe { count(&*self.entries.add(defined)) };
    }

    /// Behind the last instruction of the running function.
    ///
    /// # Safety
    /// The context is set up.
    pub unsafe fn end_of_function(&self) -> *const u8 {
        // SAFETY: by contract; bodies lie in the code.
        unsafe {
            let body = (*self.record()).body;
            self.code.add((body.offset + body.len) as usize)
        }
    }

    pub fn func(&self) -> FuncIndex {
        FuncIndex(self.function)
    }
}
