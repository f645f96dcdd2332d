//! Crossings between slots and registers, one pair a function type: `trjit_module::vm::VmTrampolines` says what they do.

use crate::env::Env;
use crate::fault::Res;
use crate::signature::{self, clif_type, returns_by_pointer};
use crate::slots;
use cranelift_codegen::ir::{Function, InstBuilder, StackSlotData, StackSlotKind, types};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use trjit_code::Settings;
use trjit_module::vm::{Builtin, header};
use trjit_module::{Module, TypeIndex};

/// What a trampoline is made from.
pub struct Trampoline<'a> {
    pub module: &'a Module,
    pub ty: TypeIndex,
    pub settings: Settings,
}

impl Trampoline<'_> {
    /// Arguments are loaded before the call, so that results beyond the registers can go straight to the same slots.
    pub fn to_native(&self, func: &mut Function, context: &mut FunctionBuilderContext, config: TargetFrontendConfig) -> Res<()> {
        let ty = self.module.func_type(self.ty);
        func.signature = signature::from_slots();
        let mut env = Env::new(self.module, self.settings, func);
        let mut b = FunctionBuilder::new(func, context);
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        b.seal_block(entry);
        let &[vmctx, code, area] = b.block_params(entry) else { unreachable!("`from_slots` has three parameters") };
        env.set_vmctx(vmctx);

        let callee = env.signature(&mut b, self.ty)?;
        let mut args = vec![vmctx];
        args.extend(returns_by_pointer(ty).then_some(area));
        for (slot, param) in ty.params().enumerate() {
            args.push(slots::load(&mut b, env.flags.slot, clif_type(param)?, area, slot));
        }
        let call = b.ins().call_indirect(callee, code, &args);
        let results = b.inst_results(call).to_vec();
        for (slot, &result) in results.iter().enumerate() {
            slots::store(&mut b, env.flags.slot, result, area, slot);
        }
        let done = b.ins().iconst(types::I64, 0);
        b.ins().return_(&[done]);
        b.finalize(config);
        Ok(())
    }

    /// The callee is read from the vmctx first of all: whatever is called afterwards may overwrite it.
    pub fn to_interpreter(&self, func: &mut Function, context: &mut FunctionBuilderContext, config: TargetFrontendConfig) -> Res<()> {
        let ty = self.module.func_type(self.ty);
        func.signature = signature::compiled(ty)?;
        let mut env = Env::new(self.module, self.settings, func);
        let mut b = FunctionBuilder::new(func, context);
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        b.seal_block(entry);
        let params = b.block_params(entry).to_vec();
        let vmctx = params[0];
        env.set_vmctx(vmctx);

        let callee = b.ins().load(types::I32, env.flags.vm, vmctx, header::CALLEE as i32);
        let size = ty.crossing_slots().max(1) as u32 * 8;
        let slot = b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, size, 3));
        let area = b.ins().stack_addr(types::I64, slot, 0);
        let by_pointer = returns_by_pointer(ty);
        for (slot, &param) in params[1 + usize::from(by_pointer)..].iter().enumerate() {
            slots::store(&mut b, env.flags.slot, param, area, slot);
        }
        env.builtin(&mut b, Builtin::EnterInterpreter, &[callee, area])?;
        let mut results = Vec::with_capacity(ty.results().len());
        for (slot, result) in ty.results().enumerate() {
            results.push(slots::load(&mut b, env.flags.slot, clif_type(result)?, area, slot));
        }
        if by_pointer {
            for (slot, result) in results.drain(..).enumerate() {
                slots::store(&mut b, env.flags.slot, result, params[1], slot);
            }
        }
        b.ins().return_(&results);
        b.finalize(config);
        Ok(())
    }
}
