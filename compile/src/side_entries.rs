//! Which entries of its function's side table an instruction has: the table is in program order, so a walk over the body counts them.
//!
//! Code that validation knows to be unreachable has no entries. What can be reached is told by validation's rules, which see more as reachable than the translator does.

use std::ops::Range;
use wasmparser::Operator;

/// Where control goes behind an instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Goes on behind it, however it is.
    On,
    /// Goes on unless its branch is taken.
    Unless,
    /// Never goes on behind it.
    Away,
}

/// Walks along a body; sees each instruction once, in their order.
#[derive(Clone)]
pub struct SideEntries {
    next: u32,
    reachable: bool,
    /// Of the open frames: whether their first instruction can be reached.
    outer: Vec<bool>,
}

impl SideEntries {
    /// At the function's first instruction.
    pub fn new() -> SideEntries {
        SideEntries { next: 0, reachable: true, outer: Vec::new() }
    }

    /// The entries of the next instruction, counted from the function's first, and where control goes behind it.
    pub fn step(&mut self, operator: &Operator<'_>) -> (Range<u32>, Flow) {
        let (flow, entries) = shape(operator);
        let first = self.next;
        self.next += if self.reachable { entries } else { 0 };
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                self.outer.push(self.reachable)
            }
            Operator::Else => self.reachable = self.outer.last().copied().unwrap_or(true),
            Operator::End => self.reachable = self.outer.pop().unwrap_or(true),
            _ if flow == Flow::Away => self.reachable = false,
            _ => {}
        }
        (first..self.next, flow)
    }
}

/// Where control goes behind an instruction, and how many entries it has.
fn shape(operator: &Operator<'_>) -> (Flow, u32) {
    match operator {
        Operator::Br { .. } | Operator::Else => (Flow::Away, 1),
        Operator::BrIf { .. } | Operator::If { .. } | Operator::BrOnNull { .. } | Operator::BrOnNonNull { .. } => (Flow::Unless, 1),
        Operator::BrTable { targets } => (Flow::Away, targets.len() + 1),
        Operator::TryTable { try_table } => (Flow::On, try_table.catches.len() as u32),
        Operator::CallIndirect { .. } | Operator::CallRef { .. } => (Flow::On, 1),
        Operator::ReturnCallIndirect { .. } | Operator::ReturnCallRef { .. } => (Flow::Away, 1),
        Operator::Return | Operator::Unreachable | Operator::Throw { .. } | Operator::ThrowRef | Operator::ReturnCall { .. } => {
            (Flow::Away, 0)
        }
        _ => (Flow::On, 0),
    }
}
