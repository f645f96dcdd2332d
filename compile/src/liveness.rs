//! Which locals of a function may still be read, before each instruction: what a side exit has to leave behind, and no more.
//!
//! ```text
//! body -> events (reads, writes, labels, branches) -> backwards over them, again while what lives at a loop's start grows -> the locals that live before each event of control flow
//! ```
//! Between two events of control flow there are only reads and writes, so what lives at any position follows from the next such event. Labels of blocks stand behind the branches
//! to them, and are known when these are met; only what lives at the start of a loop has to be found by going round.

use crate::heat::WalkError;
use crate::planted::{self, ExitBug};
use trjit_module::{FuncIndex, Module, body_reader};
use wasmparser::{Catch, Operator};

/// Words of sets that one function may need; and how often its events are walked. Beyond, all its locals count as live: such functions come from no compiler.
const MOST_WORDS: usize = 1 << 22;
const MOST_ROUNDS: usize = 32;

/// The live locals of a function.
pub struct Liveness {
    locals: u32,
    /// In the order of the body. Empty where everything counts as live.
    events: Vec<Event>,
    /// A set for each event of control flow, in their order: what lives before it.
    before: Vec<u64>,
    is_known: bool,
}

/// What an instruction means for locals; some have several, in the order in which they happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Event {
    position: u32,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Reads(u32),
    Writes(u32),
    /// Of control flow. All carry the number of their set in [`Liveness::before`].
    Label {
        label: u32,
        set: u32,
    },
    Branch {
        label: u32,
        set: u32,
    },
    /// Control does not go on behind.
    Ends {
        set: u32,
    },
    /// A `try_table` ends, with the label that stands for its clauses.
    Handlers {
        handler: u32,
        set: u32,
    },
}

impl Liveness {
    /// Of a defined function; nothing lives in others.
    pub fn of(module: &Module, function: FuncIndex) -> Result<Liveness, WalkError> {
        let Some(record) = module.function(function) else { return Ok(Liveness::everything(0)) };
        let mut reader = body_reader(module, record)?.get_operators_reader()?;
        let mut walk = Walk::default();
        walk.open(Kind::Block);
        while !walk.frames.is_empty() {
            let (operator, position) = reader.read_with_offset()?;
            walk.instruction(&operator, position as u32);
        }
        Ok(walk.solve(record.locals).unwrap_or_else(|| Liveness::everything(record.locals)))
    }

    fn everything(locals: u32) -> Liveness {
        Liveness { locals, events: Vec::new(), before: Vec::new(), is_known: false }
    }

    /// The locals, ascending, that may be read from the instruction at `position` on before they are written.
    pub fn before(&self, position: u32) -> Vec<u32> {
        if !self.is_known {
            return (0..self.locals).collect();
        }
        let words = words_of(self.locals);
        let first = self.events.partition_point(|event| event.position < position);
        let straight = self.events[first..].iter().take_while(|event| event.what.set().is_none()).count();
        let next = self.events.get(first + straight).and_then(|event| event.what.set());
        let mut live = match next {
            Some(set) => self.before[set as usize * words..][..words].to_vec(),
            None => vec![0; words],
        };
        for event in self.events[first..first + straight].iter().rev() {
            event.what.apply(&mut live);
        }
        (0..self.locals).filter(|&local| has(&live, local)).skip(usize::from(planted::has(ExitBug::LiveLocal))).collect()
    }
}

impl What {
    fn set(self) -> Option<u32> {
        match self {
            What::Reads(_) | What::Writes(_) => None,
            What::Label { set, .. } | What::Branch { set, .. } | What::Ends { set } | What::Handlers { set, .. } => Some(set),
        }
    }

    /// From what lives behind a read or write to what lives before.
    fn apply(self, live: &mut [u64]) {
        match self {
            What::Reads(local) => live[local as usize / 64] |= 1 << (local % 64),
            What::Writes(local) => live[local as usize / 64] &= !(1 << (local % 64)),
            _ => {}
        }
    }
}

fn words_of(locals: u32) -> usize {
    (locals as usize).div_ceil(64).max(1)
}

fn has(set: &[u64], local: u32) -> bool {
    set[local as usize / 64] >> (local % 64) & 1 != 0
}

/// Adds a set to another.
fn add(into: &mut [u64], from: &[u64]) {
    into.iter_mut().zip(from).for_each(|(into, from)| *into |= from);
}

/// An open frame.
#[derive(Clone, Copy)]
struct Frame {
    kind: Kind,
    /// Where branches to it go.
    label: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    /// With the label of its other branch, until that was met.
    If {
        otherwise: Option<u32>,
    },
    /// With the label that stands for its clauses.
    Try {
        handler: u32,
    },
}

/// The one walk over the body.
#[derive(Default)]
struct Walk {
    frames: Vec<Frame>,
    events: Vec<Event>,
    sets: u32,
    labels: u32,
    /// For each label that stands for clauses, itself and where they lead: their labels, and the clauses of the `try_table` around.
    handlers: Vec<(u32, Vec<u32>)>,
    /// Labels of loops that something branches to, in the order in which that is met.
    goes_back_to: Vec<u32>,
}

impl Walk {
    fn label(&mut self) -> u32 {
        self.labels += 1;
        self.labels - 1
    }

    fn open(&mut self, kind: Kind) -> u32 {
        let label = self.label();
        self.frames.push(Frame { kind, label });
        label
    }

    fn plain(&mut self, position: u32, what: What) {
        self.events.push(Event { position, what });
    }

    fn control(&mut self, position: u32, what: impl FnOnce(u32) -> What) {
        let set = self.sets;
        self.sets += 1;
        self.plain(position, what(set));
    }

    fn stands(&mut self, position: u32, label: u32) {
        self.control(position, |set| What::Label { label, set });
    }

    fn branches(&mut self, position: u32, depth: u32) {
        if let Some(label) = self.target(depth) {
            self.control(position, |set| What::Branch { label, set });
        }
    }

    fn ends(&mut self, position: u32) {
        self.control(position, |set| What::Ends { set });
    }

    fn target(&mut self, depth: u32) -> Option<u32> {
        let Frame { kind, label } = self.frames[self.frames.len().checked_sub(depth as usize + 1)?];
        if kind == Kind::Loop {
            self.goes_back_to.push(label);
        }
        Some(label)
    }

    /// What is called or thrown here may go on at a clause.
    fn throws(&mut self, position: u32) {
        if let Some(label) = self.handler() {
            self.control(position, |set| What::Branch { label, set });
        }
    }

    /// The clauses of the innermost `try_table`.
    fn handler(&self) -> Option<u32> {
        self.frames.iter().rev().find_map(|frame| match frame.kind {
            Kind::Try { handler } => Some(handler),
            _ => None,
        })
    }

    fn instruction(&mut self, operator: &Operator<'_>, at: u32) {
        match operator {
            Operator::LocalGet { local_index } => self.plain(at, What::Reads(*local_index)),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => self.plain(at, What::Writes(*local_index)),
            Operator::Block { .. } => {
                self.open(Kind::Block);
            }
            Operator::Loop { .. } => {
                let label = self.open(Kind::Loop);
                self.stands(at, label);
            }
            Operator::If { .. } => {
                let otherwise = self.label();
                self.control(at, |set| What::Branch { label: otherwise, set });
                self.open(Kind::If { otherwise: Some(otherwise) });
            }
            Operator::Else => self.otherwise(at),
            Operator::End => self.close(at),
            Operator::TryTable { try_table } => self.try_table(&try_table.catches),
            Operator::Br { relative_depth } => {
                self.branches(at, *relative_depth);
                self.ends(at);
            }
            Operator::BrIf { relative_depth } | Operator::BrOnNull { relative_depth } | Operator::BrOnNonNull { relative_depth } => {
                self.branches(at, *relative_depth);
            }
            Operator::BrTable { targets } => {
                // A target that can not be read is none: validation has read all of them.
                let mut depths: Vec<u32> = targets.targets().flatten().chain([targets.default()]).collect();
                depths.sort_unstable();
                depths.dedup();
                depths.into_iter().for_each(|depth| self.branches(at, depth));
                self.ends(at);
            }
            Operator::Throw { .. } | Operator::ThrowRef => {
                self.throws(at);
                self.ends(at);
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => self.throws(at),
            Operator::Return
            | Operator::Unreachable
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => self.ends(at),
            _ => {}
        }
    }

    fn try_table(&mut self, catches: &[Catch]) {
        let mut leads_to: Vec<u32> = Vec::new();
        for catch in catches {
            let (Catch::One { label, .. } | Catch::OneRef { label, .. } | Catch::All { label } | Catch::AllRef { label }) = catch;
            leads_to.extend(self.target(*label));
        }
        leads_to.extend(self.handler());
        let handler = self.label();
        self.handlers.push((handler, leads_to));
        self.open(Kind::Try { handler });
    }

    /// An `else`: control that comes from before goes on behind the `end`.
    fn otherwise(&mut self, at: u32) {
        let Some(frame) = self.frames.last_mut() else { return };
        let Kind::If { otherwise } = &mut frame.kind else { return };
        let otherwise = otherwise.take();
        self.branches(at, 0);
        self.ends(at);
        if let Some(label) = otherwise {
            self.stands(at, label);
        }
    }

    fn close(&mut self, at: u32) {
        let Some(Frame { kind, label }) = self.frames.pop() else { return };
        match kind {
            // Its label stands at its start.
            Kind::Loop => return,
            Kind::If { otherwise: Some(otherwise) } => self.stands(at, otherwise),
            Kind::Try { handler } => self.control(at, |set| What::Handlers { handler, set }),
            Kind::If { otherwise: None } | Kind::Block => {}
        }
        self.stands(at, label);
    }

    /// `None` where it would take too much.
    fn solve(self, locals: u32) -> Option<Liveness> {
        let words = words_of(locals);
        let labels = self.labels as usize;
        if (self.sets as usize + labels).checked_mul(words)? > MOST_WORDS {
            return None;
        }
        let mut solver = Solver {
            words,
            labels: vec![0; labels * words],
            is_back: vec![false; labels],
            before: vec![0; self.sets as usize * words],
            live: vec![0; words],
        };
        self.goes_back_to.iter().for_each(|&label| solver.is_back[label as usize] = true);
        for _ in 0..MOST_ROUNDS {
            if !solver.round(&self) || planted::has(ExitBug::LiveAround) {
                return Some(Liveness { locals, events: self.events, before: solver.before, is_known: true });
            }
        }
        None
    }
}

/// The sets while they grow.
struct Solver {
    words: usize,
    /// What lives at each label.
    labels: Vec<u64>,
    /// Which of them are behind branches to them.
    is_back: Vec<bool>,
    before: Vec<u64>,
    live: Vec<u64>,
}

impl Solver {
    /// Walks all events backwards; says whether more lives at a label than the branches back to it knew.
    fn round(&mut self, walk: &Walk) -> bool {
        let mut grew = false;
        self.live.fill(0);
        for event in walk.events.iter().rev() {
            match event.what {
                What::Reads(_) | What::Writes(_) => event.what.apply(&mut self.live),
                What::Label { label, .. } => {
                    let known = &mut self.labels[label as usize * self.words..][..self.words];
                    grew |= self.is_back[label as usize] && known != &self.live[..];
                    known.copy_from_slice(&self.live);
                }
                What::Branch { label, .. } => add(&mut self.live, &self.labels[label as usize * self.words..][..self.words]),
                What::Ends { .. } => self.live.fill(0),
                What::Handlers { handler, .. } => self.gather(walk, handler),
            }
            if let Some(set) = event.what.set() {
                self.before[set as usize * self.words..][..self.words].copy_from_slice(&self.live);
            }
        }
        grew
    }

    /// What lives where the clauses of a `try_table` lead.
    fn gather(&mut self, walk: &Walk, handler: u32) {
        let Ok(found) = walk.handlers.binary_search_by_key(&handler, |known| known.0) else { return };
        let mut gathered = vec![0; self.words];
        for &label in walk.handlers[found].1.iter().skip(usize::from(planted::has(ExitBug::LiveInClause))) {
            add(&mut gathered, &self.labels[label as usize * self.words..][..self.words]);
        }
        self.labels[handler as usize * self.words..][..self.words].copy_from_slice(&gathered);
    }
}
