//! One function: statements, and expressions of a wanted type, until the budget is used up.
//!
//! Invariants: what is emitted is valid by construction; bits of NaNs reach no integer, memory or sign; every function entry and every loop iteration
//! takes a step, and a function without steps returns at once.

use super::Plan;
use super::ops::{self, TYPES};
use crate::rng::Rng;
use std::borrow::Cow;
use wasm_encoder::{BlockType, Function, Instruction, MemArg, MemArgTarget, ValType};

/// Deepest expression.
const MAX_DEPTH: u32 = 7;
/// Addresses are mostly cut to the first part of the memory.
pub(super) const ADDRESS_MASK: i32 = 0xfff;

/// Writes a function.
pub fn function(plan: &Plan, index: u32, rng: &mut Rng) -> Function {
    let signature = plan.signature(index);
    let mut locals = signature.params.clone();
    locals.extend((0..rng.range(2, 8)).map(|_| *rng.pick(TYPES)));
    // One of each type, for what the generator itself needs; expressions use them, too.
    let scratch = locals.len() as u32;
    locals.extend(TYPES);
    let budget = rng.range(20, 160) as i32;
    let mut body =
        Body { plan, rng, code: Vec::new(), visible: locals.len() as u32, locals, scratch, budget, labels: Vec::new(), loops: 0 };
    body.leave_without_fuel(&signature.results);
    while body.budget > 0 {
        body.statement();
    }
    body.budget = 30;
    for &ty in &signature.results {
        body.expression(ty, 0);
    }
    body.emit(Instruction::End);
    let Body { code, locals, .. } = body;
    let mut function = Function::new_with_locals_types(locals[signature.params.len()..].iter().copied());
    code.iter().for_each(|instruction| {
        function.instruction(instruction);
    });
    function
}

/// A place that a branch can go to.
struct Label {
    /// What it takes.
    takes: Option<ValType>,
    /// Loops are gone back to by their own end only, so that they end.
    is_loop: bool,
}

pub(super) struct Body<'a> {
    pub(super) plan: &'a Plan,
    pub(super) rng: &'a mut Rng,
    code: Vec<Instruction<'static>>,
    locals: Vec<ValType>,
    /// Locals that expressions may read and write: not the counters of loops.
    visible: u32,
    scratch: u32,
    budget: i32,
    labels: Vec<Label>,
    /// Loops around this place.
    loops: u32,
}

impl Body<'_> {
    pub(super) fn emit(&mut self, instruction: Instruction<'static>) {
        self.code.push(instruction);
    }

    fn pick_type(&mut self) -> ValType {
        *self.rng.pick(TYPES)
    }

    fn take_step(&mut self) {
        let fuel = self.plan.fuel();
        self.emit(Instruction::GlobalGet(fuel));
        self.emit(Instruction::I32Const(1));
        self.emit(Instruction::I32Sub);
        self.emit(Instruction::GlobalSet(fuel));
    }

    fn leave_without_fuel(&mut self, results: &[ValType]) {
        self.take_step();
        self.emit(Instruction::GlobalGet(self.plan.fuel()));
        self.emit(Instruction::I32Const(0));
        self.emit(Instruction::I32LtS);
        self.emit(Instruction::If(BlockType::Empty));
        results.iter().for_each(|&ty| self.constant(ty));
        self.emit(Instruction::Return);
        self.emit(Instruction::End);
    }

    fn statement(&mut self) {
        self.budget -= 2;
        match self.rng.below(20) {
            0..=4 => self.assign(),
            5 | 6 => {
                let global = self.rng.below(self.plan.globals.len() as u64 - 1) as u32;
                self.expression(self.plan.globals[global as usize], 0);
                self.emit(Instruction::GlobalSet(global));
            }
            7..=9 => self.store(),
            10 | 11 => self.conditional(),
            12 | 13 => self.loop_statement(),
            14 => self.switch(),
            15 => self.branch_out(),
            16 => self.call_statement(),
            17 => self.bulk(),
            18 => self.table_statement(),
            _ => self.rare(),
        }
    }

    fn assign(&mut self) {
        let local = self.rng.below(self.visible.into()) as u32;
        self.expression(self.locals[local as usize], 0);
        self.emit(Instruction::LocalSet(local));
    }

    fn statements(&mut self, most: u64) {
        for _ in 0..self.rng.range(1, most) {
            self.statement();
        }
    }

    fn conditional(&mut self) {
        self.expression(ValType::I32, 1);
        self.emit(Instruction::If(BlockType::Empty));
        self.labels.push(Label { takes: None, is_loop: false });
        self.statements(3);
        if self.rng.one_in(2) {
            self.emit(Instruction::Else);
            self.statements(3);
        }
        self.labels.pop();
        self.emit(Instruction::End);
    }

    fn loop_statement(&mut self) {
        if self.loops >= 3 {
            return self.assign();
        }
        let counter = self.begin_loop(BlockType::Empty);
        self.statements(4);
        self.end_loop(counter);
    }

    /// Opens a loop that runs up to some iterations; the counter is a local of its own.
    fn begin_loop(&mut self, ty: BlockType) -> u32 {
        let counter = self.locals.len() as u32;
        self.locals.push(ValType::I32);
        let iterations = self.rng.range(1, 9) as i32;
        self.emit(Instruction::I32Const(iterations));
        self.emit(Instruction::LocalSet(counter));
        self.emit(Instruction::Loop(ty));
        self.labels.push(Label { takes: None, is_loop: true });
        self.loops += 1;
        self.take_step();
        counter
    }

    /// Closes it: goes back while there are iterations and steps.
    fn end_loop(&mut self, counter: u32) {
        self.emit(Instruction::LocalGet(counter));
        self.emit(Instruction::I32Const(1));
        self.emit(Instruction::I32Sub);
        self.emit(Instruction::LocalTee(counter));
        self.emit(Instruction::I32Const(0));
        self.emit(Instruction::I32GtS);
        self.emit(Instruction::GlobalGet(self.plan.fuel()));
        self.emit(Instruction::I32Const(0));
        self.emit(Instruction::I32GtS);
        self.emit(Instruction::I32And);
        self.emit(Instruction::BrIf(0));
        self.emit(Instruction::End);
        self.labels.pop();
        self.loops -= 1;
    }

    /// A loop that gives a value; it may carry one through its iterations. Operands may lie below it.
    fn loop_expression(&mut self, ty: ValType, depth: u32) {
        let carries = self.rng.one_in(2);
        if !carries {
            let counter = self.begin_loop(BlockType::Result(ty));
            self.statements(2);
            self.expression(ty, depth + 2);
            return self.end_loop(counter);
        }
        // A parameter needs a type of the module: one whose parameters and results are this value alone may not exist, so the value goes through a local.
        let carried = self.locals.len() as u32;
        self.locals.push(ty);
        self.expression(ty, depth + 2);
        self.emit(Instruction::LocalSet(carried));
        let counter = self.begin_loop(BlockType::Result(ty));
        self.emit(Instruction::LocalGet(carried));
        self.expression(ty, depth + 2);
        let combine = self.rng.pick(ops::binary(ty)).clone();
        self.emit(combine);
        self.emit(Instruction::LocalTee(carried));
        self.end_loop(counter);
    }

    /// Loads and stores: an address that is mostly inside, a constant offset; natural alignment is not promised.
    fn address(&mut self, depth: u32) -> MemArg {
        self.expression(ValType::I32, depth + 1);
        let wild = self.rng.one_in(40);
        if !wild {
            self.emit(Instruction::I32Const(ADDRESS_MASK));
            self.emit(Instruction::I32And);
        }
        let offset = match self.rng.below(12) {
            0 => self.rng.below(0xc000),
            // Around the end of the first page.
            1 => 0x1_0000 - ADDRESS_MASK as u64 - self.rng.below(12),
            2 if wild => self.rng.below(1 << 32),
            _ => self.rng.below(64),
        };
        MemArg { offset, align: 0, target: MemArgTarget::Memory(0), ordering: None }
    }

    fn store(&mut self) {
        use Instruction::*;
        let at = self.address(0);
        let (ty, instruction) = match self.rng.below(9) {
            0 => (ValType::I32, I32Store(at)),
            1 => (ValType::I32, I32Store8(at)),
            2 => (ValType::I32, I32Store16(at)),
            3 => (ValType::I64, I64Store(at)),
            4 => (ValType::I64, I64Store8(at)),
            5 => (ValType::I64, I64Store16(at)),
            6 => (ValType::I64, I64Store32(at)),
            7 => (ValType::F32, F32Store(at)),
            _ => (ValType::F64, F64Store(at)),
        };
        self.canonical(ty, 1);
        self.emit(instruction);
    }

    fn load(&mut self, ty: ValType, depth: u32) {
        use Instruction::*;
        let at = self.address(depth);
        let choices: &[fn(MemArg) -> Instruction<'static>] = match ty {
            ValType::I64 => &[I64Load, I64Load8S, I64Load8U, I64Load16S, I64Load16U, I64Load32S, I64Load32U],
            ValType::F32 => &[F32Load],
            ValType::F64 => &[F64Load],
            _ => &[I32Load, I32Load8S, I32Load8U, I32Load16S, I32Load16U],
        };
        let instruction = self.rng.pick(choices)(at);
        self.emit(instruction);
    }

    /// An expression whose NaN is the canonical one.
    fn canonical(&mut self, ty: ValType, depth: u32) {
        self.expression(ty, depth);
        let (nan, equal) = match ty {
            ValType::F32 => (Instruction::F32Const(f32::NAN.into()), Instruction::F32Eq),
            ValType::F64 => (Instruction::F64Const(f64::NAN.into()), Instruction::F64Eq),
            _ => return,
        };
        let scratch = self.scratch_of(ty);
        self.emit(Instruction::LocalTee(scratch));
        self.emit(nan);
        self.emit(Instruction::LocalGet(scratch));
        self.emit(Instruction::LocalGet(scratch));
        self.emit(equal);
        self.emit(Instruction::Select);
    }

    fn scratch_of(&self, ty: ValType) -> u32 {
        let at = TYPES.iter().position(|&known| known == ty).unwrap_or(0);
        self.scratch + at as u32
    }

    pub(super) fn expression(&mut self, ty: ValType, depth: u32) {
        self.budget -= 1;
        if depth >= MAX_DEPTH || self.budget <= 0 {
            return self.leaf(ty);
        }
        let integer = matches!(ty, ValType::I32 | ValType::I64);
        match self.rng.below(26) {
            0..=4 => self.leaf(ty),
            5..=9 => {
                self.expression(ty, depth + 1);
                self.expression(ty, depth + 1);
                let instruction = self.rng.pick(ops::binary(ty)).clone();
                self.emit(instruction);
            }
            10..=12 => {
                let (from, instruction) = self.rng.pick(ops::unary(ty)).clone();
                self.expression(from, depth + 1);
                self.emit(instruction);
            }
            13 if ty == ValType::I32 => {
                let of = self.pick_type();
                self.expression(of, depth + 1);
                self.expression(of, depth + 1);
                let instruction = self.rng.pick(ops::compare(of)).clone();
                self.emit(instruction);
            }
            13 | 14 if integer => self.divide(ty, depth),
            13 | 14 => self.copy_sign(ty, depth),
            15..=17 => self.load(ty, depth),
            18 => self.if_expression(ty, depth),
            19 => self.block_expression(ty, depth),
            20 => self.select(ty, depth),
            21 if self.loops < 3 => self.loop_expression(ty, depth),
            22 | 23 => self.call_expression(ty, depth),
            24 => self.reinterpret(ty, depth),
            _ => {
                self.expression(ty, depth + 1);
                let local = self.local_of(ty);
                self.emit(Instruction::LocalTee(local));
            }
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
            3 if ty == ValType::I32 => self.emit(Instruction::MemorySize(0)),
            _ => {
                let local = self.local_of(ty);
                self.emit(Instruction::LocalGet(local));
            }
        }
    }

    fn constant(&mut self, ty: ValType) {
        let value = crate::value::Value::arbitrary(
            match ty {
                ValType::I64 => trjit_module::ValType::I64,
                ValType::F32 => trjit_module::ValType::F32,
                ValType::F64 => trjit_module::ValType::F64,
                _ => trjit_module::ValType::I32,
            },
            self.rng,
        );
        let bits = value.bits();
        self.emit(match ty {
            ValType::I64 => Instruction::I64Const(bits as i64),
            ValType::F32 => Instruction::F32Const(f32::from_bits(bits as u32).into()),
            ValType::F64 => Instruction::F64Const(f64::from_bits(bits).into()),
            _ => Instruction::I32Const(bits as i32),
        });
    }

    pub(super) fn local_of(&mut self, ty: ValType) -> u32 {
        let of_type: Vec<u32> = (0..self.visible).filter(|&local| self.locals[local as usize] == ty).collect();
        // There is at least the scratch local.
        *self.rng.pick(&of_type)
    }

    fn divide(&mut self, ty: ValType, depth: u32) {
        self.expression(ty, depth + 1);
        if self.rng.one_in(8) {
            let (from, instruction) = self.rng.pick(ops::truncate(ty)).clone();
            self.expression(from, depth + 1);
            self.emit(instruction);
        } else {
            self.expression(ty, depth + 1);
        }
        if !self.rng.one_in(6) {
            let (one, or) = match ty {
                ValType::I64 => (Instruction::I64Const(1), Instruction::I64Or),
                _ => (Instruction::I32Const(1), Instruction::I32Or),
            };
            self.emit(one);
            self.emit(or);
        }
        let instruction = self.rng.pick(ops::divide(ty)).clone();
        self.emit(instruction);
    }

    fn copy_sign(&mut self, ty: ValType, depth: u32) {
        self.canonical(ty, depth + 1);
        self.canonical(ty, depth + 1);
        self.emit(if ty == ValType::F32 { Instruction::F32Copysign } else { Instruction::F64Copysign });
    }

    fn reinterpret(&mut self, ty: ValType, depth: u32) {
        match ty {
            ValType::I32 => {
                self.canonical(ValType::F32, depth + 1);
                self.emit(Instruction::I32ReinterpretF32);
            }
            ValType::I64 => {
                self.canonical(ValType::F64, depth + 1);
                self.emit(Instruction::I64ReinterpretF64);
            }
            _ => self.leaf(ty),
        }
    }

    fn if_expression(&mut self, ty: ValType, depth: u32) {
        self.expression(ValType::I32, depth + 1);
        self.emit(Instruction::If(BlockType::Result(ty)));
        self.labels.push(Label { takes: Some(ty), is_loop: false });
        self.expression(ty, depth + 1);
        self.emit(Instruction::Else);
        if self.rng.one_in(3) {
            self.statement();
        }
        self.expression(ty, depth + 1);
        self.labels.pop();
        self.emit(Instruction::End);
    }

    /// A block that may be left early with a value, while operands lie above its own.
    fn block_expression(&mut self, ty: ValType, depth: u32) {
        self.emit(Instruction::Block(BlockType::Result(ty)));
        self.labels.push(Label { takes: Some(ty), is_loop: false });
        let extra = self.rng.one_in(2).then(|| self.pick_type());
        if let Some(extra) = extra {
            self.expression(extra, depth + 2);
        }
        self.expression(ty, depth + 1);
        self.expression(ValType::I32, depth + 1);
        self.emit(Instruction::BrIf(0));
        if let Some(extra) = extra {
            let (result, below) = (self.scratch_of(ty), self.scratch_of(extra));
            self.emit(Instruction::LocalSet(result));
            self.emit(Instruction::LocalSet(below));
            self.emit(Instruction::LocalGet(result));
        }
        self.labels.pop();
        self.emit(Instruction::End);
    }

    fn select(&mut self, ty: ValType, depth: u32) {
        self.expression(ty, depth + 1);
        self.expression(ty, depth + 1);
        self.expression(ValType::I32, depth + 1);
        let typed = self.rng.one_in(2);
        self.emit(if typed { Instruction::TypedSelect(ty) } else { Instruction::Select });
    }

    fn branch_out(&mut self) {
        let forward = self.labels.iter().rev().position(|label| label.takes.is_none() && !label.is_loop);
        let Some(depth) = forward else { return self.assign() };
        self.expression(ValType::I32, 1);
        self.emit(Instruction::BrIf(depth as u32));
    }

    /// Nested blocks and a branch table over them.
    fn switch(&mut self) {
        let cases = self.rng.range(1, 5) as u32;
        for _ in 0..cases {
            self.emit(Instruction::Block(BlockType::Empty));
            self.labels.push(Label { takes: None, is_loop: false });
        }
        self.expression(ValType::I32, 1);
        if !self.rng.one_in(4) {
            self.emit(Instruction::I32Const(7));
            self.emit(Instruction::I32And);
        }
        let targets: Vec<u32> = (0..self.rng.below(8)).map(|_| self.rng.below(cases.into()) as u32).collect();
        let default = self.rng.below(cases.into()) as u32;
        self.emit(Instruction::BrTable(Cow::Owned(targets), default));
        for _ in 0..cases {
            self.labels.pop();
            self.emit(Instruction::End);
            self.statement();
        }
    }

    fn rare(&mut self) {
        match self.rng.below(6) {
            0 => {
                self.small(1);
                self.emit(Instruction::MemoryGrow(0));
                let local = self.local_of(ValType::I32);
                self.emit(Instruction::LocalSet(local));
            }
            1 => {
                self.expression(ValType::I32, 1);
                self.emit(Instruction::I32Const(0xff));
                self.emit(Instruction::I32And);
                self.emit(Instruction::I32Eqz);
                self.emit(Instruction::If(BlockType::Empty));
                self.emit(Instruction::Unreachable);
                self.emit(Instruction::End);
            }
            2 => {
                let ty = self.pick_type();
                self.expression(ty, 0);
                self.emit(Instruction::Drop);
            }
            _ => self.assign(),
        }
    }
}
