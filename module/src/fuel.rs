//! What instructions cost where fuel is counted. Compiled code and the interpreter both follow this table, so that the same fuel ends at the same point of
//! a program, with the same rest, in every tier and every mix of them.
//!
//! - Entering a function costs [`ENTRY`], and is charged there; calls and tail calls from anywhere enter their callee alike.
//! - An instruction costs [`Step::cost`]. What straight code costs is charged at once, by the instruction that [settles](Step::settles) it, before that
//!   instruction does anything: whoever runs next (a callee, the host, a handler of exceptions) finds all before it charged. A trap in the middle
//!   of straight code leaves what was not settled uncharged.
//! - Bulk operations of memories and tables also cost one for each byte or element, charged before they look at anything.
//! - A guest traps with [`OutOfFuel`](crate::TrapCode::OutOfFuel) where nothing is left behind the charge of a function's entry or a bulk operation, or at
//!   a loop's header, entered from above or by a branch. So straight code may overdraw, by no more than its length.
//!
//! The costs are those of wasmtime.

/// What entering a function costs.
pub const ENTRY: i64 = 1;

/// How an instruction counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    pub cost: u8,
    /// Whether straight code ends with it, so that all since it began, this instruction included, is charged: control may leave there or come from elsewhere.
    pub settles: bool,
}

/// By the first byte of an instruction.
pub const STEPS: [Step; 256] = {
    let mut steps = [Step { cost: 1, settles: false }; 256];
    let mut opcode = 0;
    while opcode < 256 {
        steps[opcode] = step(opcode as u8);
        opcode += 1;
    }
    steps
};

const fn step(opcode: u8) -> Step {
    // unreachable, nop, block, loop, else, end, return, drop.
    let structural = matches!(opcode, 0x00..=0x03 | 0x05 | 0x0b | 0x0f | 0x1a);
    // unreachable; loop, if, else; throw, throw_ref; end; branches, return, calls; branches on null; bulk operations.
    let settles = matches!(opcode, 0x00 | 0x03..=0x05 | 0x08 | 0x0a..=0x15 | 0xd5 | 0xd6 | 0xfc);
    Step { cost: !structural as u8, settles }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_is_free_and_control_settles() {
        let listed = |of: fn(&Step) -> bool| (0..=255u8).filter(|&opcode| of(&STEPS[opcode as usize])).collect::<Vec<_>>();
        assert_eq!(listed(|step| step.cost == 0), [0x00, 0x01, 0x02, 0x03, 0x05, 0x0b, 0x0f, 0x1a]);
        let settling =
            [0x00, 0x03, 0x04, 0x05, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0xd5, 0xd6, 0xfc];
        assert_eq!(listed(|step| step.settles), settling);
        assert!(STEPS.iter().all(|step| step.cost <= 1));
    }
}
