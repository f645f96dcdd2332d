//! Exceptions in interpreted frames: throwing, and the search for a handler.
//!
//! A throw makes the exception the store's pending one and ends the run of handlers as a trap does; so does every call that comes back with one.
//! [`run`](super::run) then looks here for a frame with a handler, and goes on there.

use super::crossing::{Place, move_values};
use super::cx::{Cx, Frame};
use super::out::instance_of;
use crate::exception;
use trjit_module::flat::{HandlerRecord, SideTableEntry};
use trjit_module::{Module, TypeIndex};

/// Throws an exception of the instance's `tag`, whose payload is on top of the operand stack.
///
/// # Safety
/// The registers are saved in `cx`.
#[inline(never)]
pub unsafe fn throw(cx: *mut Cx, tag: u32) {
    // SAFETY: validation has proved tag and payload.
    unsafe {
        let instance = instance_of((*cx).vmctx);
        let module = (*instance).code.module();
        let ty = module.func_type(TypeIndex(module.tags()[tag as usize]));
        let count = ty.params().len();
        let start = (*cx).sp.sub(count * (*cx).slot_words);
        move_values(Place { start, words: (*cx).slot_words }, Place { start, words: ty.slot_words() }, count);
        let handle = exception::create((*cx).store, instance, tag, start, (*cx).sp);
        // The caller ends the run.
        let _ = exception::throw((*cx).store, handle);
    }
}

/// Throws an exception again; a null reference traps.
///
/// # Safety
/// The registers are saved in `cx`.
#[inline(never)]
pub unsafe fn throw_ref(cx: *mut Cx, reference: u64) {
    // SAFETY: by contract. The caller ends the run.
    let _ = unsafe { exception::throw((*cx).store, reference) };
}

/// Where a handler leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Landed {
    Forward,
    /// To the header of a loop around the `try_table`.
    AtLoop,
}

/// Where an exception is pending: leaves frames until one has a handler, and sets the saved registers to it. `None` where the activation has none.
///
/// # Safety
/// The registers of the innermost frame are saved in `cx`, `ip` behind (a byte of) the instruction that threw or called.
pub unsafe fn catch(cx: *mut Cx) -> Option<Landed> {
    // SAFETY: by contract; instances live as long as their store.
    unsafe {
        let tag = exception::pending_tag((*cx).store)?;
        let module = (*instance_of((*cx).vmctx)).code.module();
        loop {
            if let Some(handler) = handler(cx, module, tag) {
                return Some(land(cx, module, handler));
            }
            if !leave_frame(cx) {
                return None;
            }
        }
    }
}

/// Goes from the innermost frame to its caller; false where it is the activation's first.
///
/// # Safety
/// `cx` is the running activation's.
pub unsafe fn leave_frame(cx: *mut Cx) -> bool {
    // SAFETY: frames above `frame_base` were pushed by this activation.
    unsafe {
        if (*cx).frame_top == (*cx).frame_base {
            return false;
        }
        (*cx).frame_top = (*cx).frame_top.sub(1);
        let Frame { ip, fp, st, function } = *(*cx).frame_top;
        ((*cx).ip, (*cx).fp, (*cx).st, (*cx).function) = (ip, fp, st, function);
        (*cx).code_end = (*cx).end_of_function();
        true
    }
}

/// The innermost handler around the running frame's position for exceptions of a tag.
///
/// # Safety
/// As [`catch`].
unsafe fn handler(cx: *const Cx, module: &Module, tag: u64) -> Option<&HandlerRecord> {
    // SAFETY: by contract.
    let (record, after) = unsafe { (&*(*cx).record(), (*cx).code_offset((*cx).ip)) };
    let position = after - 1 - record.code_start;
    if record.handlers_len == 0 {
        return None;
    }
    // The function runs, so its body was had.
    let own = module.body(record).unwrap_or_default().handlers;
    own.iter().find(|handler| {
        let takes = || {
            // SAFETY: the tags' ids stand in the vmctx.
            !handler.has_tag() || unsafe { *(*cx).vmctx.add((*cx).layout.tag(handler.tag) as usize).cast::<u64>() } == tag
        };
        (handler.start..handler.end).contains(&position) && takes()
    })
}

/// Goes to the label of a handler in the running frame, with the pending exception's values.
///
/// # Safety
/// As [`catch`].
unsafe fn land(cx: *mut Cx, module: &Module, handler: &HandlerRecord) -> Landed {
    // SAFETY: the handler is the running function's, its entry is in the side table, the label's values fit into the frame.
    unsafe {
        let reference = exception::catch_pending((*cx).store);
        let record = &*(*cx).record();
        let entry: *const SideTableEntry = (*cx).side_table.add((record.side_table_start + handler.entry) as usize);
        let SideTableEntry { delta_ip, delta_st, keep, height } = *entry;
        let words = (*cx).slot_words;
        let target = (*cx).fp.add(height as usize * words);
        let count = keep as usize - usize::from(handler.has_ref());
        if count != 0 {
            let payload = module.func_type(TypeIndex(module.tags()[handler.tag as usize])).slot_words();
            let from = (*(*cx).vm_store).exn_payload.cast_mut();
            move_values(Place { start: from, words: payload }, Place { start: target, words }, count);
        }
        if handler.has_ref() {
            *target.add(count * words) = reference;
        }
        if !(*cx).branches.is_null() {
            (*cx).count_branch(entry);
        }
        (*cx).sp = target.add(keep as usize * words);
        (*cx).ip = (*cx).code.add((record.code_start + handler.at) as usize).offset(delta_ip as isize);
        (*cx).st = entry.offset(delta_st as isize);
        if delta_ip <= 0 { Landed::AtLoop } else { Landed::Forward }
    }
}
