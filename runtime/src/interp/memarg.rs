//! Memory accesses in full generality: any memory, 32 or 64 bits. What the fast handlers of [`super::memory`] cannot do, and all accesses behind
//! the prefixes 0xFD and 0xFE, come here.

use super::cx::{Cx, Exit};
use super::dispatch::{Probe, Table};
use super::handlers::*;
use super::leb::{read_u32, read_u64};
use super::length::NAMES_MEMORY;
use trjit_module::TrapCode;
use trjit_module::flat::SideTableEntry;
use trjit_module::vm::{VmMemory, VmMemoryRef};

/// What an instruction outside of the handlers leaves: the registers behind it. A null `ip` tells of a trap, whose code is in `cx.trap`.
#[derive(Clone, Copy)]
pub struct Next<C> {
    pub ip: *const u8,
    pub sp: *mut C,
}

/// Ends an instruction with a trap.
///
/// # Safety
/// `cx` is the running activation's.
#[cold]
pub unsafe fn trapped<C>(sp: *mut C, cx: *mut Cx, code: TrapCode) -> Next<C> {
    // SAFETY: by contract.
    unsafe { (*cx).trap = Some(code) };
    Next { ip: std::ptr::null(), sp }
}

/// An instruction's immediates for an access: the memory and the offset.
#[derive(Clone, Copy)]
pub struct MemArg {
    pub memory: u32,
    pub offset: u64,
}

impl MemArg {
    /// Reads the immediates and steps over them.
    ///
    /// # Safety
    /// `ip` points to a validated access's immediates.
    #[inline]
    pub unsafe fn read(ip: &mut *const u8) -> MemArg {
        // SAFETY: by contract.
        unsafe {
            let align = read_u32(ip);
            let memory = if align & NAMES_MEMORY != 0 { read_u32(ip) } else { 0 };
            MemArg { memory, offset: read_u64(ip) }
        }
    }

    /// The definition of the memory.
    ///
    /// # Safety
    /// `cx` is the activation of a module with this memory.
    #[inline]
    pub unsafe fn definition(self, cx: *const Cx) -> *mut VmMemory {
        // SAFETY: the layout's offsets lie inside of the vmctx.
        unsafe { (*(*cx).vmctx.add((*cx).layout.memory(self.memory) as usize).cast::<VmMemoryRef>()).definition }
    }

    /// Where `width` bytes at operand `address` stand; null where not all of them lie in the memory.
    ///
    /// # Safety
    /// As [`definition`](MemArg::definition).
    #[inline]
    pub unsafe fn locate(self, cx: *const Cx, address: u64, width: u64) -> *mut u8 {
        // SAFETY: by contract; the range is checked.
        unsafe {
            let VmMemory { base, len } = *self.definition(cx);
            match address.checked_add(self.offset).and_then(|start| Some((start, start.checked_add(width)?))) {
                Some((start, end)) if end <= len => base.add(start as usize),
                _ => std::ptr::null_mut(),
            }
        }
    }
}

/// Runs the load or store whose opcode stands before `ip`.
///
/// # Safety
/// `ip`, `sp` and `cx` are the registers at a load or store (0x28 to 0x3e) as the module has it.
#[inline(never)]
unsafe fn access<C>(mut ip: *const u8, sp: *mut C, cx: *mut Cx) -> Next<C> {
    // SAFETY: by contract; `locate` checks the range.
    unsafe {
        let opcode = *ip.sub(1);
        let arg = MemArg::read(&mut ip);
        let is_store = opcode >= 0x36;
        let address = sp.sub(if is_store { 2 } else { 1 });
        let at = arg.locate(cx, word!(address), width(opcode));
        if at.is_null() {
            return trapped(sp, cx, TrapCode::MemoryOutOfBounds);
        }
        if is_store {
            store(opcode, at, word!(sp.sub(1)));
            Next { ip, sp: address }
        } else {
            word!(address) = load(opcode, at);
            Next { ip, sp }
        }
    }
}

/// Bytes that a load or store touches.
fn width(opcode: u8) -> u64 {
    match opcode {
        0x29 | 0x2b | 0x37 | 0x39 => 8,
        0x28 | 0x2a | 0x34..=0x36 | 0x38 | 0x3e => 4,
        0x2e | 0x2f | 0x32 | 0x33 | 0x3b | 0x3d => 2,
        _ => 1,
    }
}

/// # Safety
/// The bytes at `at` are readable.
unsafe fn load(opcode: u8, at: *const u8) -> u64 {
    // SAFETY: by contract.
    unsafe {
        match opcode {
            0x29 | 0x2b => at.cast::<u64>().read_unaligned(),
            0x2c => i32::from(at.cast::<i8>().read()).to_slot(),
            0x2d | 0x31 => u64::from(*at),
            0x2e => i32::from(at.cast::<i16>().read_unaligned()).to_slot(),
            0x2f | 0x33 => u64::from(at.cast::<u16>().read_unaligned()),
            0x30 => i64::from(at.cast::<i8>().read()).to_slot(),
            0x32 => i64::from(at.cast::<i16>().read_unaligned()).to_slot(),
            0x34 => i64::from(at.cast::<i32>().read_unaligned()).to_slot(),
            _ => u64::from(at.cast::<u32>().read_unaligned()),
        }
    }
}

/// # Safety
/// The bytes at `at` are writable.
unsafe fn store(opcode: u8, at: *mut u8, value: u64) {
    // SAFETY: by contract.
    unsafe {
        match width(opcode) {
            8 => at.cast::<u64>().write_unaligned(value),
            4 => at.cast::<u32>().write_unaligned(value as u32),
            2 => at.cast::<u16>().write_unaligned(value as u16),
            _ => at.write(value as u8),
        }
    }
}

handlers! { (ip, sp, fp, st, cx, mem);
    /// A load or store that the fast handler did not find in bounds: traps, or is one of a memory that the fast handlers do not know. `ip` stands behind
    /// the opcode.
    #[cold]
    #[inline(never)]
    general_access {
        // There, the immediates in quickened code may be joined.
        if !P::ORIGINAL && (*cx).simple_memory {
            return trap(ip, sp, cx, TrapCode::MemoryOutOfBounds);
        }
        let at = ip;
        let next = access(ip, sp, cx);
        if next.ip.is_null() {
            return stop(at, next.sp, cx);
        }
        (ip, sp) = (next.ip, next.sp);
    }
}
