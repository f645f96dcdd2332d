//! Atomic instructions: sequentially consistent, checked explicitly for bounds and alignment, so that none of their instruction sequences can fault.

use super::Translator;
use super::memory::memory_of;
use crate::env::trap;
use crate::fault::Res;
use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, Type, Value, types::*};
use trjit_code::MemoryStyle;
use trjit_module::TrapCode;
use trjit_module::vm::Builtin;
use wasmparser::{MemArg, Operator as Op};

impl Translator<'_, '_> {
    /// Index + offset in 64 bits, checked for alignment and bounds.
    fn atomic_index(&mut self, memory: u32, memarg: &MemArg, width: u32) -> Res<Value> {
        let wide = self.has_wide_index(memory)?;
        let index = self.pop_index(wide)?;
        if width > 1 {
            // Before the sum can overflow, as in the interpreter: that an address is not aligned is told first.
            let sum = self.b.ins().iadd_imm_s(index, memarg.offset as i64);
            let odd = self.b.ins().band_imm_u(sum, i64::from(width - 1));
            self.b.ins().trapnz(odd, trap(TrapCode::HeapMisaligned));
        }
        let start = self.add_offset(index, memarg.offset);
        let width = self.b.ins().iconst(I64, i64::from(width));
        let end = self.b.ins().uadd_overflow_trap(start, width, trap(TrapCode::MemoryOutOfBounds));
        self.check_end(memory, end)?;
        Ok(start)
    }

    /// Address of an atomic access to a value of type `access`.
    fn atomic_place(&mut self, memarg: &MemArg, access: Type) -> Res<Value> {
        let memory = memory_of(memarg)?;
        let start = self.atomic_index(memory, memarg, access.bytes())?;
        let fixed = self.env.settings.memory == MemoryStyle::Reserved && !self.has_wide_index(memory)?;
        let base = if fixed { self.env.fixed_memory_base(&mut self.b, memory)? } else { self.env.memory_base(&mut self.b, memory)? };
        Ok(self.b.ins().iadd(base, start))
    }

    fn pop_narrow(&mut self, access: Type) -> Res<Value> {
        let value = self.pop()?;
        let narrower = self.b.func.dfg.value_type(value) != access;
        Ok(if narrower { self.b.ins().ireduce(access, value) } else { value })
    }

    fn push_widened(&mut self, value: Value, ty: Type) {
        let wider = self.b.func.dfg.value_type(value) != ty;
        let value = if wider { self.b.ins().uextend(ty, value) } else { value };
        self.push(value);
    }

    fn atomic_load(&mut self, ty: Type, access: Type, memarg: &MemArg) -> Res<()> {
        let place = self.atomic_place(memarg, access)?;
        let value = self.b.ins().atomic_load(access, self.env.flags.checked_heap, place);
        self.push_widened(value, ty);
        Ok(())
    }

    fn atomic_store(&mut self, access: Type, memarg: &MemArg) -> Res<()> {
        let value = self.pop_narrow(access)?;
        let place = self.atomic_place(memarg, access)?;
        self.b.ins().atomic_store(self.env.flags.checked_heap, value, place);
        Ok(())
    }

    fn atomic_rmw(&mut self, op: AtomicRmwOp, ty: Type, access: Type, memarg: &MemArg) -> Res<()> {
        let value = self.pop_narrow(access)?;
        let place = self.atomic_place(memarg, access)?;
        let old = self.b.ins().atomic_rmw(access, self.env.flags.checked_heap, op, place, value);
        self.push_widened(old, ty);
        Ok(())
    }

    /// What is expected is cut to the width of the access, as what is written (threads proposal, issue 195).
    fn atomic_cmpxchg(&mut self, ty: Type, access: Type, memarg: &MemArg) -> Res<()> {
        let replacement = self.pop_narrow(access)?;
        let expected = self.pop_narrow(access)?;
        let place = self.atomic_place(memarg, access)?;
        let old = self.b.ins().atomic_cas(self.env.flags.checked_heap, place, expected, replacement);
        self.push_widened(old, ty);
        Ok(())
    }

    fn atomic_wait(&mut self, builtin: Builtin, access: Type, memarg: &MemArg) -> Res<()> {
        let timeout = self.pop()?;
        let expected = self.pop()?;
        let memory = memory_of(memarg)?;
        let start = self.atomic_index(memory, memarg, access.bytes())?;
        let memory = self.index(memory);
        let woken = self.env.builtin_value(&mut self.b, builtin, &[memory, start, expected, timeout])?;
        self.push(woken);
        Ok(())
    }

    fn atomic_notify(&mut self, memarg: &MemArg) -> Res<()> {
        let count = self.pop()?;
        let memory = memory_of(memarg)?;
        let start = self.atomic_index(memory, memarg, 4)?;
        let memory = self.index(memory);
        let woken = self.env.builtin_value(&mut self.b, Builtin::MemoryAtomicNotify, &[memory, start, count])?;
        self.push(woken);
        Ok(())
    }

    /// Translates an atomic instruction; says whether it is one.
    #[rustfmt::skip]
    pub(super) fn atomic(&mut self, operator: &Op<'_>) -> Res<bool> {
        use AtomicRmwOp::{Add, And, Or, Sub, Xchg, Xor};
        match operator {
            Op::AtomicFence { .. } => { self.b.ins().fence(); }
            Op::MemoryAtomicNotify { memarg } => self.atomic_notify(memarg)?,
            Op::MemoryAtomicWait32 { memarg } => self.atomic_wait(Builtin::MemoryAtomicWait32, I32, memarg)?,
            Op::MemoryAtomicWait64 { memarg } => self.atomic_wait(Builtin::MemoryAtomicWait64, I64, memarg)?,
            Op::I32AtomicLoad { memarg } => self.atomic_load(I32, I32, memarg)?,
            Op::I64AtomicLoad { memarg } => self.atomic_load(I64, I64, memarg)?,
            Op::I32AtomicLoad8U { memarg } => self.atomic_load(I32, I8, memarg)?,
            Op::I32AtomicLoad16U { memarg } => self.atomic_load(I32, I16, memarg)?,
            Op::I64AtomicLoad8U { memarg } => self.atomic_load(I64, I8, memarg)?,
            Op::I64AtomicLoad16U { memarg } => self.atomic_load(I64, I16, memarg)?,
            Op::I64AtomicLoad32U { memarg } => self.atomic_load(I64, I32, memarg)?,
            Op::I32AtomicStore { memarg } => self.atomic_store(I32, memarg)?,
            Op::I64AtomicStore { memarg } => self.atomic_store(I64, memarg)?,
            Op::I32AtomicStore8 { memarg } => self.atomic_store(I8, memarg)?,
            Op::I32AtomicStore16 { memarg } => self.atomic_store(I16, memarg)?,
            Op::I64AtomicStore8 { memarg } => self.atomic_store(I8, memarg)?,
            Op::I64AtomicStore16 { memarg } => self.atomic_store(I16, memarg)?,
            Op::I64AtomicStore32 { memarg } => self.atomic_store(I32, memarg)?,
            Op::I32AtomicRmwAdd { memarg } => self.atomic_rmw(Add, I32, I32, memarg)?,
            Op::I64AtomicRmwAdd { memarg } => self.atomic_rmw(Add, I64, I64, memarg)?,
            Op::I32AtomicRmw8AddU { memarg } => self.atomic_rmw(Add, I32, I8, memarg)?,
            Op::I32AtomicRmw16AddU { memarg } => self.atomic_rmw(Add, I32, I16, memarg)?,
            Op::I64AtomicRmw8AddU { memarg } => self.atomic_rmw(Add, I64, I8, memarg)?,
            Op::I64AtomicRmw16AddU { memarg } => self.atomic_rmw(Add, I64, I16, memarg)?,
            Op::I64AtomicRmw32AddU { memarg } => self.atomic_rmw(Add, I64, I32, memarg)?,
            Op::I32AtomicRmwSub { memarg } => self.atomic_rmw(Sub, I32, I32, memarg)?,
            Op::I64AtomicRmwSub { memarg } => self.atomic_rmw(Sub, I64, I64, memarg)?,
            Op::I32AtomicRmw8SubU { memarg } => self.atomic_rmw(Sub, I32, I8, memarg)?,
            Op::I32AtomicRmw16SubU { memarg } => self.atomic_rmw(Sub, I32, I16, memarg)?,
            Op::I64AtomicRmw8SubU { memarg } => self.atomic_rmw(Sub, I64, I8, memarg)?,
            Op::I64AtomicRmw16SubU { memarg } => self.atomic_rmw(Sub, I64, I16, memarg)?,
            Op::I64AtomicRmw32SubU { memarg } => self.atomic_rmw(Sub, I64, I32, memarg)?,
            Op::I32AtomicRmwAnd { memarg } => self.atomic_rmw(And, I32, I32, memarg)?,
            Op::I64AtomicRmwAnd { memarg } => self.atomic_rmw(And, I64, I64, memarg)?,
            Op::I32AtomicRmw8AndU { memarg } => self.atomic_rmw(And, I32, I8, memarg)?,
            Op::I32AtomicRmw16AndU { memarg } => self.atomic_rmw(And, I32, I16, memarg)?,
            Op::I64AtomicRmw8AndU { memarg } => self.atomic_rmw(And, I64, I8, memarg)?,
            Op::I64AtomicRmw16AndU { memarg } => self.atomic_rmw(And, I64, I16, memarg)?,
            Op::I64AtomicRmw32AndU { memarg } => self.atomic_rmw(And, I64, I32, memarg)?,
            Op::I32AtomicRmwOr { memarg } => self.atomic_rmw(Or, I32, I32, memarg)?,
            Op::I64AtomicRmwOr { memarg } => self.atomic_rmw(Or, I64, I64, memarg)?,
            Op::I32AtomicRmw8OrU { memarg } => self.atomic_rmw(Or, I32, I8, memarg)?,
            Op::I32AtomicRmw16OrU { memarg } => self.atomic_rmw(Or, I32, I16, memarg)?,
            Op::I64AtomicRmw8OrU { memarg } => self.atomic_rmw(Or, I64, I8, memarg)?,
            Op::I64AtomicRmw16OrU { memarg } => self.atomic_rmw(Or, I64, I16, memarg)?,
            Op::I64AtomicRmw32OrU { memarg } => self.atomic_rmw(Or, I64, I32, memarg)?,
            Op::I32AtomicRmwXor { memarg } => self.atomic_rmw(Xor, I32, I32, memarg)?,
            Op::I64AtomicRmwXor { memarg } => self.atomic_rmw(Xor, I64, I64, memarg)?,
            Op::I32AtomicRmw8XorU { memarg } => self.atomic_rmw(Xor, I32, I8, memarg)?,
            Op::I32AtomicRmw16XorU { memarg } => self.atomic_rmw(Xor, I32, I16, memarg)?,
            Op::I64AtomicRmw8XorU { memarg } => self.atomic_rmw(Xor, I64, I8, memarg)?,
            Op::I64AtomicRmw16XorU { memarg } => self.atomic_rmw(Xor, I64, I16, memarg)?,
            Op::I64AtomicRmw32XorU { memarg } => self.atomic_rmw(Xor, I64, I32, memarg)?,
            Op::I32AtomicRmwXchg { memarg } => self.atomic_rmw(Xchg, I32, I32, memarg)?,
            Op::I64AtomicRmwXchg { memarg } => self.atomic_rmw(Xchg, I64, I64, memarg)?,
            Op::I32AtomicRmw8XchgU { memarg } => self.atomic_rmw(Xchg, I32, I8, memarg)?,
            Op::I32AtomicRmw16XchgU { memarg } => self.atomic_rmw(Xchg, I32, I16, memarg)?,
            Op::I64AtomicRmw8XchgU { memarg } => self.atomic_rmw(Xchg, I64, I8, memarg)?,
            Op::I64AtomicRmw16XchgU { memarg } => self.atomic_rmw(Xchg, I64, I16, memarg)?,
            Op::I64AtomicRmw32XchgU { memarg } => self.atomic_rmw(Xchg, I64, I32, memarg)?,
            Op::I32AtomicRmwCmpxchg { memarg } => self.atomic_cmpxchg(I32, I32, memarg)?,
            Op::I64AtomicRmwCmpxchg { memarg } => self.atomic_cmpxchg(I64, I64, memarg)?,
            Op::I32AtomicRmw8CmpxchgU { memarg } => self.atomic_cmpxchg(I32, I8, memarg)?,
            Op::I32AtomicRmw16CmpxchgU { memarg } => self.atomic_cmpxchg(I32, I16, memarg)?,
            Op::I64AtomicRmw8CmpxchgU { memarg } => self.atomic_cmpxchg(I64, I8, memarg)?,
            Op::I64AtomicRmw16CmpxchgU { memarg } => self.atomic_cmpxchg(I64, I16, memarg)?,
            Op::I64AtomicRmw32CmpxchgU { memarg } => self.atomic_cmpxchg(I64, I32, memarg)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
