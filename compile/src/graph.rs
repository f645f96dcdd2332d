//! A function's body as people look at it: its instructions as text, cut into blocks where control splits or meets, with what training counted.
//!
//! ```text
//! body -> steps (heat.rs) -> leaders: first instruction, targets of branches, what follows a branch -> blocks -> edges -> without what nothing reaches
//! ```
//! Counts are those of [`executed`](crate::heat::executed): exact but for what traps, exits and exceptions cut off.

use crate::heat::{self, Step, WalkError};
use crate::side_entries::Flow;
use crate::wording;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use trjit_code::BranchCounts;
use trjit_module::flat::{FunctionRecord, SideTableEntry};
use trjit_module::{FuncIndex, Module, body_reader};
use wasmparser::Operator;

/// A body with its control flow.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// All instructions, also those that nothing reaches.
    pub instructions: Vec<Instruction>,
    /// The blocks that control can reach, in the order of the body; the first is the function's start.
    pub blocks: Vec<Block>,
    /// By `from`, then `to`.
    pub edges: Vec<Edge>,
}

#[derive(Clone, Debug)]
pub struct Instruction {
    /// Its position in the module's code.
    pub position: u32,
    pub text: String,
    /// How many blocks it stands within.
    pub depth: u32,
    /// How often training executed it; `None` where the function was never entered, or nothing is known.
    pub count: Option<u64>,
    pub what: What,
}

/// What is worth a look of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Plain,
    /// A `loop`.
    Loop,
    /// A branch that has a choice. `taken` counts all its targets but the next instruction.
    Branch {
        taken: Option<u64>,
    },
    Call(FuncIndex),
    /// An indirect call, with its number among those of the function; `None` where nothing reaches it.
    Indirect(Option<u32>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Of [`Graph::instructions`].
    pub instructions: Range<usize>,
    /// Whether an edge goes back here.
    pub is_loop: bool,
    pub count: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Positions in [`Graph::blocks`].
    pub from: usize,
    pub to: usize,
    pub kind: EdgeKind,
    pub count: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// To the next instruction.
    Falls,
    /// A branch that is taken.
    Taken,
    /// A branch back to a loop.
    Back,
    /// Where exceptions go that leave a `try_table`.
    Catches,
}

/// The graph of a defined function.
pub fn graph(module: &Module, function: FuncIndex, counts: &dyn BranchCounts) -> Result<Graph, WalkError> {
    let Some(record) = module.function(function) else { return Ok(Graph::default()) };
    let steps = heat::steps(module, record)?;
    let executed = heat::executed(module, function, counts)?;
    let walk = Walk {
        record,
        steps: &steps,
        table: module.body(record)?.side_table,
        taken: &|entry| counts.taken(function, entry),
        is_counted: executed.is_some(),
    };
    let counted = |at: usize| executed.as_ref().and_then(|executed| Some(executed.get(at)?.count));
    let instructions = walk.instructions(module, &counted)?;
    let (blocks, edges) = walk.blocks(&instructions);
    let (blocks, edges) = reached(blocks, edges);
    Ok(Graph { instructions, blocks, edges })
}

struct Walk<'a> {
    record: &'a FunctionRecord,
    steps: &'a [Step],
    table: &'a [SideTableEntry],
    taken: &'a dyn Fn(u32) -> u64,
    is_counted: bool,
}

impl Walk<'_> {
    fn instructions(&self, module: &Module, counted: &dyn Fn(usize) -> Option<u64>) -> Result<Vec<Instruction>, WalkError> {
        let mut reader = body_reader(module, self.record)?.get_operators_reader()?;
        let mut found = Vec::with_capacity(self.steps.len());
        let mut depth = 0u32;
        for (at, step) in self.steps.iter().enumerate() {
            let operator = reader.read()?;
            if matches!(operator, Operator::End | Operator::Else) {
                depth = depth.saturating_sub(1);
            }
            let position = self.record.code_start + step.ip;
            found.push(Instruction {
                position,
                text: wording::text(&operator),
                depth,
                count: counted(at),
                what: self.what(step, &operator),
            });
            if matches!(
                operator,
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } | Operator::Else
            ) {
                depth += 1;
            }
        }
        Ok(found)
    }

    fn what(&self, step: &Step, operator: &Operator<'_>) -> What {
        match operator {
            Operator::Loop { .. } => What::Loop,
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => What::Call(FuncIndex(*function_index)),
            Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => {
                let entry = self.entries(step).next().filter(|(_, entry)| entry.is_indirect_site());
                What::Indirect(entry.and_then(|(_, entry)| entry.keep.checked_sub(self.record.indirect_sites_start)))
            }
            Operator::BrIf { .. }
            | Operator::If { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrTable { .. } => {
                let sum = self.entries(step).fold(0u64, |sum, (at, _)| sum.saturating_add((self.taken)(at)));
                What::Branch { taken: self.is_counted.then_some(sum) }
            }
            _ => What::Plain,
        }
    }

    /// A step's side table entries with their numbers.
    fn entries(&self, step: &Step) -> impl Iterator<Item = (u32, &SideTableEntry)> {
        (step.first_entry..step.first_entry + step.entries).filter_map(|at| Some((at, self.table.get(at as usize)?)))
    }

    fn branches(&self, step: &Step) -> impl Iterator<Item = (u32, &SideTableEntry)> {
        self.entries(step).filter(|(_, entry)| !entry.is_indirect_site())
    }

    /// The first instructions of blocks.
    fn leaders(&self) -> BTreeSet<u32> {
        let mut leaders: BTreeSet<u32> = BTreeSet::from([0]);
        let mut ends_before = false;
        for step in self.steps {
            if ends_before {
                leaders.insert(step.ip);
            }
            leaders.extend(self.branches(step).map(|(_, entry)| step.ip.wrapping_add_signed(entry.delta_ip)));
            ends_before = self.ends_block(step);
        }
        leaders
    }

    fn ends_block(&self, step: &Step) -> bool {
        step.flow != Flow::On || self.branches(step).next().is_some()
    }

    fn blocks(&self, instructions: &[Instruction]) -> (Vec<Block>, Vec<Edge>) {
        let leaders: Vec<u32> = self.leaders().into_iter().collect();
        let block_of = |ip: u32| leaders.partition_point(|&leader| leader <= ip).saturating_sub(1);
        let at = |ip: u32| self.steps.partition_point(|step| step.ip < ip);
        let mut blocks: Vec<Block> = Vec::with_capacity(leaders.len());
        for (number, &leader) in leaders.iter().enumerate() {
            let range = at(leader)..leaders.get(number + 1).map_or(self.steps.len(), |&next| at(next));
            let count = instructions.get(range.start).and_then(|first| first.count);
            blocks.push(Block { instructions: range, is_loop: false, count });
        }
        let mut edges: BTreeMap<(usize, usize, EdgeKind), u64> = BTreeMap::new();
        for (from, block) in blocks.iter().enumerate() {
            let Some(last) = block.instructions.clone().next_back() else { continue };
            let step = &self.steps[last];
            for (number, entry) in self.branches(step) {
                let to = block_of(step.ip.wrapping_add_signed(entry.delta_ip));
                let kind = match (step.flow, entry.is_back_edge()) {
                    (Flow::On, _) => EdgeKind::Catches,
                    (_, true) => EdgeKind::Back,
                    _ => EdgeKind::Taken,
                };
                let sum = edges.entry((from, to, kind)).or_default();
                *sum = sum.saturating_add((self.taken)(number));
            }
            if step.flow != Flow::Away && from + 1 < blocks.len() {
                let taken = if step.flow == Flow::Unless { (self.taken)(step.first_entry) } else { 0 };
                edges.insert((from, from + 1, EdgeKind::Falls), instructions[last].count.unwrap_or(0).saturating_sub(taken));
            }
        }
        let edge = |((from, to, kind), count)| Edge { from, to, kind, count: self.is_counted.then_some(count) };
        let edges: Vec<Edge> = edges.into_iter().map(edge).collect();
        edges.iter().filter(|edge| edge.kind == EdgeKind::Back).for_each(|edge| blocks[edge.to].is_loop = true);
        (blocks, edges)
    }
}

/// Leaves out the blocks that no path from the first one leads to.
fn reached(blocks: Vec<Block>, edges: Vec<Edge>) -> (Vec<Block>, Vec<Edge>) {
    let mut is_reached = vec![false; blocks.len()];
    let mut open = if blocks.is_empty() { Vec::new() } else { vec![0] };
    while let Some(block) = open.pop() {
        if !std::mem::replace(&mut is_reached[block], true) {
            let from = edges.partition_point(|edge| edge.from < block);
            open.extend(edges[from..].iter().take_while(|edge| edge.from == block).map(|edge| edge.to));
        }
    }
    let mut number = vec![0; blocks.len()];
    let mut kept = Vec::new();
    for (at, block) in blocks.into_iter().enumerate().filter(|&(at, _)| is_reached[at]) {
        number[at] = kept.len();
        kept.push(block);
    }
    let edges = edges.into_iter().filter(|edge| is_reached[edge.from]);
    (kept, edges.map(|edge| Edge { from: number[edge.from], to: number[edge.to], ..edge }).collect())
}
