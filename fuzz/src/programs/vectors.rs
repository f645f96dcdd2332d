//! Expressions of vectors. Lanes with computed NaNs become canonical at once, so that the bits of a vector are always defined.

use super::body::Body;
use super::vector_ops::{self as ops, Nan, OfLane};
use wasm_encoder::{Instruction, ValType};

impl Body<'_> {
    /// A vector that is no leaf.
    pub(super) fn vector(&mut self, depth: u32) {
        match self.rng.below(16) {
            0..=4 => {
                self.two(depth);
                self.vector_binary();
            }
            5 => {
                self.vectors(1, depth);
                let instruction = self.rng.pick(ops::UNARY).clone();
                self.emit(instruction);
            }
            6 => {
                self.vectors(1, depth);
                let chosen = self.rng.pick(ops::FLOAT_UNARY).clone();
                self.emit_canonical(chosen);
            }
            7 => {
                self.vectors(1, depth);
                self.expression(ValType::I32, depth + 1);
                let instruction = self.rng.pick(ops::SHIFTS).clone();
                self.emit(instruction);
            }
            8 | 9 => {
                let at = self.address(depth);
                let instruction = self.rng.pick(ops::LOADS)(at);
                self.emit(instruction);
            }
            10 => self.load_lane(depth),
            11 => {
                let (ty, instruction) = self.rng.pick(ops::SPLATS).clone();
                self.canonical(ty, depth + 1);
                self.emit(instruction);
            }
            12 => self.replace_lane(depth),
            13 => {
                self.vectors(3, depth);
                self.emit(Instruction::V128Bitselect);
            }
            14 => {
                self.two(depth);
                let lanes = std::array::from_fn(|_| self.rng.below(32) as u8);
                self.emit(Instruction::I8x16Shuffle(lanes));
            }
            _ if self.plan.language.relaxed => self.relaxed(depth),
            _ => self.leaf(ValType::V128),
        }
    }

    fn vectors(&mut self, count: u32, depth: u32) {
        (0..count).for_each(|_| self.expression(ValType::V128, depth + 1));
    }

    /// Two operands, sometimes the same, or zeros of any signs.
    fn two(&mut self, depth: u32) {
        if self.rng.one_in(12) {
            for _ in 0..2 {
                let zeros = [0, 0x8000_0000_8000_0000_8000_0000_8000_0000, 0x8000_0000_0000_0000_8000_0000_0000_0000, 1 << 63];
                let zero: u128 = *self.rng.pick(&zeros);
                self.emit(Instruction::V128Const(zero as i128));
            }
            return;
        }
        self.vectors(1, depth);
        if self.rng.one_in(6) {
            let scratch = self.scratch_of(ValType::V128);
            self.emit(Instruction::LocalTee(scratch));
            return self.emit(Instruction::LocalGet(scratch));
        }
        self.vectors(1, depth);
    }

    /// One vector of the two on the stack.
    pub(super) fn vector_binary(&mut self) {
        if self.rng.one_in(4) {
            let chosen = self.rng.pick(ops::FLOAT_BINARY).clone();
            return self.emit_canonical(chosen);
        }
        let instruction = self.rng.pick(ops::BINARY).clone();
        self.emit(instruction);
    }

    /// An instruction and the canonical NaNs behind it.
    fn emit_canonical(&mut self, (instruction, lanes): (Instruction<'static>, Nan)) {
        let (nan, equal) = match lanes {
            Nan::F32 => (0x7fc0_0000_7fc0_0000_7fc0_0000_7fc0_0000, Instruction::F32x4Eq),
            Nan::F64 => (0x7ff8_0000_0000_0000_7ff8_0000_0000_0000, Instruction::F64x2Eq),
        };
        // No visible local: nobody else may see what is not canonical yet.
        let scratch = self.raw_vector.unwrap_or_else(|| self.hidden_local(ValType::V128));
        self.raw_vector = Some(scratch);
        self.emit(instruction);
        self.emit(Instruction::LocalTee(scratch));
        self.emit(Instruction::V128Const(nan));
        self.emit(Instruction::LocalGet(scratch));
        self.emit(Instruction::LocalGet(scratch));
        self.emit(equal);
        self.emit(Instruction::V128Bitselect);
    }

    fn relaxed(&mut self, depth: u32) {
        match self.rng.below(5) {
            0 => {
                self.two(depth);
                let instruction = self.rng.pick(ops::RELAXED_BINARY).clone();
                self.emit(instruction);
            }
            1 => {
                self.two(depth);
                let chosen = self.rng.pick(ops::RELAXED_FLOAT_BINARY).clone();
                self.emit_canonical(chosen);
            }
            2 => {
                self.vectors(1, depth);
                let instruction = self.rng.pick(ops::RELAXED_UNARY).clone();
                self.emit(instruction);
            }
            3 => {
                self.vectors(3, depth);
                let instruction = self.rng.pick(ops::RELAXED_TERNARY).clone();
                self.emit(instruction);
            }
            _ => {
                self.vectors(3, depth);
                let chosen = self.rng.pick(ops::RELAXED_FLOAT_TERNARY).clone();
                self.emit_canonical(chosen);
            }
        }
    }

    fn of_lane(&mut self, (lanes, instruction): OfLane) {
        let lane = self.rng.below(lanes.into()) as u8;
        self.emit(instruction(lane));
    }

    /// A number of a vector: one of its lanes, or what can be asked of all of them.
    pub(super) fn lane(&mut self, ty: ValType, depth: u32) {
        self.vectors(1, depth);
        if ty == ValType::I32 && self.rng.one_in(2) {
            let instruction = self.rng.pick(ops::TESTS).clone();
            return self.emit(instruction);
        }
        let chosen = *self.rng.pick(ops::extract(ty));
        self.of_lane(chosen);
    }

    fn replace_lane(&mut self, depth: u32) {
        let (ty, chosen) = *self.rng.pick(ops::REPLACE);
        self.vectors(1, depth);
        self.canonical(ty, depth + 1);
        self.of_lane(chosen);
    }

    fn load_lane(&mut self, depth: u32) {
        let memarg = self.address(depth);
        self.vectors(1, depth);
        let size = self.rng.below(4);
        let lane = self.rng.below(16 >> size) as u8;
        self.emit(match size {
            0 => Instruction::V128Load8Lane { memarg, lane },
            1 => Instruction::V128Load16Lane { memarg, lane },
            2 => Instruction::V128Load32Lane { memarg, lane },
            _ => Instruction::V128Load64Lane { memarg, lane },
        });
    }

    pub(super) fn store_lane(&mut self) {
        let memarg = self.address(0);
        self.vectors(1, 0);
        let size = self.rng.below(4);
        let lane = self.rng.below(16 >> size) as u8;
        self.emit(match size {
            0 => Instruction::V128Store8Lane { memarg, lane },
            1 => Instruction::V128Store16Lane { memarg, lane },
            2 => Instruction::V128Store32Lane { memarg, lane },
            _ => Instruction::V128Store64Lane { memarg, lane },
        });
    }
}
