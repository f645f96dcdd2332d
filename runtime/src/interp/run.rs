//! Runs one activation: sets up the first frame, starts the handlers, and acts on how they end. The part of the driver that goes on where compiled
//! code for a loop has finished an interpreted frame is here, too.

use super::cx::{Cx, DONE, Exit, Frame, OSR};
use super::dispatch::{Plain, Probe, Table, Training};
use super::out;
use crate::activation::{Activation, Kind};

use crate::driver;
use crate::instance::InstanceInner;
use crate::store::StoreInner;
use crate::trap::{Reason, Unwinding};
use trjit_module::{FuncIndex, TrapCode};

/// Runs a defined function of `instance` in the interpreter. Arguments come from `slots`, results go there.
///
/// # Safety
/// `store` and `instance` are alive and used by this thread only; `slots` has room for arguments and results.
pub unsafe fn interpret(
    store: *mut StoreInner,
    instance: *mut InstanceInner,
    function: FuncIndex,
    slots: *mut u64,
) -> Result<(), Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let Some(mut cx) = first_frame(store, instance, function, slots) else {
            return Err(driver::raise(store, Reason::Trap(TrapCode::StackOverflow)));
        };
        let record = cx.record();
        let mut activation = Activation::new(Kind::Interpreter(&raw const cx));
        activation.link(store);
        let saved = ((*store).stack_top, (*store).frame_top);
        let recording = (*store).records((*instance).id);
        let result = if recording { run::<Training>(store, &raw mut cx) } else { run::<Plain>(store, &raw mut cx) };
        if result.is_ok() {
            std::ptr::copy_nonoverlapping(saved.0, slots, (*record).results as usize);
        }
        ((*store).stack_top, (*store).frame_top) = saved;
        activation.unlink(store);
        result
    }
}

/// The context with the first frame in place, or `None` where the stack has no room for it.
///
/// # Safety
/// As [`interpret`].
unsafe fn first_frame(store: *mut StoreInner, instance: *mut InstanceInner, function: FuncIndex, slots: *const u64) -> Option<Cx> {
    // SAFETY: by contract; pointers into the module live as long as the instance holds it.
    unsafe {
        let module = (*instance).code.module();
        let record = module.function(function)?;
        let tunables = (*instance).code.engine().tunables();
        let fp = (*store).stack_top;
        let room = (*store).stack_end.offset_from(fp) as usize;
        if record.frame_slots as usize > room {
            return None;
        }
        std::ptr::copy_nonoverlapping(slots, fp, record.params as usize);
        std::ptr::write_bytes(fp.add(record.params as usize), 0, (record.locals - record.params) as usize);
        let (entries, branches) = (*store).counters((*instance).id);
        let recording = !entries.is_null();
        let code = if recording { module.code().as_ptr() } else { (*instance).quickened.code(module) };
        let mut cx = Cx {
            mem_len: 0,
            mem_base: std::ptr::null_mut(),
            vmctx: (*instance).vmctx(),
            code,
            side_table: module.side_table().as_ptr(),
            functions: module.functions().as_ptr(),
            imported_functions: module.imported_functions(),
            function: function.0,
            code_end: code.add((record.body.offset + record.body.len) as usize),
            jump_table: (*instance).jump_table().cast_const().cast(),
            hotness: (*instance).hotness(),
            call_threshold: tunables.call_threshold,
            hot_after: tunables.call_threshold.saturating_sub(2),
            loop_threshold: tunables.loop_threshold,
            frame_top: (*store).frame_top,
            frame_base: (*store).frame_top,
            frame_end: (*store).frame_end,
            stack_end: (*store).stack_end,
            vm_store: &raw mut (*store).vm,
            layout: (*instance).layout,
            store,
            callee: 0,
            callee_vmctx: std::ptr::null_mut(),
            osr_entry: std::ptr::null(),
            ip: code.add(record.code_start as usize),
            sp: fp.add(record.locals as usize),
            fp,
            st: module.side_table().as_ptr().add(record.side_table_start as usize),
            trap: None,
            entries,
            branches,
        };
        out::refresh_memory(&raw mut cx);
        count_entry(&raw mut cx, recording);
        Some(cx)
    }
}

/// Counts the entry from outside as calls inside are counted by their handlers.
///
/// # Safety
/// `cx` is set up.
unsafe fn count_entry(cx: *mut Cx, recording: bool) {
    // SAFETY: by contract; counters have a place for every defined function.
    unsafe {
        let defined = ((*cx).function - (*cx).imported_functions) as usize;
        if recording {
            let entries = (*cx).entries.add(defined);
            *entries = (*entries).wrapping_add(1);
            if *entries == 1 {
                out::record_first_entry(cx, (*cx).function);
            }
            return;
        }
        let hot = (*cx).hotness.add(defined);
        *hot = (*hot).wrapping_add(1);
        out::function_is_new_or_hot(cx, (*cx).function);
    }
}

/// Runs handlers until the activation is done.
///
/// # Safety
/// As [`interpret`].
unsafe fn run<P: Probe>(store: *mut StoreInner, cx: *mut Cx) -> Result<(), Unwinding> {
    // SAFETY: the saved registers stand at an instruction of a validated function.
    unsafe {
        loop {
            match handlers::<P>(cx) {
                DONE => return Ok(()),
                OSR => {
                    enter_loop(store, cx)?;
                    if return_to_caller(cx) {
                        return Ok(());
                    }
                }
                _ => return Err(trapped(store, cx)),
            }
        }
    }
}

/// # Safety
/// The registers are saved in `cx`.
unsafe fn handlers<P: Probe>(cx: *mut Cx) -> Exit {
    // SAFETY: by contract.
    unsafe {
        let ip = (*cx).ip;
        (Table::<P>::OPS[*ip as usize])(ip.add(1), (*cx).sp, (*cx).fp, (*cx).st, cx, (*cx).mem_base)
    }
}

/// Runs the rest of the current frame in compiled code; its results are then at the frame's start.
///
/// # Safety
/// The registers are saved in `cx`, and `cx.osr_entry` is code for the loop at `cx.ip`.
unsafe fn enter_loop(store: *mut StoreInner, cx: *mut Cx) -> Result<(), Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let saved = ((*store).stack_top, (*store).frame_top);
        (*store).stack_top = (*cx).fp.add((*(*cx).record()).frame_slots as usize);
        (*store).frame_top = (*cx).frame_top;
        let done = driver::enter_code(store, Kind::Loop, (*cx).vmctx, std::ptr::null(), (*cx).osr_entry, (*cx).fp);
        ((*store).stack_top, (*store).frame_top) = saved;
        out::refresh_memory(cx);
        done
    }
}

/// Leaves the current frame, whose results are at its start. True when it was the activation's first.
///
/// # Safety
/// `cx` is the running activation's.
unsafe fn return_to_caller(cx: *mut Cx) -> bool {
    // SAFETY: by contract; frames above `frame_base` were pushed by this activation.
    unsafe {
        (*cx).sp = (*cx).fp.add((*(*cx).record()).results as usize);
        if (*cx).frame_top == (*cx).frame_base {
            return true;
        }
        (*cx).frame_top = (*cx).frame_top.sub(1);
        let Frame { ip, fp, st, function } = *(*cx).frame_top;
        ((*cx).ip, (*cx).fp, (*cx).st, (*cx).function) = (ip, fp, st, function);
        false
    }
}

/// Makes the activation's own trap the pending one; a trap that came from deeper is pending already.
///
/// # Safety
/// As [`interpret`].
unsafe fn trapped(store: *mut StoreInner, cx: *mut Cx) -> Unwinding {
    // SAFETY: by contract.
    unsafe {
        match (*cx).trap.take() {
            Some(code) => driver::raise(store, Reason::Trap(code)),
            None => Unwinding,
        }
    }
}

/// One interpreted frame for a backtrace: function and position of the instruction in the module's code bytes.
pub type ActivationFrame = (FuncIndex, u32);

/// The frames of an activation, innermost first; without the first one where compiled code for a loop has taken it over.
///
/// # Safety
/// `cx` is an activation that is on the stack.
pub unsafe fn frames(cx: *const Cx, innermost_is_compiled: bool, visit: &mut dyn FnMut(ActivationFrame)) {
    // SAFETY: by contract. Return addresses stand behind the call instruction; one byte less lies inside of it.
    unsafe {
        if !innermost_is_compiled {
            visit(((*cx).func(), (*cx).code_offset((*cx).ip)));
        }
        let mut frame = (*cx).frame_top;
        while frame != (*cx).frame_base {
            frame = frame.sub(1);
            visit((FuncIndex((*frame).function), (*cx).code_offset((*frame).ip) - 1));
        }
    }
}
