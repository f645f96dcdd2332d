//! Which instructions of a function its training never executed, from what was counted.
//!
//! A profile has the entries of each function and how often each branch was taken. Between branches control can only fall through, so walking the body once with a
//! running count gives how often each instruction was executed:
//! ```text
//! count = entries;  at each instruction: count += arrivals of branches here, side exits;  behind br_if, if: count -= taken;  behind br, else, return..: count = 0
//! ```
//! What a trap, an exit or an exception cut off is counted as if it had gone on: a count may be too high, but 0 is never wrong.

use crate::side_entries::{Flow, SideEntries};
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;
use trjit_code::BranchCounts;
use trjit_module::flat::FunctionRecord;
use trjit_module::{FuncIndex, Module, body_reader};

/// An instruction with what the walk needs of it, or how often it was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Bytes from the function's first instruction.
    pub ip: u32,
    pub count: u64,
    /// The number of an indirect call site, counted from the function's first.
    pub site: Option<u32>,
}

/// How often each instruction of a function was executed, in their order, also of those that nothing reaches (0 times). `None` where the function was never entered.
pub fn executed(module: &Module, function: FuncIndex, counts: &dyn BranchCounts) -> Result<Option<Vec<Executed>>, WalkError> {
    let Some(entries) = counts.entries(function).filter(|&entries| entries > 0) else { return Ok(None) };
    let Some(record) = module.function(function) else { return Ok(None) };
    let side_table = module.body(record)?.side_table;
    let steps = steps(module, record)?;
    let taken = |entry| counts.taken(function, entry);
    // Where branches arrive, and how many.
    let mut arrivals: Vec<(u32, u64)> = Vec::new();
    for step in &steps {
        for entry in step.first_entry..step.first_entry + step.entries {
            let Some(target) = side_table.get(entry as usize) else { return Ok(None) };
            match taken(entry) {
                0 => {}
                arriving => arrivals.push((step.ip.wrapping_add_signed(target.delta_ip), arriving)),
            }
        }
    }
    arrivals.sort_unstable();
    let mut arrivals = arrivals.into_iter().peekable();
    let mut count = entries;
    let mut found = Vec::with_capacity(steps.len());
    for step in &steps {
        while let Some((_, arriving)) = arrivals.next_if(|&(ip, _)| ip <= step.ip) {
            count = count.saturating_add(arriving);
        }
        count = count.saturating_add(counts.exits(function, record.code_start + step.ip));
        let entry = side_table.get(step.first_entry as usize).filter(|entry| step.entries == 1 && entry.is_indirect_site());
        let site = entry.map(|entry| entry.keep.wrapping_sub(record.indirect_sites_start));
        found.push(Executed { ip: step.ip, count, site });
        count = match step.flow {
            Flow::On => count,
            Flow::Unless => count.saturating_sub(taken(step.first_entry)),
            Flow::Away => 0,
        };
    }
    Ok(Some(found))
}

/// A body that can not be walked.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error(transparent)]
    Body(#[from] trjit_module::CodeError),
    #[error(transparent)]
    Operator(#[from] wasmparser::Error),
}

/// The counts of the functions that somebody (one compilation) looks at, each of which is walked once.
pub struct Walked<'a> {
    module: &'a Module,
    counts: &'a dyn BranchCounts,
    /// Looked up by key only: hash order does not reach the code.
    known: RefCell<HashMap<FuncIndex, Option<Rc<[Executed]>>>>,
}

impl<'a> Walked<'a> {
    pub fn new(module: &'a Module, counts: &'a dyn BranchCounts) -> Walked<'a> {
        Walked { module, counts, known: RefCell::default() }
    }

    /// As [`executed`].
    pub fn executed(&self, function: FuncIndex) -> Result<Option<Rc<[Executed]>>, WalkError> {
        match self.known.borrow_mut().entry(function) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(unknown) => Ok(unknown.insert(executed(self.module, function, self.counts)?.map(Rc::from)).clone()),
        }
    }
}

/// What the translator asks, instruction by instruction in their order.
pub(crate) struct Heat {
    executed: Rc<[Executed]>,
    /// Position of the function's first instruction.
    first: u32,
    next: usize,
}

impl Heat {
    /// `None` where nothing is known of the function.
    pub fn of(walked: &Walked<'_>, function: FuncIndex, first: u32) -> Result<Option<Heat>, WalkError> {
        Ok(walked.executed(function)?.map(|executed| Heat { executed, first, next: 0 }))
    }

    /// Whether training never executed the instruction at that position, which lies behind those asked about before.
    pub fn is_cold(&mut self, position: u32) -> bool {
        self.at(position).is_some_and(|executed| executed.count == 0)
    }

    /// The indirect call site at that position, by its number in the function; the same rule.
    pub fn site(&mut self, position: u32) -> Option<u32> {
        self.at(position)?.site
    }

    /// What is known of the instruction at any position.
    pub fn peek(&self, position: u32) -> Option<&Executed> {
        let at = self.executed.binary_search_by_key(&position.checked_sub(self.first)?, |executed| executed.ip).ok()?;
        self.executed.get(at)
    }

    /// How far it was asked, for [`reset`](Self::reset).
    pub fn mark(&self) -> usize {
        self.next
    }

    /// Goes back to a mark.
    pub fn reset(&mut self, mark: usize) {
        self.next = mark;
    }

    /// What is known of it; the same rule.
    pub fn at(&mut self, position: u32) -> Option<&Executed> {
        let ip = position - self.first;
        self.next += self.executed[self.next..].partition_point(|executed| executed.ip < ip);
        self.executed.get(self.next).filter(|executed| executed.ip == ip)
    }
}

pub(crate) struct Step {
    /// Bytes from the function's first instruction.
    pub ip: u32,
    pub flow: Flow,
    /// Its entries in the function's side table.
    pub first_entry: u32,
    pub entries: u32,
}

/// Walks the body as the side table was made.
pub(crate) fn steps(module: &Module, record: &FunctionRecord) -> Result<Vec<Step>, WalkError> {
    let start = record.code_start;
    let mut reader = body_reader(module, record)?.get_operators_reader()?;
    let (mut steps, mut entries) = (Vec::new(), SideEntries::new());
    while !reader.eof() {
        let ip = (reader.original_position() - u64::from(start)) as u32;
        let (own, flow) = entries.step(&reader.read()?);
        steps.push(Step { ip, flow, first_entry: own.start, entries: own.len() as u32 });
    }
    Ok(steps)
}
