//! Counting of fuel in the interpreter, by the rules of [`trjit_module::fuel`]: an instruction counts when it is dispatched. All of it is nothing for probes that do not
//! count.

use super::cx::Cx;
use super::dispatch::Probe;
use trjit_module::fuel::{ENTRY, STEPS};

/// Before the instruction with this opcode runs.
///
/// # Safety
/// `cx` is the running activation's.
#[inline(always)]
pub(super) unsafe fn count<P: Probe>(cx: *mut Cx, opcode: u8) {
    if P::FUEL {
        // SAFETY: by contract.
        unsafe {
            let step = STEPS[opcode as usize];
            let spent = (*cx).spent.wrapping_add(i64::from(step.cost));
            if step.settles {
                let fuel = &raw mut (*(*cx).vm_store).fuel;
                *fuel = (*fuel).wrapping_sub(spent);
                (*cx).spent = 0;
            } else {
                (*cx).spent = spent;
            }
        }
    }
}

/// Charges the entry of a function; false where nothing is left.
///
/// # Safety
/// `cx` is the running activation's.
#[inline(always)]
pub(super) unsafe fn charge_entry<P: Probe>(cx: *mut Cx) -> bool {
    // SAFETY: by contract.
    unsafe {
        if P::FUEL {
            let fuel = &raw mut (*(*cx).vm_store).fuel;
            *fuel = (*fuel).wrapping_sub(ENTRY);
        }
        !is_used_up::<P>(cx)
    }
}

/// Whether nothing is left at a loop's header.
///
/// # Safety
/// `cx` is the running activation's.
#[inline(always)]
pub(super) unsafe fn is_used_up<P: Probe>(cx: *const Cx) -> bool {
    // SAFETY: by contract.
    P::FUEL && unsafe { (*(*cx).vm_store).fuel <= 0 }
}
