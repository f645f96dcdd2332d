//! Runs one activation: sets up the first frame, starts the handlers, and acts on how they end. The part of the driver that goes on where compiled
//! code for a loop has finished an interpreted frame, or has left it in its middle, is here, too.

use super::crossing::{Place, move_values};
use super::cx::{Cx, DONE, Exit, OSR, TAIL_CALL};
use super::dispatch::{Metered, Narrow, Plain, Probe, Table, Training, Wide};
use super::exceptions::{self, Landed};
use super::frame_log;
use super::fuel;
use super::out;
use super::quicken::has_simple_memory;
use crate::activation::{Activation, Kind};
use crate::driver::{self, Outcome};
use crate::exits::{self, SideExit};
use crate::instance::InstanceInner;
use crate::store::StoreInner;
use crate::trap::{Reason, Unwinding};
use std::ops::ControlFlow;
use trjit_module::vm::{ExitPlace, ended};
use trjit_module::{FuncIndex, TrapCode};

/// Runs a defined function of `instance` in the interpreter. Arguments come from `slots`, results go there, in crossing slots of the function's type. The arguments of
/// a tail call that it ends in stand at the store's `stack_top`.
///
/// # Safety
/// `store` and `instance` are alive and used by this thread only; `slots` has room for arguments and results.
pub unsafe fn interpret(
    store: *mut StoreInner,
    instance: *mut InstanceInner,
    function: FuncIndex,
    slots: *mut u64,
) -> Result<Outcome, Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let Some(mut cx) = first_frame(store, instance, function, slots) else {
            return Err(driver::raise(store, Reason::Trap(TrapCode::StackOverflow)));
        };
        if !count_entry(&raw mut cx, (*instance).recorder.is_some()) {
            return Err(out::code_is_missing(&raw mut cx, function));
        }
        run_activation(store, instance, &raw mut cx, Begin::Entry, slots)
    }
}

/// Goes on with a function whose code has left it in its middle: its frame stands at `VmStore::exit_slots`, what is next in the fields beside, `better` is what
/// `VmStore::exit_code` was. Results as [`interpret`]'s. That is no entry of the function.
///
/// # Safety
/// As [`interpret`]; the frame is one of `function`.
pub unsafe fn resume(
    store: *mut StoreInner,
    instance: *mut InstanceInner,
    function: FuncIndex,
    better: *const u8,
    slots: *mut u64,
) -> Result<Outcome, Unwinding> {
    // SAFETY: by contract; the frame fits where a whole one fits.
    unsafe {
        let Some(mut cx) = context(store, instance, function) else {
            return Err(driver::raise(store, Reason::Trap(TrapCode::StackOverflow)));
        };
        let words = ExitPlace::of((*store).vm.exit_place).used as usize * cx.slot_words;
        std::ptr::copy_nonoverlapping((*store).vm.exit_slots, cx.fp, words);
        go_to_exit(&raw mut cx);
        if !out::has_code(&raw mut cx, function) {
            return Err(out::code_is_missing(&raw mut cx, function));
        }
        let begin = if has_bridge(&raw mut cx, better) { Begin::Bridge } else { Begin::Middle };
        run_activation(store, instance, &raw mut cx, begin, slots)
    }
}

/// Where an activation begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Begin {
    /// At the start of its first function, which is charged for.
    Entry,
    /// Where its first function was left.
    Middle,
    /// The same, in compiled code, `Cx::osr_entry`.
    Bridge,
}

/// Runs what is set up in `cx`; `slots` is for the results.
///
/// # Safety
/// As [`interpret`]; the first frame is at the store's `stack_top`.
unsafe fn run_activation(
    store: *mut StoreInner,
    instance: *mut InstanceInner,
    cx: *mut Cx,
    begin: Begin,
    slots: *mut u64,
) -> Result<Outcome, Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let (record, ty) = ((*cx).record(), (*instance).func_type((*cx).func()));
        let mut activation = Activation::new(Kind::Interpreter(cx));
        activation.link(store);
        let saved = ((*store).stack_top, (*store).frame_top);
        let (recording, words) = ((*instance).recorder.is_some(), (*cx).slot_words);
        let result = match ((*store).consumes_fuel(), words) {
            (false, 1) => run_recorded::<Plain<Narrow>, Training<Narrow>>(store, cx, begin, recording),
            (false, _) => run_recorded::<Plain<Wide>, Training<Wide>>(store, cx, begin, recording),
            (true, 1) => run_recorded::<Metered<Plain<Narrow>>, Metered<Training<Narrow>>>(store, cx, begin, recording),
            (true, _) => run_recorded::<Metered<Plain<Wide>>, Metered<Training<Wide>>>(store, cx, begin, recording),
        };
        if let Ok(Outcome::Done) = result {
            let (from, to) = (Place { start: saved.0, words }, Place { start: slots, words: ty.slot_words() });
            move_values(from, to, (*record).results as usize);
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
unsafe fn first_frame(store: *mut StoreInner, instance: *mut InstanceInner, function: FuncIndex, slots: *mut u64) -> Option<Cx> {
    // SAFETY: by contract.
    unsafe {
        let mut cx = context(store, instance, function)?;
        let (params, locals) = ((*cx.record()).params as usize, (*cx.record()).locals as usize);
        let (words, crossing) = (cx.slot_words, (*instance).func_type(function).slot_words());
        move_values(Place { start: slots, words: crossing }, Place { start: cx.fp, words }, params);
        std::ptr::write_bytes(cx.fp.add(params * words), 0, (locals - params) * words);
        cx.sp = cx.fp.add(locals * words);
        Some(cx)
    }
}

/// The context of an activation that begins with a function, whose frame is to be filled; or `None` where the stack has no room for it.
///
/// # Safety
/// As [`interpret`].
unsafe fn context(store: *mut StoreInner, instance: *mut InstanceInner, function: FuncIndex) -> Option<Cx> {
    // SAFETY: by contract; pointers into the module live as long as the instance holds it.
    unsafe {
        let module = (*instance).code.module();
        let record = module.function(function)?;
        let tunables = (*instance).code.engine().tunables();
        let fp = (*store).stack_top;
        let room = (*store).stack_end.offset_from(fp) as usize;
        let slot_words = module.slot_words();
        if record.frame_slots as usize * slot_words > room {
            return None;
        }
        let recorder = (*instance).recorder.as_ref();
        let recording = recorder.is_some();
        let (code, side_table) = (*instance).copies.bases(module, recording || (*store).consumes_fuel() || (*store).shows_frames());
        let mut cx = Cx {
            mem_len: 0,
            mem_base: std::ptr::null_mut(),
            simple_memory: has_simple_memory(module),
            slot_words,
            vmctx: (*instance).vmctx(),
            code,
            side_table,
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
            spent: 0,
            layout: (*instance).layout,
            store,
            callee: 0,
            callee_vmctx: std::ptr::null_mut(),
            osr_entry: std::ptr::null(),
            ip: code.add(record.code_start as usize),
            sp: fp,
            fp,
            st: side_table.add(record.side_table_start as usize),
            trap: None,
            entries: recorder.map_or(std::ptr::null(), |recorder| recorder.entries().as_ptr()),
            branches: recorder.map_or(std::ptr::null(), |recorder| recorder.branches().as_ptr()),
        };
        out::refresh_memory(&raw mut cx);
        Some(cx)
    }
}

/// Counts the entry from outside as calls inside are counted by their handlers; false where the function's code can not be had.
///
/// # Safety
/// `cx` is set up.
unsafe fn count_entry(cx: *mut Cx, recording: bool) -> bool {
    // SAFETY: by contract; counters have a place for every defined function.
    unsafe {
        let defined = ((*cx).function - (*cx).imported_functions) as usize;
        if recording {
            (*cx).count_entry(defined);
        }
        let hot = (*cx).hotness.add(defined);
        *hot = (*hot).wrapping_add(1);
        out::function_is_new_or_hot(cx, (*cx).function)
    }
}

/// Runs with one of two probes.
///
/// # Safety
/// As [`interpret`].
unsafe fn run_recorded<P: Probe, R: Probe>(
    store: *mut StoreInner,
    cx: *mut Cx,
    begin: Begin,
    recording: bool,
) -> Result<Outcome, Unwinding> {
    // SAFETY: by contract.
    unsafe {
        #[cfg(feature = "frame-log")]
        if !recording && (*store).frame_hook.is_some() {
            return run::<super::dispatch::Shown<P>>(store, cx, begin);
        }
        if recording { run::<R>(store, cx, begin) } else { run::<P>(store, cx, begin) }
    }
}

/// Runs handlers until the activation is done.
///
/// # Safety
/// As [`interpret`].
unsafe fn run<P: Probe>(store: *mut StoreInner, cx: *mut Cx, begin: Begin) -> Result<Outcome, Unwinding> {
    // SAFETY: the saved registers stand at an instruction of a validated function.
    unsafe {
        if begin == Begin::Entry && !fuel::charge_entry::<P>(cx) {
            return Err(driver::raise(store, Reason::Trap(TrapCode::OutOfFuel)));
        }
        if begin == Begin::Bridge
            && let Some(outcome) = after_code::<P>(store, cx)?
        {
            return Ok(outcome);
        }
        loop {
            match handlers::<P>(cx) {
                DONE => return Ok(Outcome::Done),
                TAIL_CALL => return Ok(Outcome::TailCall),
                OSR => {
                    if let Some(outcome) = after_code::<P>(store, cx)? {
                        return Ok(outcome);
                    }
                }
                _ => {
                    if let Some(code) = (*cx).trap.take() {
                        return Err(driver::raise(store, Reason::Trap(code)));
                    }
                    go_on_with_exception::<P>(store, cx)?;
                }
            }
        }
    }
}

/// Goes to the handler of the pending exception, where a frame of the activation has one. A trap has none.
///
/// # Safety
/// The registers of the innermost frame are saved in `cx`.
unsafe fn go_on_with_exception<P: Probe>(store: *mut StoreInner, cx: *mut Cx) -> Result<(), Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let landed = exceptions::catch(cx).ok_or(Unwinding)?;
        // Guests that throw in a loop must end, too, when they shall stop.
        if (*(*cx).vm_store).interrupt != 0 {
            return Err(driver::raise(store, Reason::Trap(TrapCode::Interrupt)));
        }
        if landed == Landed::AtLoop && fuel::is_used_up::<P>(cx) {
            return Err(driver::raise(store, Reason::Trap(TrapCode::OutOfFuel)));
        }
        Ok(())
    }
}

/// Runs the current frame in compiled code, also in several pieces, which ends the frame or leaves it in its middle, and sets the registers to where the interpreter
/// goes on; or tells how the activation ends.
///
/// # Safety
/// The registers are saved in `cx`, and `cx.osr_entry` is code for the instruction at `cx.ip`.
unsafe fn after_code<P: Probe>(store: *mut StoreInner, cx: *mut Cx) -> Result<Option<Outcome>, Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let slots = (*cx).fp;
        let mut ended = enter_code(store, cx);
        while let Ok(ended::EXIT) = ended {
            go_to_exit(cx);
            let better = std::mem::replace(&mut (*store).vm.exit_code, std::ptr::null());
            if !has_bridge(cx, better) {
                return Ok(None);
            }
            // Bridges may lead to loops, and these to bridges.
            if (*store).interrupted() {
                return Err(driver::raise(store, Reason::Trap(TrapCode::Interrupt)));
            }
            ended = enter_code(store, cx);
        }
        match ended {
            Ok(ended::DONE) => Ok(return_to_caller(cx).then_some(Outcome::Done)),
            Ok(_) if (*cx).frame_top == (*cx).frame_base => {
                (*(*cx).vm_store).tail_args = slots;
                Ok(Some(Outcome::TailCall))
            }
            Ok(_) => {
                // The frame is gone, and its caller does the call.
                exceptions::leave_frame(cx);
                let (vmctx, function) = ((*(*cx).vm_store).tail_vmctx, (*(*cx).vm_store).tail_function);
                if out::call_crossed(cx, out::instance_of(vmctx), FuncIndex(function as u32), slots).is_err() {
                    go_on_with_exception::<P>(store, cx)?;
                }
                Ok(None)
            }
            // The frame's own handlers were in the compiled code.
            Err(unwinding) => match exceptions::leave_frame(cx) {
                true => go_on_with_exception::<P>(store, cx).map(|()| None),
                false => Err(unwinding),
            },
        }
    }
}

/// Sets the registers of the current frame to where compiled code has left it.
///
/// # Safety
/// `VmStore` tells of a side exit of the running function, and the frame is as it says.
unsafe fn go_to_exit(cx: *mut Cx) {
    // SAFETY: by contract: the position is one of an instruction, the entry is the one that comes next there.
    unsafe {
        let vm = (*cx).vm_store;
        let record = &*(*cx).record();
        let ExitPlace { position, used, entry } = ExitPlace::of((*vm).exit_place);
        (*cx).ip = (*cx).code.add(position as usize);
        (*cx).sp = (*cx).fp.add(used as usize * (*cx).slot_words);
        (*cx).st = (*cx).side_table.add((record.side_table_start + entry) as usize);
        (*cx).spent = (*vm).exit_spent;
    }
}

/// Whether there is code for where the current frame was just left: the `better` one that it was left for, or a bridge.
///
/// # Safety
/// `VmStore` tells of a side exit of the running function; `better` is code for its position, or null.
unsafe fn has_bridge(cx: *mut Cx, better: *const u8) -> bool {
    // SAFETY: by contract; instances live as long as their store.
    unsafe {
        if !better.is_null() {
            (*(*cx).store).counters.climbs += 1;
            (*cx).osr_entry = better;
            return true;
        }
        (*(*cx).store).counters.exits += 1;
        let exit = SideExit::noted(&*(*cx).vm_store, (*cx).func());
        (*cx).osr_entry = exits::taken(&*out::instance_of((*cx).vmctx), exit);
        let has_code = !(*cx).osr_entry.is_null();
        if has_code {
            frame_log::show_saved(cx);
        }
        has_code
    }
}

/// # Safety
/// The registers are saved in `cx`.
unsafe fn handlers<P: Probe>(cx: *mut Cx) -> Exit {
    // SAFETY: by contract.
    unsafe {
        let ip = (*cx).ip;
        frame_log::show::<P>(ip, (*cx).sp.cast(), (*cx).fp.cast(), (*cx).st, cx);
        fuel::count::<P>(cx, *ip);
        (Table::<P>::OPS[*ip as usize])(ip.add(1), (*cx).sp.cast(), (*cx).fp.cast(), (*cx).st, cx, (*cx).mem_base)
    }
}

/// Runs the current frame in compiled code; the result is how that [`ended`].
///
/// # Safety
/// The registers are saved in `cx`, and `cx.osr_entry` is code for the instruction at `cx.ip`.
unsafe fn enter_code(store: *mut StoreInner, cx: *mut Cx) -> Result<u64, Unwinding> {
    // SAFETY: by contract.
    unsafe {
        let saved = ((*store).stack_top, (*store).frame_top);
        (*store).stack_top = (*cx).fp.add((*(*cx).record()).frame_slots as usize * (*cx).slot_words);
        (*store).frame_top = (*cx).frame_top;
        // The code charges for the straight code around its entry as a whole.
        (*cx).spent = 0;
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
    // SAFETY: by contract.
    unsafe {
        (*cx).sp = (*cx).fp.add((*(*cx).record()).results as usize * (*cx).slot_words);
        !exceptions::leave_frame(cx)
    }
}

/// One interpreted frame for a backtrace: function and position of the instruction in the module's code bytes.
pub type ActivationFrame = (FuncIndex, u32);

/// Shows the frames of an activation, innermost first, until `visit` breaks; without the first one where compiled code for a loop has taken it over.
///
/// # Safety
/// `cx` is an activation that is on the stack.
pub unsafe fn frames(
    cx: *const Cx,
    innermost_is_compiled: bool,
    visit: &mut dyn FnMut(ActivationFrame) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // SAFETY: by contract. Return addresses stand behind the call instruction; one byte less lies inside of it.
    unsafe {
        if !innermost_is_compiled {
            visit(((*cx).func(), (*cx).code_offset((*cx).ip)))?;
        }
        let mut frame = (*cx).frame_top;
        while frame != (*cx).frame_base {
            frame = frame.sub(1);
            visit((FuncIndex((*frame).function), (*cx).code_offset((*frame).ip) - 1))?;
        }
    }
    ControlFlow::Continue(())
}
