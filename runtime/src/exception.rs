//! Exceptions: objects that `throw` makes and handlers catch. The store owns them; guests hold handles, which are numbers.
//!
//! ```text
//! throw -> create -> throw: the store's pending trap is the exception
//!   interpreter: looks for a handler in its own frames, innermost first        -> catch_pending
//!   builtin's shim: `land` walks the compiled frames down to their `enter`     -> the landing pad goes on, or `enter` returns UNWOUND
//!   host: an error of the call; a host function that returns it throws it on
//! ```
//! Handles are never reused, in no store of the process, so that a stale one is found to be stale. What no handle refers to is reclaimed by a conservative
//! mark when many exceptions have gathered: roots are all words that look like a handle on the stacks (of slots and native, which holds the registers
//! as well), the cells and tables of that type, and what the host has seen.

use crate::backtrace::{Backtrace, RawTrace};
use crate::instance::InstanceInner;
use crate::store::StoreInner;
use crate::sys;
use crate::trap::{Reason, Trap, Unwinding};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use trjit_module::{HeapType, TrapCode, TypeIndex, ValType};

/// Upper byte of every handle. Below 128, since table elements are kept times two.
const MARK: u64 = 0x67;
const MARK_SHIFT: u32 = 56;

/// How many exceptions gather before the first collection.
const FIRST_COLLECTION: usize = 1024;

/// Numbers of exceptions and tags.
static NEXT_EXCEPTION: AtomicU64 = AtomicU64::new(1);
static NEXT_TAG: AtomicU64 = AtomicU64::new(1);

/// A tag of a store: what exceptions and handlers are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TagInner {
    pub id: u64,
    /// The engine's number of its type.
    pub type_id: u32,
}

impl TagInner {
    /// A tag that is equal to no other.
    pub fn new(type_id: u32) -> TagInner {
        TagInner { id: NEXT_TAG.fetch_add(1, Ordering::Relaxed), type_id }
    }
}

/// An exception that left the guest, or that a host function passes on. Clones are the same exception.
#[derive(Clone, Debug)]
pub struct Exception(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    handle: u64,
    tag: u64,
    /// Crossing slots of the tag's type.
    payload: Box<[u64]>,
    trace: RawTrace,
    /// The host has seen the handle: kept as long as the store.
    pinned: AtomicBool,
}

/// All exceptions of a store that may still be referred to.
pub(crate) struct Exceptions {
    live: HashMap<u64, Exception>,
    collect_at: usize,
}

impl Default for Exceptions {
    fn default() -> Exceptions {
        Exceptions { live: HashMap::new(), collect_at: FIRST_COLLECTION }
    }
}

impl Exceptions {
    /// How many there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Keeps an exception for as long as the store lives: the host has got its handle.
    pub fn pin(&self, handle: u64) {
        if let Some(exception) = self.live.get(&handle) {
            exception.0.pinned.store(true, Ordering::Relaxed);
        }
    }

    /// Drops all that none of the words refers to, nor the host, nor the payload of one that is kept.
    fn collect(&mut self, roots: impl FnOnce(&mut dyn FnMut(u64))) {
        let mut kept = HashSet::new();
        let mut unvisited = Vec::new();
        let live = &self.live;
        let mut visit = |word: u64| {
            if word >> MARK_SHIFT == MARK && live.contains_key(&word) && kept.insert(word) {
                unvisited.push(word);
            }
        };
        let hosts = live.values().filter(|held| held.0.pinned.load(Ordering::Relaxed) || Arc::strong_count(&held.0) > 1);
        hosts.for_each(|held| visit(held.0.handle));
        roots(&mut visit);
        while let Some(handle) = unvisited.pop() {
            for &word in &*live[&handle].0.payload {
                if word >> MARK_SHIFT == MARK && live.contains_key(&word) && kept.insert(word) {
                    unvisited.push(word);
                }
            }
        }
        self.live.retain(|handle, _| kept.contains(handle));
        self.collect_at = (self.live.len() * 2).max(FIRST_COLLECTION);
    }
}

/// Makes an exception of a tag of `instance` with the payload in crossing slots of the tag's type, and returns its handle. Slots in use end at `top`.
///
/// # Safety
/// `store` and `instance` are alive and used by this thread only; the payload and the slots below `top` are readable.
pub(crate) unsafe fn create(store: *mut StoreInner, instance: *mut InstanceInner, tag: u32, payload: *const u64, top: *const u64) -> u64 {
    // SAFETY: by contract.
    unsafe {
        let module = (*instance).code.module();
        let words = module.func_type(TypeIndex(module.tags()[tag as usize])).crossing_words();
        let payload: Box<[u64]> = if words == 0 { Box::default() } else { std::slice::from_raw_parts(payload, words).into() };
        if (*store).exceptions.live.len() >= (*store).exceptions.collect_at {
            collect(store, &payload, top);
        }
        let handle = MARK << MARK_SHIFT | NEXT_EXCEPTION.fetch_add(1, Ordering::Relaxed);
        let trace = RawTrace::of_exception(store);
        let inner = Inner { handle, tag: (&(*instance).tags)[tag as usize].id, payload, trace, pinned: AtomicBool::new(false) };
        (*store).exceptions.live.insert(handle, Exception(Arc::new(inner)));
        handle
    }
}

/// # Safety
/// As [`create`].
#[cold]
#[inline(never)]
unsafe fn collect(store: *mut StoreInner, payload: &[u64], top: *const u64) {
    let registers = sys::callee_saved_registers();
    // SAFETY: by contract; nothing here refers to the exceptions while they change.
    unsafe {
        let mut exceptions = std::mem::take(&mut (*store).exceptions);
        exceptions.collect(|visit| {
            registers.iter().chain(payload).for_each(|&word| visit(word));
            let mut slot: *const u64 = (*store).stack_base();
            while slot < top {
                visit(*slot);
                slot = slot.add(1);
            }
            sys::visit_native_stack(&raw const (*store).vm, visit);
            for instance in &(*store).instances {
                let globals = instance.code.module().globals().iter().enumerate();
                for (at, _) in globals.filter(|(_, global)| ValType::from_code(global.ty).is_some_and(is_exception)) {
                    visit(*instance.global(at as u32));
                }
            }
            for table in (*store).tables.iter_mut().filter(|table| is_exception(table.element)) {
                table.stored().iter().for_each(|element| visit(element >> 1));
            }
        });
        (*store).exceptions = exceptions;
    }
}

/// Whether the store knows an exception by this handle.
///
/// # Safety
/// `store` is alive.
pub(crate) unsafe fn is_live(store: *mut StoreInner, handle: u64) -> bool {
    // SAFETY: by contract.
    unsafe { (*store).exceptions.live.contains_key(&handle) }
}

/// Whether values of a type are exceptions.
pub(crate) fn is_exception(ty: ValType) -> bool {
    matches!(ty, ValType::Ref(reference) if reference.heap == HeapType::Exn)
}

/// Tells compiled code of an exception: fills the fields of `VmStore` that a landing pad reads. They hold until the next call.
///
/// # Safety
/// `store` is alive.
pub(crate) unsafe fn activate(store: *mut StoreInner, handle: u64) -> Result<(), TrapCode> {
    // SAFETY: by contract; the payload stays where it is while the exception lives.
    unsafe {
        let exception = (*store).exceptions.live.get(&handle).ok_or(TrapCode::NullReference)?;
        (*store).vm.exn_tag = exception.0.tag;
        (*store).vm.exn_payload = exception.0.payload.as_ptr();
        (*store).vm.exn_ref = handle;
    }
    Ok(())
}

/// Makes an exception the pending one; a null reference traps.
///
/// # Safety
/// `store` is alive.
pub(crate) unsafe fn throw(store: *mut StoreInner, handle: u64) -> Unwinding {
    // SAFETY: by contract.
    unsafe {
        match (*store).exceptions.live.get(&handle) {
            Some(exception) => {
                let reason = Reason::Exception(exception.clone());
                (*store).pending = Some(Trap { reason, backtrace: Backtrace::default() });
                Unwinding
            }
            None => crate::driver::raise(store, Reason::Trap(TrapCode::NullReference)),
        }
    }
}

/// Makes an exception that the host throws (on) the pending one.
///
/// # Safety
/// `store` is alive.
pub(crate) unsafe fn throw_from_host(store: *mut StoreInner, exception: Exception) -> Unwinding {
    // SAFETY: by contract.
    unsafe {
        let handle = exception.0.handle;
        (*store).exceptions.live.entry(handle).or_insert(exception);
        throw(store, handle)
    }
}

/// The id of the pending exception's tag; none where nothing is pending, or a trap, which no handler catches.
///
/// # Safety
/// `store` is alive.
pub(crate) unsafe fn pending_tag(store: *mut StoreInner) -> Option<u64> {
    // SAFETY: by contract.
    match unsafe { &(*store).pending } {
        Some(Trap { reason: Reason::Exception(exception), .. }) => Some(exception.0.tag),
        _ => None,
    }
}

/// The pending exception is caught: nothing is pending any more, and the exception is active (see [`activate`]). Its handle; 0 where none was pending.
///
/// # Safety
/// `store` is alive.
pub(crate) unsafe fn catch_pending(store: *mut StoreInner) -> u64 {
    // SAFETY: by contract.
    unsafe {
        let Some(Trap { reason: Reason::Exception(exception), .. }) = &(*store).pending else { return 0 };
        let handle = exception.0.handle;
        (*store).pending = None;
        // Found: the store keeps what is pending.
        let _ = activate(store, handle);
        handle
    }
}

/// Looks for a landing pad in the compiled frames below the innermost `enter`, for the pending exception. Where there is one, the exception is caught, `exit_pc` and
/// `exit_fp` say where compiled code goes on, and the result is the distance of the frame's stack pointer from its frame pointer.
///
/// # Safety
/// Called by a builtin that is about to return to its shim.
pub(crate) unsafe fn land(store: *mut StoreInner) -> Option<u32> {
    // SAFETY: by contract: compiled frames stand, `exit_fp` and `exit_pc` are the builtin's caller's.
    unsafe {
        pending_tag(store)?;
        let found = sys::walk(sys::Activation::calling(&raw const (*store).vm), &mut |frame| match frame.tables.handler_at(frame.offset) {
            Some((landing, frame_offset)) => {
                ControlFlow::Break((frame.pc - frame.offset as usize + landing as usize, frame.fp, frame_offset))
            }
            None => ControlFlow::Continue(()),
        });
        let ControlFlow::Break((pc, fp, frame_offset)) = found else { return None };
        catch_pending(store);
        (*store).vm.exit_pc = pc;
        (*store).vm.exit_fp = fp;
        Some(frame_offset)
    }
}

/// The backtrace of the place that threw; only in the store that it was thrown in.
///
/// # Safety
/// `store` is alive.
pub(crate) unsafe fn backtrace(store: *mut StoreInner, exception: &Exception) -> Backtrace {
    // SAFETY: by contract.
    unsafe { exception.0.trace.resolve(store) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(exceptions: &mut Exceptions, payload: &[u64]) -> u64 {
        let handle = MARK << MARK_SHIFT | NEXT_EXCEPTION.fetch_add(1, Ordering::Relaxed);
        let inner = Inner { handle, tag: 1, payload: payload.into(), trace: RawTrace::default(), pinned: AtomicBool::new(false) };
        exceptions.live.insert(handle, Exception(Arc::new(inner)));
        handle
    }

    #[test]
    fn what_is_referred_to_is_kept_and_the_rest_is_not() {
        let mut exceptions = Exceptions::default();
        let inner = add(&mut exceptions, &[7]);
        let outer = add(&mut exceptions, &[0, inner]);
        let pinned = add(&mut exceptions, &[]);
        exceptions.pin(pinned);
        let held = add(&mut exceptions, &[]);
        let host = exceptions.live[&held].clone();
        let lost = add(&mut exceptions, &[outer]);
        exceptions.collect(|visit| visit(outer));
        assert!([inner, outer, pinned, held].iter().all(|handle| exceptions.live.contains_key(handle)));
        assert!(!exceptions.live.contains_key(&lost));
        drop(host);
        exceptions.collect(|_| {});
        assert_eq!(exceptions.len(), 1);
    }
}
