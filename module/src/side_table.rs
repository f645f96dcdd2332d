//! Builds the side table of one function while its operators are validated: a stack of labels, and forward branches that wait for their target.
//!
//! Theory: until its target is known, an entry holds the position of its branch in `delta_ip` and the previous entry that waits for the same label in `delta_st`, so
//! that a label needs one word, the head of the chain, and nothing is allocated per branch. A loop's target is known at once.
//!
//! What is unreachable: everything behind `br`, `br_table`, `return`, `unreachable`, throws and tail calls up to the end of the block, or to the `else`, with the
//! blocks in between. It has no entries.

use crate::flat::{HandlerRecord, SideTableEntry};

/// No entry waits.
const NO_ENTRY: i32 = -1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LabelKind {
    /// The body: branches to it go to its `end`, which returns.
    Function,
    Block,
    Loop,
    If,
}

/// What a structured instruction brings along.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub params: u32,
    pub results: u32,
    /// Slot where the block's operand stack begins, below its parameters.
    pub base: u32,
}

struct Label {
    kind: LabelKind,
    shape: Shape,
    /// Of a loop: its first instruction and the entry that comes next there.
    loop_ip: u32,
    loop_st: i32,
    /// Entries that wait for the end.
    waiting: i32,
    /// The entry of an `if` that waits for `else`, or for the end when there is none.
    waiting_else: i32,
    /// Whether the block itself can be reached.
    reachable: bool,
    /// Of a `try_table`: where its clauses begin among the pending handlers.
    clauses: Option<usize>,
}

/// The side table of one function in the making. Instruction positions (`ip`) count from its first instruction.
pub(crate) struct SideTable<'m> {
    entries: &'m mut Vec<SideTableEntry>,
    start: usize,
    labels: Labels,
    reachable: bool,
}

/// The label stack's memory, to be used again for the next function.
#[derive(Default)]
pub(crate) struct Labels {
    stack: Vec<Label>,
    /// Clauses of the open `try_table`s, whose ends are not known yet.
    clauses: Vec<HandlerRecord>,
    /// Those of closed ones, the inner first.
    pub handlers: Vec<HandlerRecord>,
}

impl<'m> SideTable<'m> {
    pub fn new(entries: &'m mut Vec<SideTableEntry>, mut labels: Labels, body: Shape) -> SideTable<'m> {
        labels.stack.clear();
        labels.clauses.clear();
        labels.handlers.clear();
        let start = entries.len();
        let mut table = SideTable { entries, start, labels, reachable: true };
        table.open(LabelKind::Function, body, 0);
        table
    }

    pub fn into_labels(self) -> Labels {
        self.labels
    }

    fn next_entry(&self) -> i32 {
        (self.entries.len() - self.start) as i32
    }

    /// Enters a block, a loop (whose first instruction is at `body_ip`) or the body.
    pub fn open(&mut self, kind: LabelKind, shape: Shape, body_ip: u32) {
        self.labels.stack.push(Label {
            kind,
            shape,
            loop_ip: body_ip,
            loop_st: self.next_entry(),
            waiting: NO_ENTRY,
            waiting_else: NO_ENTRY,
            reachable: self.reachable,
            clauses: None,
        });
    }

    /// A catch clause of the `try_table` at `ip`, which is entered next; `label` counts from outside of it.
    pub fn catch(&mut self, ip: u32, kind: u32, tag: u32, label: u32) {
        if !self.reachable {
            return;
        }
        let entry = self.next_entry() as u32;
        self.branch(ip, label);
        self.labels.clauses.push(HandlerRecord { start: 0, end: 0, at: ip, kind, tag, entry });
    }

    /// Enters a `try_table` with so many clauses.
    pub fn open_try(&mut self, shape: Shape, body_ip: u32, clauses: usize) {
        self.open(LabelKind::Block, shape, body_ip);
        if let (true, Some(label)) = (self.reachable, self.labels.stack.last_mut()) {
            label.clauses = Some(self.labels.clauses.len() - clauses);
        }
    }

    /// Enters an `if`, which goes to its else when the condition is zero.
    pub fn open_if(&mut self, shape: Shape, ip: u32) {
        self.open(LabelKind::If, shape, ip);
        if self.reachable {
            let entry = self.push_waiting(NO_ENTRY, ip, shape.params, shape.base);
            if let Some(label) = self.labels.stack.last_mut() {
                label.waiting_else = entry;
            }
        }
    }

    /// The `else` at `ip`: the end of the then-branch goes to the end of the block.
    pub fn otherwise(&mut self, ip: u32, next_ip: u32) {
        let Some(label) = self.labels.stack.last() else { return };
        let (shape, waiting, waiting_else, reachable) = (label.shape, label.waiting, label.waiting_else, label.reachable);
        let waiting = if self.reachable { self.push_waiting(waiting, ip, shape.results, shape.base) } else { waiting };
        self.resolve(waiting_else, next_ip);
        if let Some(label) = self.labels.stack.last_mut() {
            label.waiting = waiting;
            label.waiting_else = NO_ENTRY;
        }
        self.reachable = reachable;
    }

    /// The `end` at `ip`.
    pub fn end(&mut self, ip: u32, next_ip: u32) {
        let Some(label) = self.labels.stack.pop() else { return };
        let target = if label.kind == LabelKind::Function { ip } else { next_ip };
        self.resolve(label.waiting, target);
        self.resolve(label.waiting_else, target);
        self.reachable = label.reachable;
        if let Some(first) = label.clauses {
            let closed = self.labels.clauses.drain(first..);
            self.labels.handlers.extend(closed.map(|clause| HandlerRecord { start: label.loop_ip, end: ip, ..clause }));
        }
    }

    /// A branch at `ip` to the label `depth`.
    pub fn branch(&mut self, ip: u32, depth: u32) {
        if !self.reachable {
            return;
        }
        // Validation has checked the depth.
        let Some(position) = self.labels.stack.len().checked_sub(depth as usize + 1) else { return };
        let label = &self.labels.stack[position];
        let (shape, waiting) = (label.shape, label.waiting);
        if label.kind == LabelKind::Loop {
            let (delta_ip, delta_st) = (label.loop_ip as i32 - ip as i32, label.loop_st - self.next_entry());
            self.entries.push(SideTableEntry { delta_ip, delta_st, keep: shape.params, height: shape.base });
        } else {
            self.labels.stack[position].waiting = self.push_waiting(waiting, ip, shape.results, shape.base);
        }
    }

    /// An indirect call; takes the next number of `sites`.
    pub fn indirect_call(&mut self, sites: &mut u32) {
        if self.reachable {
            self.entries.push(SideTableEntry::indirect_site(*sites));
            *sites += 1;
        }
    }

    /// Control does not go on behind this instruction.
    pub fn stop(&mut self) {
        self.reachable = false;
    }

    fn push_waiting(&mut self, previous: i32, ip: u32, keep: u32, height: u32) -> i32 {
        let entry = self.next_entry();
        self.entries.push(SideTableEntry { delta_ip: ip as i32, delta_st: previous, keep, height });
        entry
    }

    /// Sends the chain of entries to `target_ip`, and to the entry that comes next now.
    fn resolve(&mut self, mut waiting: i32, target_ip: u32) {
        let target_st = self.next_entry();
        while waiting != NO_ENTRY {
            let entry = &mut self.entries[self.start + waiting as usize];
            let previous = entry.delta_st;
            entry.delta_ip = target_ip as i32 - entry.delta_ip;
            entry.delta_st = target_st - waiting;
            waiting = previous;
        }
    }
}
