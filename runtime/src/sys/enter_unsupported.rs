//! Machines for which there is no crossing to compiled code yet: everything runs in the interpreter. The functions exist so that the callers compile;
//! with [`NATIVE_CODE_SUPPORTED`] false nobody has code to enter.

use trjit_module::vm::VmStore;

pub const NATIVE_CODE_SUPPORTED: bool = false;
pub const UNWOUND: u64 = u64::MAX;
pub(super) const SAVED_EXIT_PC: usize = 8;
pub(super) const SAVED_EXIT_FP: usize = 16;
pub(super) const SAVED_ENTRY_SP: usize = 24;

/// # Safety
/// Not to be called: see [`NATIVE_CODE_SUPPORTED`].
pub unsafe extern "C" fn enter(_: *mut u8, _: *const u8, _: *mut u64, _: *const u8, _: *mut VmStore) -> u64 {
    refuse()
}

pub(crate) unsafe extern "C" fn unwind_from_builtin(_: *mut VmStore) {
    refuse()
}

/// No compiled frame holds anything.
pub(crate) fn callee_saved_registers() -> [u64; 6] {
    [0; 6]
}

fn refuse() -> ! {
    eprintln!("trjit: internal error: compiled code entered on an architecture without support for it");
    std::process::abort()
}

pub fn lazy_stub_address() -> *const u8 {
    std::ptr::null()
}

pub fn dispatch_stub_address() -> *const u8 {
    std::ptr::null()
}

/// The implementation itself: nothing calls it but Rust.
macro_rules! builtin_shim {
    ($name:ident, $implementation:path) => {
        pub use $implementation as $name;
    };
}
pub(crate) use builtin_shim;

/// No address is one of compiled code.
pub(super) struct Context;

impl Context {
    /// # Safety
    /// None needed.
    pub(super) unsafe fn new(_: *mut libc::c_void) -> Context {
        Context
    }

    pub(super) fn pc(&self) -> usize {
        0
    }

    pub(super) fn frame_pointer(&self) -> usize {
        0
    }

    pub(super) fn redirect_to_trap(&self, _: *mut VmStore) {}

    pub(super) fn misses_trampoline(&self) -> bool {
        false
    }
}
