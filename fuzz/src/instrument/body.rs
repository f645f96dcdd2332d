//! The counting of one function: its operators stay as they are, and what counts stands between them.
//!
//! A condition, a label's number or a reference that both the counting and its instruction need is kept in a local behind the function's own.

use super::{Branch, Counter, Event, Walk};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use wasm_encoder::{BlockType, Encode, Instruction, ValType};
use wasmparser::types::CoreTypeId;
use wasmparser::{BrTable, FuncValidator, FunctionBody, Operator, ValidatorResources};

/// Across functions.
pub(super) struct Counting<'w> {
    /// The numbers of types in the module.
    pub type_indices: HashMap<CoreTypeId, u32>,
    /// The global of the pending call; the counters follow.
    pub first_global: u32,
    pub counters: Vec<Counter>,
    pub weight: &'w dyn Fn(&Counter) -> i64,
}

/// Of one function.
struct Body<'c, 'w> {
    counting: &'c mut Counting<'w>,
    function: u32,
    /// How many locals the function has itself, and the types of further ones.
    own_locals: u32,
    locals: Vec<ValType>,
    code: Vec<u8>,
    walk: Walk,
}

impl Counting<'_> {
    /// The body that counts, without its length.
    pub fn body(
        &mut self,
        function: u32,
        validator: &mut FuncValidator<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<(Vec<u8>, Walk)> {
        let bytes = body.as_bytes();
        let offset = body.range().start as usize;
        let mut locals = body.get_locals_reader()?;
        let groups = locals.get_count();
        let first_group = locals.original_position() as usize - offset;
        for _ in 0..groups {
            locals.read()?;
        }
        let groups_end = locals.original_position() as usize - offset;
        validator.read_locals(&mut body.get_binary_reader())?;
        let mut made = Body {
            counting: self,
            function,
            own_locals: validator.len_locals(),
            locals: Vec::new(),
            code: Vec::new(),
            walk: Walk::default(),
        };
        made.entry();
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let start = operators.original_position() as usize;
            let operator = operators.read()?;
            let reachable = is_control(&operator) && is_reachable(validator);
            if reachable {
                made.before(&operator, validator)?;
            }
            made.code.extend(&bytes[start - offset..operators.original_position() as usize - offset]);
            if reachable {
                made.behind(&operator);
            }
            validator.op(start as u64, &operator)?;
        }
        let mut all = Vec::new();
        (groups + made.locals.len() as u32).encode(&mut all);
        all.extend(&bytes[first_group..groups_end]);
        for ty in made.locals {
            1u32.encode(&mut all);
            ty.encode(&mut all);
        }
        all.extend(made.code);
        Ok((all, made.walk))
    }
}

/// What is counted, and direct calls.
fn is_control(operator: &Operator<'_>) -> bool {
    use Operator::*;
    matches!(
        operator,
        Br { .. } | BrIf { .. } | If { .. } | Else | BrTable { .. } | BrOnNull { .. } | BrOnNonNull { .. } | TryTable { .. } | Call { .. }
    ) || is_indirect_call(operator)
}

fn is_indirect_call(operator: &Operator<'_>) -> bool {
    use Operator::*;
    matches!(operator, CallIndirect { .. } | CallRef { .. } | ReturnCallIndirect { .. } | ReturnCallRef { .. })
}

/// Whether the validator thinks that control can come to where it stands.
fn is_reachable(validator: &FuncValidator<ValidatorResources>) -> bool {
    (0..validator.control_stack_height() as usize).all(|depth| validator.get_control_frame(depth).is_some_and(|frame| !frame.unreachable))
}

impl Body<'_, '_> {
    fn emit(&mut self, instructions: &[Instruction<'_>]) {
        instructions.iter().for_each(|instruction| instruction.encode(&mut self.code));
    }

    /// At the start of the function: it has begun, whoever called it.
    fn entry(&mut self) {
        self.set_pending(0);
        self.count(Event::Entry);
    }

    /// Counts what the instruction is about to do. The operand stack stays as it is.
    fn before(&mut self, operator: &Operator<'_>, validator: &FuncValidator<ValidatorResources>) -> Result<()> {
        match operator {
            Operator::Br { .. } => self.branch(Branch::Br),
            Operator::Else => self.branch(Branch::Else),
            Operator::BrIf { .. } => self.branch_where(Branch::BrIf, &[Instruction::I32Eqz, Instruction::I32Eqz]),
            Operator::If { .. } => self.branch_where(Branch::If, &[Instruction::I32Eqz]),
            Operator::BrTable { targets } => self.table(targets),
            Operator::BrOnNull { .. } => self.branch_on(Branch::BrOnNull, validator)?,
            Operator::BrOnNonNull { .. } => self.branch_on(Branch::BrOnNonNull, validator)?,
            Operator::TryTable { try_table } => {
                let first = self.walk.positions;
                self.walk.positions += try_table.catches.len() as u32;
                self.walk.clauses.extend(first..self.walk.positions);
            }
            _ if is_indirect_call(operator) => self.call(),
            _ => {}
        }
        Ok(())
    }

    /// A callee that has returned did begin, also where it counts nothing itself.
    fn behind(&mut self, operator: &Operator<'_>) {
        if matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. }) {
            self.set_pending(0);
        }
    }

    fn call(&mut self) {
        let site = self.walk.sites;
        self.walk.sites += 1;
        self.walk.positions += 1;
        self.count(Event::Called { site });
        self.set_pending(self.counting.counters.len() as i32);
    }

    fn branch(&mut self, branch: Branch) {
        let event = self.taken(branch);
        self.count(event);
    }

    /// The event of the next position.
    fn taken(&mut self, branch: Branch) -> Event {
        let position = self.walk.positions;
        self.walk.positions += 1;
        Event::Taken { position, branch }
    }

    /// A branch that is taken where `test` makes 1 of the condition on top of the stack, and not where it makes 0.
    fn branch_where(&mut self, branch: Branch, test: &[Instruction<'_>]) {
        let held = self.local(ValType::I32);
        self.emit(&[Instruction::LocalTee(held)]);
        self.emit(test);
        self.add_condition(branch);
        self.emit(&[Instruction::LocalGet(held)]);
    }

    /// A branch by the reference on top of the stack.
    fn branch_on(&mut self, branch: Branch, validator: &FuncValidator<ValidatorResources>) -> Result<()> {
        let held = validator.get_operand_type(0).flatten().context("a branch by a reference has one")?;
        let held = self.reference_type(held)?;
        let held = self.local(held);
        self.emit(&[Instruction::LocalTee(held), Instruction::RefIsNull]);
        if branch == Branch::BrOnNonNull {
            self.emit(&[Instruction::I32Eqz]);
        }
        self.add_condition(branch);
        self.emit(&[Instruction::LocalGet(held)]);
        Ok(())
    }

    /// The type of a local for such references, null or not.
    fn reference_type(&self, ty: wasmparser::ValType) -> Result<ValType> {
        use wasm_encoder::{AbstractHeapType, HeapType, RefType};
        let wasmparser::ValType::Ref(ty) = ty else { bail!("a reference is of type {ty}") };
        let heap_type = match ty.heap_type() {
            wasmparser::HeapType::Concrete(index) => {
                let known = index.as_core_type_id().and_then(|id| self.counting.type_indices.get(&id));
                HeapType::Concrete(*known.context("the type of a reference is one of the module's")?)
            }
            wasmparser::HeapType::Abstract { shared, ty } => {
                let ty = match ty {
                    wasmparser::AbstractHeapType::Func => AbstractHeapType::Func,
                    wasmparser::AbstractHeapType::Extern => AbstractHeapType::Extern,
                    wasmparser::AbstractHeapType::Exn => AbstractHeapType::Exn,
                    wasmparser::AbstractHeapType::NoFunc => AbstractHeapType::NoFunc,
                    wasmparser::AbstractHeapType::NoExtern => AbstractHeapType::NoExtern,
                    wasmparser::AbstractHeapType::NoExn => AbstractHeapType::NoExn,
                    other => bail!("no module here has references to {other:?}"),
                };
                HeapType::Abstract { shared, ty }
            }
            other => bail!("no module here has references to {other:?}"),
        };
        Ok(ValType::Ref(RefType { nullable: true, heap_type }))
    }

    /// A second table in front of the instruction's own, with a counter behind each of its labels.
    fn table(&mut self, targets: &BrTable<'_>) {
        let held = self.local(ValType::I32);
        let default = targets.len();
        let labels: Vec<u32> = (0..default).collect();
        self.emit(&[Instruction::LocalSet(held)]);
        for _ in 0..default + 2 {
            self.emit(&[Instruction::Block(BlockType::Empty)]);
        }
        self.emit(&[Instruction::LocalGet(held), Instruction::BrTable(labels.into(), default)]);
        for label in 0..=default {
            self.emit(&[Instruction::End]);
            self.branch(if label == default { Branch::BrTableDefault } else { Branch::BrTable });
            self.emit(&[Instruction::Br(default - label)]);
        }
        self.emit(&[Instruction::End, Instruction::LocalGet(held)]);
    }

    /// A local of this type, the same one each time.
    fn local(&mut self, ty: ValType) -> u32 {
        let known = self.locals.iter().position(|&known| known == ty);
        self.own_locals
            + known.unwrap_or_else(|| {
                self.locals.push(ty);
                self.locals.len() - 1
            }) as u32
    }

    fn set_pending(&mut self, call: i32) {
        let pending = self.counting.first_global;
        self.emit(&[Instruction::I32Const(call), Instruction::GlobalSet(pending)]);
    }

    /// Makes a counter: its global, and what an event adds.
    fn counter(&mut self, event: Event) -> (u32, i64) {
        let counter = Counter { function: self.function, event };
        self.counting.counters.push(counter);
        (self.counting.first_global + self.counting.counters.len() as u32, (self.counting.weight)(&counter))
    }

    fn count(&mut self, event: Event) {
        let (global, weight) = self.counter(event);
        self.emit(&[Instruction::GlobalGet(global), Instruction::I64Const(weight), Instruction::I64Add, Instruction::GlobalSet(global)]);
    }

    /// Counts where the i32 on top of the stack is 1 and not 0; takes it.
    fn add_condition(&mut self, branch: Branch) {
        let event = self.taken(branch);
        let (global, weight) = self.counter(event);
        self.emit(&[Instruction::I64ExtendI32U, Instruction::I64Const(weight), Instruction::I64Mul]);
        self.emit(&[Instruction::GlobalGet(global), Instruction::I64Add, Instruction::GlobalSet(global)]);
    }
}
