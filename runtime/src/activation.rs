//! The chain of activations: who is on the native stack, innermost first. Backtraces follow it.
//!
//! An activation lives in a local variable of the function that enters guest code: it is linked with [`link`](Activation::link) once it stands at its final
//! address, and unlinked before that function returns.

use crate::interp::cx::Cx;
use crate::store::StoreInner;

/// One entry into guest code.
pub(crate) struct Activation {
    pub kind: Kind,
    pub previous: *const Activation,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Interpreter(*const Cx),
    /// Compiled frames above a frame of `sys::enter`.
    Native,
    /// The same, where the outermost of them runs the innermost frame of the interpreter's activation before.
    Loop,
}

impl Activation {
    pub fn new(kind: Kind) -> Activation {
        Activation { kind, previous: std::ptr::null() }
    }

    /// # Safety
    /// `store` is alive; `self` stays where it is until it is unlinked, in reverse order of linking.
    pub unsafe fn link(&mut self, store: *mut StoreInner) {
        // SAFETY: by contract.
        unsafe {
            self.previous = (*store).activations;
            (*store).activations = self;
        }
    }

    /// # Safety
    /// `self` is the innermost activation of `store`.
    pub unsafe fn unlink(&self, store: *mut StoreInner) {
        // SAFETY: by contract.
        unsafe { (*store).activations = self.previous };
    }
}
