//! Crossings between slots and registers, three a function type: `trjit_module::vm::VmTrampolines` says what they do.

use crate::env::Env;
use crate::fault::Res;
use crate::signature::{self, clif_type, returns_by_pointer};
use crate::slots::Slots;
use cranelift_codegen::ir::{Function, InstBuilder, StackSlotData, StackSlotKind, Value, types};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use trjit_code::Settings;
use trjit_module::vm::{Builtin, header, store};
use trjit_module::{FuncType, Module, TypeIndex};

/// What a trampoline is made from.
pub struct Trampoline<'a> {
    pub module: &'a Module,
    pub ty: TypeIndex,
    pub settings: Settings,
}

impl<'a> Trampoline<'a> {
    fn ty(&self) -> FuncType<'a> {
        self.module.func_type(self.ty)
    }

    /// Crossing slots of the type.
    fn slots(&self, env: &Env<'_>, base: Value) -> Slots {
        Slots { base, words: self.ty().slot_words(), flags: env.flags.slot }
    }

    /// Slots of the type's results where they go through memory in compiled code.
    fn result_slots(&self, env: &Env<'_>, base: Value) -> Slots {
        Slots { words: self.ty().result_words(), ..self.slots(env, base) }
    }

    fn load_results(&self, b: &mut FunctionBuilder<'_>, slots: Slots) -> Res<Vec<Value>> {
        self.ty().results().enumerate().map(|(slot, result)| Ok(slots.load(b, clif_type(result)?, slot))).collect()
    }

    fn load_args(&self, b: &mut FunctionBuilder<'_>, slots: Slots, args: &mut Vec<Value>) -> Res<()> {
        for (slot, param) in self.ty().params().enumerate() {
            args.push(slots.load(b, clif_type(param)?, slot));
        }
        Ok(())
    }

    /// Arguments are loaded before the call, so that results beyond the registers can go straight to the same slots, or, where only parameters ask for wide slots, at
    /// least to the same place.
    pub fn to_native(&self, func: &mut Function, context: &mut FunctionBuilderContext, config: TargetFrontendConfig) -> Res<()> {
        func.signature = signature::from_slots();
        let mut env = Env::new(self.module, self.settings, func);
        let mut b = FunctionBuilder::new(func, context);
        let params = entry_block(&mut b);
        let (vmctx, code, area) = (params[0], params[1], params[2]);
        env.set_vmctx(vmctx);

        let slots = self.slots(&env, area);
        let callee = env.signature(&mut b, self.ty)?;
        let mut args = vec![vmctx];
        args.extend(returns_by_pointer(self.ty()).then_some(area));
        self.load_args(&mut b, slots, &mut args)?;
        let call = b.ins().call_indirect(callee, code, &args);
        let mut results = b.inst_results(call).to_vec();
        if returns_by_pointer(self.ty()) && self.ty().result_words() != self.ty().slot_words() {
            results = self.load_results(&mut b, self.result_slots(&env, area))?;
        }
        slots.store_all(&mut b, &results);
        let done = b.ins().iconst(types::I64, 0);
        b.ins().return_(&[done]);
        b.finalize(config);
        Ok(())
    }

    /// As [`to_native`](Self::to_native) for a tail call: the results go where the caller of this crossing expects them.
    pub fn tail_to_native(&self, func: &mut Function, context: &mut FunctionBuilderContext, config: TargetFrontendConfig) -> Res<()> {
        func.signature = signature::tail_to_native(self.ty())?;
        let mut env = Env::new(self.module, self.settings, func);
        let mut b = FunctionBuilder::new(func, context);
        let mut args = entry_block(&mut b);
        let (area, code) = (args.pop(), args.pop());
        let (Some(area), Some(code)) = (area, code) else { unreachable!("`tail_to_native` has three parameters at least") };
        env.set_vmctx(args[0]);

        let slots = self.slots(&env, area);
        let callee = env.signature(&mut b, self.ty)?;
        self.load_args(&mut b, slots, &mut args)?;
        b.ins().return_call_indirect(callee, code, &args);
        b.finalize(config);
        Ok(())
    }

    /// The callee is read from the vmctx first of all: whatever is called afterwards may overwrite it.
    pub fn to_interpreter(&self, func: &mut Function, context: &mut FunctionBuilderContext, config: TargetFrontendConfig) -> Res<()> {
        let ty = self.ty();
        func.signature = signature::compiled(ty)?;
        let mut env = Env::new(self.module, self.settings, func);
        let mut b = FunctionBuilder::new(func, context);
        let params = entry_block(&mut b);
        let vmctx = params[0];
        env.set_vmctx(vmctx);

        let callee = b.ins().load(types::I32, env.flags.vm, vmctx, header::CALLEE as i32);
        let size = ty.crossing_words().max(1) as u32 * 8;
        let slot = b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, size, 4));
        let area = b.ins().stack_addr(types::I64, slot, 0);
        let slots = self.slots(&env, area);
        let results_pointer = returns_by_pointer(ty).then(|| params[1]);
        slots.store_all(&mut b, &params[1 + usize::from(results_pointer.is_some())..]);
        let next = env.builtin_value(&mut b, Builtin::EnterInterpreter, &[callee, area])?;

        let (tail, done) = (b.create_block(), b.create_block());
        b.set_cold_block(tail);
        b.ins().brif(next, tail, &[], done, &[]);
        b.seal_block(tail);
        b.seal_block(done);
        b.switch_to_block(tail);
        self.tail_call(&mut b, &env, next, results_pointer)?;
        b.switch_to_block(done);
        let mut results = self.load_results(&mut b, slots)?;
        if let Some(pointer) = results_pointer {
            self.result_slots(&env, pointer).store_all(&mut b, &results);
            results.clear();
        }
        b.ins().return_(&results);
        b.finalize(config);
        Ok(())
    }

    /// Leaves for the compiled function that the interpreter's last tail call named, by that function's crossing `next`.
    fn tail_call(&self, b: &mut FunctionBuilder<'_>, env: &Env<'_>, next: Value, results_pointer: Option<Value>) -> Res<()> {
        let vm_store = env.store(b)?;
        let mut load = |offset: usize| b.ins().load(types::I64, env.flags.vm, vm_store, offset as i32);
        let (vmctx, code, args) = (load(store::TAIL_VMCTX), load(store::TAIL_CODE), load(store::TAIL_ARGS));
        let mut all = vec![vmctx];
        all.extend(results_pointer);
        all.extend([code, args]);
        let signature = b.import_signature(signature::tail_to_native(self.ty())?);
        b.ins().return_call_indirect(signature, next, &all);
        Ok(())
    }
}

/// The parameters of the function, in its entry block.
fn entry_block(b: &mut FunctionBuilder<'_>) -> Vec<Value> {
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    b.block_params(entry).to_vec()
}
