//! Entry in the middle of a function ([`Entry::At`](trjit_code::Entry::At)).
//!
//! The whole body is translated, but the entry block loads the frame from its slots and goes to the *landing*, which jumps to the instruction where code enters as soon as that
//! is met. What only leads from the function's start to there is left without predecessors, and Cranelift drops it.
//!
//! From the landing on, the values that lie on the operand stack come from the frame's slots, and not from the instructions that pushed them; where paths through the
//! landing and past it meet (headers of outer loops, ends of outer blocks) either may arrive. So each frame that is opened before the landing keeps the values below it in
//! variables, one for each position and type, and the builder joins them.

use super::{Results, Translator};
use crate::fault::{Fault, Res};
use crate::planted::{self, ExitBug};
use crate::slots::Slots;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Type};
use cranelift_frontend::Variable;

/// Where and how code enters.
pub(super) struct Landing {
    /// Position of the instruction that comes first; a loop's is the one behind `loop`.
    position: u32,
    /// The frame.
    slots: Slots,
    /// Entered from the entry block, which loaded the locals; loads the operand stack once its shape is known. `None` when that is done.
    block: Option<Block>,
}

impl Landing {
    /// The position that was not met, where it was not.
    pub fn missed(&self) -> Option<u32> {
        self.block.map(|_| self.position)
    }
}

impl Translator<'_, '_> {
    /// The entry block loads the locals and goes to the landing. The body begins in a block that nothing reaches.
    pub(super) fn enter_at(&mut self, types: &[Type], position: u32) -> Res<()> {
        let values = self.entry_block();
        let vmctx = values[0];
        let slots = Slots { base: values[2], words: self.env.module.slot_words(), flags: self.env.flags.slot };
        self.env.set_vmctx(vmctx);
        self.results = Results::Driver(slots);
        for (slot, &ty) in types.iter().enumerate() {
            let value = slots.load(&mut self.b, ty, slot);
            self.local_init(slot as u32, value)?;
        }
        let landing = self.b.create_block();
        self.b.ins().jump(landing, &[]);
        self.b.seal_block(landing);
        self.landing = Some(Landing { position, slots, block: Some(landing) });
        let start = self.b.create_block();
        self.b.switch_to_block(start);
        self.b.seal_block(start);
        Ok(())
    }

    /// Whether code enters before the instruction at a position, and was not told where that is.
    pub(super) fn lands_at(&self, position: u32) -> bool {
        self.landing.as_ref().is_some_and(|landing| landing.missed() == Some(position))
    }

    /// Whether code enters behind the current instruction.
    pub(super) fn lands_later(&self) -> bool {
        self.landing.as_ref().is_some_and(|landing| landing.block.is_some())
    }

    /// Whether code enters before the instruction at a position.
    pub(super) fn enters_at(&self, position: u32) -> bool {
        self.landing.as_ref().is_some_and(|landing| landing.position == position)
    }

    /// Before a frame with these parameters is opened: puts the values below it into variables if code may land inside. Says whether it did.
    pub(super) fn spill_below(&mut self, params: usize) -> Res<bool> {
        if !self.lands_later() {
            return Ok(false);
        }
        self.widen_top(self.stack.len())?;
        for position in 0..self.stack.len() - params {
            let value = self.stack[position];
            let variable = self.stack_variable(position, self.b.func.dfg.value_type(value));
            self.b.def_var(variable, value);
        }
        Ok(true)
    }

    /// Takes the values below a spilled frame from their variables.
    pub(super) fn reload_below(&mut self, height: usize) {
        for position in 0..height {
            let variable = self.stack_variable(position, self.b.func.dfg.value_type(self.stack[position]));
            self.stack[position] = self.b.use_var(variable);
        }
    }

    /// The variable for values of type `ty` at a position of the operand stack.
    fn stack_variable(&mut self, position: usize, ty: Type) -> Variable {
        if self.stack_variables.len() <= position {
            self.stack_variables.resize(position + 1, Vec::new());
        }
        let known = self.stack_variables[position].iter().find(|known| known.0 == ty).map(|known| known.1);
        known.unwrap_or_else(|| {
            let variable = self.b.declare_var(ty);
            self.stack_variables[position].push((ty, variable));
            variable
        })
    }

    /// Fills the landing, and goes on in a block that is reached from there and from the current one. What straight code before has cost is not charged by who executed it, but
    /// where that code ends.
    pub(super) fn land_here(&mut self) -> Res<()> {
        self.widen_top(self.stack.len())?;
        let height = self.frames.last().map_or(0, |frame| frame.height);
        let join = self.b.create_block();
        for &value in &self.stack[height..] {
            let ty = self.b.func.dfg.value_type(value);
            self.b.append_block_param(join, ty);
        }
        self.set_branch_args(height);
        self.b.ins().jump(join, &self.branch_args);
        self.land(join, height)?;
        self.b.seal_block(join);
        self.b.switch_to_block(join);
        self.stack.truncate(height);
        self.stack.extend_from_slice(self.b.block_params(join));
        self.reload_below(height);
        Ok(())
    }

    /// Fills the landing, which jumps to `target`: loads the operand stack from the slots behind the locals, the values below `height` to their variables, the others to the parameters of `target`.
    pub(super) fn land(&mut self, target: Block, height: usize) -> Res<()> {
        let landing = self.landing.as_mut().and_then(|landing| Some((landing.block.take()?, landing.slots)));
        let (landing, frame) = landing.ok_or_else(|| Fault::internal("code enters at two instructions"))?;
        self.b.switch_to_block(landing);
        self.branch_args.clear();
        for position in 0..self.stack.len() {
            let ty = self.b.func.dfg.value_type(self.stack[position]);
            let slot = self.locals.len() + position + usize::from(planted::has(ExitBug::Landing));
            let value = frame.load(&mut self.b, ty, slot);
            if position < height {
                let variable = self.stack_variable(position, ty);
                self.b.def_var(variable, value);
            } else {
                self.branch_args.push(BlockArg::Value(value));
            }
        }
        self.b.ins().jump(target, &self.branch_args);
        Ok(())
    }
}
