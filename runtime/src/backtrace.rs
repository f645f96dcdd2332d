//! Backtraces through interpreted and compiled frames, taken when a trap is raised, while all frames still stand.

use crate::activation::{Activation, Kind};
use crate::interp::run;
use crate::store::StoreInner;
use crate::sys;
use std::ops::ControlFlow;
use trjit_module::{FuncIndex, Module};

/// Frames that a backtrace keeps; deeper ones are counted only.
pub const MAX_FRAMES: usize = 64;

/// A frame of a guest function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// The module's own name, or empty.
    pub module: String,
    pub function: FuncIndex,
    /// The function's name in the name section, or its export name.
    pub name: Option<String>,
    /// Offset of the instruction in the wasm file; `None` where it is not known (prologues).
    pub wasm_offset: Option<u32>,
}

/// Frames, innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backtrace {
    pub frames: Vec<FrameInfo>,
    /// Frames beyond [`MAX_FRAMES`].
    pub omitted: usize,
}

impl Backtrace {
    fn push(&mut self, module: &Module, function: FuncIndex, code_offset: Option<u32>) {
        if self.frames.len() == MAX_FRAMES {
            self.omitted += 1;
            return;
        }
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

    /// The frames of all activations of a store. The innermost activation's compiled frames begin at the instruction that `trapped`, or where
    /// compiled code called the runtime.
    ///
    /// # Safety
    /// `store` is alive, and its activations are on this thread's stack.
    pub(crate) unsafe fn capture(store: *mut StoreInner, trapped: bool) -> Backtrace {
        let mut trace = Backtrace::default();
        // SAFETY: by contract; each activation's saved exit belongs to the next one.
        unsafe {
            let mut activation: *const Activation = (*store).activations;
            let vm = &raw const (*store).vm;
            let mut native = if trapped { Some(sys::Activation::trapped(vm)) } else { Some(sys::Activation::calling(vm)) };
            let mut in_loop = false;
            while !activation.is_null() {
                match ((*activation).kind, native) {
                    (Kind::Interpreter(cx), _) => {
                        let instance = crate::interp::instance_of((*cx).vmctx);
                        let module = (*instance).code.module();
                        run::frames(cx, in_loop, &mut |(function, offset)| trace.push(module, function, Some(offset)));
                    }
                    (Kind::Native | Kind::Loop, Some(frames)) => {
                        sys::walk(frames, &mut |frame| {
                            trace.push_native(store, frame);
                            ControlFlow::Continue(())
                        });
                        native = frames.outer();
                    }
                    (Kind::Native | Kind::Loop, None) => {}
                }
                in_loop = matches!((*activation).kind, Kind::Loop);
                activation = (*activation).previous;
            }
        }
        trace
    }

    /// Adds a compiled frame; trampolines add nothing.
    ///
    /// # Safety
    /// `store` is alive.
    unsafe fn push_native(&mut self, store: *mut StoreInner, frame: &sys::Frame<'_>) {
        let Some(function) = frame.function() else { return };
        // SAFETY: by contract; instances live as long as their store.
        let instances = unsafe { &(*store).instances };
        if let Some(instance) = instances.iter().find(|instance| instance.code.contains(frame.pc)) {
            self.push(instance.code.module(), function, frame.wasm_offset().filter(|&offset| offset != u32::MAX));
        }
    }
}
