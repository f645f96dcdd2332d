//! What is done with tables beside calls through them.

use super::body::Body;
use super::memory::index_type;
use super::module;
use super::plan::{Elements, TABLE_LEN};
use wasm_encoder::{Instruction, ValType};

impl Body<'_> {
    pub(super) fn table_statement(&mut self) {
        let table = self.rng.below(self.plan.tables.len() as u64) as u32;
        let (elements, is_64) = (self.plan.tables[table as usize].elements, self.plan.tables[table as usize].is_64);
        match self.rng.below(9) {
            0..=2 => self.table_set(table),
            3 => {
                self.small(is_64, TABLE_LEN as i32 - 1);
                self.emit(Instruction::TableGet(table));
                self.emit(Instruction::RefIsNull);
                self.keep(&[ValType::I32]);
            }
            4 | 5 => {
                self.emit(Instruction::TableSize(table));
                self.item(elements);
                self.small(is_64, 3);
                self.emit(Instruction::TableGrow(table));
                self.emit(Instruction::TableSize(table));
                self.keep(&[index_type(is_64); 3]);
            }
            // Behind the elements that calls use.
            6 => {
                self.element(is_64, TABLE_LEN as i64 - 1);
                self.item(elements);
                self.small(is_64, 1);
                self.emit(Instruction::TableFill(table));
            }
            7 => self.table_copy(table),
            _ if elements == Elements::Functions => self.table_init(table, 1),
            _ => self.table_set(table),
        }
    }

    /// From the passive segment to the elements that calls seldom use.
    pub(super) fn table_init(&mut self, table: u32, mask: i32) {
        self.element(self.plan.tables[table as usize].is_64, TABLE_LEN as i64 - 1);
        self.small(false, mask);
        self.small(false, mask);
        self.emit(Instruction::TableInit { elem_index: module::passive_elements(self.plan), table });
    }

    /// An element keeps its type, so that calls through it go on working.
    fn table_set(&mut self, table: u32) {
        let planned = &self.plan.tables[table as usize];
        if planned.elements == Elements::Extern {
            self.small(planned.is_64, TABLE_LEN as i32 - 1);
            self.expression(ValType::EXTERNREF, 2);
            return self.emit(Instruction::TableSet(table));
        }
        let elements: Vec<(i64, u32)> = (0..).zip(&planned.items).filter_map(|(at, item)| item.map(|function| (at, function))).collect();
        if elements.is_empty() {
            return self.assign();
        }
        let (element, function) = *self.rng.pick(&elements);
        let functions = self.plan.of_type(self.plan.functions[function as usize]);
        let function = *self.rng.pick(&functions);
        self.element(planned.is_64, element);
        self.emit(Instruction::RefFunc(function));
        self.emit(Instruction::TableSet(table));
    }

    /// A few elements, which need not keep their types, within the table or from another one of its kind.
    fn table_copy(&mut self, dst_table: u32) {
        let plan = self.plan;
        let of = |table: u32| (plan.tables[table as usize].elements, plan.tables[table as usize].is_64);
        let (elements, is_64) = of(dst_table);
        let fits = |&table: &u32| match of(table).0 {
            Elements::Typed(_) => elements == Elements::Functions || of(table).0 == elements,
            other => other == elements,
        };
        let sources: Vec<u32> = (0..plan.tables.len() as u32).filter(fits).collect();
        let src_table = *self.rng.pick(&sources);
        let from_64 = of(src_table).1;
        let first = self.rng.below(TABLE_LEN) as i64;
        self.element(is_64, first);
        self.small(from_64, TABLE_LEN as i32 - 1);
        let mask = *self.rng.pick(&[1, 3, 7]);
        self.small(is_64 && from_64, mask);
        self.emit(Instruction::TableCopy { src_table, dst_table });
    }

    /// Something that a table may hold.
    fn item(&mut self, elements: Elements) {
        match elements {
            Elements::Extern => self.expression(ValType::EXTERNREF, 3),
            Elements::Typed(ty) => {
                let functions = self.plan.of_type(ty);
                let function = *self.rng.pick(&functions);
                self.emit(Instruction::RefFunc(function));
            }
            Elements::Functions => {
                let function = self.rng.below(self.plan.functions.len() as u64) as u32;
                self.emit(Instruction::RefFunc(function));
            }
        }
    }
}
