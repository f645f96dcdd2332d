//! The part of the runtime that is near the machine: entering compiled code, leaving it by return or by trap, signals, reserved memory, stacks.
//!
//! ```text
//! driver -> enter -> trampoline to_native -> compiled code --(builtin shim)--> Rust builtin -> (enter again ..)
//!                                                 |  trap: signal -> handler -> trap landing -> trap hook -> unwind
//!           enter returns UNWOUND <---------------+--- builtin trapped: shim -> unwind
//!                                     landing pad <--- builtin threw, and a compiled frame has a handler: shim -> unwind
//! ```
//! Before a thread enters compiled code: [`signals::install`] once a process, [`alt_stack::ensure`] once a thread, the code's range registered in
//! [`registry`], the store made current by [`signals::set_current_store`], `VmStore::stack_limit` set from [`stack::native_stack_limit`].
//! Invariant: a trap drops compiled frames only. A Rust frame never faults and is never skipped: each builtin returns to its shim, and `unwind` goes
//! to the innermost `enter` of the store.

pub mod address_space;
pub mod alt_stack;
pub mod file_limit;
pub mod interrupt;
pub mod memory;
pub mod registry;
pub mod signals;
mod slot;
pub mod stack;
pub mod unwind;

#[cfg_attr(all(target_arch = "x86_64", target_os = "linux"), path = "enter_x86_64.rs")]
#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), path = "enter_unsupported.rs")]
mod arch;

/// What `slot.rs` is made of, which a test compiles on other atomics.
mod atomic {
    pub use std::sync::atomic::{AtomicUsize, Ordering, fence};
}

pub use address_space::AddressSpace;
pub use arch::{NATIVE_CODE_SUPPORTED, UNWOUND, dispatch_stub_address, enter, lazy_stub_address};
pub use interrupt::{InterruptHandle, Interruptible};
pub use memory::{LinearMemory, MemoryError, ReservedArray};
pub use registry::{CodeTables, Registration, register};
pub use unwind::{Activation, visit_stack as visit_native_stack, walk};

pub(crate) use arch::{builtin_shim, callee_saved_registers, push_frame, unwind_from_builtin};

/// Calls a function when the process exits: by the end of `main`, or by `exit`.
pub fn at_exit(function: extern "C" fn()) {
    // SAFETY: the function is safe to call at any time, and stays. Where there is no room for one more, it is not called.
    let _ = unsafe { libc::atexit(function) };
}

/// Makes `pub fn builtins_table() -> &'static VmBuiltins`: one shim for each builtin, which calls the function of the same name in the module given:
/// `unsafe extern "C" fn name(vmctx: *mut u8, params..) -> result`, `i32` parameters as `u32`, `i64` ones as `u64`.
///
/// To trap, an implementation sets `VmStore::unwind` to 1 and returns anything; to go on at a landing pad it sets it to 2 plus the distance of the frame's stack
/// pointer from its frame pointer, and `exit_fp`, `exit_pc` and `exn_ref` to what the pad shall find. Its own frame is gone by the time that the guest unwinds. It must not
/// panic (that aborts). While it runs, `VmStore::exit_fp` and `exit_pc` say where compiled code called it.
macro_rules! builtin_shims {
    ($module:path) => {
        $crate::sys::builtin_shims! { @all $module;
            enter_interpreter raise memory_grow memory_copy memory_fill memory_init data_drop table_get table_set table_grow table_fill table_copy
            table_init elem_drop ref_func record_indirect climb climb_loop alloc_exception activate_exception throw_ref memory_atomic_wait32 memory_atomic_wait64 memory_atomic_notify ceil_f32 floor_f32 trunc_f32 nearest_f32 ceil_f64 floor_f64 trunc_f64 nearest_f64
        }
    };
    (@all $module:path; $($name:ident)*) => {
        mod shims {
            use $module as implementation;
            $($crate::sys::builtin_shim!($name, implementation::$name);)*
        }

        /// Addresses of the shims, for `VmHeader::builtins`.
        pub fn builtins_table() -> &'static trjit_module::vm::VmBuiltins {
            static TABLE: std::sync::OnceLock<trjit_module::vm::VmBuiltins> = std::sync::OnceLock::new();
            TABLE.get_or_init(|| trjit_module::vm::VmBuiltins { $($name: shims::$name as *const () as usize,)* })
        }
    };
}
pub(crate) use builtin_shims;

/// The shims pass arguments in registers only: vmctx and five more.
const _: () = {
    let mut at = 0;
    while at < trjit_module::vm::Builtin::ALL.len() {
        assert!(trjit_module::vm::Builtin::ALL[at].signature().1.len() <= 5);
        at += 1;
    }
};
