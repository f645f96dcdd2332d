//! How much of a thread's native stack compiled code may use: it traps before its frame goes below a limit that leaves room for Rust.

use rustix::process::{Resource, getrlimit};
use std::cell::Cell;

/// Bytes above the real end of the stack that compiled code leaves alone: builtins, host functions and the trap hook run there.
pub const HOST_RESERVE: usize = 128 << 10;

/// What is taken for the main thread's stack at most: the kernel keeps this distance to other mappings also where the limit was raised later.
const MAIN_STACK_MAX: u64 = 120 << 20;

/// What is assumed below the present frame if the system does not tell.
const UNKNOWN_STACK: usize = 256 << 10;

thread_local! {
    /// Lowest address of this thread's stack; 0 = not asked yet.
    static STACK_END: Cell<usize> = const { Cell::new(0) };
}

/// For `VmStore::stack_limit`: `max_wasm_stack` bytes below the caller's frame, but [`HOST_RESERVE`] above the end of this thread's stack at least. To be
/// asked where a thread enters the guest from outside; nested entries keep the limit.
pub fn native_stack_limit(max_wasm_stack: usize) -> usize {
    let here = stack_pointer();
    let end = STACK_END.get();
    let end = if end != 0 { end } else { find_stack_end(here) };
    STACK_END.set(end);
    here.saturating_sub(max_wasm_stack).max(end.saturating_add(HOST_RESERVE))
}

#[inline(never)]
pub fn stack_pointer() -> usize {
    let local = 0u8;
    (&raw const local).addr()
}

fn find_stack_end(here: usize) -> usize {
    main_stack_end(here).or_else(thread_stack_end).unwrap_or(here.saturating_sub(UNKNOWN_STACK))
}

/// The main thread's stack grows on demand down to its resource limit. Its top is found by the name of the executable, which the kernel puts there; the
/// C library would parse `/proc/self/maps` instead.
fn main_stack_end(here: usize) -> Option<usize> {
    // SAFETY: both only ask.
    if unsafe { libc::gettid() != libc::getpid() } {
        return None;
    }
    // SAFETY: reads the auxiliary vector, for any key.
    let name = unsafe { libc::getauxval(libc::AT_EXECFN) } as usize;
    let top = (name != 0).then(|| name.next_multiple_of(4096))?;
    let size = getrlimit(Resource::Stack).current.map_or(MAIN_STACK_MAX, |limit| limit.min(MAIN_STACK_MAX));
    let end = top.checked_sub(size as usize)?;
    // The only thread of a forked process may be on the stack of the thread that forked.
    (end..top).contains(&here).then_some(end)
}

fn thread_stack_end() -> Option<usize> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the attributes are initialized by the first call, used only if it succeeded, and destroyed once.
    let found = unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let found = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut low, &raw mut size) == 0
            && libc::pthread_attr_getguardsize(attributes.as_ptr(), &raw mut guard) == 0;
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        found
    };
    // Whether the guard lies inside of the stack differs between C libraries and versions: counted as inside.
    found.then(|| low.addr() + guard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_what_it_asks_for_up_to_its_stack() {
        // Larger than what the C library keeps of ended threads, which it gives to new ones whatever size they ask for.
        const STACK: usize = 16 << 20;
        let ask = || {
            let here = stack_pointer();
            (here - native_stack_limit(64 << 10), here - native_stack_limit(64 << 20))
        };
        let (small, large) = std::thread::Builder::new().stack_size(STACK).spawn(ask).unwrap().join().unwrap();
        assert!((64 << 10..66 << 10).contains(&small), "{small}");
        assert!((STACK - HOST_RESERVE - (256 << 10)..=STACK - HOST_RESERVE).contains(&large), "{large}");
    }
}
