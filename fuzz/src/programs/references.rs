//! References as values: of functions, of the host, to exceptions.

use super::body::Body;
use super::plan::{Elements, TABLE_LEN};
use wasm_encoder::{Instruction, ValType};

impl Body<'_> {
    /// A reference that is neither a local nor a constant, where the program has one.
    pub(super) fn reference(&mut self, ty: ValType, depth: u32) {
        match ty {
            ValType::EXNREF if self.rng.one_in(2) => self.caught(depth),
            ValType::FUNCREF if self.rng.one_in(2) => {
                let function = self.rng.below(self.plan.functions.len() as u64) as u32;
                self.emit(Instruction::RefFunc(function));
            }
            _ => self.element_of(ty, depth),
        }
    }

    fn element_of(&mut self, ty: ValType, depth: u32) {
        let holds = |elements: Elements| match elements {
            Elements::Functions | Elements::Typed(_) => ty == ValType::FUNCREF,
            Elements::Extern => ty == ValType::EXTERNREF,
        };
        let tables: Vec<u32> = (0..).zip(&self.plan.tables).filter(|(_, table)| holds(table.elements)).map(|(at, _)| at).collect();
        if tables.is_empty() {
            self.expression(ty, depth + 1);
            self.expression(ty, depth + 1);
            return self.combine(ty, depth + 1);
        }
        let table = *self.rng.pick(&tables);
        self.small(self.plan.tables[table as usize].is_64, TABLE_LEN as i32 - 1);
        self.emit(Instruction::TableGet(table));
    }

    /// Whether a reference is null, the only thing that can be asked of it.
    pub(super) fn is_null(&mut self, depth: u32) {
        let references: Vec<ValType> = self.plan.values.iter().copied().filter(|ty| matches!(ty, ValType::Ref(_))).collect();
        let ty = *self.rng.pick(&references);
        self.expression(ty, depth + 1);
        self.emit(Instruction::RefIsNull);
    }
}
