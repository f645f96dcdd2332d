//! SIMD: 0xfd instructions, relaxed ones included. Where a vector leaves the operand stack for a local, a block or a call it is an `i8x16`
//! (`Translator::pop` sees to that); in between it keeps the type that the last instruction gave it.
//!
//! Relaxed instructions are deterministic and the same in every tier: each does what its strict sibling does; madd rounds twice; dot products are signed times
//! signed and wrap.

use super::Translator;
use crate::fault::{Fault, Res};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::immediates::V128Imm;
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Opcode, Type, Value, types::*};
use cranelift_frontend::FuncInstBuilder;
use trjit_code::CpuFeature;
use wasmparser::{MemArg, Operator as Op};

/// An instruction of Cranelift with one, two operands.
type Make1 = fn(FuncInstBuilder<'_, '_>, Value) -> Value;
type Make2 = fn(FuncInstBuilder<'_, '_>, Value, Value) -> Value;

impl Translator<'_, '_> {
    /// The same bits as another vector type.
    pub(super) fn as_vector(&mut self, value: Value, ty: Type) -> Value {
        if self.b.func.dfg.value_type(value) == ty {
            return value;
        }
        self.b.ins().bitcast(ty, MemFlagsData::new().with_endianness(Endianness::Little), value)
    }

    fn pop_vector(&mut self, ty: Type) -> Res<Value> {
        let value = self.pop_condition()?;
        Ok(self.as_vector(value, ty))
    }

    /// The two topmost vectors, the lower one first.
    fn pop_vectors(&mut self, ty: Type) -> Res<(Value, Value)> {
        let y = self.pop_vector(ty)?;
        Ok((self.pop_vector(ty)?, y))
    }

    fn vector1(&mut self, ty: Type, make: impl FnOnce(FuncInstBuilder<'_, '_>, Value) -> Value) -> Res<()> {
        let x = self.pop_vector(ty)?;
        let value = make(self.b.ins(), x);
        self.push(value);
        Ok(())
    }

    fn vector2(&mut self, ty: Type, make: impl FnOnce(FuncInstBuilder<'_, '_>, Value, Value) -> Value) -> Res<()> {
        let (x, y) = self.pop_vectors(ty)?;
        let value = make(self.b.ins(), x, y);
        self.push(value);
        Ok(())
    }

    /// Shifts take the count modulo the width of a lane, as Cranelift does.
    fn vector_shift(&mut self, ty: Type, make: Make2) -> Res<()> {
        let count = self.pop()?;
        self.vector1(ty, |i, x| make(i, x, count))
    }

    fn vector_icmp(&mut self, ty: Type, condition: IntCC) -> Res<()> {
        self.vector2(ty, |i, x, y| i.icmp(condition, x, y))
    }

    fn vector_fcmp(&mut self, ty: Type, condition: FloatCC) -> Res<()> {
        self.vector2(ty, |i, x, y| i.fcmp(condition, x, y))
    }

    fn splat(&mut self, ty: Type) -> Res<()> {
        let value = self.pop()?;
        let lane = self.narrow_lane(value, ty);
        let value = self.b.ins().splat(ty, lane);
        self.push(value);
        Ok(())
    }

    /// An i32 as a lane of a narrower type; other scalars are lanes already.
    fn narrow_lane(&mut self, value: Value, ty: Type) -> Value {
        match ty.lane_type() {
            lane @ (I8 | I16) => self.b.ins().ireduce(lane, value),
            _ => value,
        }
    }

    fn extract_lane(&mut self, ty: Type, lane: u8, extend: Option<Make1>) -> Res<()> {
        let vector = self.pop_vector(ty)?;
        let value = self.b.ins().extractlane(vector, lane);
        let value = extend.map_or(value, |extend| extend(self.b.ins(), value));
        self.push(value);
        Ok(())
    }

    fn replace_lane(&mut self, ty: Type, lane: u8) -> Res<()> {
        let value = self.pop()?;
        let vector = self.pop_vector(ty)?;
        let value = self.narrow_lane(value, ty);
        let value = self.b.ins().insertlane(vector, value, lane);
        self.push(value);
        Ok(())
    }

    fn load_splat(&mut self, ty: Type, memarg: &MemArg) -> Res<()> {
        self.load(Opcode::Load, ty.lane_type(), memarg)?;
        self.vector_of_loaded(|i, lane| i.splat(ty, lane))
    }

    fn load_zero(&mut self, ty: Type, memarg: &MemArg) -> Res<()> {
        self.load(Opcode::Load, ty.lane_type(), memarg)?;
        self.vector_of_loaded(|i, lane| i.scalar_to_vector(ty, lane))
    }

    /// Makes a vector of the lane that was just loaded: it may have no wasm type, so nothing else may see it.
    fn vector_of_loaded(&mut self, make: impl FnOnce(FuncInstBuilder<'_, '_>, Value) -> Value) -> Res<()> {
        let lane = self.pop_condition()?;
        let value = make(self.b.ins(), lane);
        self.push(value);
        Ok(())
    }

    fn load_lane(&mut self, ty: Type, lane: u8, memarg: &MemArg) -> Res<()> {
        let vector = self.pop_vector(ty)?;
        self.load(Opcode::Load, ty.lane_type(), memarg)?;
        self.vector_of_loaded(|i, loaded| i.insertlane(vector, loaded, lane))
    }

    fn store_lane(&mut self, ty: Type, lane: u8, memarg: &MemArg) -> Res<()> {
        let vector = self.pop_vector(ty)?;
        let value = self.b.ins().extractlane(vector, lane);
        self.store_value(Opcode::Store, value, memarg)
    }

    fn constant_vector(&mut self, ty: Type, bytes: [u8; 16]) -> Value {
        let constant = self.b.func.dfg.constants.insert(ConstantData::from(V128Imm(bytes)));
        self.b.ins().vconst(ty, constant)
    }

    pub(super) fn zero_vector(&mut self, ty: Type) -> Value {
        self.constant_vector(ty, [0; 16])
    }

    fn shuffle(&mut self, lanes: [u8; 16]) -> Res<()> {
        let mask = self.b.func.dfg.immediates.push(ConstantData::from(V128Imm(lanes)));
        self.vector2(I8X16, |i, x, y| i.shuffle(x, y, mask))
    }

    /// `v128.bitselect`: bits of the first operand where the third has ones.
    fn bitselect(&mut self, ty: Type) -> Res<()> {
        let mask = self.pop_vector(ty)?;
        self.vector2(ty, |i, x, y| i.bitselect(mask, x, y))
    }

    /// Pseudo-minimum and -maximum: `chosen` when the comparison of the operands in that order holds, else the first operand.
    fn pseudo(&mut self, ty: Type, smaller: bool) -> Res<()> {
        let (x, y) = self.pop_vectors(ty)?;
        let take_y = if smaller { self.b.ins().fcmp(FloatCC::LessThan, y, x) } else { self.b.ins().fcmp(FloatCC::LessThan, x, y) };
        let take_y = self.as_vector(take_y, ty);
        let value = self.b.ins().bitselect(take_y, y, x);
        self.push(value);
        Ok(())
    }

    /// Multiplies halves of vectors, extended by `extend` before.
    fn ext_mul(&mut self, ty: Type, extend: Make1) -> Res<()> {
        let (x, y) = self.pop_vectors(ty)?;
        let x = extend(self.b.ins(), x);
        let y = extend(self.b.ins(), y);
        let value = self.b.ins().imul(x, y);
        self.push(value);
        Ok(())
    }

    fn ext_add_pairwise(&mut self, ty: Type, low: Make1, high: Make1) -> Res<()> {
        let x = self.pop_vector(ty)?;
        let value = self.pairs(x, low, high);
        self.push(value);
        Ok(())
    }

    /// Sums of neighbours, in lanes of twice the width.
    fn pairs(&mut self, x: Value, low: Make1, high: Make1) -> Value {
        let low = low(self.b.ins(), x);
        let high = high(self.b.ins(), x);
        self.b.ins().iadd_pairwise(low, high)
    }

    /// Signed products in lanes of twice the width, neighbours added.
    fn dot(&mut self, ty: Type) -> Res<Value> {
        let (x, y) = self.pop_vectors(ty)?;
        let (x_low, y_low) = (self.b.ins().swiden_low(x), self.b.ins().swiden_low(y));
        let low = self.b.ins().imul(x_low, y_low);
        let (x_high, y_high) = (self.b.ins().swiden_high(x), self.b.ins().swiden_high(y));
        let high = self.b.ins().imul(x_high, y_high);
        Ok(self.b.ins().iadd_pairwise(low, high))
    }

    fn dot_add(&mut self) -> Res<()> {
        let addend = self.pop_vector(I32X4)?;
        let products = self.dot(I8X16)?;
        let sums = self.pairs(products, |i, x| i.swiden_low(x), |i, x| i.swiden_high(x));
        let value = self.b.ins().iadd(sums, addend);
        self.push(value);
        Ok(())
    }

    /// Doubles to i32 lanes, the upper ones zero: Cranelift knows just this sequence, with the zeros as a constant.
    fn trunc_doubles(&mut self, signed: bool) -> Res<()> {
        let x = self.pop_vector(F64X2)?;
        let zero = self.zero_vector(I64X2);
        let value = if signed {
            let wide = self.b.ins().fcvt_to_sint_sat(I64X2, x);
            self.b.ins().snarrow(wide, zero)
        } else {
            let wide = self.b.ins().fcvt_to_uint_sat(I64X2, x);
            self.b.ins().uunarrow(wide, zero)
        };
        self.push(value);
        Ok(())
    }

    fn madd(&mut self, ty: Type, negate: bool) -> Res<()> {
        let addend = self.pop_vector(ty)?;
        let (x, y) = self.pop_vectors(ty)?;
        let product = self.b.ins().fmul(x, y);
        let product = if negate { self.b.ins().fneg(product) } else { product };
        let value = self.b.ins().fadd(product, addend);
        self.push(value);
        Ok(())
    }

    /// Below this Cranelift calls functions of the C library for shuffles and rounding, which no text of ours can reach.
    fn check_simd_level(&self) -> Res<()> {
        let features = self.env.settings.features;
        if features.has(CpuFeature::Ssse3) && features.has(CpuFeature::Sse41) {
            return Ok(());
        }
        Err(Fault::unsupported("SIMD instructions, which need the CPU level x86-64-v2,"))
    }

    /// Translates a SIMD instruction; says whether it is one.
    #[rustfmt::skip]
    pub(super) fn simd(&mut self, operator: &Op<'_>) -> Res<bool> {
        match operator {
            Op::V128Load { memarg } => self.load(Opcode::Load, I8X16, memarg)?,
            Op::V128Store { memarg } => { let value = self.pop()?; self.store_value(Opcode::Store, value, memarg)?; }
            Op::V128Const { value } => { let value = self.constant_vector(I8X16, *value.bytes()); self.push(value); }
            _ => {
                if !self.simd_computation(operator)? {
                    return Ok(false);
                }
                self.check_simd_level()?;
            }
        }
        Ok(true)
    }

    #[rustfmt::skip]
    fn simd_computation(&mut self, operator: &Op<'_>) -> Res<bool> {
        match operator {
            // Memory.
            Op::V128Load8x8S { memarg } => self.load(Opcode::Sload8x8, I16X8, memarg)?,
            Op::V128Load8x8U { memarg } => self.load(Opcode::Uload8x8, I16X8, memarg)?,
            Op::V128Load16x4S { memarg } => self.load(Opcode::Sload16x4, I32X4, memarg)?,
            Op::V128Load16x4U { memarg } => self.load(Opcode::Uload16x4, I32X4, memarg)?,
            Op::V128Load32x2S { memarg } => self.load(Opcode::Sload32x2, I64X2, memarg)?,
            Op::V128Load32x2U { memarg } => self.load(Opcode::Uload32x2, I64X2, memarg)?,
            Op::V128Load8Splat { memarg } => self.load_splat(I8X16, memarg)?,
            Op::V128Load16Splat { memarg } => self.load_splat(I16X8, memarg)?,
            Op::V128Load32Splat { memarg } => self.load_splat(I32X4, memarg)?,
            Op::V128Load64Splat { memarg } => self.load_splat(I64X2, memarg)?,
            Op::V128Load32Zero { memarg } => self.load_zero(I32X4, memarg)?,
            Op::V128Load64Zero { memarg } => self.load_zero(I64X2, memarg)?,
            Op::V128Load8Lane { memarg, lane } => self.load_lane(I8X16, *lane, memarg)?,
            Op::V128Load16Lane { memarg, lane } => self.load_lane(I16X8, *lane, memarg)?,
            Op::V128Load32Lane { memarg, lane } => self.load_lane(I32X4, *lane, memarg)?,
            Op::V128Load64Lane { memarg, lane } => self.load_lane(I64X2, *lane, memarg)?,
            Op::V128Store8Lane { memarg, lane } => self.store_lane(I8X16, *lane, memarg)?,
            Op::V128Store16Lane { memarg, lane } => self.store_lane(I16X8, *lane, memarg)?,
            Op::V128Store32Lane { memarg, lane } => self.store_lane(I32X4, *lane, memarg)?,
            Op::V128Store64Lane { memarg, lane } => self.store_lane(I64X2, *lane, memarg)?,

            // Lanes.
            Op::I8x16Shuffle { lanes } => self.shuffle(*lanes)?,
            Op::I8x16Swizzle | Op::I8x16RelaxedSwizzle => self.vector2(I8X16, |i, x, y| i.swizzle(x, y))?,
            Op::I8x16Splat => self.splat(I8X16)?,
            Op::I16x8Splat => self.splat(I16X8)?,
            Op::I32x4Splat => self.splat(I32X4)?,
            Op::I64x2Splat => self.splat(I64X2)?,
            Op::F32x4Splat => self.splat(F32X4)?,
            Op::F64x2Splat => self.splat(F64X2)?,
            Op::I8x16ExtractLaneS { lane } => self.extract_lane(I8X16, *lane, Some(|i, x| i.sextend(I32, x)))?,
            Op::I8x16ExtractLaneU { lane } => self.extract_lane(I8X16, *lane, Some(|i, x| i.uextend(I32, x)))?,
            Op::I16x8ExtractLaneS { lane } => self.extract_lane(I16X8, *lane, Some(|i, x| i.sextend(I32, x)))?,
            Op::I16x8ExtractLaneU { lane } => self.extract_lane(I16X8, *lane, Some(|i, x| i.uextend(I32, x)))?,
            Op::I32x4ExtractLane { lane } => self.extract_lane(I32X4, *lane, None)?,
            Op::I64x2ExtractLane { lane } => self.extract_lane(I64X2, *lane, None)?,
            Op::F32x4ExtractLane { lane } => self.extract_lane(F32X4, *lane, None)?,
            Op::F64x2ExtractLane { lane } => self.extract_lane(F64X2, *lane, None)?,
            Op::I8x16ReplaceLane { lane } => self.replace_lane(I8X16, *lane)?,
            Op::I16x8ReplaceLane { lane } => self.replace_lane(I16X8, *lane)?,
            Op::I32x4ReplaceLane { lane } => self.replace_lane(I32X4, *lane)?,
            Op::I64x2ReplaceLane { lane } => self.replace_lane(I64X2, *lane)?,
            Op::F32x4ReplaceLane { lane } => self.replace_lane(F32X4, *lane)?,
            Op::F64x2ReplaceLane { lane } => self.replace_lane(F64X2, *lane)?,

            // Comparisons.
            Op::I8x16Eq => self.vector_icmp(I8X16, IntCC::Equal)?,
            Op::I16x8Eq => self.vector_icmp(I16X8, IntCC::Equal)?,
            Op::I32x4Eq => self.vector_icmp(I32X4, IntCC::Equal)?,
            Op::I64x2Eq => self.vector_icmp(I64X2, IntCC::Equal)?,
            Op::I8x16Ne => self.vector_icmp(I8X16, IntCC::NotEqual)?,
            Op::I16x8Ne => self.vector_icmp(I16X8, IntCC::NotEqual)?,
            Op::I32x4Ne => self.vector_icmp(I32X4, IntCC::NotEqual)?,
            Op::I64x2Ne => self.vector_icmp(I64X2, IntCC::NotEqual)?,
            Op::I8x16LtS => self.vector_icmp(I8X16, IntCC::SignedLessThan)?,
            Op::I16x8LtS => self.vector_icmp(I16X8, IntCC::SignedLessThan)?,
            Op::I32x4LtS => self.vector_icmp(I32X4, IntCC::SignedLessThan)?,
            Op::I64x2LtS => self.vector_icmp(I64X2, IntCC::SignedLessThan)?,
            Op::I8x16LtU => self.vector_icmp(I8X16, IntCC::UnsignedLessThan)?,
            Op::I16x8LtU => self.vector_icmp(I16X8, IntCC::UnsignedLessThan)?,
            Op::I32x4LtU => self.vector_icmp(I32X4, IntCC::UnsignedLessThan)?,
            Op::I8x16GtS => self.vector_icmp(I8X16, IntCC::SignedGreaterThan)?,
            Op::I16x8GtS => self.vector_icmp(I16X8, IntCC::SignedGreaterThan)?,
            Op::I32x4GtS => self.vector_icmp(I32X4, IntCC::SignedGreaterThan)?,
            Op::I64x2GtS => self.vector_icmp(I64X2, IntCC::SignedGreaterThan)?,
            Op::I8x16GtU => self.vector_icmp(I8X16, IntCC::UnsignedGreaterThan)?,
            Op::I16x8GtU => self.vector_icmp(I16X8, IntCC::UnsignedGreaterThan)?,
            Op::I32x4GtU => self.vector_icmp(I32X4, IntCC::UnsignedGreaterThan)?,
            Op::I8x16LeS => self.vector_icmp(I8X16, IntCC::SignedLessThanOrEqual)?,
            Op::I16x8LeS => self.vector_icmp(I16X8, IntCC::SignedLessThanOrEqual)?,
            Op::I32x4LeS => self.vector_icmp(I32X4, IntCC::SignedLessThanOrEqual)?,
            Op::I64x2LeS => self.vector_icmp(I64X2, IntCC::SignedLessThanOrEqual)?,
            Op::I8x16LeU => self.vector_icmp(I8X16, IntCC::UnsignedLessThanOrEqual)?,
            Op::I16x8LeU => self.vector_icmp(I16X8, IntCC::UnsignedLessThanOrEqual)?,
            Op::I32x4LeU => self.vector_icmp(I32X4, IntCC::UnsignedLessThanOrEqual)?,
            Op::I8x16GeS => self.vector_icmp(I8X16, IntCC::SignedGreaterThanOrEqual)?,
            Op::I16x8GeS => self.vector_icmp(I16X8, IntCC::SignedGreaterThanOrEqual)?,
            Op::I32x4GeS => self.vector_icmp(I32X4, IntCC::SignedGreaterThanOrEqual)?,
            Op::I64x2GeS => self.vector_icmp(I64X2, IntCC::SignedGreaterThanOrEqual)?,
            Op::I8x16GeU => self.vector_icmp(I8X16, IntCC::UnsignedGreaterThanOrEqual)?,
            Op::I16x8GeU => self.vector_icmp(I16X8, IntCC::UnsignedGreaterThanOrEqual)?,
            Op::I32x4GeU => self.vector_icmp(I32X4, IntCC::UnsignedGreaterThanOrEqual)?,
            Op::F32x4Eq => self.vector_fcmp(F32X4, FloatCC::Equal)?,
            Op::F64x2Eq => self.vector_fcmp(F64X2, FloatCC::Equal)?,
            Op::F32x4Ne => self.vector_fcmp(F32X4, FloatCC::NotEqual)?,
            Op::F64x2Ne => self.vector_fcmp(F64X2, FloatCC::NotEqual)?,
            Op::F32x4Lt => self.vector_fcmp(F32X4, FloatCC::LessThan)?,
            Op::F64x2Lt => self.vector_fcmp(F64X2, FloatCC::LessThan)?,
            Op::F32x4Gt => self.vector_fcmp(F32X4, FloatCC::GreaterThan)?,
            Op::F64x2Gt => self.vector_fcmp(F64X2, FloatCC::GreaterThan)?,
            Op::F32x4Le => self.vector_fcmp(F32X4, FloatCC::LessThanOrEqual)?,
            Op::F64x2Le => self.vector_fcmp(F64X2, FloatCC::LessThanOrEqual)?,
            Op::F32x4Ge => self.vector_fcmp(F32X4, FloatCC::GreaterThanOrEqual)?,
            Op::F64x2Ge => self.vector_fcmp(F64X2, FloatCC::GreaterThanOrEqual)?,

            // Bits.
            Op::V128Not => self.vector1(I8X16, |i, x| i.bnot(x))?,
            Op::V128And => self.vector2(I8X16, |i, x, y| i.band(x, y))?,
            Op::V128AndNot => self.vector2(I8X16, |i, x, y| i.band_not(x, y))?,
            Op::V128Or => self.vector2(I8X16, |i, x, y| i.bor(x, y))?,
            Op::V128Xor => self.vector2(I8X16, |i, x, y| i.bxor(x, y))?,
            Op::V128Bitselect | Op::I8x16RelaxedLaneselect => self.bitselect(I8X16)?,
            Op::I16x8RelaxedLaneselect => self.bitselect(I16X8)?,
            Op::I32x4RelaxedLaneselect => self.bitselect(I32X4)?,
            Op::I64x2RelaxedLaneselect => self.bitselect(I64X2)?,
            Op::V128AnyTrue => self.vector1(I8X16, |i, x| i.vany_true(x))?,
            Op::I8x16AllTrue => self.vector1(I8X16, |i, x| i.vall_true(x))?,
            Op::I16x8AllTrue => self.vector1(I16X8, |i, x| i.vall_true(x))?,
            Op::I32x4AllTrue => self.vector1(I32X4, |i, x| i.vall_true(x))?,
            Op::I64x2AllTrue => self.vector1(I64X2, |i, x| i.vall_true(x))?,
            Op::I8x16Bitmask => self.vector1(I8X16, |i, x| i.vhigh_bits(I32, x))?,
            Op::I16x8Bitmask => self.vector1(I16X8, |i, x| i.vhigh_bits(I32, x))?,
            Op::I32x4Bitmask => self.vector1(I32X4, |i, x| i.vhigh_bits(I32, x))?,
            Op::I64x2Bitmask => self.vector1(I64X2, |i, x| i.vhigh_bits(I32, x))?,
            Op::I8x16Shl => self.vector_shift(I8X16, |i, x, y| i.ishl(x, y))?,
            Op::I16x8Shl => self.vector_shift(I16X8, |i, x, y| i.ishl(x, y))?,
            Op::I32x4Shl => self.vector_shift(I32X4, |i, x, y| i.ishl(x, y))?,
            Op::I64x2Shl => self.vector_shift(I64X2, |i, x, y| i.ishl(x, y))?,
            Op::I8x16ShrS => self.vector_shift(I8X16, |i, x, y| i.sshr(x, y))?,
            Op::I16x8ShrS => self.vector_shift(I16X8, |i, x, y| i.sshr(x, y))?,
            Op::I32x4ShrS => self.vector_shift(I32X4, |i, x, y| i.sshr(x, y))?,
            Op::I64x2ShrS => self.vector_shift(I64X2, |i, x, y| i.sshr(x, y))?,
            Op::I8x16ShrU => self.vector_shift(I8X16, |i, x, y| i.ushr(x, y))?,
            Op::I16x8ShrU => self.vector_shift(I16X8, |i, x, y| i.ushr(x, y))?,
            Op::I32x4ShrU => self.vector_shift(I32X4, |i, x, y| i.ushr(x, y))?,
            Op::I64x2ShrU => self.vector_shift(I64X2, |i, x, y| i.ushr(x, y))?,

            // Integers.
            Op::I8x16Abs => self.vector1(I8X16, |i, x| i.iabs(x))?,
            Op::I16x8Abs => self.vector1(I16X8, |i, x| i.iabs(x))?,
            Op::I32x4Abs => self.vector1(I32X4, |i, x| i.iabs(x))?,
            Op::I64x2Abs => self.vector1(I64X2, |i, x| i.iabs(x))?,
            Op::I8x16Neg => self.vector1(I8X16, |i, x| i.ineg(x))?,
            Op::I16x8Neg => self.vector1(I16X8, |i, x| i.ineg(x))?,
            Op::I32x4Neg => self.vector1(I32X4, |i, x| i.ineg(x))?,
            Op::I64x2Neg => self.vector1(I64X2, |i, x| i.ineg(x))?,
            Op::I8x16Popcnt => self.vector1(I8X16, |i, x| i.popcnt(x))?,
            Op::I8x16Add => self.vector2(I8X16, |i, x, y| i.iadd(x, y))?,
            Op::I16x8Add => self.vector2(I16X8, |i, x, y| i.iadd(x, y))?,
            Op::I32x4Add => self.vector2(I32X4, |i, x, y| i.iadd(x, y))?,
            Op::I64x2Add => self.vector2(I64X2, |i, x, y| i.iadd(x, y))?,
            Op::I8x16AddSatS => self.vector2(I8X16, |i, x, y| i.sadd_sat(x, y))?,
            Op::I16x8AddSatS => self.vector2(I16X8, |i, x, y| i.sadd_sat(x, y))?,
            Op::I8x16AddSatU => self.vector2(I8X16, |i, x, y| i.uadd_sat(x, y))?,
            Op::I16x8AddSatU => self.vector2(I16X8, |i, x, y| i.uadd_sat(x, y))?,
            Op::I8x16Sub => self.vector2(I8X16, |i, x, y| i.isub(x, y))?,
            Op::I16x8Sub => self.vector2(I16X8, |i, x, y| i.isub(x, y))?,
            Op::I32x4Sub => self.vector2(I32X4, |i, x, y| i.isub(x, y))?,
            Op::I64x2Sub => self.vector2(I64X2, |i, x, y| i.isub(x, y))?,
            Op::I8x16SubSatS => self.vector2(I8X16, |i, x, y| i.ssub_sat(x, y))?,
            Op::I16x8SubSatS => self.vector2(I16X8, |i, x, y| i.ssub_sat(x, y))?,
            Op::I8x16SubSatU => self.vector2(I8X16, |i, x, y| i.usub_sat(x, y))?,
            Op::I16x8SubSatU => self.vector2(I16X8, |i, x, y| i.usub_sat(x, y))?,
            Op::I16x8Mul => self.vector2(I16X8, |i, x, y| i.imul(x, y))?,
            Op::I32x4Mul => self.vector2(I32X4, |i, x, y| i.imul(x, y))?,
            Op::I64x2Mul => self.vector2(I64X2, |i, x, y| i.imul(x, y))?,
            Op::I8x16MinS => self.vector2(I8X16, |i, x, y| i.smin(x, y))?,
            Op::I16x8MinS => self.vector2(I16X8, |i, x, y| i.smin(x, y))?,
            Op::I32x4MinS => self.vector2(I32X4, |i, x, y| i.smin(x, y))?,
            Op::I8x16MinU => self.vector2(I8X16, |i, x, y| i.umin(x, y))?,
            Op::I16x8MinU => self.vector2(I16X8, |i, x, y| i.umin(x, y))?,
            Op::I32x4MinU => self.vector2(I32X4, |i, x, y| i.umin(x, y))?,
            Op::I8x16MaxS => self.vector2(I8X16, |i, x, y| i.smax(x, y))?,
            Op::I16x8MaxS => self.vector2(I16X8, |i, x, y| i.smax(x, y))?,
            Op::I32x4MaxS => self.vector2(I32X4, |i, x, y| i.smax(x, y))?,
            Op::I8x16MaxU => self.vector2(I8X16, |i, x, y| i.umax(x, y))?,
            Op::I16x8MaxU => self.vector2(I16X8, |i, x, y| i.umax(x, y))?,
            Op::I32x4MaxU => self.vector2(I32X4, |i, x, y| i.umax(x, y))?,
            Op::I8x16AvgrU => self.vector2(I8X16, |i, x, y| i.avg_round(x, y))?,
            Op::I16x8AvgrU => self.vector2(I16X8, |i, x, y| i.avg_round(x, y))?,
            Op::I16x8Q15MulrSatS | Op::I16x8RelaxedQ15mulrS => self.vector2(I16X8, |i, x, y| i.sqmul_round_sat(x, y))?,
            Op::I32x4DotI16x8S => { let value = self.dot(I16X8)?; self.push(value); }
            Op::I16x8RelaxedDotI8x16I7x16S => { let value = self.dot(I8X16)?; self.push(value); }
            Op::I32x4RelaxedDotI8x16I7x16AddS => self.dot_add()?,

            // Lanes of half and of twice the width.
            Op::I8x16NarrowI16x8S => self.vector2(I16X8, |i, x, y| i.snarrow(x, y))?,
            Op::I8x16NarrowI16x8U => self.vector2(I16X8, |i, x, y| i.unarrow(x, y))?,
            Op::I16x8NarrowI32x4S => self.vector2(I32X4, |i, x, y| i.snarrow(x, y))?,
            Op::I16x8NarrowI32x4U => self.vector2(I32X4, |i, x, y| i.unarrow(x, y))?,
            Op::I16x8ExtendLowI8x16S => self.vector1(I8X16, |i, x| i.swiden_low(x))?,
            Op::I16x8ExtendHighI8x16S => self.vector1(I8X16, |i, x| i.swiden_high(x))?,
            Op::I16x8ExtendLowI8x16U => self.vector1(I8X16, |i, x| i.uwiden_low(x))?,
            Op::I16x8ExtendHighI8x16U => self.vector1(I8X16, |i, x| i.uwiden_high(x))?,
            Op::I32x4ExtendLowI16x8S => self.vector1(I16X8, |i, x| i.swiden_low(x))?,
            Op::I32x4ExtendHighI16x8S => self.vector1(I16X8, |i, x| i.swiden_high(x))?,
            Op::I32x4ExtendLowI16x8U => self.vector1(I16X8, |i, x| i.uwiden_low(x))?,
            Op::I32x4ExtendHighI16x8U => self.vector1(I16X8, |i, x| i.uwiden_high(x))?,
            Op::I64x2ExtendLowI32x4S => self.vector1(I32X4, |i, x| i.swiden_low(x))?,
            Op::I64x2ExtendHighI32x4S => self.vector1(I32X4, |i, x| i.swiden_high(x))?,
            Op::I64x2ExtendLowI32x4U => self.vector1(I32X4, |i, x| i.uwiden_low(x))?,
            Op::I64x2ExtendHighI32x4U => self.vector1(I32X4, |i, x| i.uwiden_high(x))?,
            Op::I16x8ExtMulLowI8x16S => self.ext_mul(I8X16, |i, x| i.swiden_low(x))?,
            Op::I16x8ExtMulHighI8x16S => self.ext_mul(I8X16, |i, x| i.swiden_high(x))?,
            Op::I16x8ExtMulLowI8x16U => self.ext_mul(I8X16, |i, x| i.uwiden_low(x))?,
            Op::I16x8ExtMulHighI8x16U => self.ext_mul(I8X16, |i, x| i.uwiden_high(x))?,
            Op::I32x4ExtMulLowI16x8S => self.ext_mul(I16X8, |i, x| i.swiden_low(x))?,
            Op::I32x4ExtMulHighI16x8S => self.ext_mul(I16X8, |i, x| i.swiden_high(x))?,
            Op::I32x4ExtMulLowI16x8U => self.ext_mul(I16X8, |i, x| i.uwiden_low(x))?,
            Op::I32x4ExtMulHighI16x8U => self.ext_mul(I16X8, |i, x| i.uwiden_high(x))?,
            Op::I64x2ExtMulLowI32x4S => self.ext_mul(I32X4, |i, x| i.swiden_low(x))?,
            Op::I64x2ExtMulHighI32x4S => self.ext_mul(I32X4, |i, x| i.swiden_high(x))?,
            Op::I64x2ExtMulLowI32x4U => self.ext_mul(I32X4, |i, x| i.uwiden_low(x))?,
            Op::I64x2ExtMulHighI32x4U => self.ext_mul(I32X4, |i, x| i.uwiden_high(x))?,
            Op::I16x8ExtAddPairwiseI8x16S => self.ext_add_pairwise(I8X16, |i, x| i.swiden_low(x), |i, x| i.swiden_high(x))?,
            Op::I16x8ExtAddPairwiseI8x16U => self.ext_add_pairwise(I8X16, |i, x| i.uwiden_low(x), |i, x| i.uwiden_high(x))?,
            Op::I32x4ExtAddPairwiseI16x8S => self.ext_add_pairwise(I16X8, |i, x| i.swiden_low(x), |i, x| i.swiden_high(x))?,
            Op::I32x4ExtAddPairwiseI16x8U => self.ext_add_pairwise(I16X8, |i, x| i.uwiden_low(x), |i, x| i.uwiden_high(x))?,

            // Floats.
            Op::F32x4Ceil => self.vector1(F32X4, |i, x| i.ceil(x))?,
            Op::F64x2Ceil => self.vector1(F64X2, |i, x| i.ceil(x))?,
            Op::F32x4Floor => self.vector1(F32X4, |i, x| i.floor(x))?,
            Op::F64x2Floor => self.vector1(F64X2, |i, x| i.floor(x))?,
            Op::F32x4Trunc => self.vector1(F32X4, |i, x| i.trunc(x))?,
            Op::F64x2Trunc => self.vector1(F64X2, |i, x| i.trunc(x))?,
            Op::F32x4Nearest => self.vector1(F32X4, |i, x| i.nearest(x))?,
            Op::F64x2Nearest => self.vector1(F64X2, |i, x| i.nearest(x))?,
            Op::F32x4Abs => self.vector1(F32X4, |i, x| i.fabs(x))?,
            Op::F64x2Abs => self.vector1(F64X2, |i, x| i.fabs(x))?,
            Op::F32x4Neg => self.vector1(F32X4, |i, x| i.fneg(x))?,
            Op::F64x2Neg => self.vector1(F64X2, |i, x| i.fneg(x))?,
            Op::F32x4Sqrt => self.vector1(F32X4, |i, x| i.sqrt(x))?,
            Op::F64x2Sqrt => self.vector1(F64X2, |i, x| i.sqrt(x))?,
            Op::F32x4Add => self.vector2(F32X4, |i, x, y| i.fadd(x, y))?,
            Op::F64x2Add => self.vector2(F64X2, |i, x, y| i.fadd(x, y))?,
            Op::F32x4Sub => self.vector2(F32X4, |i, x, y| i.fsub(x, y))?,
            Op::F64x2Sub => self.vector2(F64X2, |i, x, y| i.fsub(x, y))?,
            Op::F32x4Mul => self.vector2(F32X4, |i, x, y| i.fmul(x, y))?,
            Op::F64x2Mul => self.vector2(F64X2, |i, x, y| i.fmul(x, y))?,
            Op::F32x4Div => self.vector2(F32X4, |i, x, y| i.fdiv(x, y))?,
            Op::F64x2Div => self.vector2(F64X2, |i, x, y| i.fdiv(x, y))?,
            Op::F32x4Min | Op::F32x4RelaxedMin => self.vector2(F32X4, |i, x, y| i.fmin(x, y))?,
            Op::F64x2Min | Op::F64x2RelaxedMin => self.vector2(F64X2, |i, x, y| i.fmin(x, y))?,
            Op::F32x4Max | Op::F32x4RelaxedMax => self.vector2(F32X4, |i, x, y| i.fmax(x, y))?,
            Op::F64x2Max | Op::F64x2RelaxedMax => self.vector2(F64X2, |i, x, y| i.fmax(x, y))?,
            Op::F32x4PMin => self.pseudo(F32X4, true)?,
            Op::F64x2PMin => self.pseudo(F64X2, true)?,
            Op::F32x4PMax => self.pseudo(F32X4, false)?,
            Op::F64x2PMax => self.pseudo(F64X2, false)?,
            Op::F32x4RelaxedMadd => self.madd(F32X4, false)?,
            Op::F64x2RelaxedMadd => self.madd(F64X2, false)?,
            Op::F32x4RelaxedNmadd => self.madd(F32X4, true)?,
            Op::F64x2RelaxedNmadd => self.madd(F64X2, true)?,

            // Conversions.
            Op::I32x4TruncSatF32x4S | Op::I32x4RelaxedTruncF32x4S => self.vector1(F32X4, |i, x| i.fcvt_to_sint_sat(I32X4, x))?,
            Op::I32x4TruncSatF32x4U | Op::I32x4RelaxedTruncF32x4U => self.vector1(F32X4, |i, x| i.fcvt_to_uint_sat(I32X4, x))?,
            Op::I32x4TruncSatF64x2SZero | Op::I32x4RelaxedTruncF64x2SZero => self.trunc_doubles(true)?,
            Op::I32x4TruncSatF64x2UZero | Op::I32x4RelaxedTruncF64x2UZero => self.trunc_doubles(false)?,
            Op::F32x4ConvertI32x4S => self.vector1(I32X4, |i, x| i.fcvt_from_sint(F32X4, x))?,
            Op::F32x4ConvertI32x4U => self.vector1(I32X4, |i, x| i.fcvt_from_uint(F32X4, x))?,
            Op::F64x2ConvertLowI32x4S => { self.vector1(I32X4, |i, x| i.swiden_low(x))?; self.vector1(I64X2, |i, x| i.fcvt_from_sint(F64X2, x))?; }
            Op::F64x2ConvertLowI32x4U => { self.vector1(I32X4, |i, x| i.uwiden_low(x))?; self.vector1(I64X2, |i, x| i.fcvt_from_uint(F64X2, x))?; }
            Op::F32x4DemoteF64x2Zero => self.vector1(F64X2, |i, x| i.fvdemote(x))?,
            Op::F64x2PromoteLowF32x4 => self.vector1(F32X4, |i, x| i.fvpromote_low(x))?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
