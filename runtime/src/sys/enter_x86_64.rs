//! x86-64 Linux: the assembly that crosses between Rust and compiled code, and what the signal handler must know of the machine's registers.
//!
//! Frame of [`enter`], from high to low addresses; `VmStore::entry_sp` points to its end:
//! ```text
//! return address | rbp | rbx r12 r13 r14 r15 | store | previous entry_sp | previous exit_fp | previous exit_pc | padding  <- entry_sp
//! ```
//! The calling convention Tail passes arguments in rdi rsi rdx rcx r8 r9, xmm0-7 and on the stack, the callee pops the latter, and saves the same
//! registers as SystemV does (rbx rbp r12-r15); r10, r11 and rax are free when a function is entered. So the stubs may use those three only, and
//! `enter`, which restores all saved registers from its own frame, is right whatever the compiled frames had in them.

use std::arch::naked_asm;
use std::mem::offset_of;
use trjit_module::vm::{VmStore, VmTrampolines, header, store};

/// Whether this build can run compiled code.
pub const NATIVE_CODE_SUPPORTED: bool = true;

/// What [`enter`] returns when compiled code ended in a trap.
pub const UNWOUND: u64 = u64::MAX;

/// Offsets from `VmStore::entry_sp` to what `enter` saved of the activation outside of it.
pub(super) const SAVED_EXIT_PC: usize = 8;
pub(super) const SAVED_EXIT_FP: usize = 16;
pub(super) const SAVED_ENTRY_SP: usize = 24;

/// A frame with a frame pointer, which unwinders of Rust code can read from here on.
macro_rules! push_frame {
    () => {
        "push rbp\n.cfi_def_cfa_offset 16\n.cfi_offset rbp, -16\nmov rbp, rsp\n.cfi_def_cfa_register rbp"
    };
}
pub(crate) use push_frame;

/// Calls `trampoline(vmctx, code, slots)` and returns what it returns, or [`UNWOUND`] when compiled code below it trapped.
///
/// # Safety
/// `trampoline` is a `to_native` trampoline for the type of `code`, `slots` has room for the arguments and the results of that type, `store` is the
/// store of `vmctx` and the thread's current one, and everything that the module's header lists is set up. No reference to what the guest can
/// reach (store, vmctx, memories, tables, slots) is alive across the call.
#[unsafe(naked)]
pub unsafe extern "C" fn enter(vmctx: *mut u8, code: *const u8, slots: *mut u64, trampoline: *const u8, store: *mut VmStore) -> u64 {
    naked_asm!(
        ".cfi_startproc",
        push_frame!(),
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push r8",
        "push qword ptr [r8 + {entry_sp}]",
        "push qword ptr [r8 + {exit_fp}]",
        "push qword ptr [r8 + {exit_pc}]",
        "sub rsp, 8",
        "mov [r8 + {entry_sp}], rsp",
        "call rcx",
        "jmp {leave}",
        ".cfi_endproc",
        entry_sp = const store::ENTRY_SP,
        exit_fp = const store::EXIT_FP,
        exit_pc = const store::EXIT_PC,
        leave = sym leave,
    )
}

/// The second half of [`enter`]: `rsp` is its `entry_sp`, `rax` the result.
#[unsafe(naked)]
unsafe extern "C" fn leave() {
    naked_asm!(
        "add rsp, 8",
        "pop rcx",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "mov [rdi + {exit_pc}], rcx",
        "mov [rdi + {exit_fp}], rdx",
        "mov [rdi + {entry_sp}], rsi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        entry_sp = const store::ENTRY_SP,
        exit_fp = const store::EXIT_FP,
        exit_pc = const store::EXIT_PC,
    )
}

/// Jumped to with the store in `rdi`: drops all frames down to the innermost [`enter`] of the store, which returns [`UNWOUND`].
#[unsafe(naked)]
unsafe extern "C" fn unwind(store: *mut VmStore) {
    naked_asm!(
        "mov rsp, [rdi + {entry_sp}]",
        "mov rax, -1",
        "jmp {leave}",
        entry_sp = const store::ENTRY_SP,
        leave = sym leave,
    )
}

/// Jumped to by shims with the store in `rdi` when `VmStore::unwind` is not 0: to [`unwind`], or to a landing pad, which gets the exception in `rax` and expects
/// nothing of other registers than `rbp` and `rsp`.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn unwind_from_builtin(store: *mut VmStore) {
    naked_asm!(
        "mov ecx, [rdi + {flag}]",
        "mov dword ptr [rdi + {flag}], 0",
        "sub ecx, 2",
        "js {unwind}",
        "mov rbp, [rdi + {exit_fp}]",
        "mov rsp, rbp",
        "sub rsp, rcx",
        "mov rax, [rdi + {exn_ref}]",
        "jmp qword ptr [rdi + {exit_pc}]",
        flag = const store::UNWIND,
        exit_fp = const store::EXIT_FP,
        exit_pc = const store::EXIT_PC,
        exn_ref = const store::EXN_REF,
        unwind = sym unwind,
    )
}

/// What is in the registers that callees save: with the stack, all that the frames of this thread hold.
pub(crate) fn callee_saved_registers() -> [u64; 6] {
    let mut registers = [0u64; 6];
    // SAFETY: only writes to the array.
    unsafe {
        std::arch::asm!(
            "mov [{0}], rbx", "mov [{0} + 8], rbp", "mov [{0} + 16], r12", "mov [{0} + 24], r13", "mov [{0} + 32], r14", "mov [{0} + 40], r15",
            in(reg) registers.as_mut_ptr(), options(nostack, preserves_flags),
        );
    }
    registers
}

/// Where the signal handler sends a thread whose compiled code trapped: below the faulting frame, which stays intact for the trap hook to walk. The
/// code may have stopped anywhere in a prologue, so nothing is known of the stack pointer's alignment.
#[unsafe(naked)]
unsafe extern "C" fn trap_landing(store: *mut VmStore) {
    naked_asm!(
        "cld",
        "sub rsp, 128",
        "and rsp, -16",
        "push rdi",
        "push rdi",
        "call {hook}",
        "pop rdi",
        "jmp {unwind}",
        hook = sym super::signals::run_trap_hook,
        unwind = sym unwind,
    )
}

/// Reached through offset 0 of an image, entered like the function `VmHeader::callee` of the vmctx in `rdi`, which has no code: goes to the trampoline
/// to the interpreter of its type.
#[unsafe(naked)]
unsafe extern "C" fn lazy_stub() {
    naked_asm!(
        "mov eax, [rdi + {callee}]",
        "mov r10, [rdi + {func_types}]",
        "mov eax, [r10 + rax * 4]",
        "mov r10, [rdi + {trampolines}]",
        "imul rax, rax, {size}",
        "movsxd rax, dword ptr [r10 + rax + {to_interpreter}]",
        "test rax, rax",
        "jz {missing}",
        "add rax, [rdi + {image_base}]",
        "jmp rax",
        callee = const header::CALLEE,
        func_types = const header::FUNC_TYPES,
        trampolines = const header::TRAMPOLINES,
        size = const size_of::<VmTrampolines>(),
        to_interpreter = const offset_of!(VmTrampolines, to_interpreter),
        image_base = const header::IMAGE_BASE,
        missing = sym missing_trampoline,
    )
}

/// The type has no trampoline yet: has it made, with all registers that may hold arguments saved, and goes there.
#[unsafe(naked)]
unsafe extern "C" fn missing_trampoline() {
    naked_asm!(
        ".cfi_startproc",
        push_frame!(),
        "sub rsp, 176",
        "mov [rsp], rdi",
        "mov [rsp + 8], rsi",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], rcx",
        "mov [rsp + 32], r8",
        "mov [rsp + 40], r9",
        "movups [rsp + 48], xmm0",
        "movups [rsp + 64], xmm1",
        "movups [rsp + 80], xmm2",
        "movups [rsp + 96], xmm3",
        "movups [rsp + 112], xmm4",
        "movups [rsp + 128], xmm5",
        "movups [rsp + 144], xmm6",
        "movups [rsp + 160], xmm7",
        "mov esi, [rdi + {callee}]",
        "call {find}",
        "mov rdi, [rsp]",
        "mov rsi, [rsp + 8]",
        "mov rdx, [rsp + 16]",
        "mov rcx, [rsp + 24]",
        "mov r8, [rsp + 32]",
        "mov r9, [rsp + 40]",
        "movups xmm0, [rsp + 48]",
        "movups xmm1, [rsp + 64]",
        "movups xmm2, [rsp + 80]",
        "movups xmm3, [rsp + 96]",
        "movups xmm4, [rsp + 112]",
        "movups xmm5, [rsp + 128]",
        "movups xmm6, [rsp + 144]",
        "movups xmm7, [rsp + 160]",
        "leave",
        "test rax, rax",
        "jz {none}",
        "jmp rax",
        ".cfi_endproc",
        callee = const header::CALLEE,
        find = sym crate::builtins::find_to_interpreter,
        none = sym no_trampoline,
    )
}

/// Faults: without a compiler, whoever makes compiled code reachable makes the trampolines of all its types first.
#[unsafe(naked)]
unsafe extern "C" fn no_trampoline() {
    naked_asm!("ud2")
}

/// Entry of functions that other instances import: goes to function `VmHeader::callee` of the vmctx in `rdi` through its jump table.
#[unsafe(naked)]
unsafe extern "C" fn dispatch_stub() {
    naked_asm!(
        "mov eax, [rdi + {callee}]",
        "mov r10, [rdi + {jump_table}]",
        "movsxd rax, dword ptr [r10 + rax * 4]",
        "add rax, [rdi + {image_base}]",
        "jmp rax",
        callee = const header::CALLEE,
        jump_table = const header::JUMP_TABLE,
        image_base = const header::IMAGE_BASE,
    )
}

/// For `VmHeader::lazy_stub`.
pub fn lazy_stub_address() -> *const u8 {
    lazy_stub as *const u8
}

/// For `VmImport::entry` of functions of other instances.
pub fn dispatch_stub_address() -> *const u8 {
    dispatch_stub as *const u8
}

/// One builtin's shim: notes where compiled code called from, calls the implementation, unwinds when that trapped.
macro_rules! builtin_shim {
    ($name:ident, $implementation:path) => {
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            std::arch::naked_asm!(
                ".cfi_startproc",
                "mov rax, [rdi + {store}]",
                "mov r10, [rsp]",
                "mov [rax + {exit_fp}], rbp",
                "mov [rax + {exit_pc}], r10",
                $crate::sys::push_frame!(),
                "push rax",
                "push rax",
                "call {implementation}",
                "mov rdi, [rsp]",
                "cmp dword ptr [rdi + {unwind_flag}], 0",
                "jne 2f",
                "leave",
                "ret",
                "2:",
                "jmp {unwind}",
                ".cfi_endproc",
                store = const trjit_module::vm::header::STORE,
                exit_fp = const trjit_module::vm::store::EXIT_FP,
                exit_pc = const trjit_module::vm::store::EXIT_PC,
                unwind_flag = const trjit_module::vm::store::UNWIND,
                implementation = sym $implementation,
                unwind = sym $crate::sys::unwind_from_builtin,
            )
        }
    };
}
pub(crate) use builtin_shim;

/// Registers of a thread that a signal stopped.
pub(super) struct Context(*mut libc::ucontext_t);

impl Context {
    /// # Safety
    /// `context` is the third argument of a handler that runs now, installed with `SA_SIGINFO`.
    pub(super) unsafe fn new(context: *mut libc::c_void) -> Context {
        Context(context.cast())
    }

    fn register(&self, register: libc::c_int) -> *mut i64 {
        // SAFETY: `new` was promised a live context; the indices are libc's constants for this array.
        unsafe { (&raw mut (*self.0).uc_mcontext.gregs[register as usize]).cast() }
    }

    pub(super) fn pc(&self) -> usize {
        // SAFETY: points into the live context.
        unsafe { *self.register(libc::REG_RIP) as usize }
    }

    pub(super) fn frame_pointer(&self) -> usize {
        // SAFETY: points into the live context.
        unsafe { *self.register(libc::REG_RBP) as usize }
    }

    /// When the handler returns, the thread goes on in the trap landing, on the stack that it had.
    pub(super) fn redirect_to_trap(&self, store: *mut VmStore) {
        // SAFETY: points into the live context.
        unsafe {
            *self.register(libc::REG_RIP) = trap_landing as *const () as i64;
            *self.register(libc::REG_RDI) = store as i64;
        }
    }

    /// Whether the thread stopped since a type has no trampoline to the interpreter.
    pub(super) fn misses_trampoline(&self) -> bool {
        self.pc() == no_trampoline as *const () as usize
    }
}
