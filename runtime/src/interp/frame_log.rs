//! Frames, shown to tests before each instruction that the interpreter runs, and where a side exit goes on in a bridge: so a test sees whatever frame compiled code leaves.
//!
//! Invariant: only with the feature `frame-log` is anything shown; without it this is nothing, in code and in time. With it a store shows its frames once it has a
//! [`FrameHook`]; the original bytes run then. Engines that record show none.

use super::cx::Cx;
use super::dispatch::Probe;
use trjit_module::flat::SideTableEntry;

#[cfg(feature = "frame-log")]
pub use shown::{FrameHook, ShownFrame};

/// Before the instruction at `ip`.
///
/// # Safety
/// The registers are those of the running activation `cx`.
#[inline(always)]
pub(crate) unsafe fn show<P: Probe>(ip: *const u8, sp: *mut P::Cell, fp: *mut P::Cell, st: *const SideTableEntry, cx: *mut Cx) {
    #[cfg(feature = "frame-log")]
    if P::SHOWN {
        // SAFETY: by contract.
        unsafe { shown::show(ip, sp.cast(), fp.cast(), st, cx) }
    }
    #[cfg(not(feature = "frame-log"))]
    let _ = (P::SHOWN, ip, sp, fp, st, cx);
}

/// As [`show`], before compiled code goes on with a frame.
///
/// # Safety
/// The registers are saved in `cx`.
pub(crate) unsafe fn show_saved(cx: *mut Cx) {
    #[cfg(feature = "frame-log")]
    // SAFETY: by contract.
    unsafe {
        shown::show((*cx).ip, (*cx).sp, (*cx).fp, (*cx).st, cx);
    }
    #[cfg(not(feature = "frame-log"))]
    let _ = cx;
}

#[cfg(feature = "frame-log")]
mod shown {
    use super::Cx;
    use crate::interp::out;
    use crate::store::Store;
    use trjit_module::flat::SideTableEntry;
    use trjit_module::{FuncIndex, Module};

    /// Is called while the guest runs; it can not use the store.
    pub type FrameHook = Box<dyn FnMut(&ShownFrame<'_>) + Send>;

    /// A frame before an instruction.
    #[derive(Clone, Copy, Debug)]
    pub struct ShownFrame<'a> {
        /// Whose function it is.
        pub module: &'a Module,
        /// The function.
        pub function: FuncIndex,
        /// Position of the instruction in the module's code.
        pub position: u32,
        /// Locals, then the operand stack, in slots of `slot_words` words; of a scalar or reference in a wider slot the low word counts.
        pub words: &'a [u64],
        /// See `words`.
        pub slot_words: usize,
        /// The next entry of the side table, counted from the function's first.
        pub entry: u32,
        /// What is left of the fuel, straight code included that is not charged yet; none where it is not consumed.
        pub fuel: Option<i64>,
        /// The same for all instructions of a frame. Another frame may have it when this one is gone.
        pub identity: (usize, usize),
    }

    impl<T> Store<T> {
        /// From now on shows a hook each frame before each instruction that the interpreter runs. Before the first instantiation.
        pub fn show_frames(&mut self, hook: FrameHook) {
            self.exclusive().frame_hook = Some(hook);
        }
    }

    /// # Safety
    /// As [`super::show`].
    #[inline(never)]
    pub unsafe fn show(ip: *const u8, sp: *mut u64, fp: *mut u64, st: *const SideTableEntry, cx: *mut Cx) {
        // SAFETY: by contract; the hook is not replaced while the guest runs, and everything else that is lent lives as long as the activation.
        unsafe {
            let store = (*cx).store;
            let Some(hook) = &mut (*store).frame_hook else { return };
            let record = &*(*cx).record();
            let first = (*cx).side_table.add(record.side_table_start as usize);
            hook(&ShownFrame {
                module: (*out::instance_of((*cx).vmctx)).code.module(),
                function: (*cx).func(),
                position: (*cx).code_offset(ip),
                words: std::slice::from_raw_parts(fp, sp.offset_from_unsigned(fp)),
                slot_words: (*cx).slot_words,
                entry: st.offset_from(first) as u32,
                fuel: (*store).consumes_fuel().then(|| (*store).vm.fuel.wrapping_sub((*cx).spent)),
                identity: (cx.addr(), (*cx).frame_top.addr()),
            });
        }
    }
}
