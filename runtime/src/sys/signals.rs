//! Signals become traps here. The handlers are installed once a process, in front of those that were there before.
//!
//! A fault is claimed only when a store is current on the thread, the program counter is in registered code, that code's trap table lists it, and, for an
//! access to memory, the address lies in the reservation of a linear memory. A claimed thread goes on in the trap landing: the trap hook runs on the
//! guest's stack with its frames intact, then the innermost `enter` returns `UNWOUND`. Everything else goes to the handler that was there before; what comes from
//! registered code all the same is an error of this program and is named on stderr first.
//!
//! Handlers run on the alternate stack, neither allocate nor lock, and keep `errno`.

use super::arch::Context;
use super::memory;
use super::registry::lookup;
use std::cell::Cell;
use std::fmt::Write;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use trjit_module::TrapCode;
use trjit_module::vm::VmStore;

/// Sent to a thread whose guest shall stop. `SIGURG`: ignored by default, so that a late one does no harm, passed on by debuggers, and unused by the C library
/// (Go preempts with it for the same reasons). Its handler does not restart system calls: blocking host calls end with `EINTR`.
pub const INTERRUPT_SIGNAL: libc::c_int = libc::SIGURG;

/// What is handled, the interrupt last.
const SIGNALS: [libc::c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, INTERRUPT_SIGNAL];

/// Called when a signal became a trap, before the guest's frames are dropped: on the guest's stack, not in the handler, so that it may walk the frames,
/// allocate and lock. `VmStore::trap_code`, `trap_pc` and `trap_fp` are set. It must not panic.
pub type TrapHook = unsafe extern "C" fn(store: *mut VmStore);

thread_local! {
    /// Read by handlers: a plain cell without initializer or destructor.
    static CURRENT_STORE: Cell<*mut VmStore> = const { Cell::new(ptr::null_mut()) };
}

/// The [`TrapHook`], 0 = none.
static TRAP_HOOK: AtomicUsize = AtomicUsize::new(0);

/// Handlers that were there before, in the order of [`SIGNALS`].
struct Previous(std::cell::UnsafeCell<[MaybeUninit<libc::sigaction>; SIGNALS.len()]>);

// SAFETY: each element is written once, under `INSTALLED`'s lock, before the handler that reads it is installed.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(std::cell::UnsafeCell::new([MaybeUninit::uninit(); SIGNALS.len()]));

/// How many of [`SIGNALS`] have their handler.
static INSTALLED: Mutex<usize> = Mutex::new(0);

/// Installs the handlers, the first time that it is called. The hook is the process's: the last one given counts.
pub fn install(hook: Option<TrapHook>) -> io::Result<()> {
    TRAP_HOOK.store(hook.map_or(0, |hook| hook as usize), Ordering::Release);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    while *installed < SIGNALS.len() {
        install_one(*installed)?;
        *installed += 1;
    }
    Ok(())
}

fn install_one(at: usize) -> io::Result<()> {
    // SAFETY: all zero is a valid value of this C struct.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handle as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the element is not read before the handler is installed; the handler keeps to what handlers may do.
    let failed = unsafe {
        let previous = (&raw mut (*PREVIOUS.0.get())[at]).cast();
        libc::sigaction(SIGNALS[at], ptr::null(), previous) != 0 || libc::sigaction(SIGNALS[at], &raw const action, ptr::null_mut()) != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes `store` the one whose compiled code this thread runs (null: none) and returns the one before.
///
/// # Safety
/// Until the next call on this thread, compiled code that the thread runs is of this store, and the store is alive.
pub unsafe fn set_current_store(store: *mut VmStore) -> *mut VmStore {
    CURRENT_STORE.replace(store)
}

/// Runs the hook; called by the trap landing.
pub(super) unsafe extern "C" fn run_trap_hook(store: *mut VmStore) {
    let hook = TRAP_HOOK.load(Ordering::Acquire);
    if hook != 0 {
        // SAFETY: only `install` writes this, from a function pointer of this type; the landing passes the store that trapped.
        unsafe { std::mem::transmute::<usize, TrapHook>(hook)(store) };
    }
}

/// The handler of all [`SIGNALS`].
unsafe extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: `errno` is the thread's own.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the kernel's arguments.
    let registers = unsafe { Context::new(context) };
    // SAFETY: the kernel's arguments.
    let claimed =
        unsafe { if signal == INTERRUPT_SIGNAL { claim_interrupt(&registers, info) } else { claim_fault(&registers, signal, info) } };
    if !claimed {
        // SAFETY: the kernel's arguments.
        unsafe { chain(signal, info, context) };
    }
    // SAFETY: `errno` is the thread's own.
    unsafe { *libc::__errno_location() = errno };
}

/// # Safety
/// `info` is that of the signal being handled.
unsafe fn claim_fault(registers: &Context, signal: libc::c_int, info: *mut libc::siginfo_t) -> bool {
    let (pc, store) = (registers.pc(), CURRENT_STORE.get());
    // SAFETY: the caller's promise. Codes up to 0 are signals that somebody sent.
    if unsafe { (*info).si_code } <= 0 {
        return false;
    }
    if registers.misses_trampoline() {
        report(format_args!("compiled code called a function whose type has no trampoline to the interpreter"));
        return false;
    }
    // SAFETY: the thread is stopped at `pc`.
    let Some((tables, offset)) = (unsafe { lookup(pc) }) else { return false };
    // SAFETY: set for as long as the thread runs compiled code.
    if store.is_null() || unsafe { (*store).entry_sp } == 0 {
        report(format_args!("compiled code at {pc:#x} runs without a store on its thread (signal {signal})"));
        return false;
    }
    let Some((code, _)) = tables.trap_at(offset) else {
        report(format_args!(
            "compiled code at {pc:#x} (image offset {offset:#x}) raised signal {signal}, which its trap table does not list"
        ));
        return false;
    };
    if signal == libc::SIGSEGV || signal == libc::SIGBUS {
        // SAFETY: these signals have an address.
        let address = unsafe { (*info).si_addr() }.addr();
        if !memory::is_reserved(address) {
            report(format_args!(
                "compiled code at {pc:#x} (image offset {offset:#x}) accessed {address:#x}, which is not in a linear memory"
            ));
            return false;
        }
    }
    trap(registers, store, code);
    true
}

/// # Safety
/// `info` is that of the signal being handled.
unsafe fn claim_interrupt(registers: &Context, info: *mut libc::siginfo_t) -> bool {
    let store = CURRENT_STORE.get();
    // SAFETY: the caller's promise.
    if store.is_null() || unsafe { (*info).si_code } != libc::SI_TKILL {
        return false;
    }
    // The flag tells ours from others' and from a late one, which must not stop the next run.
    // SAFETY: the current store is alive; the field is accessed atomically everywhere.
    if unsafe { AtomicU32::from_ptr(&raw mut (*store).interrupt) }.load(Ordering::Acquire) == 0 {
        return false;
    }
    // SAFETY: the thread is stopped at this address.
    if let Some((tables, offset)) = unsafe { lookup(registers.pc()) } {
        // In a trampoline the values of a crossing are half moved: the next signal finds the thread elsewhere.
        // SAFETY: the current store is alive.
        if tables.function_at(offset).is_some() && unsafe { (*store).entry_sp } != 0 {
            trap(registers, store, TrapCode::Interrupt);
        }
    }
    true
}

fn trap(registers: &Context, store: *mut VmStore, code: TrapCode) {
    // SAFETY: the thread's current store, whose other fields nobody else touches while the thread is in compiled code.
    unsafe {
        (&raw mut (*store).trap_code).write(code as usize);
        (&raw mut (*store).trap_pc).write(registers.pc());
        (&raw mut (*store).trap_fp).write(registers.frame_pointer());
    }
    registers.redirect_to_trap(store);
}

/// Does what would have happened without this handler.
///
/// # Safety
/// The arguments are those of the signal being handled.
unsafe fn chain(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(at) = SIGNALS.iter().position(|&handled| handled == signal) else { return };
    // SAFETY: written before the handler was installed.
    let previous = unsafe { (*PREVIOUS.0.get())[at].assume_init_ref() };
    match previous.sa_sigaction {
        libc::SIG_IGN | libc::SIG_DFL if signal == INTERRUPT_SIGNAL => {}
        // SAFETY: the caller's promise.
        libc::SIG_IGN if unsafe { (*info).si_code } <= 0 => {}
        libc::SIG_IGN | libc::SIG_DFL => {
            // A fault happens again when this returns, and ends the process, also where it was ignored; a signal that was sent is sent again.
            // SAFETY: puts back what was there; `raise` is allowed in handlers.
            unsafe {
                libc::sigaction(signal, previous, ptr::null_mut());
                if (*info).si_code <= 0 {
                    libc::raise(signal);
                }
            }
        }
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            type Action = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            // SAFETY: the flag says that the handler has this type; the arguments are the kernel's.
            unsafe { std::mem::transmute::<usize, Action>(handler)(signal, info, context) }
        }
        handler => {
            // SAFETY: without the flag, handlers have this type.
            unsafe { std::mem::transmute::<usize, unsafe extern "C" fn(libc::c_int)>(handler)(signal) }
        }
    }
}

/// Writes one line to stderr from a handler; what does not fit is cut off.
fn report(message: std::fmt::Arguments<'_>) {
    struct Line {
        bytes: [u8; 256],
        len: usize,
    }
    impl Write for Line {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let room = &mut self.bytes[self.len..255];
            let fits = text.len().min(room.len());
            room[..fits].copy_from_slice(&text.as_bytes()[..fits]);
            self.len += fits;
            Ok(())
        }
    }
    let mut line = Line { bytes: [0; 256], len: 0 };
    let _ = write!(line, "trjit: internal error: {message}");
    line.bytes[line.len] = b'\n';
    // SAFETY: the buffer is `len + 1` bytes at least; `write` is allowed in handlers.
    unsafe { libc::write(2, line.bytes.as_ptr().cast(), line.len + 1) };
}
