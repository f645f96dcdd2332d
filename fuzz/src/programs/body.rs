//! One function: statements, and expressions of a wanted type, until the budget is used up. Here is the control flow, and the choice of everything else.
//!
//! Invariants: what is emitted is valid by construction; bits of NaNs reach no integer, memory, vector or sign; every function entry and every loop iteration
//! takes a step, and a function without steps returns at once. `labels` mirrors the nesting wherever a statement or an expression is emitted.

use super::plan::{Plan, Signature};
use crate::rng::Rng;
use std::borrow::Cow;
use std::collections::BTreeMap;
use wasm_encoder::{BlockType, Function, Instruction, ValType};

/// Deepest expression.
const MAX_DEPTH: u32 = 7;

/// Writes a function.
pub fn function(plan: &Plan, index: u32, rng: &mut Rng) -> Function {
    let signature = plan.signature(index);
    let mut locals = signature.params.clone();
    locals.extend((0..rng.range(2, 8)).map(|_| *rng.pick(&plan.values)));
    // One of each type, for what the generator itself needs; expressions use them, too.
    let scratch = locals.len() as u32;
    locals.extend(&plan.values);
    let budget = rng.range(20, 160) as i32;
    let visible = locals.len() as u32;
    let params = signature.params.len();
    let mut body = Body {
        plan,
        rng,
        code: Vec::new(),
        locals,
        visible,
        scratch,
        budget,
        labels: vec![Label { takes: signature.results.clone(), counter: None }],
        loops: 0,
        typed_locals: BTreeMap::new(),
        raw_vector: None,
        signature,
    };
    body.leave_without_fuel();
    while body.budget > 0 {
        body.statement();
    }
    body.budget = 30;
    body.finish();
    let Body { code, locals, .. } = body;
    let mut function = Function::new_with_locals_types(locals[params..].iter().copied());
    code.iter().for_each(|instruction| {
        function.instruction(instruction);
    });
    function
}

/// A place that a branch can go to.
pub(super) struct Label {
    /// What it takes.
    pub takes: Vec<ValType>,
    /// Of a loop: the local that counts its iterations.
    pub counter: Option<u32>,
}

pub(super) struct Body<'a> {
    pub(super) plan: &'a Plan,
    pub(super) rng: &'a mut Rng,
    code: Vec<Instruction<'static>>,
    pub(super) locals: Vec<ValType>,
    /// Locals that expressions may read and write: not the counters of loops.
    visible: u32,
    scratch: u32,
    pub(super) budget: i32,
    pub(super) labels: Vec<Label>,
    /// Loops around this place.
    pub(super) loops: u32,
    /// Locals for references to functions of one type.
    pub(super) typed_locals: BTreeMap<u32, u32>,
    /// The local for vectors whose NaNs are any.
    pub(super) raw_vector: Option<u32>,
    pub(super) signature: Signature,
}

impl Body<'_> {
    pub(super) fn emit(&mut self, instruction: Instruction<'static>) {
        self.code.push(instruction);
    }

    pub(super) fn pick_type(&mut self) -> ValType {
        *self.rng.pick(&self.plan.values)
    }

    /// A local that only the generator uses.
    pub(super) fn hidden_local(&mut self, ty: ValType) -> u32 {
        self.locals.push(ty);
        self.locals.len() as u32 - 1
    }

    pub(super) fn scratch_of(&self, ty: ValType) -> u32 {
        let at = self.plan.values.iter().position(|&known| known == ty).unwrap_or(0);
        self.scratch + at as u32
    }

    /// A visible local of one of the program's types.
    pub(super) fn local_of(&mut self, ty: ValType) -> u32 {
        let of_type: Vec<u32> = (0..self.visible).filter(|&local| self.locals[local as usize] == ty).collect();
        // There is at least the scratch local.
        *self.rng.pick(&of_type)
    }

    /// Moves values of these types from the stack to locals.
    pub(super) fn keep(&mut self, types: &[ValType]) {
        for &ty in types.iter().rev() {
            let local = self.local_of(ty);
            self.emit(Instruction::LocalSet(local));
        }
    }

    pub(super) fn expressions(&mut self, types: &[ValType], depth: u32) {
        types.iter().for_each(|&ty| self.expression(ty, depth));
    }

    pub(super) fn open(&mut self, instruction: Instruction<'static>, takes: &[ValType]) {
        self.emit(instruction);
        self.labels.push(Label { takes: takes.to_vec(), counter: None });
    }

    pub(super) fn close(&mut self) {
        self.labels.pop();
        self.emit(Instruction::End);
    }

    /// The type of a block without parameters.
    pub(super) fn block_type(&self, results: &[ValType]) -> BlockType {
        match results {
            [] => BlockType::Empty,
            [one] => BlockType::Result(*one),
            many => BlockType::FunctionType(self.plan.type_index(&[], many)),
        }
    }

    fn take_step(&mut self) {
        let fuel = self.plan.fuel();
        self.emit(Instruction::GlobalGet(fuel));
        self.emit(Instruction::I32Const(1));
        self.emit(Instruction::I32Sub);
        self.emit(Instruction::GlobalSet(fuel));
    }

    fn has_fuel(&mut self) {
        self.emit(Instruction::GlobalGet(self.plan.fuel()));
        self.emit(Instruction::I32Const(0));
        self.emit(Instruction::I32GtS);
    }

    fn leave_without_fuel(&mut self) {
        self.take_step();
        self.emit(Instruction::GlobalGet(self.plan.fuel()));
        self.emit(Instruction::I32Const(0));
        self.emit(Instruction::I32LtS);
        self.emit(Instruction::If(BlockType::Empty));
        for ty in self.signature.results.clone() {
            self.constant(ty);
        }
        self.emit(Instruction::Return);
        self.emit(Instruction::End);
    }

    /// The end of the function: its results, by falling through, returning, or a tail call.
    fn finish(&mut self) {
        if self.plan.language.tail_calls && self.rng.one_in(3) && self.tail_call() {
            return self.emit(Instruction::End);
        }
        let results = self.signature.results.clone();
        self.expressions(&results, 0);
        if self.rng.one_in(4) {
            self.emit(Instruction::Return);
        }
        self.emit(Instruction::End);
    }

    pub(super) fn statement(&mut self) {
        self.budget -= 2;
        let language = self.plan.language;
        match self.rng.below(30) {
            5 | 6 => self.set_global(),
            7..=9 => self.store(),
            10 | 11 => self.conditional(),
            12 | 13 => self.loop_statement(),
            14 => self.switch(),
            15 | 16 => self.branch_out(),
            17 | 18 => self.call_statement(),
            19 => self.bulk(),
            20 => self.table_statement(),
            21 => self.rare(),
            22 => self.multi_block(),
            23 | 24 if language.exceptions => self.try_statement(),
            25 if language.exceptions => self.throw_statement(),
            26 if language.tail_calls => self.tail_call_statement(),
            27 if language.typed => self.typed_call_statement(),
            28 if language.atomics => self.atomic_statement(),
            29 if language.vectors => self.store_lane(),
            _ => self.assign(),
        }
    }

    pub(super) fn assign(&mut self) {
        let local = self.rng.below(self.visible.into()) as u32;
        self.expression(self.locals[local as usize], 0);
        self.emit(Instruction::LocalSet(local));
    }

    fn set_global(&mut self) {
        let global = self.rng.below(self.plan.globals.len() as u64 - 1) as u32;
        self.expression(self.plan.globals[global as usize], 0);
        self.emit(Instruction::GlobalSet(global));
    }

    pub(super) fn statements(&mut self, most: u64) {
        for _ in 0..self.rng.range(1, most) {
            self.statement();
        }
    }

    /// A truth value that is mostly false.
    pub(super) fn seldom(&mut self, mask: i32) {
        self.expression(ValType::I32, 2);
        self.emit(Instruction::I32Const(mask));
        self.emit(Instruction::I32And);
        self.emit(Instruction::I32Eqz);
    }

    fn conditional(&mut self) {
        self.condition(1);
        self.open(Instruction::If(BlockType::Empty), &[]);
        self.statements(3);
        if self.rng.one_in(2) {
            self.emit(Instruction::Else);
            self.statements(3);
        }
        self.close();
    }

    fn loop_statement(&mut self) {
        if self.loops >= 3 {
            return self.assign();
        }
        let counter = self.begin_loop(BlockType::Empty, &[]);
        self.statements(4);
        self.end_loop(counter);
    }

    /// Opens a loop that runs up to some iterations; the counter is a local of its own.
    fn begin_loop(&mut self, ty: BlockType, takes: &[ValType]) -> u32 {
        let counter = self.hidden_local(ValType::I32);
        let iterations = self.rng.range(1, 9) as i32;
        self.emit(Instruction::I32Const(iterations));
        self.emit(Instruction::LocalSet(counter));
        self.emit(Instruction::Loop(ty));
        self.labels.push(Label { takes: takes.to_vec(), counter: Some(counter) });
        self.loops += 1;
        self.take_step();
        counter
    }

    /// Whether a loop goes on: while there are iterations and steps.
    fn goes_on(&mut self, counter: u32) {
        self.emit(Instruction::LocalGet(counter));
        self.emit(Instruction::I32Const(1));
        self.emit(Instruction::I32Sub);
        self.emit(Instruction::LocalTee(counter));
        self.emit(Instruction::I32Const(0));
        self.emit(Instruction::I32GtS);
        self.has_fuel();
        self.emit(Instruction::I32And);
    }

    fn end_loop(&mut self, counter: u32) {
        self.goes_on(counter);
        self.emit(Instruction::BrIf(0));
        self.close();
        self.loops -= 1;
    }

    /// A loop that gives a value; it may carry one through its iterations, as its parameter. Operands may lie below it.
    fn loop_expression(&mut self, ty: ValType, depth: u32) {
        if self.rng.one_in(3) {
            let counter = self.begin_loop(BlockType::Result(ty), &[]);
            self.statements(2);
            self.expression(ty, depth + 2);
            return self.end_loop(counter);
        }
        self.expression(ty, depth + 2);
        let carries = BlockType::FunctionType(self.plan.type_index(&[ty], &[ty]));
        let counter = self.begin_loop(carries, &[ty]);
        if self.rng.one_in(2) {
            self.statement();
        }
        self.expression(ty, depth + 2);
        self.combine(ty, depth + 2);
        self.end_loop(counter);
    }

    /// Two values become one.
    pub(super) fn combine(&mut self, ty: ValType, depth: u32) {
        match ty {
            ValType::V128 => self.vector_binary(),
            ValType::Ref(_) => {
                self.expression(ValType::I32, depth + 1);
                self.emit(Instruction::TypedSelect(ty));
            }
            _ => self.number_binary(ty),
        }
    }

    pub(super) fn expression(&mut self, ty: ValType, depth: u32) {
        self.budget -= 1;
        if depth >= MAX_DEPTH || self.budget <= 0 {
            return self.leaf(ty);
        }
        match self.rng.below(26) {
            0..=4 => self.leaf(ty),
            18 => self.if_expression(ty, depth),
            19 => self.block_expression(ty, depth),
            20 => self.select(ty, depth),
            21 if self.loops < 3 => self.loop_expression(ty, depth),
            22 | 23 => self.call_expression(ty, depth),
            24 if self.rng.one_in(2) => self.switch_expression(ty, depth),
            24 if self.plan.language.exceptions => self.try_expression(ty, depth),
            25 => {
                self.expression(ty, depth + 1);
                let local = self.local_of(ty);
                self.emit(Instruction::LocalTee(local));
            }
            _ => match ty {
                ValType::V128 => self.vector(depth),
                ValType::Ref(_) => self.reference(ty, depth),
                _ => self.number(ty, depth),
            },
        }
    }

    pub(super) fn leaf(&mut self, ty: ValType) {
        match self.rng.below(8) {
            0 | 1 => self.constant(ty),
            2 => {
                let globals: Vec<u32> = (0..self.plan.fuel()).filter(|&global| self.plan.globals[global as usize] == ty).collect();
                match globals.is_empty() {
                    true => self.constant(ty),
                    false => {
                        let global = *self.rng.pick(&globals);
                        self.emit(Instruction::GlobalGet(global));
                    }
                }
            }
            3 if matches!(ty, ValType::I32 | ValType::I64) => self.memory_size(ty),
            _ => {
                let local = self.local_of(ty);
                self.emit(Instruction::LocalGet(local));
            }
        }
    }

    fn if_expression(&mut self, ty: ValType, depth: u32) {
        self.condition(depth + 1);
        self.open(Instruction::If(BlockType::Result(ty)), &[ty]);
        self.expression(ty, depth + 1);
        self.emit(Instruction::Else);
        if self.rng.one_in(3) {
            self.statement();
        }
        self.expression(ty, depth + 1);
        self.close();
    }

    /// A block that may be left early with a value, while operands lie above its own.
    fn block_expression(&mut self, ty: ValType, depth: u32) {
        self.open(Instruction::Block(BlockType::Result(ty)), &[ty]);
        let extra = self.rng.one_in(2).then(|| self.pick_type());
        if let Some(extra) = extra {
            self.expression(extra, depth + 2);
        }
        self.expression(ty, depth + 1);
        self.condition(depth + 1);
        self.emit(Instruction::BrIf(0));
        if let Some(extra) = extra {
            let (result, below) = (self.scratch_of(ty), self.scratch_of(extra));
            self.emit(Instruction::LocalSet(result));
            self.emit(Instruction::LocalSet(below));
            self.emit(Instruction::LocalGet(result));
        }
        self.close();
    }

    /// A block with parameters and several results, or an `if` with them; operands may lie below.
    fn multi_block(&mut self) {
        let params: Vec<ValType> = (0..self.rng.below(3)).map(|_| self.pick_type()).collect();
        let most = if self.rng.one_in(4) { 9 } else { 3 };
        let results: Vec<ValType> = (0..self.rng.range(1, most)).map(|_| self.pick_type()).collect();
        let ty = BlockType::FunctionType(self.plan.type_index(&params, &results));
        self.expressions(&params, 2);
        let branches = self.rng.one_in(2);
        if branches {
            self.condition(2);
        }
        self.open(if branches { Instruction::If(ty) } else { Instruction::Block(ty) }, &results);
        self.keep(&params);
        self.leave_early(&results);
        self.expressions(&results, 3);
        if branches {
            self.emit(Instruction::Else);
            if self.rng.one_in(2) {
                self.statement();
            }
            self.keep(&params);
            self.expressions(&results, 3);
        }
        self.close();
        self.keep(&results);
    }

    /// Leaves the block with all of its values, from above operands of its own.
    fn leave_early(&mut self, results: &[ValType]) {
        let below: Vec<ValType> = (0..self.rng.below(3)).map(|_| self.pick_type()).collect();
        self.expressions(&below, 3);
        if self.rng.one_in(3) {
            self.statement();
        }
        self.expressions(results, 3);
        self.condition(2);
        self.emit(Instruction::BrIf(0));
        self.keep(results);
        self.keep(&below);
    }

    fn select(&mut self, ty: ValType, depth: u32) {
        self.expression(ty, depth + 1);
        self.expression(ty, depth + 1);
        self.condition(depth + 1);
        let typed = matches!(ty, ValType::Ref(_)) || self.rng.one_in(2);
        self.emit(if typed { Instruction::TypedSelect(ty) } else { Instruction::Select });
    }

    /// A branch to any label: with its values, out of an `if` or by `br_if`; to a loop while it goes on.
    fn branch_out(&mut self) {
        let depth = self.rng.below(self.labels.len() as u64) as u32;
        let label = &self.labels[self.labels.len() - 1 - depth as usize];
        let (takes, counter) = (label.takes.clone(), label.counter);
        if counter.is_none() && takes.len() <= 2 && self.rng.one_in(3) {
            self.condition(1);
            self.open(Instruction::If(BlockType::Empty), &[]);
            self.expressions(&takes, 2);
            self.emit(Instruction::Br(depth + 1));
            return self.close();
        }
        self.expressions(&takes, 2);
        match counter {
            Some(counter) => self.goes_on(counter),
            None => self.condition(1),
        }
        self.emit(Instruction::BrIf(depth));
        self.keep(&takes);
    }

    /// Nested blocks and a branch table over them.
    fn switch(&mut self) {
        let cases = self.rng.range(1, 5) as u32;
        for _ in 0..cases {
            self.open(Instruction::Block(BlockType::Empty), &[]);
        }
        self.expression(ValType::I32, 1);
        self.branch_table(cases);
        for _ in 0..cases {
            self.close();
            self.statement();
        }
    }

    /// The same with a value that each case changes.
    fn switch_expression(&mut self, ty: ValType, depth: u32) {
        let cases = self.rng.range(1, 4) as u32;
        for _ in 0..cases {
            self.open(Instruction::Block(BlockType::Result(ty)), &[ty]);
        }
        self.expression(ty, depth + 1);
        self.expression(ValType::I32, depth + 1);
        self.branch_table(cases);
        for _ in 0..cases {
            self.close();
            self.expression(ty, depth + 2);
            self.combine(ty, depth + 2);
        }
    }

    fn branch_table(&mut self, cases: u32) {
        if !self.rng.one_in(4) {
            self.emit(Instruction::I32Const(7));
            self.emit(Instruction::I32And);
        } else if self.rng.one_in(2) {
            // An index is unsigned.
            self.emit(Instruction::I32Const(i32::MIN));
            self.emit(Instruction::I32Or);
        }
        let targets: Vec<u32> = (0..self.rng.below(8)).map(|_| self.rng.below(cases.into()) as u32).collect();
        let default = self.rng.below(cases.into()) as u32;
        self.emit(Instruction::BrTable(Cow::Owned(targets), default));
    }

    fn rare(&mut self) {
        match self.rng.below(7) {
            0 | 1 => self.memory_grow(),
            2 => {
                self.seldom(0xff);
                self.emit(Instruction::If(BlockType::Empty));
                self.emit(Instruction::Unreachable);
                self.emit(Instruction::End);
            }
            3 => {
                let ty = self.pick_type();
                self.expression(ty, 0);
                self.emit(Instruction::Drop);
            }
            4 => self.drop_segment(),
            5 => self.emit(Instruction::Nop),
            _ => self.assign(),
        }
    }
}
