//! Arithmetic: what is more than one instruction of Cranelift.

use super::Translator;
use crate::fault::Res;
use cranelift_codegen::ir::condcodes::{CondCode, FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, InstructionData, MemFlagsData, Type, Value, ValueDef, types};
use cranelift_frontend::FuncInstBuilder;
use trjit_code::CpuFeature;
use trjit_module::vm::Builtin;

/// Rounding of floats, as `roundss` and the builtins know it.
#[derive(Clone, Copy)]
pub enum Rounding {
    Ceil,
    Floor,
    Trunc,
    Nearest,
}

impl Rounding {
    fn builtin(self, ty: Type) -> Builtin {
        match (self, ty == types::F32) {
            (Rounding::Ceil, true) => Builtin::CeilF32,
            (Rounding::Floor, true) => Builtin::FloorF32,
            (Rounding::Trunc, true) => Builtin::TruncF32,
            (Rounding::Nearest, true) => Builtin::NearestF32,
            (Rounding::Ceil, false) => Builtin::CeilF64,
            (Rounding::Floor, false) => Builtin::FloorF64,
            (Rounding::Trunc, false) => Builtin::TruncF64,
            (Rounding::Nearest, false) => Builtin::NearestF64,
        }
    }
}

impl Translator<'_, '_> {
    pub(super) fn unary(&mut self, make: impl FnOnce(FuncInstBuilder<'_, '_>, Value) -> Value) -> Res<()> {
        let x = self.pop()?;
        let value = make(self.b.ins(), x);
        self.push(value);
        Ok(())
    }

    pub(super) fn binary(&mut self, make: impl FnOnce(FuncInstBuilder<'_, '_>, Value, Value) -> Value) -> Res<()> {
        let (x, y) = self.pop2()?;
        let value = make(self.b.ins(), x, y);
        self.push(value);
        Ok(())
    }

    pub(super) fn compare(&mut self, condition: IntCC) -> Res<()> {
        self.binary(|i, x, y| i.icmp(condition, x, y))
    }

    pub(super) fn compare_floats(&mut self, condition: FloatCC) -> Res<()> {
        self.binary(|i, x, y| i.fcmp(condition, x, y))
    }

    /// Of a comparison this is the opposite comparison: without the optimizer nobody else would see that.
    pub(super) fn eqz(&mut self) -> Res<()> {
        let value = self.pop_condition()?;
        let value = self.is_zero(value);
        self.push(value);
        Ok(())
    }

    pub(super) fn is_zero(&mut self, value: Value) -> Value {
        if let ValueDef::Result(inst, _) = self.b.func.dfg.value_def(value) {
            match self.b.func.dfg.insts[inst] {
                InstructionData::IntCompare { cond, args: [x, y], .. } => return self.b.ins().icmp(cond.complement(), x, y),
                InstructionData::FloatCompare { cond, args: [x, y], .. } => return self.b.ins().fcmp(cond.complement(), x, y),
                _ => {}
            }
        }
        self.b.ins().icmp_imm_u(IntCC::Equal, value, 0)
    }

    /// Sign-extends the low bits of the top, of type `from`.
    pub(super) fn extend_low(&mut self, from: Type, to: Type) -> Res<()> {
        let x = self.pop()?;
        let low = self.b.ins().ireduce(from, x);
        let value = self.b.ins().sextend(to, low);
        self.push(value);
        Ok(())
    }

    pub(super) fn extend_i32_u(&mut self) -> Res<()> {
        let x = self.pop_condition()?;
        let value = self.b.ins().uextend(types::I64, x);
        self.push(value);
        Ok(())
    }

    pub(super) fn bitcast(&mut self, to: Type) -> Res<()> {
        self.unary(|i, x| i.bitcast(to, MemFlagsData::new(), x))
    }

    /// Below SSE4.1 Cranelift would call a function of the C library by name: a builtin does it instead.
    pub(super) fn round(&mut self, rounding: Rounding) -> Res<()> {
        let x = self.pop()?;
        let value = if self.env.settings.features.has(CpuFeature::Sse41) {
            match rounding {
                Rounding::Ceil => self.b.ins().ceil(x),
                Rounding::Floor => self.b.ins().floor(x),
                Rounding::Trunc => self.b.ins().trunc(x),
                Rounding::Nearest => self.b.ins().nearest(x),
            }
        } else {
            let ty = self.b.func.dfg.value_type(x);
            let bits_type = if ty == types::F32 { types::I32 } else { types::I64 };
            let bits = self.b.ins().bitcast(bits_type, MemFlagsData::new(), x);
            let rounded = self.env.builtin_value(&mut self.b, rounding.builtin(ty), &[bits])?;
            self.b.ins().bitcast(ty, MemFlagsData::new(), rounded)
        };
        self.push(value);
        Ok(())
    }
}
