//! Immediates in LEB128. Validation has proved that they are complete and in range.

/// Reads an unsigned 32-bit immediate and steps over it.
///
/// # Safety
/// `ip` points to a validated immediate.
#[inline(always)]
pub unsafe fn read_u32(ip: &mut *const u8) -> u32 {
    // SAFETY: by contract.
    unsafe {
        let first = **ip;
        *ip = ip.add(1);
        if first < 0x80 { u32::from(first) } else { read_u32_rest(ip, first) }
    }
}

/// # Safety
/// As [`read_u32`], behind its first byte.
#[inline(always)]
unsafe fn read_u32_rest(ip: &mut *const u8, first: u8) -> u32 {
    let mut value = u32::from(first & 0x7f);
    let mut shift = 7;
    loop {
        // SAFETY: the last byte of the immediate has its high bit clear, and ends the loop.
        let byte = unsafe { **ip };
        // SAFETY: as above; one past a byte that was read.
        *ip = unsafe { ip.add(1) };
        value |= u32::from(byte & 0x7f).wrapping_shl(shift);
        if byte < 0x80 {
            return value;
        }
        shift += 7;
    }
}

/// Reads a signed 64-bit immediate (or 33-bit, or 32-bit) and steps over it.
///
/// # Safety
/// `ip` points to a validated immediate.
#[inline(always)]
pub unsafe fn read_i64(ip: &mut *const u8) -> i64 {
    let mut value = 0i64;
    let mut shift = 0u32;
    loop {
        // SAFETY: by contract; the last byte ends the loop.
        let byte = unsafe { **ip };
        // SAFETY: as above.
        *ip = unsafe { ip.add(1) };
        value |= i64::from(byte & 0x7f).wrapping_shl(shift);
        shift += 7;
        if byte < 0x80 {
            // Sign extension from bit `shift - 1`; nothing is left to extend once all 64 bits are read.
            let unused = 64u32.saturating_sub(shift);
            return value.wrapping_shl(unused).wrapping_shr(unused);
        }
    }
}

/// Steps over an immediate.
///
/// # Safety
/// `ip` points to a validated immediate.
#[inline(always)]
pub unsafe fn skip(ip: &mut *const u8) {
    // SAFETY: by contract; the last byte ends the loop.
    unsafe {
        while **ip >= 0x80 {
            *ip = ip.add(1);
        }
        *ip = ip.add(1);
    }
}
