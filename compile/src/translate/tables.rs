//! Tables. An element is 0 until somebody asks for it ([`Builtin::TableGet`] fills it), then the reference times two plus one.

use super::Translator;
use crate::env::trap;
use crate::fault::{Fault, Res};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types};
use std::mem::offset_of;
use trjit_module::TrapCode;
use trjit_module::flat::TableRecord;
use trjit_module::vm::{Builtin, VmTable};

impl Translator<'_, '_> {
    /// Whether indices of the table have 64 bits.
    pub(super) fn has_wide_table(&self, table: u32) -> Res<bool> {
        let record = self.env.module.tables().get(table as usize).ok_or_else(|| Fault::internal(format!("there is no table {table}")))?;
        Ok(record.flags & TableRecord::TABLE64 != 0)
    }

    /// Address of an element; traps outside of the table. Also the index in 64 bits.
    fn table_place(&mut self, table: u32, index: Value) -> Res<(Value, Value)> {
        let wide = if self.has_wide_table(table)? { index } else { self.b.ins().uextend(types::I64, index) };
        let definition = self.env.table(&mut self.b, table)?;
        let len = self.b.ins().load(types::I64, self.env.flags.table, definition, offset_of!(VmTable, len) as i32);
        let beyond = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, wide, len);
        self.b.ins().trapnz(beyond, trap(TrapCode::TableOutOfBounds));
        let elements = self.b.ins().load(types::I64, self.env.flags.table, definition, offset_of!(VmTable, elements) as i32);
        let offset = self.b.ins().ishl_imm_u(wide, 3);
        Ok((self.b.ins().iadd(elements, offset), wide))
    }

    /// The element at `index` as it is stored, and the index in 64 bits.
    pub(super) fn stored_element(&mut self, table: u32, index: Value) -> Res<(Value, Value)> {
        let (place, wide) = self.table_place(table, index)?;
        Ok((self.b.ins().load(types::I64, self.env.flags.table, place, 0), wide))
    }

    /// The reference of an element that is stored so; fills it where nobody has yet.
    pub(super) fn filled_element(&mut self, table: u32, element: Value, wide: Value) -> Res<Value> {
        let reference = self.b.ins().ushr_imm_u(element, 1);
        let lazy = self.b.create_block();
        self.b.set_cold_block(lazy);
        let ready = self.b.create_block();
        let result = self.b.append_block_param(ready, types::I64);
        self.b.ins().brif(element, ready, &[BlockArg::Value(reference)], lazy, &[]);
        self.b.seal_block(lazy);
        self.b.switch_to_block(lazy);
        let table = self.index(table);
        let filled = self.env.builtin_value(&mut self.b, Builtin::TableGet, &[table, wide])?;
        self.b.ins().jump(ready, &[BlockArg::Value(filled)]);
        self.b.seal_block(ready);
        self.b.switch_to_block(ready);
        Ok(result)
    }

    pub(super) fn table_get(&mut self, table: u32) -> Res<()> {
        let index = self.pop()?;
        let (element, wide) = self.stored_element(table, index)?;
        let reference = self.filled_element(table, element, wide)?;
        self.push(reference);
        Ok(())
    }

    pub(super) fn table_set(&mut self, table: u32) -> Res<()> {
        let (index, reference) = self.pop2()?;
        let (place, _) = self.table_place(table, index)?;
        let element = self.b.ins().ishl_imm_u(reference, 1);
        let element = self.b.ins().bor_imm_u(element, 1);
        self.b.ins().store(self.env.flags.table, element, place, 0);
        Ok(())
    }

    pub(super) fn table_size(&mut self, table: u32) -> Res<()> {
        let definition = self.env.table(&mut self.b, table)?;
        let len = self.b.ins().load(types::I64, self.env.flags.table, definition, offset_of!(VmTable, len) as i32);
        let wide = self.has_wide_table(table)?;
        self.push_index(len, wide);
        Ok(())
    }

    pub(super) fn table_grow(&mut self, table: u32) -> Res<()> {
        let wide = self.has_wide_table(table)?;
        let delta = self.pop_index(wide)?;
        let value = self.pop()?;
        let table = self.index(table);
        let old = self.env.builtin_value(&mut self.b, Builtin::TableGrow, &[table, value, delta])?;
        self.push_index(old, wide);
        Ok(())
    }

    pub(super) fn table_fill(&mut self, table: u32) -> Res<()> {
        let wide = self.has_wide_table(table)?;
        let len = self.pop_index(wide)?;
        let value = self.pop()?;
        let dst = self.pop_index(wide)?;
        let table = self.index(table);
        self.env.builtin(&mut self.b, Builtin::TableFill, &[table, dst, value, len])?;
        Ok(())
    }

    pub(super) fn table_copy(&mut self, dst_table: u32, src_table: u32) -> Res<()> {
        let wide = (self.has_wide_table(dst_table)?, self.has_wide_table(src_table)?);
        self.copy(Builtin::TableCopy, dst_table, src_table, wide)
    }

    pub(super) fn table_init(&mut self, table: u32, segment: u32) -> Res<()> {
        let wide = self.has_wide_table(table)?;
        self.init(Builtin::TableInit, table, segment, wide)
    }

    pub(super) fn ref_func(&mut self, function: u32) -> Res<()> {
        let function = self.index(function);
        let reference = self.env.builtin_value(&mut self.b, Builtin::RefFunc, &[function])?;
        self.push(reference);
        Ok(())
    }
}
