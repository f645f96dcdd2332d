//! Atomic instructions, as one thread sees them.

use super::body::Body;
use super::memory::AtAddress;
use wasm_encoder::{Instruction, Ordering, ValType};

/// Accesses of `1 << .0` bytes.
type Sized = (u32, AtAddress);

const LOADS_32: &[Sized] = &[(2, Instruction::I32AtomicLoad), (0, Instruction::I32AtomicLoad8U), (1, Instruction::I32AtomicLoad16U)];

const LOADS_64: &[Sized] = &[
    (3, Instruction::I64AtomicLoad),
    (0, Instruction::I64AtomicLoad8U),
    (1, Instruction::I64AtomicLoad16U),
    (2, Instruction::I64AtomicLoad32U),
];

const STORES_32: &[Sized] = &[(2, Instruction::I32AtomicStore), (0, Instruction::I32AtomicStore8), (1, Instruction::I32AtomicStore16)];

const STORES_64: &[Sized] = &[
    (3, Instruction::I64AtomicStore),
    (0, Instruction::I64AtomicStore8),
    (1, Instruction::I64AtomicStore16),
    (2, Instruction::I64AtomicStore32),
];

const CHANGES_32: &[Sized] = &[
    (2, Instruction::I32AtomicRmwAdd),
    (0, Instruction::I32AtomicRmw8AddU),
    (1, Instruction::I32AtomicRmw16AddU),
    (2, Instruction::I32AtomicRmwSub),
    (0, Instruction::I32AtomicRmw8SubU),
    (1, Instruction::I32AtomicRmw16SubU),
    (2, Instruction::I32AtomicRmwAnd),
    (0, Instruction::I32AtomicRmw8AndU),
    (1, Instruction::I32AtomicRmw16AndU),
    (2, Instruction::I32AtomicRmwOr),
    (0, Instruction::I32AtomicRmw8OrU),
    (1, Instruction::I32AtomicRmw16OrU),
    (2, Instruction::I32AtomicRmwXor),
    (0, Instruction::I32AtomicRmw8XorU),
    (1, Instruction::I32AtomicRmw16XorU),
    (2, Instruction::I32AtomicRmwXchg),
    (0, Instruction::I32AtomicRmw8XchgU),
    (1, Instruction::I32AtomicRmw16XchgU),
];

const CHANGES_64: &[Sized] = &[
    (3, Instruction::I64AtomicRmwAdd),
    (0, Instruction::I64AtomicRmw8AddU),
    (1, Instruction::I64AtomicRmw16AddU),
    (2, Instruction::I64AtomicRmw32AddU),
    (3, Instruction::I64AtomicRmwSub),
    (0, Instruction::I64AtomicRmw8SubU),
    (1, Instruction::I64AtomicRmw16SubU),
    (2, Instruction::I64AtomicRmw32SubU),
    (3, Instruction::I64AtomicRmwAnd),
    (0, Instruction::I64AtomicRmw8AndU),
    (1, Instruction::I64AtomicRmw16AndU),
    (2, Instruction::I64AtomicRmw32AndU),
    (3, Instruction::I64AtomicRmwOr),
    (0, Instruction::I64AtomicRmw8OrU),
    (1, Instruction::I64AtomicRmw16OrU),
    (2, Instruction::I64AtomicRmw32OrU),
    (3, Instruction::I64AtomicRmwXor),
    (0, Instruction::I64AtomicRmw8XorU),
    (1, Instruction::I64AtomicRmw16XorU),
    (2, Instruction::I64AtomicRmw32XorU),
    (3, Instruction::I64AtomicRmwXchg),
    (0, Instruction::I64AtomicRmw8XchgU),
    (1, Instruction::I64AtomicRmw16XchgU),
    (2, Instruction::I64AtomicRmw32XchgU),
];

const EXCHANGES_32: &[Sized] =
    &[(2, Instruction::I32AtomicRmwCmpxchg), (0, Instruction::I32AtomicRmw8CmpxchgU), (1, Instruction::I32AtomicRmw16CmpxchgU)];

const EXCHANGES_64: &[Sized] = &[
    (3, Instruction::I64AtomicRmwCmpxchg),
    (0, Instruction::I64AtomicRmw8CmpxchgU),
    (1, Instruction::I64AtomicRmw16CmpxchgU),
    (2, Instruction::I64AtomicRmw32CmpxchgU),
];

impl Body<'_> {
    /// A load, or a change that gives what was there.
    pub(super) fn atomic(&mut self, ty: ValType, depth: u32) {
        let wide = ty == ValType::I64;
        let (choices, operands) = match (self.rng.below(6), wide) {
            (0, false) => (LOADS_32, 0),
            (0, true) => (LOADS_64, 0),
            (1, false) => (EXCHANGES_32, 2),
            (1, true) => (EXCHANGES_64, 2),
            (2, false) if self.rng.one_in(2) => return self.notify(depth),
            (_, false) => (CHANGES_32, 1),
            (_, true) => (CHANGES_64, 1),
        };
        let (align, instruction) = *self.rng.pick(choices);
        let at = self.aligned_address(align, depth);
        for _ in 0..operands {
            self.expression(ty, depth + 1);
        }
        self.emit(instruction(at));
    }

    /// Nobody waits.
    fn notify(&mut self, depth: u32) {
        let at = self.aligned_address(2, depth);
        self.expression(ValType::I32, depth + 1);
        self.emit(Instruction::MemoryAtomicNotify(at));
    }

    pub(super) fn atomic_statement(&mut self) {
        match self.rng.below(12) {
            0 => self.emit(Instruction::AtomicFence(Ordering::SeqCst)),
            1 => self.wait(),
            choice => {
                let (ty, choices) = if choice % 2 == 0 { (ValType::I32, STORES_32) } else { (ValType::I64, STORES_64) };
                let (align, instruction) = *self.rng.pick(choices);
                let at = self.aligned_address(align, 0);
                self.expression(ty, 1);
                self.emit(instruction(at));
            }
        }
    }

    /// A trap: no memory of a program is shared.
    fn wait(&mut self) {
        self.seldom(0xf);
        self.open(Instruction::If(wasm_encoder::BlockType::Empty), &[]);
        let (ty, align, instruction): (_, _, AtAddress) = match self.rng.one_in(2) {
            true => (ValType::I32, 2, Instruction::MemoryAtomicWait32),
            false => (ValType::I64, 3, Instruction::MemoryAtomicWait64),
        };
        let at = self.aligned_address(align, 4);
        self.leaf(ty);
        self.emit(Instruction::I64Const(0));
        self.emit(instruction(at));
        self.emit(Instruction::Drop);
        self.close();
    }
}
