//! Blocks, loops and branches.
//!
//! A block that ends a frame is made by the first branch to it, with the frame's results as parameters; a frame that nothing branches to just goes on in the same block.

use super::Translator;
use crate::fault::{Fault, Res};
use crate::state::{BlockSig, Frame, FrameKind};
use cranelift_codegen::ir::{Block, BlockArg, BlockCall, InstBuilder, JumpTableData, Value, types};
use wasmparser::{BrTable, Operator};

impl<'a> Translator<'a, '_> {
    /// Steps over an instruction that cannot be reached.
    pub(super) fn skip(&mut self, operator: &Operator<'_>) -> Res<()> {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => self.dead_frames += 1,
            Operator::Else if self.dead_frames == 0 => self.start_else()?,
            Operator::End if self.dead_frames == 0 => self.end()?,
            Operator::End => self.dead_frames -= 1,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn block_sig(&self, ty: wasmparser::BlockType) -> Res<BlockSig<'a>> {
        BlockSig::new(self.env.module, ty)
    }

    fn push_frame(&mut self, kind: FrameKind<'a>, sig: BlockSig<'a>, spilled: bool) {
        let height = self.stack.len() - sig.params();
        self.frames.push(Frame { kind, sig, height, next: None, spilled });
    }

    /// Opens a frame that begins in the current block.
    pub(super) fn start_framed(&mut self, kind: FrameKind<'a>, sig: BlockSig<'a>) -> Res<()> {
        self.widen_top(sig.params())?;
        let spilled = self.spill_below(sig.params())?;
        self.push_frame(kind, sig, spilled);
        Ok(())
    }

    /// `inner` is the position of the first instruction in the loop.
    pub(super) fn start_loop(&mut self, sig: BlockSig<'a>, inner: u32) -> Res<()> {
        let first = self.widen_top(sig.params())?;
        let spilled = self.spill_below(sig.params())?;
        let header = self.b.create_block();
        for &value in &self.stack[first..] {
            let ty = self.b.func.dfg.value_type(value);
            self.b.append_block_param(header, ty);
        }
        self.set_branch_args(first);
        self.b.ins().jump(header, &self.branch_args);
        if self.lands_at(inner) {
            self.land(header, first)?;
        }
        self.b.switch_to_block(header);
        self.stack.truncate(first);
        self.stack.extend_from_slice(self.b.block_params(header));
        if spilled {
            self.reload_below(first);
        }
        let unrolled = self.unrolled.take();
        let (back, copies) = self.unroll(header, sig, first, unrolled);
        self.push_frame(FrameKind::Loop { header, back, copies, first: inner, entry: self.entries.end, asking: None }, sig, spilled);
        self.check_fuel(inner)
    }

    pub(super) fn start_if(&mut self, sig: BlockSig<'a>) -> Res<()> {
        let condition = self.pop_condition()?;
        let first = self.widen_top(sig.params())?;
        let spilled = self.spill_below(sig.params())?;
        let params = self.stack[first..].to_vec();
        let then_block = self.b.create_block();
        let else_block = self.b.create_block();
        let otherwise = if self.counts_branches() { self.b.create_block() } else { else_block };
        self.b.ins().brif(condition, then_block, &[], otherwise, &[]);
        self.b.seal_block(then_block);
        if otherwise != else_block {
            self.b.seal_block(otherwise);
            self.b.switch_to_block(otherwise);
            self.count_branch(self.entries.start)?;
            self.b.ins().jump(else_block, &[]);
        }
        self.b.seal_block(else_block);
        self.b.switch_to_block(then_block);
        self.push_frame(FrameKind::If { else_block, params, seen_else: false }, sig, spilled);
        Ok(())
    }

    pub(super) fn start_else(&mut self) -> Res<()> {
        if self.reachable {
            // The `end` of an `if` without `else` has no entry: nothing is skipped there.
            if !self.entries.is_empty() {
                self.count_branch(self.entries.start)?;
            }
            self.jump_to_next()?;
        }
        let frame = self.frames.last_mut().ok_or_else(no_frame)?;
        let FrameKind::If { else_block, params, seen_else } = &mut frame.kind else {
            return Err(Fault::internal("`else` outside of `if`"));
        };
        *seen_else = true;
        let (height, spilled) = (frame.height, frame.spilled);
        self.stack.truncate(height);
        self.stack.append(params);
        self.b.switch_to_block(*else_block);
        if spilled {
            self.reload_below(height);
        }
        self.reachable = true;
        Ok(())
    }

    pub(super) fn end(&mut self) -> Res<()> {
        let frame = self.frames.last_mut().ok_or_else(no_frame)?;
        match &mut frame.kind {
            FrameKind::Loop { .. } => {
                self.end_asking()?;
                if self.end_copy()? {
                    return Ok(());
                }
            }
            FrameKind::If { seen_else: false, .. } => {
                // An `else` without instructions: the parameters are the results.
                self.start_else()?;
            }
            FrameKind::Try => self.end_try()?,
            FrameKind::If { .. } | FrameKind::Block => {}
        }
        if self.frames.last().is_some_and(|frame| frame.next.is_some()) && self.reachable {
            self.jump_to_next()?;
        }
        let frame = self.frames.pop().ok_or_else(no_frame)?;
        if let Some(next) = frame.next {
            self.b.switch_to_block(next);
            self.b.seal_block(next);
            self.stack.truncate(frame.height);
            self.stack.extend_from_slice(self.b.block_params(next));
            if frame.spilled {
                self.reload_below(frame.height);
            }
            self.reachable = true;
        } else if self.reachable {
            self.widen_top(frame.sig.results())?;
        } else {
            self.stack.truncate(frame.height);
        }
        Ok(())
    }

    /// Jumps to the end of the innermost frame with its results.
    pub(super) fn jump_to_next(&mut self) -> Res<()> {
        let at = self.frames.len() - 1;
        let results = self.frames[at].sig.results();
        let next = self.next_of(at)?;
        let first = self.widen_top(results)?;
        self.set_branch_args(first);
        self.b.ins().jump(next, &self.branch_args);
        Ok(())
    }

    /// The block where the frame at `at` ends.
    fn next_of(&mut self, at: usize) -> Res<Block> {
        let frame = &mut self.frames[at];
        if let Some(next) = frame.next {
            return Ok(next);
        }
        let next = self.b.create_block();
        frame.sig.each_result(|ty| {
            self.b.append_block_param(next, ty);
        })?;
        frame.next = Some(next);
        Ok(next)
    }

    /// Branch arguments: the stack from `first` on, which is widened already.
    pub(super) fn set_branch_args(&mut self, first: usize) {
        self.branch_args.clear();
        self.branch_args.extend(self.stack[first..].iter().map(|&value| BlockArg::Value(value)));
    }

    /// The block behind a label, with the arguments for it in `branch_args`.
    fn branch_target(&mut self, depth: u32) -> Res<Block> {
        let at = (self.frames.len() - 1).checked_sub(depth as usize).ok_or_else(no_frame)?;
        let first = self.widen_top(self.frames[at].branch_arity())?;
        let block = match self.frames[at].kind {
            FrameKind::Loop { back, .. } => back,
            FrameKind::Block | FrameKind::Try | FrameKind::If { .. } => self.next_of(at)?,
        };
        self.set_branch_args(first);
        Ok(block)
    }

    /// `entry`: the branch's in the function's side table.
    pub(super) fn br(&mut self, depth: u32, entry: u32) -> Res<()> {
        let target = self.branch_target(depth)?;
        self.take_branch(depth, entry, target)?;
        self.reachable = false;
        Ok(())
    }

    pub(super) fn br_if(&mut self, depth: u32) -> Res<()> {
        let condition = self.pop_condition()?;
        let target = self.branch_target(depth)?;
        self.branch_when(condition, true, depth, target)
    }

    /// Branches to `target`, the block of a label, with the prepared arguments when the condition is (not) 0, else goes on in a new block.
    fn branch_when(&mut self, condition: Value, is_true: bool, depth: u32, target: Block) -> Res<()> {
        let otherwise = self.b.create_block();
        let taken = if self.counts_branches_to(depth) { self.b.create_block() } else { target };
        let args = if taken == target { &self.branch_args[..] } else { &[] };
        match is_true {
            true => self.b.ins().brif(condition, taken, args, otherwise, &[]),
            false => self.b.ins().brif(condition, otherwise, &[], taken, args),
        };
        self.b.seal_block(otherwise);
        if taken != target {
            self.b.seal_block(taken);
            self.b.switch_to_block(taken);
            self.take_branch(depth, self.entries.start, target)?;
        }
        self.b.switch_to_block(otherwise);
        Ok(())
    }

    /// Goes on with the reference only when it is not null.
    pub(super) fn br_on_null(&mut self, depth: u32) -> Res<()> {
        let reference = self.pop()?;
        let target = self.branch_target(depth)?;
        self.branch_when(reference, false, depth, target)?;
        self.push(reference);
        Ok(())
    }

    /// Takes the reference along when it is not null, and drops it otherwise.
    pub(super) fn br_on_non_null(&mut self, depth: u32) -> Res<()> {
        let reference = self.pop()?;
        self.push(reference);
        let target = self.branch_target(depth)?;
        self.stack.pop();
        self.branch_when(reference, true, depth, target)
    }

    /// Labels that take values get a block of their own on the way, one a label, so that a table with many entries does not hold the values many times. Where
    /// branches are counted each entry has its own.
    pub(super) fn br_table(&mut self, table: &BrTable<'_>) -> Res<()> {
        let index = self.pop()?;
        let mut edges: Vec<Edge> = Vec::new();
        let mut edge_of_depth: Vec<Option<Block>> = vec![None; self.frames.len()];
        let mut calls = Vec::with_capacity(table.len() as usize + 1);
        for (depth, entry) in table.targets().chain(std::iter::once(Ok(table.default()))).zip(self.entries.clone()) {
            let depth = depth?;
            let known = *edge_of_depth.get(depth as usize).ok_or_else(no_frame)?;
            let block = match known {
                Some(block) if !self.counts_branches_to(depth) => block,
                _ => {
                    let target = self.branch_target(depth)?;
                    let is_direct = self.branch_args.is_empty() && !self.counts_branches_to(depth);
                    let block = if is_direct { target } else { self.b.create_block() };
                    if block != target {
                        edges.push(Edge { depth, entry, block });
                    }
                    edge_of_depth[depth as usize] = Some(block);
                    block
                }
            };
            calls.push(BlockCall::new(block, [], &mut self.b.func.dfg.value_lists));
        }
        let default = calls.pop().ok_or_else(no_frame)?;
        let jump_table = self.b.create_jump_table(JumpTableData::new(default, &calls));
        self.b.ins().br_table(index, jump_table);
        for Edge { depth, entry, block } in edges {
            self.b.seal_block(block);
            self.b.switch_to_block(block);
            self.br(depth, entry)?;
        }
        self.reachable = false;
        Ok(())
    }

    pub(super) fn return_(&mut self) -> Res<()> {
        let values = self.pop_many(self.ty.results().len())?;
        self.emit_return(&values);
        self.reachable = false;
        Ok(())
    }

    pub(super) fn select(&mut self) -> Res<()> {
        let condition = self.pop_condition()?;
        let (x, y) = self.pop2()?;
        let value = self.b.ins().select(condition, x, y);
        self.push(value);
        Ok(())
    }

    pub(super) fn unreachable(&mut self) {
        self.b.ins().trap(crate::env::trap(trjit_module::TrapCode::Unreachable));
        self.reachable = false;
    }

    /// A null test, as a lazy condition.
    pub(super) fn ref_is_null(&mut self) -> Res<()> {
        let reference = self.pop()?;
        let value = self.is_zero(reference);
        self.push(value);
        Ok(())
    }

    pub(super) fn ref_as_non_null(&mut self) -> Res<()> {
        let reference = self.pop()?;
        self.b.ins().trapz(reference, crate::env::trap(trjit_module::TrapCode::NullReference));
        self.push(reference);
        Ok(())
    }

    pub(super) fn ref_null(&mut self) {
        let value = self.b.ins().iconst(types::I64, 0);
        self.push(value);
    }
}

/// A block on the way from a table to a label.
struct Edge {
    depth: u32,
    entry: u32,
    block: Block,
}

#[cold]
fn no_frame() -> Fault {
    Fault::internal("no control frame is left")
}
