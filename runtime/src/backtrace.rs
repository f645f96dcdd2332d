//! Backtraces through interpreted and compiled frames, taken when a trap is raised or an exception thrown, while all frames still stand.
//!
//! What is taken is raw: numbers and addresses. Names are looked up when somebody will read them; most exceptions are caught, and nobody does.

use crate::activation::{Activation, Kind};
use crate::interp::run;
use crate::store::StoreInner;
use crate::sys;
use crate::sys::unwind::PcKind;
use std::ops::ControlFlow;
use trjit_module::{FuncIndex, Module};

/// Frames that a backtrace keeps; deeper ones are counted only.
pub const MAX_FRAMES: usize = 64;

/// A frame of a guest function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// The module's own name, or empty.
    pub module: String,
    /// The function's index.
    pub function: FuncIndex,
    /// The function's name in the name section, or its export name.
    pub name: Option<String>,
    /// Offset of the instruction in the wasm file; `None` where it is not known (prologues).
    pub wasm_offset: Option<u32>,
}

/// Frames, innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backtrace {
    /// The frames that are kept.
    pub frames: Vec<FrameInfo>,
    /// Frames beyond those, of which there are at most 64.
    pub omitted: usize,
}

impl Backtrace {
    /// The frames of all activations of a store. The innermost activation's compiled frames begin at the instruction that `trapped`, or where
    /// compiled code called the runtime.
    ///
    /// # Safety
    /// `store` is alive, and its activations are on this thread's stack.
    pub(crate) unsafe fn capture(store: *mut StoreInner, trapped: bool) -> Backtrace {
        // SAFETY: by contract.
        unsafe { RawTrace::capture(store, trapped, usize::MAX).resolve(store) }
    }

    fn push(&mut self, module: &Module, function: FuncIndex, code_offset: Option<u32>) {
        let export = || {
            module.exports().iter().find(|export| export.kind == 0 && export.index == function.0).map(|export| module.string(export.name))
        };
        self.frames.push(FrameInfo {
            module: module.string(module.header().name).to_string(),
            function,
            name: module.func_name(function).or_else(export).map(str::to_string),
            wasm_offset: code_offset.map(|offset| module.wasm_offset(offset)),
        });
    }
}

/// A backtrace without names; to be resolved in the store that it was taken in.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawTrace {
    frames: Vec<RawFrame>,
    omitted: usize,
}

#[derive(Clone, Copy, Debug)]
enum RawFrame {
    /// Instance, function, position in the module's code bytes.
    Interpreted(u32, FuncIndex, u32),
    /// Of the functions that stand in one frame of machine code the one at that level, 0 the innermost one that was inlined; or all of them, which are counted only when somebody
    /// will read them.
    Native { pc: usize, exact: bool, level: Option<u32> },
}

impl RawTrace {
    /// For an exception that is thrown now: as many frames as are kept, and no deeper, since throwing may be a guest's daily business.
    ///
    /// # Safety
    /// As [`Backtrace::capture`].
    pub unsafe fn of_exception(store: *mut StoreInner) -> RawTrace {
        // SAFETY: by contract.
        unsafe { RawTrace::capture(store, false, MAX_FRAMES) }
    }

    /// Goes no deeper than `depth` frames.
    ///
    /// # Safety
    /// As [`Backtrace::capture`].
    unsafe fn capture(store: *mut StoreInner, trapped: bool, depth: usize) -> RawTrace {
        let mut trace = RawTrace::default();
        // SAFETY: by contract; each activation's saved exit belongs to the next one.
        unsafe {
            let mut activation: *const Activation = (*store).activations;
            let vm = &raw const (*store).vm;
            let mut native = if trapped { Some(sys::Activation::trapped(vm)) } else { Some(sys::Activation::calling(vm)) };
            let mut in_loop = false;
            let mut push = |frame| {
                trace.push(frame);
                if trace.seen() < depth { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            while !activation.is_null() {
                let walked = match ((*activation).kind, native) {
                    (Kind::Interpreter(cx), _) => {
                        let instance = (*crate::interp::instance_of((*cx).vmctx)).id;
                        run::frames(cx, in_loop, &mut |(function, offset)| push(RawFrame::Interpreted(instance, function, offset)))
                    }
                    (Kind::Native | Kind::Loop, Some(frames)) => {
                        native = frames.outer();
                        sys::walk(frames, &mut |frame| match frame.function() {
                            Some(_) => {
                                let raw = |level| RawFrame::Native { pc: frame.pc, exact: frame.kind == PcKind::Exact, level };
                                // Where frames beyond those that are kept are not even counted, nobody needs the levels now.
                                if depth <= MAX_FRAMES {
                                    return push(raw(None));
                                }
                                let levels = frame.positions().count().max(1) as u32;
                                (0..levels).try_for_each(|level| push(raw(Some(level))))
                            }
                            None => ControlFlow::Continue(()),
                        })
                    }
                    (Kind::Native | Kind::Loop, None) => ControlFlow::Continue(()),
                };
                if walked.is_break() {
                    break;
                }
                in_loop = matches!((*activation).kind, Kind::Loop);
                activation = (*activation).previous;
            }
        }
        trace
    }

    fn seen(&self) -> usize {
        self.frames.len() + self.omitted
    }

    fn push(&mut self, frame: RawFrame) {
        if self.frames.len() == MAX_FRAMES {
            self.omitted += 1;
        } else {
            self.frames.push(frame);
        }
    }

    /// The trace with names.
    ///
    /// # Safety
    /// `store` is alive.
    pub unsafe fn resolve(&self, store: *mut StoreInner) -> Backtrace {
        let mut trace = Backtrace { frames: Vec::new(), omitted: self.omitted };
        // SAFETY: by contract; instances live as long as their store.
        let instances = unsafe { &(*store).instances };
        for frame in &self.frames {
            if trace.frames.len() == MAX_FRAMES {
                break;
            }
            match *frame {
                RawFrame::Interpreted(instance, function, offset) => {
                    if let Some(instance) = instances.get(instance as usize) {
                        trace.push(instance.code.module(), function, Some(offset));
                    }
                }
                RawFrame::Native { pc, exact, level } => {
                    let kind = if exact { PcKind::Exact } else { PcKind::ReturnAddress };
                    let Some(instance) = instances.iter().find(|instance| instance.code.contains(pc)) else { continue };
                    // SAFETY: the instance keeps its code registered.
                    let Some(frame) = (unsafe { sys::unwind::frame_at(pc, kind) }) else { continue };
                    let module = instance.code.module();
                    let positions: Vec<u32> = frame.positions().collect();
                    let levels = level.map_or(0..positions.len().max(1), |level| level as usize..level as usize + 1);
                    for level in levels.take(MAX_FRAMES - trace.frames.len()) {
                        let position = positions.get(level).copied();
                        // The last one is of the function whose code it is.
                        let is_inlined = level + 1 < positions.len();
                        let function = if is_inlined { position.and_then(|at| module.function_at(at)) } else { frame.function() };
                        if let Some(function) = function {
                            trace.push(module, function, position);
                        }
                    }
                }
            }
        }
        trace
    }
}
