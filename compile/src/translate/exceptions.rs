//! Exceptions. A `try_table` is a block, and a scope around the calls in it.
//!
//! A call inside of a scope is a `try_call` whose one handler is the scope's *dispatch*: a block that gets the exception's reference, compares its tag with those
//! of the clauses, loads the payload and branches to the clause's label; what no clause takes goes on to the dispatch of the scope around, or to the
//! runtime, which looks for handlers in the frames outside. The runtime has put tag and payload into `VmStore` when control gets there; they stay until the next call.
//! The dispatch is emitted at the end of the `try_table`, when all that may throw into it was translated.

use super::Translator;
use crate::env::trap;
use crate::fault::{Fault, Res};
use crate::signature::clif_type;
use crate::slots::Slots;
use crate::state::FrameKind;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, ExceptionTable, ExceptionTableData, ExceptionTableItem, InstBuilder, SigRef, Value, types,
};
use trjit_module::vm::{Builtin, store};
use trjit_module::{FuncType, TrapCode, TypeIndex};
use wasmparser::{Catch, TryTable};

/// An open `try_table`.
pub(super) struct TryScope {
    catches: Vec<Catch>,
    /// The first clause's entry in the function's side table.
    entry: u32,
    /// Made by the first instruction that may throw into it; its parameter is the exception's reference.
    dispatch: Option<Block>,
}

impl<'a> Translator<'a, '_> {
    pub(super) fn start_try(&mut self, table: &TryTable) -> Res<()> {
        let sig = self.block_sig(table.ty)?;
        self.start_framed(FrameKind::Try, sig)?;
        self.tries.push(TryScope { catches: table.catches.clone(), entry: self.entries.start, dispatch: None });
        Ok(())
    }

    /// Before the frame of a `try_table` ends.
    pub(super) fn end_try(&mut self) -> Res<()> {
        let scope = self.tries.pop().ok_or_else(|| Fault::internal("no `try_table` is open"))?;
        let Some(dispatch) = scope.dispatch else { return Ok(()) };
        if self.reachable {
            self.jump_to_next()?;
        }
        // Labels of the clauses count from outside of the `try_table`.
        let frame = self.frames.pop().ok_or_else(|| Fault::internal("no control frame is left"))?;
        self.stack.truncate(frame.height);
        self.b.seal_block(dispatch);
        self.b.switch_to_block(dispatch);
        self.dispatch(dispatch, &scope)?;
        self.frames.push(frame);
        self.reachable = false;
        Ok(())
    }

    fn dispatch(&mut self, dispatch: Block, scope: &TryScope) -> Res<()> {
        let height = self.stack.len();
        let exception = self.b.block_params(dispatch)[0];
        let vm_store = self.env.store(&mut self.b)?;
        let found = self.b.ins().load(types::I64, self.env.flags.vm, vm_store, store::EXN_TAG as i32);
        for (catch, entry) in scope.catches.iter().zip(scope.entry..) {
            let (tag, label, with_reference) = match *catch {
                Catch::One { tag, label } => (Some(tag), label, false),
                Catch::OneRef { tag, label } => (Some(tag), label, true),
                Catch::All { label } => (None, label, false),
                Catch::AllRef { label } => (None, label, true),
            };
            let next = tag.map(|tag| self.skip_unless_tag(found, tag)).transpose()?;
            if let Some(tag) = tag {
                self.push_payload(tag, vm_store)?;
            }
            if with_reference {
                self.push(exception);
            }
            self.br(label, entry)?;
            self.stack.truncate(height);
            match next {
                Some(next) => self.b.switch_to_block(next),
                None => return Ok(()),
            }
        }
        self.raise(exception)
    }

    /// Goes on in a new block when the exception has that tag; returns the block for the others.
    fn skip_unless_tag(&mut self, found: Value, tag: u32) -> Res<Block> {
        let expected = self.env.tag(&mut self.b, tag)?;
        let equal = self.b.ins().icmp(IntCC::Equal, found, expected);
        let (take, next) = (self.b.create_block(), self.b.create_block());
        self.b.ins().brif(equal, take, &[], next, &[]);
        self.b.seal_block(take);
        self.b.seal_block(next);
        self.b.switch_to_block(take);
        Ok(next)
    }

    fn tag_type(&self, tag: u32) -> Res<FuncType<'a>> {
        let ty = self.env.module.tags().get(tag as usize).ok_or_else(|| Fault::internal(format!("there is no tag {tag}")))?;
        Ok(self.env.module.func_type(TypeIndex(*ty)))
    }

    fn push_payload(&mut self, tag: u32, vm_store: Value) -> Res<()> {
        let ty = self.tag_type(tag)?;
        if ty.params().len() == 0 {
            return Ok(());
        }
        let base = self.b.ins().load(types::I64, self.env.flags.vm, vm_store, store::EXN_PAYLOAD as i32);
        let payload = Slots { base, words: ty.slot_words(), flags: self.env.flags.slot };
        for (slot, param) in ty.params().enumerate() {
            let value = payload.load(&mut self.b, clif_type(param)?, slot);
            self.push(value);
        }
        Ok(())
    }

    /// Where exceptions go that are thrown here: the dispatch of the innermost scope with clauses.
    pub(super) fn handler(&mut self) -> Option<Block> {
        let scope = self.tries.iter_mut().rev().find(|scope| !scope.catches.is_empty())?;
        Some(*scope.dispatch.get_or_insert_with(|| {
            let dispatch = self.b.create_block();
            self.b.set_cold_block(dispatch);
            self.b.append_block_param(dispatch, types::I64);
            dispatch
        }))
    }

    /// What follows a call of that signature in a scope: a new block with the results as parameters, or the handler.
    pub(super) fn exception_table(&mut self, signature: SigRef, handler: Block) -> (ExceptionTable, Block) {
        let normal = self.b.create_block();
        let results: Vec<_> = self.b.func.dfg.signatures[signature].returns.iter().map(|result| result.value_type).collect();
        let mut args = Vec::with_capacity(results.len());
        for (at, ty) in results.into_iter().enumerate() {
            self.b.append_block_param(normal, ty);
            args.push(BlockArg::TryCallRet(at as u32));
        }
        let lists = &mut self.b.func.dfg.value_lists;
        let normal_call = BlockCall::new(normal, args, lists);
        let handler_call = BlockCall::new(handler, [BlockArg::TryCallExn(0)], lists);
        let data = ExceptionTableData::new(signature, normal_call, [ExceptionTableItem::Default(handler_call)]);
        (self.b.func.dfg.exception_tables.push(data), normal)
    }

    pub(super) fn throw(&mut self, tag: u32) -> Res<()> {
        let ty = self.tag_type(tag)?;
        let values = self.pop_many(ty.params().len())?;
        let payload = self.scratch_slots(values.len(), ty.slot_words());
        payload.store_all(&mut self.b, &values);
        let tag = self.index(tag);
        let exception = self.env.builtin_value(&mut self.b, Builtin::AllocException, &[tag, payload.base])?;
        self.raise(exception)
    }

    pub(super) fn throw_ref(&mut self) -> Res<()> {
        let exception = self.pop()?;
        self.env.builtin(&mut self.b, Builtin::ActivateException, &[exception])?;
        self.raise(exception)
    }

    /// Throws an exception that `VmStore` describes already.
    fn raise(&mut self, exception: Value) -> Res<()> {
        match self.handler() {
            Some(handler) => {
                self.b.ins().jump(handler, &[BlockArg::Value(exception)]);
            }
            None => {
                self.env.builtin(&mut self.b, Builtin::ThrowRef, &[exception])?;
                // It does not return.
                self.b.ins().trap(trap(TrapCode::Unreachable));
            }
        }
        self.reachable = false;
        Ok(())
    }
}
