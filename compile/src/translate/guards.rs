//! Indirect calls whose callee training has counted: the reference is compared with those of the expected functions of this instance, which are then called directly; what
//! equals none of them takes the generic path.
//!
//! ```text
//! reference == base + f  ->  call f  ---------.
//! else == base + g       ->  call g  ---------+-> join
//! else                   ->  generic path  ---'
//! ```
//! The reference of the instance's function f is `VmHeader::func_ref_base` + f, constant in an instance. Equality implies that the reference is not null, and instance, function and type: no
//! check is left. An element of a table is compared as it is stored, and one that is not filled yet equals none. Where the table goes on to hold what it begins with, and each expected function is
//! at one place of it, the index is compared with those places, and the element is not even loaded. Both paths are the same instruction of the wasm: what traps or is thrown in them is told alike.

use super::Translator;
use super::calls::Callee;
use crate::fault::{Fault, Res};
use crate::planted::{self, ExitBug};
use crate::targets::{self, Expected};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value};
use trjit_module::vm::header;
use trjit_module::{Changers, FuncIndex, Module, TypeIndex};

/// How the value that tells the callee holds a reference.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A slot's: as it is.
    Reference,
    /// A table's: times two plus one.
    Element,
    /// Not at all: it is the index into a table, at one place of which each expected function is.
    Index { table: u32 },
}

/// What happens with the results of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    Tail,
}

/// An indirect call before its callee is known.
pub(super) struct Indirect {
    pub ty: TypeIndex,
    pub args: Vec<Value>,
    pub kind: Kind,
    /// The value that tells the callee.
    pub told: Value,
    pub form: Form,
}

impl Translator<'_, '_> {
    /// Calls: an expected function directly, any other one as `generic` finds it from the same value.
    pub(super) fn guarded_call(&mut self, call: &Indirect, generic: impl FnOnce(&mut Self) -> Res<Callee>) -> Res<()> {
        let Expected { mut functions, others_are_rare } = self.expected_callees(call.ty);
        if let Form::Index { table } = call.form {
            // Counts of a run that goes on may have become others since the form was chosen.
            functions.retain(|&function| self.env.module.only_index_of(table, function).is_some());
        }
        let height = self.stack.len();
        let mut join = None;
        for &function in &functions {
            let other = self.unless_it_is(call, function)?;
            let callee = self.callee(function)?;
            self.emit_of_kind(call, callee)?;
            self.join_results(call.kind, height, &mut join);
            self.b.switch_to_block(other);
        }
        // Each step may end in a block of its own.
        let is_cold = !functions.is_empty() && others_are_rare;
        self.mark_block(is_cold);
        let callee = generic(self)?;
        self.mark_block(is_cold);
        self.emit_of_kind(call, callee)?;
        self.mark_block(is_cold && call.kind == Kind::Call);
        if !functions.is_empty() {
            self.join_results(call.kind, height, &mut join);
        }
        if let Some(join) = join {
            self.b.seal_block(join);
            self.b.switch_to_block(join);
            self.stack.extend_from_slice(self.b.block_params(join));
        }
        Ok(())
    }

    /// Whether the index into a table tells all callees that are expected of the current call.
    pub(super) fn index_tells(&mut self, ty: TypeIndex, table: u32) -> bool {
        match self.env.module.changers(table) {
            Changers::Nobody => {
                let Expected { functions, .. } = self.expected_callees(ty);
                are_told_by_index(self.env.module, table, &functions)
            }
            Changers::Others => self.reliance.relies(self.position),
            Changers::Anyone => false,
        }
    }

    fn expected_callees(&mut self, ty: TypeIndex) -> Expected {
        let site = self.heat.as_mut().and_then(|heat| heat.site(self.position));
        site.map_or_else(Expected::default, |site| targets::expected(&self.request, self.request.function, site, ty))
    }

    /// Goes on in a new block when the callee is that function; returns the block for the others.
    fn unless_it_is(&mut self, call: &Indirect, function: FuncIndex) -> Res<Block> {
        let own = match call.form {
            Form::Reference => {
                let base = self.env.header(&mut self.b, header::FUNC_REF_BASE)?;
                self.b.ins().iadd_imm_u(base, i64::from(function.0))
            }
            Form::Element => {
                let base = self.env.header(&mut self.b, header::FUNC_REF_BASE)?;
                let base = self.b.ins().ishl_imm_u(base, 1);
                self.b.ins().iadd_imm_u(base, i64::from(function.0) * 2 + 1)
            }
            Form::Index { table } => {
                let index = self.env.module.only_index_of(table, function);
                let index = index.ok_or_else(|| Fault::internal(format!("function {function} is not at one place of table {table}")))?;
                let index = index + u64::from(planted::has(ExitBug::OtherIndex));
                let ty = self.b.func.dfg.value_type(call.told);
                self.b.ins().iconst(ty, index as i64)
            }
        };
        let differs = self.b.ins().icmp(IntCC::NotEqual, call.told, own);
        let (hit, other) = (self.b.create_block(), self.b.create_block());
        self.b.ins().brif(differs, other, &[], hit, &[]);
        self.b.seal_block(hit);
        self.b.seal_block(other);
        self.b.switch_to_block(hit);
        Ok(other)
    }

    fn emit_of_kind(&mut self, call: &Indirect, callee: Callee) -> Res<()> {
        match call.kind {
            Kind::Call => self.emit_call(callee, call.ty, &call.args),
            Kind::Tail => self.emit_tail_call(callee, call.ty, &call.args),
        }
    }

    /// Takes the results above `height` to the block where all callees meet, which the first of them makes. A tail call has left.
    fn join_results(&mut self, kind: Kind, height: usize, join: &mut Option<Block>) {
        if kind == Kind::Tail {
            return;
        }
        let results = self.stack.split_off(height);
        let block = *join.get_or_insert_with(|| {
            let block = self.b.create_block();
            for &result in &results {
                let ty = self.b.func.dfg.value_type(result);
                self.b.append_block_param(block, ty);
            }
            block
        });
        let args: Vec<BlockArg> = results.into_iter().map(BlockArg::Value).collect();
        self.b.ins().jump(block, &args);
    }
}

/// Whether there are such functions, and each is at one place of the table.
pub(super) fn are_told_by_index(module: &Module, table: u32, functions: &[FuncIndex]) -> bool {
    !functions.is_empty() && functions.iter().all(|&function| module.only_index_of(table, function).is_some())
}
