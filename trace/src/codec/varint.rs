//! Numbers of profiles, and of the cache's tables of sites: LEB128 in the shortest form, and the zigzag that makes small numbers of small differences.

/// Appends a number of 1 to 10 bytes.
pub fn push(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number at the start of `bytes` and its length; `None` where it is cut off, not in the shortest form, or above 64 bits.
pub fn parse(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return (byte != 0 || index == 0).then_some((value, index + 1));
        }
    }
    None
}

/// The step from `before` to `value` as a number that is small when they are near, in both directions.
pub fn step(before: u64, value: u64) -> u64 {
    let difference = value.wrapping_sub(before) as i64;
    ((difference << 1) ^ (difference >> 63)) as u64
}

/// Where a step leads.
pub fn after(before: u64, step: u64) -> u64 {
    before.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: [u64; 9] = [0, 1, 127, 128, 16383, 16384, u32::MAX as u64, u64::MAX - 1, u64::MAX];

    #[test]
    fn numbers_and_steps_are_read_again() {
        for value in EDGES {
            let mut bytes = Vec::new();
            push(&mut bytes, value);
            assert_eq!(parse(&bytes), Some((value, bytes.len())));
            assert_eq!(parse(&bytes[..bytes.len() - 1]), None);
            EDGES.iter().for_each(|&before| assert_eq!(after(before, step(before, value)), value));
        }
        assert_eq!((step(5, 4), step(5, 5), step(5, 6)), (1, 0, 2));
    }

    #[test]
    fn one_number_has_one_form() {
        assert_eq!(parse(&[0x80, 0]), None);
        assert_eq!(parse(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]), None);
        assert_eq!(parse(&[0xff; 11]), None);
    }
}
