//! What all handlers are made of: the macros that define them, the slots' types, and the operand stack's accessors.

use super::cx::{Cx, Exit, TRAP};
use trjit_module::TrapCode;

/// Defines handlers over the registers; the names in the first line are the registers' names in the bodies.
macro_rules! handlers {
    (($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident); $($(#[$meta:meta])* $name:ident $body:block)*) => {$(
        $(#[$meta])*
        /// # Safety
        /// The registers stand at this opcode in a validated function (see the module's table).
        #[allow(unused_mut, unused_assignments, unused_variables, unreachable_code, clippy::macro_metavars_in_unsafe)]
        pub unsafe fn $name<P: Probe>(
            mut $ip: *const u8,
            mut $sp: *mut P::Cell,
            mut $fp: *mut P::Cell,
            mut $st: *const SideTableEntry,
            $cx: *mut Cx,
            mut $mem: *mut u8,
        ) -> Exit {
            // SAFETY: validation has proved types, stack heights, indices and immediates; `record.frame_slots` bounds the stack.
            unsafe {
                $body
                let op = *$ip;
                crate::interp::frame_log::show::<P>($ip, $sp, $fp, $st, $cx);
                crate::interp::fuel::count::<P>($cx, op);
                (Table::<P>::OPS[op as usize])($ip.add(1), $sp, $fp, $st, $cx, $mem)
            }
        }
    )*};
}

/// Defines handlers of instructions whose immediate is an unsigned number: the first name for one byte, the second one for more.
macro_rules! indexed {
    (($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident);
     $($(#[$meta:meta])* $name:ident, $wide:ident: |$at:ident, $index:ident| $body:block)*) => {
        handlers! { ($ip, $sp, $fp, $st, $cx, $mem); $(
            $(#[$meta])*
            $name {
                let $at = $ip;
                let $index = u32::from(*$ip);
                if $index >= 0x80 {
                    return $wide::<P>($ip, $sp, $fp, $st, $cx, $mem);
                }
                $ip = $ip.add(1);
                $body
            }
            #[inline(never)]
            $wide {
                let $at = $ip;
                let $index = read_u32(&mut $ip);
                $body
            }
        )* }
    };
}

/// The low word of a slot, where scalars and references stand: a place.
macro_rules! word {
    ($slot:expr) => {
        (*($slot).cast::<u64>())
    };
}

/// A type that a slot holds.
pub trait Slot: Copy {
    fn from_slot(slot: u64) -> Self;
    fn to_slot(self) -> u64;
}

macro_rules! slot_types {
    ($($ty:ty: $slot:ident => $from:expr, $value:ident => $to:expr;)*) => {$(
        impl Slot for $ty {
            #[inline(always)]
            fn from_slot($slot: u64) -> $ty { $from }
            #[inline(always)]
            fn to_slot(self) -> u64 { let $value = self; $to }
        }
    )*};
}

slot_types! {
    i32: slot => slot as i32, value => u64::from(value as u32);
    u32: slot => slot as u32, value => u64::from(value);
    i64: slot => slot as i64, value => value as u64;
    u64: slot => slot, value => value;
    f32: slot => f32::from_bits(slot as u32), value => u64::from(value.to_bits());
    f64: slot => f64::from_bits(slot), value => value.to_bits();
    bool: slot => slot as u32 != 0, value => u64::from(value);
}

/// # Safety
/// The operand stack is not empty.
#[inline(always)]
pub(super) unsafe fn pop<T: Slot, C>(sp: &mut *mut C) -> T {
    // SAFETY: by contract.
    unsafe {
        *sp = sp.sub(1);
        T::from_slot(word!(*sp))
    }
}

/// # Safety
/// The frame has room, as validation computed.
#[inline(always)]
pub(super) unsafe fn push<T: Slot, C>(sp: &mut *mut C, value: T) {
    // SAFETY: by contract.
    unsafe {
        word!(*sp) = value.to_slot();
        *sp = sp.add(1);
    }
}

/// Saves the registers where backtraces and outlined functions find them.
macro_rules! save {
    ($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident) => {{
        (*$cx).ip = $ip;
        (*$cx).sp = $sp.cast();
        (*$cx).fp = $fp.cast();
        (*$cx).st = $st;
    }};
}

/// Ends the run with a trap at `ip`.
#[cold]
#[inline(never)]
pub(super) unsafe fn trap<C>(ip: *const u8, sp: *mut C, cx: *mut Cx, code: TrapCode) -> Exit {
    // SAFETY: `cx` is the running activation's.
    unsafe {
        (*cx).ip = ip.sub(1);
        (*cx).sp = sp.cast();
        (*cx).trap = Some(code);
    }
    TRAP
}

/// Ends the run with the trap in `cx.trap`, or the one that is pending in the store, at `ip`.
#[cold]
#[inline(never)]
pub(super) unsafe fn stop<C>(ip: *const u8, sp: *mut C, cx: *mut Cx) -> Exit {
    // SAFETY: `cx` is the running activation's.
    unsafe {
        (*cx).ip = ip.sub(1);
        (*cx).sp = sp.cast();
    }
    TRAP
}

/// A value at any address. Unlike `read_unaligned`, which with debug assertions copies through a local variable whose address it hands on,
/// an access to the field lets the handler's last call be a jump.
#[repr(C, packed)]
pub(super) struct Unaligned<T>(pub T);

pub(super) use {handlers, indexed, save, word};
