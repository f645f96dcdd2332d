//! Calls: direct, through tables, through references of one type; and tail calls in each of these ways.

use super::body::Body;
use super::memory::index_type;
use super::plan::{Elements, TABLE_LEN};
use wasm_encoder::{BlockType, HeapType, Instruction, RefType, ValType};

/// How a call reaches its function: what stands on the stack then, above the arguments.
enum Callee {
    Direct(u32),
    /// An index of the table.
    Indirect {
        table: u32,
        ty: u32,
    },
    /// A reference.
    Reference {
        ty: u32,
    },
}

impl Body<'_> {
    pub(super) fn call_statement(&mut self) {
        let function = self.rng.below(self.plan.functions.len() as u64) as u32;
        self.call(function, 1);
        let results = self.plan.signature(function).results;
        self.keep(&results);
    }

    /// A call of a function whose first result has the type; the others go to locals.
    pub(super) fn call_expression(&mut self, ty: ValType, depth: u32) {
        let plan = self.plan;
        let fits = |&function: &u32| plan.signature(function).results.first() == Some(&ty);
        let functions: Vec<u32> = (0..plan.functions.len() as u32).filter(fits).collect();
        if functions.is_empty() {
            return self.leaf(ty);
        }
        let function = *self.rng.pick(&functions);
        self.call(function, depth);
        let results = plan.signature(function).results;
        self.keep(&results[1..]);
    }

    /// Calls the function, or one like it.
    fn call(&mut self, function: u32, depth: u32) {
        let params = self.plan.signature(function).params;
        self.expressions(&params, depth + 2);
        let instruction = match self.callee(function, depth) {
            Callee::Direct(function) => Instruction::Call(function),
            Callee::Indirect { table: table_index, ty: type_index } => Instruction::CallIndirect { type_index, table_index },
            Callee::Reference { ty } => Instruction::CallRef(ty),
        };
        self.emit(instruction);
    }

    fn callee(&mut self, function: u32, depth: u32) -> Callee {
        let ty = self.plan.functions[function as usize];
        if self.plan.language.typed && self.rng.one_in(3) {
            self.function_reference(ty, function);
            return Callee::Reference { ty };
        }
        if self.rng.one_in(2) {
            return Callee::Direct(function);
        }
        self.table_index(function, depth).map_or(Callee::Direct(function), |table| Callee::Indirect { table, ty })
    }

    /// An index of a table, mostly where an element of that type is.
    fn table_index(&mut self, function: u32, depth: u32) -> Option<u32> {
        let plan = self.plan;
        let ty = plan.functions[function as usize];
        let callable = |&table: &u32| match plan.tables[table as usize].elements {
            Elements::Functions => true,
            Elements::Typed(of) => of == ty,
            Elements::Extern => false,
        };
        let tables: Vec<u32> = (0..plan.tables.len() as u32).filter(callable).collect();
        let table = *self.rng.pick(&tables);
        let planned = &plan.tables[table as usize];
        let elements: Vec<i64> = planned.items.iter().zip(0..).filter(|(item, _)| **item == Some(function)).map(|(_, at)| at).collect();
        if self.rng.one_in(16) {
            self.wild_element(planned.is_64, depth);
        } else if elements.is_empty() {
            return None;
        } else {
            let element = *self.rng.pick(&elements);
            self.element(planned.is_64, element);
        }
        Some(table)
    }

    pub(super) fn element(&mut self, is_64: bool, element: i64) {
        self.emit(if is_64 { Instruction::I64Const(element) } else { Instruction::I32Const(element as i32) });
    }

    /// An index that may be outside, null, or of another type.
    fn wild_element(&mut self, is_64: bool, depth: u32) {
        let mask = TABLE_LEN as i64 + 3;
        self.expression(index_type(is_64), depth + 2);
        self.element(is_64, mask);
        self.emit(if is_64 { Instruction::I64And } else { Instruction::I32And });
    }

    /// The local for references of a type.
    fn typed_local(&mut self, ty: u32) -> u32 {
        if let Some(&local) = self.typed_locals.get(&ty) {
            return local;
        }
        let local = self.hidden_local(ValType::Ref(Elements::Typed(ty).ty()));
        self.typed_locals.insert(ty, local);
        local
    }

    /// A reference to a function of the type: mostly `function`, seldom null.
    fn function_reference(&mut self, ty: u32, function: u32) {
        let local = self.typed_local(ty);
        let table = self.plan.tables.iter().position(|table| table.elements == Elements::Typed(ty));
        match (self.rng.below(6), table) {
            (0, Some(table)) => {
                let element = self.rng.below(TABLE_LEN) as i64;
                self.element(self.plan.tables[table].is_64, element);
                self.emit(Instruction::TableGet(table as u32));
            }
            (1, _) => {
                self.emit(Instruction::RefFunc(function));
                self.emit(Instruction::LocalTee(local));
                self.emit(Instruction::RefAsNonNull);
            }
            // What the local holds, or this function.
            (2 | 3, _) => {
                let never_null = RefType { nullable: false, heap_type: HeapType::Concrete(ty) };
                self.emit(Instruction::Block(BlockType::Result(ValType::Ref(never_null))));
                self.emit(Instruction::LocalGet(local));
                self.emit(Instruction::BrOnNonNull(0));
                self.emit(Instruction::RefFunc(function));
                self.emit(Instruction::End);
            }
            (4, _) if self.rng.one_in(8) => self.emit(Instruction::LocalGet(local)),
            _ => self.emit(Instruction::RefFunc(function)),
        }
    }

    /// Sets the local of a type, or calls what it holds where that is not null.
    pub(super) fn typed_call_statement(&mut self) {
        let function = self.rng.below(self.plan.functions.len() as u64) as u32;
        let ty = self.plan.functions[function as usize];
        if self.rng.one_in(2) {
            self.function_reference(ty, function);
            let local = self.typed_local(ty);
            return self.emit(Instruction::LocalSet(local));
        }
        let signature = self.plan.signature(function);
        self.open(Instruction::Block(BlockType::Empty), &[]);
        self.expressions(&signature.params, 2);
        let local = self.typed_local(ty);
        self.emit(Instruction::LocalGet(local));
        self.emit(Instruction::BrOnNull(0));
        self.emit(Instruction::CallRef(ty));
        self.keep(&signature.results);
        self.close();
    }

    /// A tail call where a condition says so.
    pub(super) fn tail_call_statement(&mut self) {
        self.condition(1);
        if self.rng.one_in(2) {
            self.emit(Instruction::I32Const(3));
            self.emit(Instruction::I32And);
        }
        self.open(Instruction::If(BlockType::Empty), &[]);
        if !self.tail_call() {
            self.statement();
        }
        self.close();
    }

    /// Leaves the function by a call of another one with the same results; false where there is none. Nothing may follow but an `end`.
    pub(super) fn tail_call(&mut self) -> bool {
        let plan = self.plan;
        let same = |&function: &u32| plan.signature(function).results == self.signature.results;
        let functions: Vec<u32> = (0..plan.functions.len() as u32).filter(same).collect();
        if functions.is_empty() {
            return false;
        }
        let function = *self.rng.pick(&functions);
        let params = plan.signature(function).params;
        self.expressions(&params, 2);
        let instruction = match self.callee(function, 2) {
            Callee::Direct(function) => Instruction::ReturnCall(function),
            Callee::Indirect { table: table_index, ty: type_index } => Instruction::ReturnCallIndirect { type_index, table_index },
            Callee::Reference { ty } => Instruction::ReturnCallRef(ty),
        };
        self.emit(instruction);
        true
    }
}
