//! Walks compiled frames by their frame pointers: `[rbp]` is the caller's, `[rbp + 8]` the return address. One walk covers one activation: from where
//! compiled code stopped up to the `enter` that it came from; the activations outside of it are found through what `enter` saved.
//!
//! Frames are on the stack while the trap hook or a builtin runs, and gone when `enter` has returned.

use super::arch;
use super::registry::{CodeTables, lookup};
use std::ops::ControlFlow;
use trjit_code::place;
use trjit_module::FuncIndex;
use trjit_module::vm::VmStore;

/// What a frame's program counter means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PcKind {
    /// The instruction at it trapped or was interrupted.
    Exact,
    /// The frame goes on there when its callee returns; the call is right before it.
    ReturnAddress,
}

/// A frame of registered code: a function's or a trampoline's.
pub struct Frame<'a> {
    pub pc: usize,
    /// Its frame pointer; 0 where only the code is asked about.
    pub fp: usize,
    pub kind: PcKind,
    /// Offset of `pc` from the base of its code range.
    pub offset: u32,
    pub tables: &'a dyn CodeTables,
}

impl Frame<'_> {
    /// None for trampolines. A call may be a function's last instruction, so a return address counts by the byte before it.
    pub fn function(&self) -> Option<FuncIndex> {
        match self.kind {
            PcKind::Exact => self.tables.function_at(self.offset),
            PcKind::ReturnAddress => self.tables.function_at(self.offset.checked_sub(1)?),
        }
    }

    /// Where in the wasm the frame stands, from the innermost function that was inlined there to the frame's own: positions in the module's code. None where the tables do not
    /// know: in prologues, and where it was interrupted.
    pub fn positions(&self) -> impl Iterator<Item = u32> {
        let place = match self.kind {
            PcKind::Exact => self.tables.trap_at(self.offset).map(|(_, place)| place),
            PcKind::ReturnAddress => self.tables.call_at(self.offset),
        };
        place::positions(place.unwrap_or(place::UNKNOWN), |number| self.tables.inlined_at(number))
    }
}

/// Where compiled code stopped, and the `enter` below which it ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Activation {
    pub fp: usize,
    pub pc: usize,
    pub kind: PcKind,
    /// `VmStore::entry_sp` of its `enter`.
    pub entry_sp: usize,
}

impl Activation {
    /// The one that trapped by a signal; for the trap hook.
    ///
    /// # Safety
    /// `store` is alive.
    pub unsafe fn trapped(store: *const VmStore) -> Activation {
        // SAFETY: the caller's promise; no reference to the store, whose flag other threads may set meanwhile.
        let (fp, pc, entry_sp) = unsafe { ((*store).trap_fp, (*store).trap_pc, (*store).entry_sp) };
        Activation { fp, pc, kind: PcKind::Exact, entry_sp }
    }

    /// The one that called the builtin which runs now.
    ///
    /// # Safety
    /// `store` is alive.
    pub unsafe fn calling(store: *const VmStore) -> Activation {
        // SAFETY: as for `trapped`.
        let (fp, pc, entry_sp) = unsafe { ((*store).exit_fp, (*store).exit_pc, (*store).entry_sp) };
        Activation { fp, pc, kind: PcKind::ReturnAddress, entry_sp }
    }

    /// The activation of the same store whose builtin (at some remove) made the `enter` of this one; none outside of the first.
    ///
    /// # Safety
    /// The `enter` of this activation has not returned.
    pub unsafe fn outer(&self) -> Option<Activation> {
        if self.entry_sp == 0 {
            return None;
        }
        // SAFETY: `entry_sp` points to the end of the frame of `enter`, which is alive.
        let saved = |offset: usize| unsafe { std::ptr::with_exposed_provenance::<usize>(self.entry_sp + offset).read() };
        let entry_sp = saved(arch::SAVED_ENTRY_SP);
        let (fp, pc) = (saved(arch::SAVED_EXIT_FP), saved(arch::SAVED_EXIT_PC));
        (entry_sp != 0).then_some(Activation { fp, pc, kind: PcKind::ReturnAddress, entry_sp })
    }
}

/// What is known of an address in registered code.
///
/// # Safety
/// The code stays registered while the result is used.
pub unsafe fn frame_at<'a>(pc: usize, kind: PcKind) -> Option<Frame<'a>> {
    // SAFETY: by contract.
    let (tables, offset) = unsafe { lookup(pc) }?;
    Some(Frame { pc, fp: 0, kind, offset, tables })
}

/// Shows every word of the calling thread's stack from here to the outermost `enter` of a store: what compiled frames and those between them hold.
///
/// # Safety
/// `store` is alive, and its activations are on this thread's stack.
#[inline(never)]
pub unsafe fn visit_stack(store: *const VmStore, visit: &mut dyn FnMut(u64)) {
    // SAFETY: by contract; the words between this frame and that of an `enter` that has not returned are all on the stack.
    unsafe {
        let mut outermost = Activation::calling(store);
        while let Some(outer) = outermost.outer() {
            outermost = outer;
        }
        let mut at = super::stack::stack_pointer() & !7;
        while at < outermost.entry_sp {
            visit(std::ptr::with_exposed_provenance::<u64>(at).read_volatile());
            at += 8;
        }
    }
}

/// Shows all compiled frames of an activation, the innermost first, until `visit` breaks. Code that was interrupted inside of a prologue or an epilogue
/// has no frame of its own there: its caller is then missing.
///
/// # Safety
/// The activation is one of the calling thread and its frames are on the stack still.
pub unsafe fn walk<B>(activation: Activation, visit: &mut dyn FnMut(&Frame<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
    let Activation { mut fp, mut pc, mut kind, entry_sp } = activation;
    // SAFETY: frames of a registered range are on the stack, so it stays registered.
    while let Some((tables, offset)) = unsafe { lookup(pc) } {
        visit(&Frame { pc, fp, kind, offset, tables })?;
        if fp == 0 || !fp.is_multiple_of(8) || fp >= entry_sp {
            break;
        }
        // SAFETY: below `entry_sp` there are compiled frames only, each of which starts with this pair.
        let [caller, returns_to] = unsafe { std::ptr::with_exposed_provenance::<[usize; 2]>(fp).read() };
        if caller <= fp {
            break;
        }
        (fp, pc, kind) = (caller, returns_to, PcKind::ReturnAddress);
    }
    ControlFlow::Continue(())
}
