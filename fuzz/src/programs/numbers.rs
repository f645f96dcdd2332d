//! Expressions of number types, constants of all types, and the canonical NaNs.

use super::body::Body;
use super::ops;
use crate::value::Value;
use wasm_encoder::{Instruction, ValType};

impl Body<'_> {
    /// An expression of a number type that is no leaf.
    pub(super) fn number(&mut self, ty: ValType, depth: u32) {
        let integer = matches!(ty, ValType::I32 | ValType::I64);
        let lanes = self.plan.language.vectors;
        match self.rng.below(13) {
            0..=4 => {
                self.expression(ty, depth + 1);
                self.expression(ty, depth + 1);
                self.number_binary(ty);
            }
            5..=7 => {
                let (from, instruction) = self.rng.pick(ops::unary(ty)).clone();
                self.expression(from, depth + 1);
                self.emit(instruction);
            }
            8 if lanes && self.rng.one_in(2) => self.lane(ty, depth),
            8 if ty == ValType::I32 && self.rng.one_in(2) => self.compare(depth),
            8 if ty == ValType::I32 && self.plan.values.iter().any(|ty| matches!(ty, ValType::Ref(_))) => self.is_null(depth),
            9 | 10 if integer && self.plan.language.atomics => self.atomic(ty, depth),
            8 | 9 if integer => self.divide(ty, depth),
            8 | 9 => self.copy_sign(ty, depth),
            10 | 11 => self.load(ty, depth),
            _ => self.reinterpret(ty, depth),
        }
    }

    pub(super) fn number_binary(&mut self, ty: ValType) {
        let instruction = self.rng.pick(ops::binary(ty)).clone();
        self.emit(instruction);
    }

    /// Where a decision is made: mostly a comparison.
    pub(super) fn condition(&mut self, depth: u32) {
        match self.rng.below(6) {
            0 => self.expression(ValType::I32, depth),
            1 => {
                let (ty, test) = match self.rng.one_in(2) {
                    true => (ValType::I32, Instruction::I32Eqz),
                    false => (ValType::I64, Instruction::I64Eqz),
                };
                self.near(ty, depth);
                self.emit(test);
            }
            _ => self.compare(depth),
        }
    }

    fn compare(&mut self, depth: u32) {
        let of = *self.rng.pick(ops::NUMBERS);
        self.near(of, depth);
        if self.rng.one_in(4) {
            let same = self.local_of(of);
            self.emit(Instruction::LocalTee(same));
            self.emit(Instruction::LocalGet(same));
        } else {
            self.near(of, depth);
        }
        let instruction = self.rng.pick(ops::compare(of)).clone();
        self.emit(instruction);
    }

    /// An operand of a comparison: often a local or a constant, as compilers order them, and often equal to another one.
    fn near(&mut self, ty: ValType, depth: u32) {
        if self.rng.one_in(2) {
            return self.leaf(ty);
        }
        self.expression(ty, depth + 1);
        if self.rng.one_in(2) {
            return;
        }
        match ty {
            ValType::I32 => {
                self.emit(Instruction::I32Const(3));
                self.emit(Instruction::I32And);
            }
            ValType::I64 => {
                self.emit(Instruction::I64Const(3));
                self.emit(Instruction::I64And);
            }
            ValType::F32 => self.emit(Instruction::F32Nearest),
            _ => self.emit(Instruction::F64Nearest),
        }
    }

    /// An expression whose NaN is the canonical one.
    pub(super) fn canonical(&mut self, ty: ValType, depth: u32) {
        self.expression(ty, depth);
        let (nan, equal) = match ty {
            ValType::F32 => (Instruction::F32Const(f32::NAN.into()), Instruction::F32Eq),
            ValType::F64 => (Instruction::F64Const(f64::NAN.into()), Instruction::F64Eq),
            _ => return,
        };
        let scratch = self.scratch_of(ty);
        self.emit(Instruction::LocalTee(scratch));
        self.emit(nan);
        self.emit(Instruction::LocalGet(scratch));
        self.emit(Instruction::LocalGet(scratch));
        self.emit(equal);
        self.emit(Instruction::Select);
    }

    pub(super) fn constant(&mut self, ty: ValType) {
        let of = match ty {
            ValType::I32 => trjit_module::ValType::I32,
            ValType::I64 => trjit_module::ValType::I64,
            ValType::F32 => trjit_module::ValType::F32,
            ValType::F64 => trjit_module::ValType::F64,
            ValType::V128 => trjit_module::ValType::V128,
            ValType::Ref(ty) => return self.emit(Instruction::RefNull(ty.heap_type)),
        };
        let value = Value::arbitrary(of, self.rng);
        self.emit(match value {
            Value::I64(value) => Instruction::I64Const(value),
            Value::F32(bits) => Instruction::F32Const(f32::from_bits(bits).into()),
            Value::F64(bits) => Instruction::F64Const(f64::from_bits(bits).into()),
            Value::V128(lanes) => Instruction::V128Const(lanes as i128),
            other => Instruction::I32Const(other.bits() as i32),
        });
    }

    fn divide(&mut self, ty: ValType, depth: u32) {
        self.expression(ty, depth + 1);
        if self.rng.one_in(8) {
            let (from, instruction) = self.rng.pick(ops::truncate(ty)).clone();
            self.expression(from, depth + 1);
            self.emit(instruction);
        } else {
            self.expression(ty, depth + 1);
        }
        if !self.rng.one_in(6) {
            let (one, or) = match ty {
                ValType::I64 => (Instruction::I64Const(1), Instruction::I64Or),
                _ => (Instruction::I32Const(1), Instruction::I32Or),
            };
            self.emit(one);
            self.emit(or);
        }
        let instruction = self.rng.pick(ops::divide(ty)).clone();
        self.emit(instruction);
    }

    fn copy_sign(&mut self, ty: ValType, depth: u32) {
        self.canonical(ty, depth + 1);
        self.canonical(ty, depth + 1);
        self.emit(if ty == ValType::F32 { Instruction::F32Copysign } else { Instruction::F64Copysign });
    }

    fn reinterpret(&mut self, ty: ValType, depth: u32) {
        match ty {
            ValType::I32 => {
                self.canonical(ValType::F32, depth + 1);
                self.emit(Instruction::I32ReinterpretF32);
            }
            ValType::I64 => {
                self.canonical(ValType::F64, depth + 1);
                self.emit(Instruction::I64ReinterpretF64);
            }
            _ => self.leaf(ty),
        }
    }
}
