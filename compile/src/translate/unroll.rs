//! Unrolling: the body of a loop that training found to turn often is translated several times, one copy behind the other; each goes back to the next one, and the last one to
//! the first. Between copies the processor predicts and the optimizer sees further; all tests stay in the code.
//! ```text
//! first -> copy -> copy -> last      each goes on behind the loop where the wasm does
//!   ^-----------------------'
//! ```
//! Only innermost loops without calls and handlers are unrolled. What they bring stands in docs/performance.md.

use super::Translator;
use crate::fault::{Fault, Res};
use crate::side_entries::SideEntries;
use crate::state::{BlockSig, FrameKind};
use cranelift_codegen::ir::Block;
use trjit_code::Tier;
use wasmparser::{Operator, OperatorsReader};

/// How many times a body is translated. With 8 it is the same within the noise, and the code grows twice as much.
const COPIES: u32 = 4;
/// Turns in training that make a loop worth it: fewer can not be felt.
const HOT: u64 = 10_000;
/// Turns by entry: a loop that ends soon would pay for what it does not reach.
const TURNS: u64 = 16;
/// Most bytes of a body.
const LIMIT: u64 = 150;

/// A loop of which copies are still to be translated.
pub struct Copies<'a> {
    /// The header of the first one.
    first: Block,
    /// How many come after the current one.
    left: u32,
    /// At the first instruction of the body.
    start: Start<'a>,
}

/// What translation knows of its place.
pub(super) struct Start<'a> {
    reader: OperatorsReader<'a>,
    entries: SideEntries,
    /// How far the [counts](crate::heat::Heat) were asked.
    heat: usize,
}

/// The walk along a body, which goes back to the start of a loop that is unrolled.
pub(super) struct Walk<'a> {
    pub reader: OperatorsReader<'a>,
    pub entries: SideEntries,
}

impl<'a> Translator<'a, '_> {
    /// Behind the `loop` instruction that stands at a position: what to go back to, where the loop is to be unrolled.
    pub(super) fn start_of_unrolled(&self, walk: &Walk<'a>, operator: &Operator<'_>, position: u32) -> Res<Option<Start<'a>>> {
        let may = matches!(self.request.tier, Tier::Ap4 | Tier::T4) && self.landing.is_none() && !self.env.settings.fuel;
        let (true, Operator::Loop { .. }, Some(heat)) = (may, operator, &self.heat) else { return Ok(None) };
        let count = |position| heat.peek(position).map_or(0, |executed| executed.count);
        let (entered, turns) = (count(position), count(walk.reader.original_position() as u32));
        if turns < HOT || turns / TURNS < entered || !is_small_and_simple(walk.reader.clone())? {
            return Ok(None);
        }
        let heat = heat.mark();
        Ok(Some(Start { reader: walk.reader.clone(), entries: walk.entries.clone(), heat }))
    }

    /// Where the loop goes back to whose header is `header` and whose parameters lie on the stack from `first` on; and its further copies, where it is unrolled.
    pub(super) fn unroll(
        &mut self,
        header: Block,
        sig: BlockSig<'a>,
        first: usize,
        start: Option<Start<'a>>,
    ) -> (Block, Option<Box<Copies<'a>>>) {
        match start {
            None => (header, None),
            Some(start) => (self.header_like(sig, first), Some(Box::new(Copies { first: header, left: COPIES - 1, start }))),
        }
    }

    /// A block for the header of the next copy.
    fn header_like(&mut self, sig: BlockSig<'a>, first: usize) -> Block {
        let block = self.b.create_block();
        for at in first..first + sig.params() {
            let ty = self.b.func.dfg.value_type(self.stack[at]);
            self.b.append_block_param(block, ty);
        }
        block
    }

    /// At the `end` of the innermost frame, a loop: begins its next copy, if there is one to come. Headers are sealed when all that goes back to them is there.
    pub(super) fn end_copy(&mut self) -> Res<bool> {
        let at = self.frames.len() - 1;
        let (sig, height) = (self.frames[at].sig, self.frames[at].height);
        let FrameKind::Loop { header, back, copies, .. } = &mut self.frames[at].kind else {
            return Err(Fault::internal("no loop ends here"));
        };
        let (header, next) = (*header, *back);
        let Some(mut copies) = copies.take() else {
            self.b.seal_block(header);
            return Ok(false);
        };
        if header != copies.first {
            self.b.seal_block(header);
        }
        if copies.left == 0 {
            self.b.seal_block(copies.first);
            return Ok(false);
        }
        if self.reachable {
            self.jump_to_next()?;
        }
        self.b.switch_to_block(next);
        self.stack.truncate(height);
        self.stack.extend_from_slice(self.b.block_params(next));
        self.reachable = true;
        copies.left -= 1;
        let back = if copies.left == 0 { copies.first } else { self.header_like(sig, height) };
        self.goes_back = true;
        if let FrameKind::Loop { header, back: to, copies: rest, .. } = &mut self.frames[at].kind {
            (*header, *to, *rest) = (next, back, Some(copies));
        }
        Ok(true)
    }

    /// Goes back to the first instruction of the loop, where a copy has just begun.
    pub(super) fn go_back(&mut self, walk: &mut Walk<'a>) {
        if !std::mem::take(&mut self.goes_back) {
            return;
        }
        if let Some(FrameKind::Loop { copies: Some(copies), .. }) = self.frames.last().map(|frame| &frame.kind) {
            let start = &copies.start;
            (walk.reader, walk.entries) = (start.reader.clone(), start.entries.clone());
            self.heat.iter_mut().for_each(|heat| heat.reset(start.heat));
        }
    }
}

/// Whether the body that begins here is short, and holds no loop, no call and no handler.
fn is_small_and_simple(mut reader: OperatorsReader<'_>) -> Res<bool> {
    let (start, mut depth) = (reader.original_position(), 0);
    loop {
        match reader.read()? {
            Operator::Loop { .. } | Operator::TryTable { .. } => return Ok(false),
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => return Ok(false),
            Operator::Block { .. } | Operator::If { .. } => depth += 1,
            Operator::End if depth == 0 => return Ok(reader.original_position() - start <= LIMIT),
            Operator::End => depth -= 1,
            _ if reader.original_position() - start > LIMIT => return Ok(false),
            _ => {}
        }
    }
}
