//! The stack on which a thread's signal handlers run: compiled code may stop with its own stack used up. One a thread, with a guard page below, made when
//! the thread first enters compiled code and freed when it ends. An alternate stack that is large enough already is kept.

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use std::cell::OnceCell;
use std::io;
use std::ptr::NonNull;

/// Bytes that a handler may need beside the registers that the kernel saves there.
const SIZE: usize = 64 << 10;
const GUARD: usize = 4096;

thread_local! {
    static STACK: OnceCell<Option<AltStack>> = const { OnceCell::new() };
}

/// A mapping that is this thread's alternate stack: guard, then stack.
struct AltStack {
    mapping: NonNull<libc::c_void>,
    len: usize,
}

/// Makes sure that this thread has an alternate signal stack of sufficient size.
pub fn ensure() -> io::Result<()> {
    let ending = |_| io::Error::other("an alternate signal stack was asked for on a thread that is ending");
    STACK
        .try_with(|stack| {
            if stack.get().is_none() {
                // Set once: a thread does not come here twice at a time.
                let _ = stack.set(AltStack::install()?);
            }
            Ok(())
        })
        .map_err(ending)?
}

/// The size to have: the kernel says how much it saves with all the registers of this CPU.
fn needed() -> usize {
    // SAFETY: reads the auxiliary vector, for any key; 0 where the kernel does not know it.
    let frame = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    SIZE.max((frame + SIZE / 2).next_multiple_of(4096))
}

fn current() -> io::Result<libc::stack_t> {
    let mut stack = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: only asks.
    if unsafe { libc::sigaltstack(std::ptr::null(), &raw mut stack) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(stack)
}

impl AltStack {
    fn install() -> io::Result<Option<AltStack>> {
        let size = needed();
        let old = current()?;
        if old.ss_flags & libc::SS_DISABLE == 0 && old.ss_size >= size {
            return Ok(None);
        }
        let stack = AltStack::map(size)?;
        let new = libc::stack_t { ss_sp: stack.start(), ss_flags: 0, ss_size: size };
        // SAFETY: the new stack is mapped, writable and used by nobody else; it lives until `drop` takes it away from the thread.
        if unsafe { libc::sigaltstack(&raw const new, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Some(stack))
    }

    fn map(size: usize) -> io::Result<AltStack> {
        let len = GUARD + size;
        // SAFETY: the kernel chooses the place, so no mapping in use is replaced.
        let mapping = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::empty(), MapFlags::PRIVATE)? };
        let mapping = NonNull::new(mapping).ok_or(io::ErrorKind::OutOfMemory)?;
        let stack = AltStack { mapping, len };
        // SAFETY: the range is inside of the mapping just made.
        unsafe { rustix::mm::mprotect(stack.start(), size, MprotectFlags::READ | MprotectFlags::WRITE)? };
        Ok(stack)
    }

    /// The lowest address of the stack proper.
    fn start(&self) -> *mut libc::c_void {
        self.mapping.as_ptr().wrapping_byte_add(GUARD)
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        // Whoever replaced it meanwhile keeps theirs.
        if current().is_ok_and(|now| now.ss_sp == self.start()) {
            let none = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: needed() };
            // SAFETY: takes the stack away from the thread, which does not run on it.
            unsafe { libc::sigaltstack(&raw const none, std::ptr::null_mut()) };
        }
        // SAFETY: made by `map`, no longer the thread's signal stack.
        let _ = unsafe { rustix::mm::munmap(self.mapping.as_ptr(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_stack_is_replaced_once() {
        let check = || {
            ensure().unwrap();
            let first = current().unwrap();
            assert!(first.ss_size >= SIZE && first.ss_flags & libc::SS_DISABLE == 0);
            ensure().unwrap();
            assert_eq!(current().unwrap().ss_sp, first.ss_sp);
        };
        std::thread::spawn(check).join().unwrap();
    }
}
