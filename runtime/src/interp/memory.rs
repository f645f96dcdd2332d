//! Handlers of loads and stores of memory 0 with 32-bit addresses: one comparison checks the bounds, in 64 bits, so that no sum wraps. What it refuses
//! (all accesses of modules with other memories, where `cx.mem_len` is 0) goes to [`super::memarg`].

use super::cx::{Cx, Exit};
use super::dispatch::{Probe, Table};
use super::handlers::*;
use super::leb::{read_u32, skip};
use super::length::NAMES_MEMORY;
use super::memarg::general_access;
use trjit_module::flat::SideTableEntry;

/// Whether a memory index follows the alignment at `ip`. In quickened code there is none (or all accesses are out of the fast handlers' bounds).
///
/// # Safety
/// `ip` points to an alignment.
#[inline(always)]
unsafe fn names_memory<P: Probe>(ip: *const u8) -> bool {
    // SAFETY: by contract.
    P::ORIGINAL && u32::from(unsafe { *ip }) & NAMES_MEMORY != 0
}

/// Memory instructions: the immediate is the offset; the alignment before it is stepped over.
macro_rules! memory {
    (($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident); $($name:ident, $wide:ident: |$at:ident, $offset:ident| $body:block)*) => {
        handlers! { ($ip, $sp, $fp, $st, $cx, $mem); $(
            $name {
                let $at = $ip;
                let $offset = u64::from(*$ip.add(1));
                if (*$ip | *$ip.add(1)) >= 0x80 || names_memory::<P>($ip) {
                    return $wide::<P>($ip, $sp, $fp, $st, $cx, $mem);
                }
                $ip = $ip.add(2);
                $body
            }
            #[inline(never)]
            $wide {
                let $at = $ip;
                if names_memory::<P>($ip) {
                    return general_access::<P>($ip, $sp, $fp, $st, $cx, $mem);
                }
                skip(&mut $ip);
                let $offset = u64::from(read_u32(&mut $ip));
                $body
            }
        )* }
    };
}

macro_rules! load {
    ($($name:ident, $wide:ident: $memory:ty => $slot:ty;)*) => {
        memory! { (ip, sp, fp, st, cx, mem); $($name, $wide: |at, offset| {
            let address = u64::from(u32::from_slot(word!(sp.sub(1)))) + offset;
            if address + size_of::<$memory>() as u64 > (*cx).mem_len {
                return general_access::<P>(at, sp, fp, st, cx, mem);
            }
            let value = (*mem.add(address as usize).cast::<Unaligned<$memory>>()).0;
            word!(sp.sub(1)) = Slot::to_slot(value as $slot);
        })* }
    };
}

macro_rules! store {
    ($($name:ident, $wide:ident: $slot:ty => $memory:ty;)*) => {
        memory! { (ip, sp, fp, st, cx, mem); $($name, $wide: |at, offset| {
            let address = u64::from(u32::from_slot(word!(sp.sub(2)))) + offset;
            if address + size_of::<$memory>() as u64 > (*cx).mem_len {
                return general_access::<P>(at, sp, fp, st, cx, mem);
            }
            sp = sp.sub(2);
            (*mem.add(address as usize).cast::<Unaligned<$memory>>()).0 = <$slot>::from_slot(word!(sp.add(1))) as $memory;
        })* }
    };
}

load! {
    i32_load, i32_load_wide: u32 => u32;
    i64_load, i64_load_wide: u64 => u64;
    i32_load8_s, i32_load8_s_wide: i8 => i32;
    i32_load8_u, i32_load8_u_wide: u8 => u32;
    i32_load16_s, i32_load16_s_wide: i16 => i32;
    i32_load16_u, i32_load16_u_wide: u16 => u32;
    i64_load8_s, i64_load8_s_wide: i8 => i64;
    i64_load8_u, i64_load8_u_wide: u8 => u64;
    i64_load16_s, i64_load16_s_wide: i16 => i64;
    i64_load16_u, i64_load16_u_wide: u16 => u64;
    i64_load32_s, i64_load32_s_wide: i32 => i64;
    i64_load32_u, i64_load32_u_wide: u32 => u64;
}

store! {
    i32_store, i32_store_wide: u32 => u32;
    i64_store, i64_store_wide: u64 => u64;
    i32_store8, i32_store8_wide: u32 => u8;
    i32_store16, i32_store16_wide: u32 => u16;
    i64_store8, i64_store8_wide: u64 => u8;
    i64_store16, i64_store16_wide: u64 => u16;
    i64_store32, i64_store32_wide: u64 => u32;
}
