//! Calls. A caller writes the callee's index to the callee's vmctx before every call that might end in the lazy stub or in a trampoline to the interpreter.

use super::Translator;
use crate::env::trap;
use crate::fault::Res;
use crate::signature::returns_by_pointer;
use crate::slots;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Inst, InstBuilder, StackSlotData, StackSlotKind, Value, types};
use std::mem::offset_of;
use trjit_module::vm::{VmFuncRef, VmImport, header};
use trjit_module::{FuncIndex, FuncType, TrapCode, TypeIndex};

/// Whom a call reaches.
enum Callee {
    /// A function of the same text, whatever the instance.
    Direct(FuncIndex),
    /// An address.
    Address(Value),
}

impl<'a> Translator<'a, '_> {
    pub(super) fn call(&mut self, function: u32) -> Res<()> {
        let function = FuncIndex(function);
        let ty = self.env.module.type_of(function);
        let args = self.pop_many(self.env.module.func_type(ty).params().len())?;
        let vmctx = self.env.vmctx()?;
        if self.env.module.defined_index(function).is_none() {
            let (vmctx, entry) = self.imported(function)?;
            return self.emit_call(Callee::Address(entry), vmctx, ty, &args);
        }
        if self.direct_calls.direct(function) {
            return self.emit_call(Callee::Direct(function), vmctx, ty, &args);
        }
        let index = self.index(function.0);
        self.b.ins().store(self.env.flags.vm, index, vmctx, header::CALLEE as i32);
        let jump_table = self.env.header(&mut self.b, header::JUMP_TABLE)?;
        let image_base = self.env.header(&mut self.b, header::IMAGE_BASE)?;
        let entry = self.env.jump_table_entry(&mut self.b, jump_table, image_base, function.0 as i32 * 4);
        self.emit_call(Callee::Address(entry), vmctx, ty, &args)
    }

    /// An import's vmctx and code; announces the callee.
    fn imported(&mut self, function: FuncIndex) -> Res<(Value, Value)> {
        let import = self.env.import_offset(function);
        let vmctx = self.env.header(&mut self.b, import + offset_of!(VmImport, vmctx))?;
        let entry = self.env.header(&mut self.b, import + offset_of!(VmImport, entry))?;
        let index = self.env.header_i32(&mut self.b, import + offset_of!(VmImport, index))?;
        self.b.ins().store(self.env.flags.vm, index, vmctx, header::CALLEE as i32);
        Ok((vmctx, entry))
    }

    pub(super) fn call_indirect(&mut self, ty: TypeIndex, table: u32) -> Res<()> {
        let index = self.pop()?;
        let args = self.pop_many(self.env.module.func_type(ty).params().len())?;
        let (reference, _) = self.table_element(table, index)?;
        self.b.ins().trapz(reference, trap(TrapCode::IndirectCallToNull));

        // The array of references may move when the store grows, so its address is loaded anew; a reference itself never changes.
        let known = self.env.flags.checked_constant;
        let references = self.b.ins().load(types::I64, self.env.flags.vm, self.env.vmctx()?, header::FUNC_REFS as i32);
        let shift = i64::from(size_of::<VmFuncRef>().trailing_zeros());
        let offset = self.b.ins().ishl_imm_u(reference, shift);
        let record = self.b.ins().iadd(references, offset);
        let found = self.b.ins().load(types::I32, known, record, offset_of!(VmFuncRef, type_id) as i32);
        let expected = self.env.type_id(&mut self.b, ty)?;
        let differs = self.b.ins().icmp(IntCC::NotEqual, found, expected);
        self.b.ins().trapnz(differs, trap(TrapCode::BadSignature));

        let vmctx = self.b.ins().load(types::I64, known, record, offset_of!(VmFuncRef, vmctx) as i32);
        let function = self.b.ins().load(types::I32, known, record, offset_of!(VmFuncRef, function) as i32);
        self.b.ins().store(self.env.flags.vm, function, vmctx, header::CALLEE as i32);
        let jump_table = self.b.ins().load(types::I64, known, vmctx, header::JUMP_TABLE as i32);
        let image_base = self.b.ins().load(types::I64, known, vmctx, header::IMAGE_BASE as i32);
        let function = self.b.ins().uextend(types::I64, function);
        let entry = self.b.ins().ishl_imm_u(function, 2);
        let entry = self.b.ins().iadd(jump_table, entry);
        let entry = self.env.jump_table_entry(&mut self.b, entry, image_base, 0);
        self.emit_call(Callee::Address(entry), vmctx, ty, &args)
    }

    /// Calls, and pushes the results.
    fn emit_call(&mut self, callee: Callee, vmctx: Value, ty: TypeIndex, args: &[Value]) -> Res<()> {
        let func_type = self.env.module.func_type(ty);
        let mut all = Vec::with_capacity(args.len() + 2);
        all.push(vmctx);
        let area = returns_by_pointer(func_type).then(|| self.result_area(func_type.results().len()));
        all.extend(area);
        all.extend_from_slice(args);
        let call = self.emit_call_inst(callee, ty, &all)?;
        match area {
            Some(area) => self.load_results(func_type, area),
            None => {
                self.stack.extend_from_slice(self.b.inst_results(call));
                Ok(())
            }
        }
    }

    fn emit_call_inst(&mut self, callee: Callee, ty: TypeIndex, args: &[Value]) -> Res<Inst> {
        Ok(match callee {
            Callee::Direct(function) => {
                let function = self.env.function(&mut self.b, function)?;
                self.b.ins().call(function, args)
            }
            Callee::Address(entry) => {
                let signature = self.env.signature(&mut self.b, ty)?;
                self.b.ins().call_indirect(signature, entry, args)
            }
        })
    }

    /// Address of the area for results in memory, which grows to the largest need.
    fn result_area(&mut self, results: usize) -> Value {
        let size = results as u32 * 8;
        let slot = match self.result_area {
            Some(slot) => slot,
            None => *self.result_area.insert(self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, size, 3))),
        };
        let data = &mut self.b.func.sized_stack_slots[slot];
        data.size = data.size.max(size);
        self.b.ins().stack_addr(types::I64, slot, 0)
    }

    fn load_results(&mut self, ty: FuncType<'a>, area: Value) -> Res<()> {
        for (slot, result) in ty.results().enumerate() {
            let value = slots::load(&mut self.b, self.env.flags.slot, crate::signature::clif_type(result)?, area, slot);
            self.push(value);
        }
        Ok(())
    }
}
