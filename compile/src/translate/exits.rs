//! Side exits: where speculative code ([`Tier::T4`]) meets what its counts say is never executed, it leaves for the interpreter, and the code behind is not compiled.
//!
//! The frame goes to slots: the locals that are [live](crate::liveness), then the operand stack. Where the interpreter goes on is one constant ([`ExitPlace`]). Most of an exit is shared:
//! ```text
//! exit       the constant, jump                  one for each place that is left
//! frame      stores locals and operands, jump    one for exits that leave equal values in equal slots
//! tail       stores the constant; then           one in the code of a body
//!    code entered at an offset   its frame is the interpreter's: returns to the driver, which goes on with it
//!    a compiled function         tail-calls the lazy stub as if it were to be called itself; `VmStore::exit_pending` tells the driver to go on with that frame
//!    an inlined body             calls the lazy stub in the same way, and hands the results to the code around, whose frame stays
//! ```
//! So the compiled frame is gone before its function goes on, and no frame state has more than one function in it.

use super::{Results, Translator};
use crate::fault::Res;
use crate::liveness::Liveness;
use crate::planted::{self, ExitBug};
use crate::signature::clif_type;
use crate::slots::Slots;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value, types};
use std::collections::HashMap;
use trjit_code::{BranchCounts, CompileRequest, Tier};
use trjit_module::flat::FunctionRecord;
use trjit_module::vm::{EXIT_WORDS, ExitPlace, ended, header, store};
use trjit_module::{FuncIndex, Module};
use wasmparser::Operator;

/// Where speculative code of a function may leave.
pub(super) struct Exits<'a> {
    function: FuncIndex,
    counts: &'a dyn BranchCounts,
}

impl<'a> Exits<'a> {
    /// `None` where it may not.
    pub fn of(request: &CompileRequest<'a>) -> Option<Exits<'a>> {
        let record = request.module.function(request.function)?;
        (request.tier == Tier::T4 && may_leave(request.module, record))
            .then_some(Exits { function: request.function, counts: request.counts })
    }
}

/// Whether frames of a function, and places in it, are small enough for code to be left there.
pub(super) fn may_leave(module: &Module, record: &FunctionRecord) -> bool {
    let words = record.frame_slots as usize * module.slot_words();
    words <= EXIT_WORDS && record.frame_slots < ExitPlace::SLOTS && record.side_table_len < ExitPlace::ENTRIES
}

/// What the exits of a body share.
#[derive(Default)]
pub(super) struct Shared {
    /// From the first exit on.
    liveness: Option<Liveness>,
    /// The blocks that store frames, each with what it stores: values and their slots. Looked up by key only: hash order does not reach the code.
    frames: HashMap<Vec<(u32, Value)>, Block>,
    /// The same blocks; more exits may lead there until all are known.
    open: Vec<Block>,
    tail: Option<Tail>,
}

/// The end of all exits.
#[derive(Clone, Copy)]
struct Tail {
    block: Block,
    function: FuncIndex,
    /// Of the first exit.
    position: u32,
}

impl Translator<'_, '_> {
    /// Leaves before the instruction at a position where the counts want it; the code behind is not reached then.
    pub(super) fn leave_or_stay(&mut self, operator: &Operator<'_>, position: u32) -> Res<()> {
        // Where code enters it does not leave at once. A trap is shorter than an exit.
        if self.lands_later() || self.enters_at(position) || matches!(operator, Operator::Unreachable) {
            return Ok(());
        }
        let Some((exits, executed)) = self.exits.as_ref().zip(self.heat.as_mut().and_then(|heat| heat.at(position))) else {
            return Ok(());
        };
        if exits.counts.leaves(exits.function, position, executed.count) {
            let function = exits.function;
            self.leave(function, position)?;
        }
        Ok(())
    }

    /// Leaves before the instruction at a position, whose first side table entry is the current one.
    pub(super) fn leave(&mut self, function: FuncIndex, position: u32) -> Res<()> {
        self.set_position(position);
        // Straight code goes on there, and is charged for as a whole.
        let spent = std::mem::take(&mut self.fuel_used);
        if self.env.settings.fuel {
            let vm_store = self.env.store(&mut self.b)?;
            let spent = spent - i64::from(planted::has(ExitBug::Fuel) && spent > 0);
            let spent = self.b.ins().iconst(types::I64, spent);
            self.b.ins().store(self.env.flags.vm, spent, vm_store, store::EXIT_SPENT as i32);
        }
        let frame = self.frame_to_leave(function, position)?;
        let used = (self.locals.len() + self.stack.len()) as u32 + u32::from(planted::has(ExitBug::Height));
        let entry = self.entries.start + u32::from(planted::has(ExitBug::Entry));
        let first = if planted::has(ExitBug::Position) { self.opcodes.first } else { position };
        let place = self.b.ins().iconst(types::I64, ExitPlace { position: first, used, entry }.word() as i64);
        let known = self.shared.frames.get(&frame).copied();
        let block = known.unwrap_or_else(|| self.exit_block());
        self.b.ins().jump(block, &[BlockArg::Value(place)]);
        if known.is_none() {
            let tail = self.tail(function, position);
            self.b.switch_to_block(block);
            self.store_frame(&frame)?;
            let place = self.b.block_params(block)[0];
            self.b.ins().jump(tail, &[BlockArg::Value(place)]);
            self.shared.frames.insert(frame, block);
            self.shared.open.push(block);
        }
        self.reachable = false;
        Ok(())
    }

    /// The block where all exits end.
    fn tail(&mut self, function: FuncIndex, position: u32) -> Block {
        if let Some(tail) = self.shared.tail {
            return tail.block;
        }
        let block = self.exit_block();
        self.shared.tail = Some(Tail { block, function, position });
        block
    }

    /// A block for exits, with their place as its parameter.
    fn exit_block(&mut self) -> Block {
        let block = self.b.create_block();
        self.b.append_block_param(block, types::I64);
        self.b.set_cold_block(block);
        block
    }

    /// What an exit leaves: values, each with its slot.
    fn frame_to_leave(&mut self, function: FuncIndex, position: u32) -> Res<Vec<(u32, Value)>> {
        let liveness = match self.shared.liveness.take() {
            Some(known) => known,
            None => Liveness::of(self.env.module, function)?,
        };
        let live = liveness.before(position);
        self.shared.liveness = Some(liveness);
        let locals = self.locals.len();
        let mut frame = Vec::with_capacity(live.len() + self.stack.len());
        for &local in &live[..live.len() - usize::from(planted::has(ExitBug::StaleLocal) && !live.is_empty())] {
            let slot = if planted::has(ExitBug::Slots) && locals > 1 && local < 2 { 1 - local } else { local };
            frame.push((slot, self.local_value(local)?));
        }
        let operands = self.stack.len();
        let stored = operands - usize::from(planted::has(ExitBug::StaleOperand) && operands > 0);
        // The stack stays as it is: what lies below the innermost frame is needed again where this block does not lead.
        frame.extend(self.stack[..stored].iter().enumerate().map(|(at, &value)| ((locals + at) as u32, value)));
        Ok(frame)
    }

    fn store_frame(&mut self, values: &[(u32, Value)]) -> Res<()> {
        if values.is_empty() {
            return Ok(());
        }
        let frame = match self.results {
            Results::Driver(frame) => frame,
            Results::Registers | Results::Pointer(_) => {
                let vm_store = self.env.store(&mut self.b)?;
                let base = self.b.ins().load(types::I64, self.env.flags.constant, vm_store, store::EXIT_SLOTS as i32);
                Slots { base, words: self.env.module.slot_words(), flags: self.env.flags.slot }
            }
        };
        for &(slot, value) in values {
            let mut value = self.widen(value);
            if planted::has(ExitBug::UpperHalf) && self.b.func.dfg.value_type(value).is_vector() {
                let (halves, zero) = (self.as_vector(value, types::I64X2), self.b.ins().iconst(types::I64, 0));
                let half = self.b.ins().insertlane(halves, zero, 1);
                value = self.as_vector(half, types::I8X16);
            }
            frame.store(&mut self.b, value, slot as usize);
        }
        Ok(())
    }

    /// Fills the tail, when all exits are known.
    pub(super) fn end_exits(&mut self) -> Res<()> {
        let Shared { open, tail: Some(Tail { block: tail, function, position }), .. } = std::mem::take(&mut self.shared) else {
            return Ok(());
        };
        open.iter().chain([&tail]).for_each(|&block| self.b.seal_block(block));
        self.b.switch_to_block(tail);
        self.set_position_of_tail(position);
        let vm_store = self.env.store(&mut self.b)?;
        let place = self.b.block_params(tail)[0];
        self.b.ins().store(self.env.flags.vm, place, vm_store, store::EXIT_PLACE as i32);
        let left = self.index(self.caller.map_or(function, |caller| caller.root).0);
        self.b.ins().store(self.env.flags.vm, left, vm_store, store::EXIT_OF as i32);
        match self.results {
            Results::Driver(_) => {
                self.return_status(ended::EXIT);
                Ok(())
            }
            Results::Registers | Results::Pointer(_) => self.go_on_interpreted(function),
        }
    }

    /// Has the interpreter do the rest of the function, and returns its results. The arguments of this call are read by nobody.
    fn go_on_interpreted(&mut self, function: FuncIndex) -> Res<()> {
        let (vmctx, vm_store) = (self.env.vmctx()?, self.env.store(&mut self.b)?);
        let (pending, index) = (self.index(1), self.index(function.0));
        self.b.ins().store(self.env.flags.vm, pending, vm_store, store::EXIT_PENDING as i32);
        self.b.ins().store(self.env.flags.vm, index, vmctx, header::CALLEE as i32);
        let stub = self.env.header(&mut self.b, header::LAZY_STUB)?;
        let mut args = vec![vmctx];
        if let Results::Pointer(area) = self.results {
            args.push(area);
        }
        for param in self.ty.params() {
            let zero = self.zero(clif_type(param)?);
            args.push(zero);
        }
        let signature = self.env.signature(&mut self.b, self.env.module.type_of(function))?;
        if self.caller.is_none() {
            self.b.ins().return_call_indirect(signature, stub, &args);
        } else {
            let call = self.b.ins().call_indirect(signature, stub, &args);
            let results = self.b.inst_results(call).to_vec();
            self.b.ins().return_(&results);
        }
        Ok(())
    }
}
