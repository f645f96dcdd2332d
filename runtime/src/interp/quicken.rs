//! Quickening: a copy of the code in which frequent sequences of instructions begin with an opcode of their own.
//!
//! The copy belongs to an instance ([`copies`](super::copies)). Of a sequence in [`SEQUENCES`] only the first byte changes, so that positions, side table and immediates are those of the original, and any
//! instruction in the middle can still be entered by itself (of a run of blocks the first block type changes, too, and [`join_immediates`] sets bits). No sequence spans the target of a branch or a call: the handler goes from the first
//! instruction to the last.
//!
//! Invariant: the interpreter, when it neither records nor counts fuel, runs quickened functions only. There `end` never ends a function: returns have opcodes
//! by their number of results.

use super::fused::{BLOCKS, RETURN_MANY, RETURN_NONE, RETURN_ONE, SEQUENCES, Sequence};
use super::length::{NAMES_MEMORY, instruction_len, is_reference_prefix};
use trjit_module::Module;
use trjit_module::flat::MemoryRecord;

/// An element of a sequence's pattern.
#[derive(Clone, Copy)]
pub enum Part {
    /// This opcode, without immediates.
    Op(u8),
    /// This opcode with an immediate of one byte.
    Short(u8),
    /// This load or store, alignment and offset in a byte each.
    Memory(u8),
}

impl Part {
    const fn opcode(self) -> u8 {
        match self {
            Part::Op(opcode) | Part::Short(opcode) | Part::Memory(opcode) => opcode,
        }
    }

    /// Length in bytes.
    const fn len(self) -> usize {
        match self {
            Part::Op(_) => 1,
            Part::Short(_) => 2,
            Part::Memory(_) => 3,
        }
    }
}

/// Whether loads and stores can look at nothing but memory 0 with 32-bit addresses.
pub(crate) fn has_simple_memory(module: &Module) -> bool {
    module.memories().len() <= 1 && module.memories().iter().all(|memory| memory.flags & MemoryRecord::MEMORY64 == 0)
}

/// Writes the instructions of a function, which has so many results, to a copy of the same length. `simple_memory`: see [`has_simple_memory`]; loads and
/// stores of other modules are left as they are.
pub(super) fn quicken(original: &[u8], copy: &mut [u8], results: u32, simple_memory: bool) {
    copy.copy_from_slice(original);
    let returns = match results {
        0 => RETURN_NONE,
        1 => RETURN_ONE,
        _ => RETURN_MANY,
    };
    let mut at = 0;
    while at < original.len() {
        let opcode = original[at];
        let (first, last) = CANDIDATES[opcode as usize];
        let rest = &original[at..];
        let mut sequences = SEQUENCES[first as usize..last as usize].iter().filter(|sequence| simple_memory || !sequence.has_memory());
        at += match sequences.find_map(|sequence| length(sequence, rest).map(|len| (sequence, len))) {
            Some((sequence, len)) => {
                copy[at] = sequence.opcode;
                len
            }
            None => {
                let blocks = block_run(rest);
                if blocks > 1 {
                    copy[at] = BLOCKS;
                    copy[at + 1] = blocks as u8;
                    at += 2 * blocks;
                    continue;
                }
                if opcode == 0x0f {
                    copy[at] = returns;
                }
                if simple_memory || !matches!(opcode, 0x28..=0x3e) {
                    join_immediates(&mut copy[at..]);
                }
                instruction_len(rest)
            }
        };
    }
    copy[original.len() - 1] = returns;
}

/// By a first opcode: the range of [`SEQUENCES`] that begin with it.
const CANDIDATES: [(u8, u8); 256] = {
    let mut ranges = [(0, 0); 256];
    let mut at = 0;
    while at < SEQUENCES.len() {
        let opcode = SEQUENCES[at].parts[0].opcode() as usize;
        if ranges[opcode].1 == 0 {
            ranges[opcode].0 = at as u8;
        } else {
            assert!(ranges[opcode].1 as usize == at, "sequences with the same first opcode stand together");
        }
        at += 1;
        ranges[opcode].1 = at as u8;
    }
    ranges
};

/// How many `block` and `loop` with a block type of one byte `code` begins with, at most 255. Compiled switches have one block for each
/// case; in a loop they are all entered again in each iteration.
fn block_run(code: &[u8]) -> usize {
    code.chunks_exact(2)
        .take(255)
        .take_while(|block| matches!(block[0], 0x02 | 0x03) && block[1] < 0x80 && !is_reference_prefix(block[1]))
        .count()
}

/// The sequence's length in bytes, where `code` begins with it.
fn length(sequence: &Sequence, code: &[u8]) -> Option<usize> {
    let mut at = 0;
    for part in sequence.parts {
        let bytes = code.get(at..at + part.len())?;
        let names_memory = matches!(part, Part::Memory(_)) && u32::from(bytes[1]) & NAMES_MEMORY != 0;
        if bytes[0] != part.opcode() || names_memory || bytes[1..].iter().any(|&byte| byte >= 0x80) {
            return None;
        }
        at += part.len();
    }
    Some(at)
}

/// Lets immediates of two numbers, which handlers take for one, be one: the last byte of the first number gets the bit that makes it go on with the second.
/// So written, a reference type is as one of a byte, and an alignment with the index of the only memory as one without.
fn join_immediates(copy: &mut [u8]) {
    let last_of = |copy: &[u8], from: usize| from + copy[from..].iter().position(|byte| byte & 0x80 == 0).unwrap_or(0);
    match copy[0] {
        0x02..=0x04 if is_reference_prefix(copy[1]) => copy[1] |= 0x80,
        0x1c => {
            // Validation lets `select` have one type only.
            let ty = last_of(copy, 1) + 1;
            if is_reference_prefix(copy[ty]) {
                copy[ty] |= 0x80;
            }
        }
        0x28..=0x3e => {
            let last = last_of(copy, 1);
            if u32::from(copy[1]) & NAMES_MEMORY != 0 {
                copy[last] |= 0x80;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quickened(original: &[u8], results: u32) -> Vec<u8> {
        let mut copy = vec![0; original.len()];
        quicken(original, &mut copy, results, true);
        copy
    }

    #[test]
    fn only_first_bytes_change() {
        // local.get 0, local.get 1, i32.add, local.set 2, end
        let original = [0x20, 0, 0x20, 1, 0x6a, 0x21, 2, 0x0b];
        let copy = quickened(&original, 0);
        let changed: Vec<usize> = (0..original.len()).filter(|&at| original[at] != copy[at]).collect();
        assert_eq!(changed.first(), Some(&0), "{copy:x?}");
        assert!(changed.iter().all(|&at| [0, 2, 4, 5, 7].contains(&at)), "{copy:x?}");
        assert_eq!(copy[7], RETURN_NONE);
    }

    #[test]
    fn long_immediates_are_left_alone() {
        // local.get 128, local.get 300, drop, drop, i32.const 64 (two bytes, as -64 would need one), i32.add, end
        let original = [0x20, 0x80, 1, 0x20, 0xac, 2, 0x1a, 0x1a, 0x41, 0xc0, 0, 0x6a, 0x0b];
        let copy = quickened(&original, 1);
        assert_eq!(copy[..12], original[..12]);
        assert_eq!(copy[12], RETURN_ONE);
    }

    #[test]
    fn runs_of_blocks_are_one_instruction() {
        // block, loop, block (result i32), block (type 200), end x4
        let original = [2, 0x40, 3, 0x40, 2, 0x7f, 2, 0xc8, 1, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b];
        let copy = quickened(&original, 0);
        assert_eq!(copy[..2], [BLOCKS, 3]);
        assert_eq!(copy[2..13], original[2..13]);
    }

    #[test]
    fn immediates_are_not_taken_for_opcodes() {
        // i64.const with bytes like opcodes; f64.const; br_table [0x20 0x20] 0x20; memory.copy; return; end
        let original =
            [0x42, 0xa0, 0x20, 0x44, 0x20, 0, 0x20, 1, 0x6a, 0x21, 2, 0x0f, 0x0e, 2, 0x20, 0x20, 0x20, 0xfc, 10, 0, 0, 0x0f, 0x0b];
        let copy = quickened(&original, 2);
        assert_eq!(copy[..21], original[..21]);
        assert_eq!(copy[21..], [RETURN_MANY, RETURN_MANY]);
    }

    #[test]
    fn immediates_of_two_numbers_become_one() {
        // block (result (ref 1)); i32.load of memory 0, named, offset 5; end x2
        let original = [0x02, 0x64, 1, 0x28, 0x42, 0, 5, 0x0b, 0x0b];
        let copy = quickened(&original, 2);
        assert_eq!(copy[..7], [0x02, 0xe4, 1, 0x28, 0xc2, 0, 5]);
    }

    #[test]
    fn sequences_with_memory_need_a_simple_one() {
        // local.get 0, i32.load offset=4, end
        let original = [0x20, 0, 0x28, 2, 4, 0x0b];
        let mut copy = [0; 6];
        quicken(&original, &mut copy, 2, false);
        assert_eq!(copy[..5], original[..5]);
        quicken(&original, &mut copy, 2, true);
        assert_ne!(copy[0], original[0]);
    }

    #[test]
    fn opcodes_of_sequences_are_free_and_distinct() {
        let mut seen = [false; 256];
        for opcode in SEQUENCES.iter().map(|sequence| sequence.opcode).chain([BLOCKS, RETURN_NONE, RETURN_ONE, RETURN_MANY]) {
            assert!(!std::mem::replace(&mut seen[opcode as usize], true), "{opcode:#x} is used twice");
            let wasm = matches!(opcode, 0..=0x05 | 0x08 | 0x0a..=0x15 | 0x1a..=0x1c | 0x1f..=0x26 | 0x28..=0xc4 | 0xd0..=0xd2 | 0xd4..=0xd6 | 0xfc..=0xfe);
            assert!(!wasm, "{opcode:#x} is an opcode of WebAssembly");
        }
    }
}
