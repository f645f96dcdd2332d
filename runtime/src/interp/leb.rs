//! Immediates in LEB128. Validation has proved that they are complete and in range.
//!
//! All readers are inlined into handlers and unrolled: shifts by constants need no register of their own, so that a handler with an immediate has no
//! prologue. One byte, the common case, comes first.

/// Reads an unsigned 32-bit immediate and steps over it.
///
/// # Safety
/// `ip` points to a validated immediate.
#[inline(always)]
pub unsafe fn read_u32(ip: &mut *const u8) -> u32 {
    // SAFETY: by contract; the immediate ends with the first byte whose high bit is clear, the fifth at the latest.
    unsafe {
        let at = *ip;
        let mut value = u32::from(*at);
        if value < 0x80 {
            *ip = at.add(1);
            return value;
        }
        value &= 0x7f;
        macro_rules! next {
            ($($byte:literal),*) => {$(
                let byte = u32::from(*at.add($byte));
                value |= (byte & 0x7f) << (7 * $byte);
                if byte < 0x80 {
                    *ip = at.add($byte + 1);
                    return value;
                }
            )*};
        }
        next!(1, 2, 3);
        *ip = at.add(5);
        value | u32::from(*at.add(4)) << 28
    }
}

/// Reads an unsigned 64-bit immediate and steps over it; for outlined functions.
///
/// # Safety
/// `ip` points to a validated immediate.
#[inline]
pub unsafe fn read_u64(ip: &mut *const u8) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        // SAFETY: by contract; the last byte ends the loop.
        let byte = unsafe { **ip };
        // SAFETY: as above.
        *ip = unsafe { ip.add(1) };
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

/// Defines a reader of signed immediates of up to `$last + 1` bytes.
macro_rules! signed {
    ($(#[$meta:meta])* $name:ident: $ty:ty, $($byte:literal)*, $last:literal) => {
        $(#[$meta])*
        ///
        /// # Safety
        /// `ip` points to a validated immediate.
        #[inline(always)]
        pub unsafe fn $name(ip: &mut *const u8) -> $ty {
            // SAFETY: by contract; the immediate ends with the first byte whose high bit is clear.
            unsafe {
                let at = *ip;
                let first = *at;
                if first < 0x80 {
                    *ip = at.add(1);
                    return <$ty>::from(small(first));
                }
                let mut value = <$ty>::from(first & 0x7f);
                $(
                    let byte = *at.add($byte);
                    value |= <$ty>::from(byte & 0x7f) << (7 * $byte);
                    if byte < 0x80 {
                        *ip = at.add($byte + 1);
                        let unused = <$ty>::BITS - 7 * ($byte + 1);
                        return (value << unused) >> unused;
                    }
                )*
                *ip = at.add($last + 1);
                value | <$ty>::from(*at.add($last)) << (7 * $last)
            }
        }
    };
}

signed! {
    /// Reads a signed 32-bit immediate and steps over it.
    read_i32: i32, 1 2 3, 4
}
signed! {
    /// Reads a signed 64-bit immediate and steps over it.
    read_i64: i64, 1 2 3 4 5 6 7 8, 9
}

/// The value of a signed immediate of one byte.
#[inline(always)]
pub fn small(byte: u8) -> i8 {
    ((byte << 1) as i8) >> 1
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
