//! The instructions behind the prefix 0xFE. One thread uses a store, so that each access is atomic by itself; what remains of atomicity is that
//! unaligned addresses trap, and what waiting means where nobody else can notify.

use super::cx::Cx;
use super::handlers::word;
use super::leb::read_u32;
use super::memarg::{MemArg, Next, trapped};
use super::out::instance_of;
use trjit_module::TrapCode;

/// The numbers of the instructions, of families by their first one.
mod number {
    pub const NOTIFY: u32 = 0x00;
    pub const WAIT32: u32 = 0x01;
    pub const WAIT64: u32 = 0x02;
    pub const FENCE: u32 = 0x03;
    /// Each family has seven widths from here on.
    pub const LOADS: u32 = 0x10;
    pub const WIDTHS: u32 = 7;
}

/// What a family does with the old value; by the number of the family.
const ADD: u32 = 2;
const SUB: u32 = 3;
const AND: u32 = 4;
const OR: u32 = 5;
const XOR: u32 = 6;
const EXCHANGE: u32 = 7;
const COMPARE_EXCHANGE: u32 = 8;

/// Runs one instruction; `ip` stands behind the prefix.
///
/// # Safety
/// The registers are those of the running activation at this instruction of a validated function, and are saved in `cx`.
#[inline(never)]
pub unsafe fn run<C>(mut ip: *const u8, sp: *mut C, cx: *mut Cx) -> Next<C> {
    // SAFETY: by contract.
    unsafe {
        let op = read_u32(&mut ip);
        match op {
            number::FENCE => Next { ip: ip.add(1), sp },
            number::NOTIFY | number::WAIT32 | number::WAIT64 => wait_or_notify(op, ip, sp, cx),
            _ => access(op, ip, sp, cx),
        }
    }
}

/// # Safety
/// As [`run`], `ip` behind the number of a load, a store or a read-modify-write.
unsafe fn access<C>(op: u32, mut ip: *const u8, sp: *mut C, cx: *mut Cx) -> Next<C> {
    // SAFETY: by contract; `place` checks the range and the alignment.
    unsafe {
        let arg = MemArg::read(&mut ip);
        let (family, kind) = ((op - number::LOADS) / number::WIDTHS, (op - number::LOADS) % number::WIDTHS);
        let width = [4, 8, 1, 2, 1, 2, 4][kind as usize];
        let operands = match family {
            0 => 1,
            COMPARE_EXCHANGE => 3,
            _ => 2,
        };
        let first = sp.sub(operands);
        let at = match place(arg, cx, word!(first), width) {
            Ok(at) => at,
            Err(code) => return trapped(sp, cx, code),
        };
        let operand = word!(sp.sub(1));
        if family == 1 {
            write(at, width, operand);
            return Next { ip, sp: first };
        }
        let old = read(at, width);
        if family == COMPARE_EXCHANGE {
            let mask = u64::MAX >> (64 - 8 * width);
            if old == word!(sp.sub(2)) & mask {
                write(at, width, operand);
            }
        } else if family != 0 {
            write(at, width, combine(family, old, operand));
        }
        word!(first) = old;
        Next { ip, sp: first.add(1) }
    }
}

/// The new value of a read-modify-write, in its low bytes.
fn combine(family: u32, old: u64, operand: u64) -> u64 {
    match family {
        ADD => old.wrapping_add(operand),
        SUB => old.wrapping_sub(operand),
        AND => old & operand,
        OR => old | operand,
        XOR => old ^ operand,
        EXCHANGE => operand,
        // There are no other families.
        _ => old,
    }
}

/// Where an aligned access goes.
///
/// # Safety
/// As [`MemArg::locate`].
unsafe fn place(arg: MemArg, cx: *const Cx, address: u64, width: u64) -> Result<*mut u8, TrapCode> {
    if !address.wrapping_add(arg.offset).is_multiple_of(width) {
        return Err(TrapCode::HeapMisaligned);
    }
    // SAFETY: by contract.
    let at = unsafe { arg.locate(cx, address, width) };
    if at.is_null() { Err(TrapCode::MemoryOutOfBounds) } else { Ok(at) }
}

/// The bytes at `at`, zero-extended.
///
/// # Safety
/// `width` bytes are readable, and aligned.
unsafe fn read(at: *const u8, width: u64) -> u64 {
    // SAFETY: by contract.
    unsafe {
        match width {
            8 => at.cast::<u64>().read_unaligned(),
            4 => at.cast::<u32>().read_unaligned().into(),
            2 => at.cast::<u16>().read_unaligned().into(),
            _ => at.read().into(),
        }
    }
}

/// # Safety
/// `width` bytes are writable, and aligned.
unsafe fn write(at: *mut u8, width: u64, value: u64) {
    // SAFETY: by contract.
    unsafe {
        match width {
            8 => at.cast::<u64>().write_unaligned(value),
            4 => at.cast::<u32>().write_unaligned(value as u32),
            2 => at.cast::<u16>().write_unaligned(value as u16),
            _ => at.write(value as u8),
        }
    }
}

/// # Safety
/// As [`run`], `ip` behind the number of `memory.atomic.notify` or a wait.
unsafe fn wait_or_notify<C>(op: u32, mut ip: *const u8, sp: *mut C, cx: *mut Cx) -> Next<C> {
    // SAFETY: by contract.
    unsafe {
        let MemArg { memory, offset } = MemArg::read(&mut ip);
        let first = sp.sub(if op == number::NOTIFY { 2 } else { 3 });
        let instance = &mut *instance_of((*cx).vmctx);
        let result = match word!(first).checked_add(offset) {
            None => Err(TrapCode::MemoryOutOfBounds),
            Some(address) if op == number::NOTIFY => instance.atomic_notify(memory, address),
            Some(address) => {
                let width = if op == number::WAIT32 { 4 } else { 8 };
                instance.atomic_wait(memory, address, width, word!(sp.sub(2)), word!(sp.sub(1)) as i64)
            }
        };
        match result {
            Ok(value) => {
                word!(first) = u64::from(value);
                Next { ip, sp: first.add(1) }
            }
            Err(code) => trapped(sp, cx, code),
        }
    }
}
