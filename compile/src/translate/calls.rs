//! Calls. A caller writes the callee's index to the callee's vmctx before every call that might end in the lazy stub or in a trampoline to the interpreter.
//!
//! Tail calls reuse the frame. Code entered at a loop has no frame that its callee's results would fit: it puts the arguments into the slots of its frame and
//! tells the driver whom to call.

use super::guards::{Form, Indirect, Kind};
use super::{Results, Translator};
use crate::env::trap;
use crate::fault::Res;
use crate::signature::{clif_type, returns_by_pointer};
use crate::slots::Slots;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, StackSlotData, StackSlotKind, Value, types};
use std::mem::offset_of;
use trjit_module::vm::{VmFuncRef, VmImport, ended, header, store};
use trjit_module::{FuncIndex, FuncType, TrapCode, TypeIndex};

/// Whom a call reaches.
pub(super) struct Callee {
    code: Code,
    vmctx: Value,
    /// Its index in the instance of that vmctx, an i32.
    function: Value,
}

enum Code {
    /// A function of the same text, whatever the instance.
    Direct(FuncIndex),
    /// An address.
    Address(Value),
}

impl<'a> Translator<'a, '_> {
    pub(super) fn call(&mut self, function: u32) -> Res<()> {
        let ty = self.env.module.type_of(FuncIndex(function));
        let args = self.pop_args(ty)?;
        let callee = self.callee(FuncIndex(function))?;
        self.emit_call(callee, ty, &args)
    }

    pub(super) fn return_call(&mut self, function: u32) -> Res<()> {
        let ty = self.env.module.type_of(FuncIndex(function));
        let args = self.pop_args(ty)?;
        let callee = self.callee(FuncIndex(function))?;
        self.emit_tail_call(callee, ty, &args)
    }

    pub(super) fn call_indirect(&mut self, ty: TypeIndex, table: u32, kind: Kind) -> Res<()> {
        let index = self.pop()?;
        let args = self.pop_args(ty)?;
        if self.index_tells(ty, table) {
            let call = Indirect { ty, args, kind, told: index, form: Form::Index { table } };
            return self.guarded_call(&call, |translator| {
                let (element, wide) = translator.stored_element(table, index)?;
                translator.in_table(table, element, wide, ty)
            });
        }
        let (element, wide) = self.stored_element(table, index)?;
        let call = Indirect { ty, args, kind, told: element, form: Form::Element };
        self.guarded_call(&call, |translator| translator.in_table(table, element, wide, ty))
    }

    pub(super) fn call_ref(&mut self, ty: TypeIndex, kind: Kind) -> Res<()> {
        let reference = self.pop()?;
        let args = self.pop_args(ty)?;
        let call = Indirect { ty, args, kind, told: reference, form: Form::Reference };
        self.guarded_call(&call, |translator| {
            // Validation knows the type.
            translator.b.ins().trapz(reference, trap(TrapCode::NullReference));
            let record = translator.func_ref(reference)?;
            translator.referenced(record)
        })
    }

    fn pop_args(&mut self, ty: TypeIndex) -> Res<Vec<Value>> {
        self.pop_many(self.env.module.func_type(ty).params().len())
    }

    /// A function of the module; announces it.
    pub(super) fn callee(&mut self, function: FuncIndex) -> Res<Callee> {
        if self.env.module.defined_index(function).is_none() {
            return self.imported(function);
        }
        let vmctx = self.env.vmctx()?;
        let index = self.index(function.0);
        if self.request.direct_calls.direct(function) {
            return Ok(Callee { code: Code::Direct(function), vmctx, function: index });
        }
        self.b.ins().store(self.env.flags.vm, index, vmctx, header::CALLEE as i32);
        let jump_table = self.env.header(&mut self.b, header::JUMP_TABLE)?;
        let image_base = self.env.header(&mut self.b, header::IMAGE_BASE)?;
        let entry = self.env.jump_table_entry(&mut self.b, jump_table, image_base, function.0 as i32 * 4);
        Ok(Callee { code: Code::Address(entry), vmctx, function: index })
    }

    fn imported(&mut self, function: FuncIndex) -> Res<Callee> {
        let import = self.env.import_offset(function);
        let vmctx = self.env.header(&mut self.b, import + offset_of!(VmImport, vmctx))?;
        let entry = self.env.header(&mut self.b, import + offset_of!(VmImport, entry))?;
        let function = self.env.header_i32(&mut self.b, import + offset_of!(VmImport, index))?;
        self.b.ins().store(self.env.flags.vm, function, vmctx, header::CALLEE as i32);
        Ok(Callee { code: Code::Address(entry), vmctx, function })
    }

    /// The callee that a table's element refers to, which is stored so at that index; checked and announced.
    fn in_table(&mut self, table: u32, element: Value, index: Value, ty: TypeIndex) -> Res<Callee> {
        let reference = self.filled_element(table, element, index)?;
        self.b.ins().trapz(reference, trap(TrapCode::IndirectCallToNull));
        let record = self.func_ref(reference)?;
        let found = self.b.ins().load(types::I32, self.env.flags.checked_constant, record, offset_of!(VmFuncRef, type_id) as i32);
        let expected = self.env.type_id(&mut self.b, ty)?;
        let differs = self.b.ins().icmp(IntCC::NotEqual, found, expected);
        self.b.ins().trapnz(differs, trap(TrapCode::BadSignature));
        self.referenced(record)
    }

    /// Address of a reference's `VmFuncRef`. The array of references may move when the store grows, so its address is loaded anew; a reference itself never changes.
    fn func_ref(&mut self, reference: Value) -> Res<Value> {
        let references = self.b.ins().load(types::I64, self.env.flags.vm, self.env.vmctx()?, header::FUNC_REFS as i32);
        let shift = i64::from(size_of::<VmFuncRef>().trailing_zeros());
        let offset = self.b.ins().ishl_imm_u(reference, shift);
        Ok(self.b.ins().iadd(references, offset))
    }

    /// The function of a `VmFuncRef`; counts and announces it.
    fn referenced(&mut self, record: Value) -> Res<Callee> {
        let known = self.env.flags.checked_constant;
        let vmctx = self.b.ins().load(types::I64, known, record, offset_of!(VmFuncRef, vmctx) as i32);
        let function = self.b.ins().load(types::I32, known, record, offset_of!(VmFuncRef, function) as i32);
        self.count_target(vmctx, function)?;
        self.b.ins().store(self.env.flags.vm, function, vmctx, header::CALLEE as i32);
        let jump_table = self.b.ins().load(types::I64, known, vmctx, header::JUMP_TABLE as i32);
        let image_base = self.b.ins().load(types::I64, known, vmctx, header::IMAGE_BASE as i32);
        let index = self.b.ins().uextend(types::I64, function);
        let entry = self.b.ins().ishl_imm_u(index, 2);
        let entry = self.b.ins().iadd(jump_table, entry);
        let entry = self.env.jump_table_entry(&mut self.b, entry, image_base, 0);
        Ok(Callee { code: Code::Address(entry), vmctx, function })
    }

    /// Calls, and pushes the results.
    pub(super) fn emit_call(&mut self, callee: Callee, ty: TypeIndex, args: &[Value]) -> Res<()> {
        let func_type = self.env.module.func_type(ty);
        let mut all = Vec::with_capacity(args.len() + 2);
        all.push(callee.vmctx);
        let area = returns_by_pointer(func_type).then(|| self.scratch_slots(func_type.results().len(), func_type.result_words()));
        all.extend(area.map(|area| area.base));
        all.extend_from_slice(args);
        match self.handler() {
            Some(handler) => {
                let signature = self.env.signature(&mut self.b, ty)?;
                let (table, normal) = self.exception_table(signature, handler);
                match callee.code {
                    Code::Direct(function) => {
                        let function = self.env.function(&mut self.b, function)?;
                        self.b.ins().try_call(function, &all, table);
                    }
                    Code::Address(entry) => {
                        self.b.ins().try_call_indirect(entry, &all, table);
                    }
                }
                self.b.seal_block(normal);
                self.b.switch_to_block(normal);
                self.stack.extend_from_slice(self.b.block_params(normal));
            }
            None => {
                let call = match callee.code {
                    Code::Direct(function) => {
                        let function = self.env.function(&mut self.b, function)?;
                        self.b.ins().call(function, &all)
                    }
                    Code::Address(entry) => {
                        let signature = self.env.signature(&mut self.b, ty)?;
                        self.b.ins().call_indirect(signature, entry, &all)
                    }
                };
                self.stack.extend_from_slice(self.b.inst_results(call));
            }
        }
        area.map_or(Ok(()), |area| self.load_results(func_type, area))
    }

    /// Leaves the function for another one with the same results.
    pub(super) fn emit_tail_call(&mut self, callee: Callee, ty: TypeIndex, args: &[Value]) -> Res<()> {
        self.reachable = false;
        let mut all = vec![callee.vmctx];
        match self.results {
            Results::Driver(slots) => return self.tail_call_by_driver(callee, ty, args, slots),
            Results::Pointer(area) => all.push(area),
            Results::Registers => {}
        }
        all.extend_from_slice(args);
        match callee.code {
            Code::Direct(function) => {
                let function = self.env.function(&mut self.b, function)?;
                self.b.ins().return_call(function, &all);
            }
            Code::Address(entry) => {
                let signature = self.env.signature(&mut self.b, ty)?;
                self.b.ins().return_call_indirect(signature, entry, &all);
            }
        }
        Ok(())
    }

    /// The arguments go to the start of the frame, as crossing slots of the callee's type: the frame held them, so there is room.
    fn tail_call_by_driver(&mut self, callee: Callee, ty: TypeIndex, args: &[Value], frame: Slots) -> Res<()> {
        let slots = Slots { words: self.env.module.func_type(ty).slot_words(), ..frame };
        slots.store_all(&mut self.b, args);
        let vm_store = self.env.store(&mut self.b)?;
        let function = self.b.ins().uextend(types::I64, callee.function);
        self.b.ins().store(self.env.flags.vm, callee.vmctx, vm_store, store::TAIL_VMCTX as i32);
        self.b.ins().store(self.env.flags.vm, function, vm_store, store::TAIL_FUNCTION as i32);
        self.return_status(ended::TAIL_CALL);
        Ok(())
    }

    /// Slots in the function's own frame, which grow to the largest need.
    pub(super) fn scratch_slots(&mut self, slots: usize, words: usize) -> Slots {
        let size = (slots * words).max(1) as u32 * 8;
        let slot = match self.scratch {
            Some(slot) => slot,
            None => *self.scratch.insert(self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, size, 4))),
        };
        let data = &mut self.b.func.sized_stack_slots[slot];
        data.size = data.size.max(size);
        Slots { base: self.b.ins().stack_addr(types::I64, slot, 0), words, flags: self.env.flags.slot }
    }

    fn load_results(&mut self, ty: FuncType<'a>, area: Slots) -> Res<()> {
        for (slot, result) in ty.results().enumerate() {
            let value = area.load(&mut self.b, clif_type(result)?, slot);
            self.push(value);
        }
        Ok(())
    }
}
