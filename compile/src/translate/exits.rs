//! Side exits: where speculative code ([`Tier::T4`]) meets what its counts say is never executed, it leaves for the interpreter, and the code behind is not compiled.
//!
//! The frame goes to slots, whole: all locals, then the operand stack; beside it stands which instruction is next. Then
//! ```text
//! code entered at an offset   its frame is the interpreter's: returns to the driver, which goes on with it
//! a compiled function         tail-calls the lazy stub as if it were to be called itself; `VmStore::exit_pending` tells the driver to go on with that frame
//! an inlined body             calls the lazy stub in the same way, and hands the results to the code around, whose frame stays
//! ```
//! So the compiled frame is gone before its function goes on, and no frame state has more than one function in it.

use super::{Results, Translator};
use crate::fault::Res;
use crate::planted::{self, ExitBug};
use crate::signature::clif_type;
use crate::slots::Slots;
use cranelift_codegen::ir::{InstBuilder, types};
use trjit_code::{BranchCounts, CompileRequest, Tier};
use trjit_module::FuncIndex;
use trjit_module::vm::{EXIT_WORDS, ended, header, store};
use wasmparser::Operator;

/// Where the code of a function may leave.
pub(super) struct Exits<'a> {
    function: FuncIndex,
    counts: &'a dyn BranchCounts,
}

impl<'a> Exits<'a> {
    /// `None` where it may not.
    pub fn of(request: &CompileRequest<'a>) -> Option<Exits<'a>> {
        let words = request.module.function(request.function)?.frame_slots as usize * request.module.slot_words();
        (request.tier == Tier::T4 && words <= EXIT_WORDS).then_some(Exits { function: request.function, counts: request.counts })
    }
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

    pub(super) fn leave(&mut self, function: FuncIndex, position: u32) -> Res<()> {
        self.set_position_of_exit(position);
        let vm_store = self.env.store(&mut self.b)?;
        // Straight code goes on there, and is charged for as a whole.
        let spent = std::mem::take(&mut self.fuel_used);
        if self.env.settings.fuel {
            let spent = self.b.ins().iconst(types::I64, spent);
            self.b.ins().store(self.env.flags.vm, spent, vm_store, store::EXIT_SPENT as i32);
        }
        let frame = match self.results {
            Results::Driver(frame) => frame,
            Results::Registers | Results::Pointer(_) => {
                let base = self.b.ins().load(types::I64, self.env.flags.constant, vm_store, store::EXIT_SLOTS as i32);
                Slots { base, words: self.env.module.slot_words(), flags: self.env.flags.slot }
            }
        };
        self.store_frame(frame)?;
        let used = (self.locals.len() + self.stack.len()) as u32 + u32::from(planted::has(ExitBug::Height));
        let left = self.caller.map_or(function, |caller| caller.root).0;
        let entry = self.entries.start + u32::from(planted::has(ExitBug::Entry));
        let position = if planted::has(ExitBug::Position) { self.opcodes.first } else { position };
        for (offset, value) in
            [(store::EXIT_POSITION, position), (store::EXIT_USED, used), (store::EXIT_ENTRY, entry), (store::EXIT_OF, left)]
        {
            let value = self.index(value);
            self.b.ins().store(self.env.flags.vm, value, vm_store, offset as i32);
        }
        match self.results {
            Results::Driver(_) => self.return_status(ended::EXIT),
            Results::Registers | Results::Pointer(_) => self.go_on_interpreted(function)?,
        }
        self.reachable = false;
        Ok(())
    }

    fn store_frame(&mut self, frame: Slots) -> Res<()> {
        let locals = self.locals.len();
        for local in 0..locals - usize::from(planted::has(ExitBug::StaleLocal) && locals > 0) {
            let value = self.local_value(local as u32)?;
            let slot = if planted::has(ExitBug::Slots) && locals > 1 && local < 2 { 1 - local } else { local };
            frame.store(&mut self.b, value, slot);
        }
        let operands = self.stack.len();
        for at in 0..operands - usize::from(planted::has(ExitBug::StaleOperand) && operands > 0) {
            // What lies below the innermost frame is needed again where this block does not lead: the stack stays as it is.
            let value = self.widen(self.stack[at]);
            frame.store(&mut self.b, value, locals + at);
        }
        Ok(())
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
