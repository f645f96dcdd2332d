//! The parts of bodies that reach beyond the function: calls, bulk operations, tables.

use super::body::{ADDRESS_MASK, Body};
use super::{SEGMENT_LEN, TABLE_LEN};
use wasm_encoder::{Instruction, ValType};

impl Body<'_> {
    pub(super) fn call_statement(&mut self) {
        let function = self.rng.below(self.plan.functions.len() as u64) as u32;
        self.call(function, 1);
        let plan = self.plan;
        for &ty in plan.signature(function).results.iter().rev() {
            let local = self.local_of(ty);
            self.emit(Instruction::LocalSet(local));
        }
    }

    /// A call of a function whose last result has the type; the others go to locals.
    pub(super) fn call_expression(&mut self, ty: ValType, depth: u32) {
        let plan = self.plan;
        let fits = |&function: &u32| plan.signature(function).results.first() == Some(&ty);
        let functions: Vec<u32> = (0..plan.functions.len() as u32).filter(fits).collect();
        if functions.is_empty() {
            return self.leaf(ty);
        }
        let function = *self.rng.pick(&functions);
        self.call(function, depth);
        for &result in plan.signature(function).results[1..].iter().rev() {
            let local = self.local_of(result);
            self.emit(Instruction::LocalSet(local));
        }
    }

    /// Calls directly, or through the table: mostly where an element of that type is.
    fn call(&mut self, function: u32, depth: u32) {
        let plan = self.plan;
        for &ty in &plan.signature(function).params {
            self.expression(ty, depth + 2);
        }
        let type_index = plan.functions[function as usize];
        let elements: Vec<i32> = plan.table.iter().zip(0..).filter(|(item, _)| **item == Some(function)).map(|(_, at)| at).collect();
        if elements.is_empty() || self.rng.one_in(2) {
            return self.emit(Instruction::Call(function));
        }
        if self.rng.one_in(16) {
            self.expression(ValType::I32, depth + 2);
            self.emit(Instruction::I32Const(TABLE_LEN as i32 + 3));
            self.emit(Instruction::I32And);
        } else {
            let element = *self.rng.pick(&elements);
            self.emit(Instruction::I32Const(element));
        }
        self.emit(Instruction::CallIndirect { type_index, table_index: 0 });
    }

    /// An index or a length that is mostly small.
    pub(super) fn small(&mut self, mask: i32) {
        self.expression(ValType::I32, 3);
        if !self.rng.one_in(40) {
            self.emit(Instruction::I32Const(mask));
            self.emit(Instruction::I32And);
        }
    }

    pub(super) fn bulk(&mut self) {
        self.small(ADDRESS_MASK);
        match self.rng.below(4) {
            0 => {
                self.expression(ValType::I32, 2);
                self.small(0xff);
                self.emit(Instruction::MemoryFill(0));
            }
            1 | 2 => {
                self.small(ADDRESS_MASK);
                self.small(0xff);
                self.emit(Instruction::MemoryCopy { src_mem: 0, dst_mem: 0 });
            }
            _ => {
                self.small(SEGMENT_LEN as i32 / 2 - 1);
                self.small(SEGMENT_LEN as i32 / 2 - 1);
                self.emit(Instruction::MemoryInit { mem: 0, data_index: 1 });
            }
        }
    }

    pub(super) fn table_statement(&mut self) {
        let function = self.rng.below(self.plan.functions.len() as u64) as u32;
        match self.rng.below(5) {
            // An element keeps its type, so that calls through it go on working.
            0 | 1 => {
                let same: Vec<i32> = self.elements_of_type(self.plan.functions[function as usize]);
                let element = if same.is_empty() { 0 } else { *self.rng.pick(&same) };
                self.emit(Instruction::I32Const(element));
                self.emit(Instruction::RefFunc(function));
                self.emit(Instruction::TableSet(0));
            }
            2 => {
                self.small(TABLE_LEN as i32 - 1);
                self.emit(Instruction::TableGet(0));
                self.emit(Instruction::RefIsNull);
                let local = self.local_of(ValType::I32);
                self.emit(Instruction::LocalSet(local));
            }
            3 => {
                self.emit(Instruction::RefFunc(function));
                self.small(1);
                self.emit(Instruction::TableGrow(0));
                let local = self.local_of(ValType::I32);
                self.emit(Instruction::LocalSet(local));
            }
            _ => {
                // Behind the elements that calls use.
                self.emit(Instruction::I32Const(TABLE_LEN as i32 - 1));
                self.small(1);
                self.small(1);
                self.emit(Instruction::TableInit { elem_index: 1, table: 0 });
            }
        }
    }

    fn elements_of_type(&self, ty: u32) -> Vec<i32> {
        let of_type = |item: &Option<u32>| item.is_some_and(|function| self.plan.functions[function as usize] == ty);
        self.plan.table.iter().zip(0..).filter(|(item, _)| of_type(item)).map(|(_, at)| at).collect()
    }
}
