//! Code of tiers T2 and T3 asks for the next tier's, whenever one of its counters of entries or of branches back to a loop has no bit of a mask of the instance set.
//!
//! ```text
//! entry      count -> due? -> Climb                    the next call may find better code in the jump table
//! back-edge  count -> due? -> ClimbLoop -> ready? ->   leaves for it as by a side exit, at the loop's first instruction
//! ```
//! A loop has one such way out, shared by all branches back to it, at the end of the function.

use super::Translator;
use crate::fault::{Fault, Res};
use crate::state::FrameKind;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use trjit_module::vm::{Builtin, header};

impl Translator<'_, '_> {
    /// At the function's start, which was entered `count` times.
    pub(super) fn ask_at_entry(&mut self, count: Value, from: u32) -> Res<()> {
        let rest = self.rest(count, header::ENTRIES_MASK)?;
        let (asking, next) = (self.b.create_block(), self.b.create_block());
        self.b.ins().brif(rest, next, &[], asking, &[]);
        self.b.seal_block(asking);
        self.b.set_cold_block(asking);
        self.b.switch_to_block(asking);
        self.set_position(self.position);
        let (function, from) = (self.index(self.request.function.0), self.index(from));
        self.env.builtin(&mut self.b, Builtin::Climb, &[function, from])?;
        self.b.ins().jump(next, &[]);
        self.b.seal_block(next);
        self.b.switch_to_block(next);
        Ok(())
    }

    /// Takes a branch back to the loop behind a label, for the `count`th time, with the prepared arguments.
    pub(super) fn ask_at_back_edge(&mut self, count: Value, depth: u32, header: Block) -> Res<()> {
        let rest = self.rest(count, header::BACK_EDGES_MASK)?;
        let asking = self.asking_block(depth)?;
        self.b.ins().brif(rest, header, &self.branch_args, asking, &self.branch_args);
        Ok(())
    }

    /// 0 where a count is due.
    fn rest(&mut self, count: Value, mask: usize) -> Res<Value> {
        let mask = self.env.header_i32(&mut self.b, mask)?;
        let low = self.b.ins().ireduce(types::I32, count);
        Ok(self.b.ins().band(low, mask))
    }

    /// The block in which a loop asks; it has the parameters of the loop.
    fn asking_block(&mut self, depth: u32) -> Res<Block> {
        let at = self.frames.len().checked_sub(depth as usize + 1);
        let frame = at.map(|at| &mut self.frames[at]).ok_or_else(not_a_loop)?;
        let FrameKind::Loop { asking, .. } = &mut frame.kind else { return Err(not_a_loop()) };
        if let Some(asking) = *asking {
            return Ok(asking);
        }
        let block = self.b.create_block();
        *asking = Some(block);
        for &arg in &self.branch_args {
            let ty = arg.as_value().map(|value| self.b.func.dfg.value_type(value)).ok_or_else(not_a_loop)?;
            self.b.append_block_param(block, ty);
        }
        Ok(block)
    }

    /// Before the innermost frame, a loop, ends: fills the block in which it asks, if it does.
    pub(super) fn end_asking(&mut self) -> Res<()> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let FrameKind::Loop { header, first, entry, asking: Some(asking), .. } = frame.kind else { return Ok(()) };
        let (height, spilled) = (frame.height, frame.spilled);
        // What comes behind the loop goes on in a block of its own: this one can not be left half-made.
        let behind = self.reachable.then(|| self.b.create_block());
        if let Some(behind) = behind {
            self.b.ins().jump(behind, &[]);
            self.b.seal_block(behind);
        }
        let (stack, entries, fuel_used) = (self.stack.clone(), self.entries.clone(), std::mem::take(&mut self.fuel_used));
        self.b.seal_block(asking);
        self.b.set_cold_block(asking);
        self.b.switch_to_block(asking);
        self.stack.truncate(height);
        self.stack.extend_from_slice(self.b.block_params(asking));
        if spilled {
            self.reload_below(height);
        }
        self.entries = entry..entry;
        self.ask_and_leave(header, first, height)?;
        (self.stack, self.entries, self.fuel_used) = (stack, entries, fuel_used);
        self.reachable = behind.is_some();
        if let Some(behind) = behind {
            self.b.switch_to_block(behind);
        }
        Ok(())
    }

    /// In a block with the loop's state: leaves for better code, or goes back to the header.
    fn ask_and_leave(&mut self, header: Block, first: u32, height: usize) -> Res<()> {
        let function = self.request.function;
        let from = self.counting.as_ref().and_then(|counting| counting.asks_from());
        let from = from.ok_or_else(|| Fault::internal("a loop asks in a tier that does not"))?;
        self.set_position(first);
        let args = [function.0, first, from].map(|number| self.index(number));
        let ready = self.env.builtin_value(&mut self.b, Builtin::ClimbLoop, &args)?;
        let leaving = self.b.create_block();
        self.set_branch_args(height);
        self.b.ins().brif(ready, leaving, &[], header, &self.branch_args);
        self.b.seal_block(leaving);
        self.b.set_cold_block(leaving);
        self.b.switch_to_block(leaving);
        self.leave(function, first)
    }
}

#[cold]
fn not_a_loop() -> Fault {
    Fault::internal("a branch back does not lead to a loop")
}
