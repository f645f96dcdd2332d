//! The table of instructions: which of them become what.

use super::Translator;
use super::guards::Kind;
use super::numeric::Rounding;
use crate::fault::{Fault, Res};
use crate::state::FrameKind;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{InstBuilder, Opcode, types::*};
use trjit_module::TypeIndex;
use trjit_module::vm::Builtin;
use wasmparser::Operator as Op;

impl Translator<'_, '_> {
    /// Translates a reachable instruction. `after` is the position behind it.
    #[rustfmt::skip]
    pub(super) fn operator(&mut self, operator: &Op<'_>, after: u32) -> Res<()> {
        match operator {
            // Control.
            Op::Nop => {}
            Op::Unreachable => self.unreachable(),
            Op::Block { blockty } => { let sig = self.block_sig(*blockty)?; self.start_framed(FrameKind::Block, sig)?; }
            Op::Loop { blockty } => { let sig = self.block_sig(*blockty)?; self.start_loop(sig, after)?; }
            Op::If { blockty } => { let sig = self.block_sig(*blockty)?; self.start_if(sig)?; }
            Op::Else => self.start_else()?,
            Op::End => self.end()?,
            Op::Br { relative_depth } => self.br(*relative_depth, self.entries.start)?,
            Op::BrIf { relative_depth } => self.br_if(*relative_depth)?,
            Op::BrTable { targets } => self.br_table(targets)?,
            Op::Return => self.return_()?,
            Op::Call { function_index } => self.call(*function_index)?,
            Op::CallIndirect { type_index, table_index } => self.call_indirect(TypeIndex(*type_index), *table_index, Kind::Call)?,
            Op::ReturnCall { function_index } => self.return_call(*function_index)?,
            Op::ReturnCallIndirect { type_index, table_index } => self.call_indirect(TypeIndex(*type_index), *table_index, Kind::Tail)?,
            Op::CallRef { type_index } => self.call_ref(TypeIndex(*type_index), Kind::Call)?,
            Op::ReturnCallRef { type_index } => self.call_ref(TypeIndex(*type_index), Kind::Tail)?,
            Op::BrOnNull { relative_depth } => self.br_on_null(*relative_depth)?,
            Op::BrOnNonNull { relative_depth } => self.br_on_non_null(*relative_depth)?,
            Op::TryTable { try_table } => self.start_try(try_table)?,
            Op::Throw { tag_index } => self.throw(*tag_index)?,
            Op::ThrowRef => self.throw_ref()?,
            Op::Drop => { self.pop_condition()?; }
            Op::Select | Op::TypedSelect { .. } | Op::TypedSelectMulti { .. } => self.select()?,

            // Variables.
            Op::LocalGet { local_index } => self.local_get(*local_index)?,
            Op::LocalSet { local_index } => { self.local_set(*local_index)?; }
            Op::LocalTee { local_index } => { let value = self.local_set(*local_index)?; self.push(value); }
            Op::GlobalGet { global_index } => self.global_get(*global_index)?,
            Op::GlobalSet { global_index } => self.global_set(*global_index)?,

            // References and tables.
            Op::RefNull { .. } => self.ref_null(),
            Op::RefAsNonNull => self.ref_as_non_null()?,
            Op::RefIsNull => self.ref_is_null()?,
            Op::RefFunc { function_index } => self.ref_func(*function_index)?,
            Op::TableGet { table } => self.table_get(*table)?,
            Op::TableSet { table } => self.table_set(*table)?,
            Op::TableSize { table } => self.table_size(*table)?,
            Op::TableGrow { table } => self.table_grow(*table)?,
            Op::TableFill { table } => self.table_fill(*table)?,
            Op::TableCopy { dst_table, src_table } => self.table_copy(*dst_table, *src_table)?,
            Op::TableInit { elem_index, table } => self.table_init(*table, *elem_index)?,
            Op::ElemDrop { elem_index } => self.drop_segment(Builtin::ElemDrop, *elem_index)?,

            // Memories.
            Op::I32Load { memarg } => self.load(Opcode::Load, I32, memarg)?,
            Op::I32Store { memarg } => self.store(Opcode::Store, memarg)?,
            Op::I64Load { memarg } => self.load(Opcode::Load, I64, memarg)?,
            Op::I64Store { memarg } => self.store(Opcode::Store, memarg)?,
            Op::F32Load { memarg } => self.load(Opcode::Load, F32, memarg)?,
            Op::F32Store { memarg } => self.store(Opcode::Store, memarg)?,
            Op::F64Load { memarg } => self.load(Opcode::Load, F64, memarg)?,
            Op::F64Store { memarg } => self.store(Opcode::Store, memarg)?,
            Op::I32Load8S { memarg } => self.load(Opcode::Sload8, I32, memarg)?,
            Op::I32Load8U { memarg } => self.load(Opcode::Uload8, I32, memarg)?,
            Op::I32Store8 { memarg } => self.store(Opcode::Istore8, memarg)?,
            Op::I32Load16S { memarg } => self.load(Opcode::Sload16, I32, memarg)?,
            Op::I32Load16U { memarg } => self.load(Opcode::Uload16, I32, memarg)?,
            Op::I32Store16 { memarg } => self.store(Opcode::Istore16, memarg)?,
            Op::I64Load8S { memarg } => self.load(Opcode::Sload8, I64, memarg)?,
            Op::I64Load8U { memarg } => self.load(Opcode::Uload8, I64, memarg)?,
            Op::I64Store8 { memarg } => self.store(Opcode::Istore8, memarg)?,
            Op::I64Load16S { memarg } => self.load(Opcode::Sload16, I64, memarg)?,
            Op::I64Load16U { memarg } => self.load(Opcode::Uload16, I64, memarg)?,
            Op::I64Store16 { memarg } => self.store(Opcode::Istore16, memarg)?,
            Op::I64Load32S { memarg } => self.load(Opcode::Sload32, I64, memarg)?,
            Op::I64Load32U { memarg } => self.load(Opcode::Uload32, I64, memarg)?,
            Op::I64Store32 { memarg } => self.store(Opcode::Istore32, memarg)?,
            Op::MemorySize { mem } => self.memory_size(*mem)?,
            Op::MemoryGrow { mem } => self.memory_grow(*mem)?,
            Op::MemoryCopy { dst_mem, src_mem } => self.memory_copy(*dst_mem, *src_mem)?,
            Op::MemoryFill { mem } => self.memory_fill(*mem)?,
            Op::MemoryInit { data_index, mem } => self.memory_init(*mem, *data_index)?,
            Op::DataDrop { data_index } => self.drop_segment(Builtin::DataDrop, *data_index)?,

            // Constants. Cranelift wants the unused high bits to be zero.
            Op::I32Const { value } => { let value = self.b.ins().iconst(I32, i64::from(*value as u32)); self.push(value); }
            Op::I64Const { value } => { let value = self.b.ins().iconst(I64, *value); self.push(value); }
            Op::F32Const { value } => { let value = self.b.ins().f32const(Ieee32::with_bits(value.bits())); self.push(value); }
            Op::F64Const { value } => { let value = self.b.ins().f64const(Ieee64::with_bits(value.bits())); self.push(value); }

            // Comparisons.
            Op::I32Eqz | Op::I64Eqz => self.eqz()?,
            Op::I32Eq | Op::I64Eq => self.compare(IntCC::Equal)?,
            Op::I32Ne | Op::I64Ne => self.compare(IntCC::NotEqual)?,
            Op::I32LtS | Op::I64LtS => self.compare(IntCC::SignedLessThan)?,
            Op::I32LtU | Op::I64LtU => self.compare(IntCC::UnsignedLessThan)?,
            Op::I32GtS | Op::I64GtS => self.compare(IntCC::SignedGreaterThan)?,
            Op::I32GtU | Op::I64GtU => self.compare(IntCC::UnsignedGreaterThan)?,
            Op::I32LeS | Op::I64LeS => self.compare(IntCC::SignedLessThanOrEqual)?,
            Op::I32LeU | Op::I64LeU => self.compare(IntCC::UnsignedLessThanOrEqual)?,
            Op::I32GeS | Op::I64GeS => self.compare(IntCC::SignedGreaterThanOrEqual)?,
            Op::I32GeU | Op::I64GeU => self.compare(IntCC::UnsignedGreaterThanOrEqual)?,
            Op::F32Eq | Op::F64Eq => self.compare_floats(FloatCC::Equal)?,
            Op::F32Ne | Op::F64Ne => self.compare_floats(FloatCC::NotEqual)?,
            Op::F32Lt | Op::F64Lt => self.compare_floats(FloatCC::LessThan)?,
            Op::F32Gt | Op::F64Gt => self.compare_floats(FloatCC::GreaterThan)?,
            Op::F32Le | Op::F64Le => self.compare_floats(FloatCC::LessThanOrEqual)?,
            Op::F32Ge | Op::F64Ge => self.compare_floats(FloatCC::GreaterThanOrEqual)?,

            // Integers.
            Op::I32Clz | Op::I64Clz => self.unary(|i, x| i.clz(x))?,
            Op::I32Ctz | Op::I64Ctz => self.unary(|i, x| i.ctz(x))?,
            Op::I32Popcnt | Op::I64Popcnt => self.unary(|i, x| i.popcnt(x))?,
            Op::I32Add | Op::I64Add => self.binary(|i, x, y| i.iadd(x, y))?,
            Op::I32Sub | Op::I64Sub => self.binary(|i, x, y| i.isub(x, y))?,
            Op::I32Mul | Op::I64Mul => self.binary(|i, x, y| i.imul(x, y))?,
            Op::I32DivS | Op::I64DivS => self.binary(|i, x, y| i.sdiv(x, y))?,
            Op::I32DivU | Op::I64DivU => self.binary(|i, x, y| i.udiv(x, y))?,
            Op::I32RemS | Op::I64RemS => self.binary(|i, x, y| i.srem(x, y))?,
            Op::I32RemU | Op::I64RemU => self.binary(|i, x, y| i.urem(x, y))?,
            Op::I32And | Op::I64And => self.binary(|i, x, y| i.band(x, y))?,
            Op::I32Or | Op::I64Or => self.binary(|i, x, y| i.bor(x, y))?,
            Op::I32Xor | Op::I64Xor => self.binary(|i, x, y| i.bxor(x, y))?,
            Op::I32Shl | Op::I64Shl => self.binary(|i, x, y| i.ishl(x, y))?,
            Op::I32ShrS | Op::I64ShrS => self.binary(|i, x, y| i.sshr(x, y))?,
            Op::I32ShrU | Op::I64ShrU => self.binary(|i, x, y| i.ushr(x, y))?,
            Op::I32Rotl | Op::I64Rotl => self.binary(|i, x, y| i.rotl(x, y))?,
            Op::I32Rotr | Op::I64Rotr => self.binary(|i, x, y| i.rotr(x, y))?,

            // Floats.
            Op::F32Abs | Op::F64Abs => self.unary(|i, x| i.fabs(x))?,
            Op::F32Neg | Op::F64Neg => self.unary(|i, x| i.fneg(x))?,
            Op::F32Sqrt | Op::F64Sqrt => self.unary(|i, x| i.sqrt(x))?,
            Op::F32Ceil | Op::F64Ceil => self.round(Rounding::Ceil)?,
            Op::F32Floor | Op::F64Floor => self.round(Rounding::Floor)?,
            Op::F32Trunc | Op::F64Trunc => self.round(Rounding::Trunc)?,
            Op::F32Nearest | Op::F64Nearest => self.round(Rounding::Nearest)?,
            Op::F32Add | Op::F64Add => self.binary(|i, x, y| i.fadd(x, y))?,
            Op::F32Sub | Op::F64Sub => self.binary(|i, x, y| i.fsub(x, y))?,
            Op::F32Mul | Op::F64Mul => self.binary(|i, x, y| i.fmul(x, y))?,
            Op::F32Div | Op::F64Div => self.binary(|i, x, y| i.fdiv(x, y))?,
            Op::F32Min | Op::F64Min => self.binary(|i, x, y| i.fmin(x, y))?,
            Op::F32Max | Op::F64Max => self.binary(|i, x, y| i.fmax(x, y))?,
            Op::F32Copysign | Op::F64Copysign => self.binary(|i, x, y| i.fcopysign(x, y))?,

            // Conversions.
            Op::I32WrapI64 => self.unary(|i, x| i.ireduce(I32, x))?,
            Op::I64ExtendI32S => self.unary(|i, x| i.sextend(I64, x))?,
            Op::I64ExtendI32U => self.extend_i32_u()?,
            Op::I32Extend8S => self.extend_low(I8, I32)?,
            Op::I32Extend16S => self.extend_low(I16, I32)?,
            Op::I64Extend8S => self.extend_low(I8, I64)?,
            Op::I64Extend16S => self.extend_low(I16, I64)?,
            Op::I64Extend32S => self.extend_low(I32, I64)?,
            Op::I32TruncF32S | Op::I32TruncF64S => self.unary(|i, x| i.fcvt_to_sint(I32, x))?,
            Op::I32TruncSatF32S | Op::I32TruncSatF64S => self.unary(|i, x| i.fcvt_to_sint_sat(I32, x))?,
            Op::I32TruncF32U | Op::I32TruncF64U => self.unary(|i, x| i.fcvt_to_uint(I32, x))?,
            Op::I32TruncSatF32U | Op::I32TruncSatF64U => self.unary(|i, x| i.fcvt_to_uint_sat(I32, x))?,
            Op::I64TruncF32S | Op::I64TruncF64S => self.unary(|i, x| i.fcvt_to_sint(I64, x))?,
            Op::I64TruncSatF32S | Op::I64TruncSatF64S => self.unary(|i, x| i.fcvt_to_sint_sat(I64, x))?,
            Op::I64TruncF32U | Op::I64TruncF64U => self.unary(|i, x| i.fcvt_to_uint(I64, x))?,
            Op::I64TruncSatF32U | Op::I64TruncSatF64U => self.unary(|i, x| i.fcvt_to_uint_sat(I64, x))?,
            Op::F32ConvertI32S | Op::F32ConvertI64S => self.unary(|i, x| i.fcvt_from_sint(F32, x))?,
            Op::F32ConvertI32U | Op::F32ConvertI64U => self.unary(|i, x| i.fcvt_from_uint(F32, x))?,
            Op::F64ConvertI32S | Op::F64ConvertI64S => self.unary(|i, x| i.fcvt_from_sint(F64, x))?,
            Op::F64ConvertI32U | Op::F64ConvertI64U => self.unary(|i, x| i.fcvt_from_uint(F64, x))?,
            Op::F32DemoteF64 => self.unary(|i, x| i.fdemote(F32, x))?,
            Op::F64PromoteF32 => self.unary(|i, x| i.fpromote(F64, x))?,
            Op::I32ReinterpretF32 => self.bitcast(I32)?,
            Op::I64ReinterpretF64 => self.bitcast(I64)?,
            Op::F32ReinterpretI32 => self.bitcast(F32)?,
            Op::F64ReinterpretI64 => self.bitcast(F64)?,

            // Tables of their own: SIMD, atomics.
            other => {
                if !self.simd(other)? && !self.atomic(other)? {
                    return Err(Fault::unsupported(name(other)));
                }
            }
        }
        Ok(())
    }
}

/// The name of an instruction without its operands.
#[cold]
fn name(operator: &Op<'_>) -> String {
    let debug = format!("{operator:?}");
    let end = debug.find([' ', '{', '(']).unwrap_or(debug.len());
    format!("the instruction {}", &debug[..end])
}
