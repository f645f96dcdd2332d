//! The lengths of instructions, for the pass over a body that [quickens](super::quicken) it.

/// Reads along the immediates of validated code.
struct Cursor<'a> {
    code: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> u8 {
        let byte = self.code[self.at];
        self.at += 1;
        byte
    }

    /// An immediate in LEB128; its value where it has 32 bits at most.
    fn number(&mut self) -> u32 {
        let (mut value, mut shift) = (0u32, 0u32);
        loop {
            let byte = self.byte();
            value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn numbers(&mut self, count: u32) {
        for _ in 0..count {
            self.number();
        }
    }

    /// A value type or block type: a number, or a reference's prefix and its heap type.
    fn ty(&mut self) {
        if is_reference_prefix(self.code[self.at]) {
            self.at += 1;
        }
        self.number();
    }

    /// Alignment, memory index where the alignment says so, offset.
    fn memarg(&mut self) {
        let align = self.number();
        self.numbers(1 + u32::from(align & NAMES_MEMORY != 0));
    }
}

/// Bit of an alignment: a memory index follows.
pub const NAMES_MEMORY: u32 = 0x40;

/// Whether a value type with this first byte goes on with a heap type.
pub const fn is_reference_prefix(byte: u8) -> bool {
    byte == 0x63 || byte == 0x64
}

/// Length in bytes of the instruction that validated `code` begins with.
pub fn instruction_len(code: &[u8]) -> usize {
    let mut cursor = Cursor { code, at: 1 };
    match code[0] {
        0x02..=0x04 => cursor.ty(),
        0x08 | 0x0c | 0x0d | 0x10 | 0x12 | 0x14 | 0x15 | 0x20..=0x26 | 0x3f..=0x42 | 0xd0 | 0xd2 | 0xd5 | 0xd6 => cursor.numbers(1),
        0x11 | 0x13 => cursor.numbers(2),
        0x0e => {
            let labels = cursor.number();
            cursor.numbers(labels);
            cursor.number();
        }
        0x1c => (0..cursor.number()).for_each(|_| cursor.ty()),
        0x1f => try_table(&mut cursor),
        0x28..=0x3e => cursor.memarg(),
        0x43 => cursor.at += 4,
        0x44 => cursor.at += 8,
        0xfc => match cursor.number() {
            0..=7 => {}
            9 | 11 | 13 | 15..=17 => cursor.numbers(1),
            _ => cursor.numbers(2),
        },
        0xfd => simd(&mut cursor),
        0xfe => match cursor.number() {
            3 => cursor.at += 1,
            _ => cursor.memarg(),
        },
        _ => {}
    }
    cursor.at
}

fn try_table(cursor: &mut Cursor<'_>) {
    cursor.ty();
    for _ in 0..cursor.number() {
        let has_tag = cursor.byte() < 2;
        cursor.numbers(1 + u32::from(has_tag));
    }
}

fn simd(cursor: &mut Cursor<'_>) {
    match cursor.number() {
        0..=11 | 92 | 93 => cursor.memarg(),
        12 | 13 => cursor.at += 16,
        21..=34 => cursor.at += 1,
        84..=91 => {
            cursor.memarg();
            cursor.at += 1;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_instructions_of_proposals() {
        let cases: &[&[u8]] = &[
            &[0x02, 0x64, 0x80, 0x01],                                           // block (result (ref 128))
            &[0x1c, 2, 0x63, 0x70, 0x7f],                                        // select (ref null func) i32
            &[0x1f, 0x40, 3, 0, 5, 1, 1, 5, 1, 3, 0],                            // try_table with catch, catch_ref, catch_all_ref
            &[0x28, 0x42, 1, 0x80, 0x80, 0x80, 0x80, 0x10],                      // i32.load of memory 1 at a 64-bit offset
            &[0xfd, 0x0c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], // v128.const
            &[0xfd, 0x54, 0x40, 1, 0, 7],                                        // v128.load8_lane of memory 1
            &[0xfd, 0x15, 3],                                                    // i8x16.extract_lane_s
            &[0xfd, 0x81, 0x02],                                                 // f32x4.add
            &[0xfe, 0x03, 0],                                                    // atomic.fence
            &[0xfe, 0x1e, 2, 0],                                                 // i32.atomic.rmw.add
            &[0x13, 1, 2],                                                       // return_call_indirect
        ];
        for case in cases {
            let followed = [case, &[0x0b][..]].concat();
            assert_eq!(instruction_len(&followed), case.len(), "{case:x?}");
        }
    }
}
