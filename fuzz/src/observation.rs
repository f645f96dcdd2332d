//! What can be seen of a run, and the first difference between two runs.

use crate::value::Value;
use trjit_module::TrapCode;

/// How a call (or the instantiation) ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Returned(Vec<Value>),
    Trapped(TrapCode),
    /// An exception that nobody caught.
    Threw,
    /// A host function ended the program.
    Exited(i32),
}

/// A call of a host function: which import, with what.
pub type HostCall = (usize, Vec<Value>);

/// A whole run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Observation {
    /// The instantiation, then each call of the script. Ends at the first exhaustion of the stack.
    pub outcomes: Vec<Outcome>,
    pub host_calls: Vec<HostCall>,
    /// Exported memories, tables (their sizes) and globals after the last call, in the order of the case.
    pub memories: Vec<Vec<u8>>,
    pub tables: Vec<u64>,
    pub globals: Vec<Value>,
    /// Behind each call, where the module exports it: [`PENDING`](crate::case::PENDING).
    pub pending: Vec<Value>,
    /// The stack was exhausted, which tiers may do at different depths: nothing after it is comparable.
    pub exhausted: bool,
}

impl Observation {
    /// Whether the run goes on after this outcome.
    pub fn push(&mut self, outcome: Outcome) -> bool {
        self.exhausted = outcome == Outcome::Trapped(TrapCode::StackOverflow);
        if !self.exhausted {
            self.outcomes.push(outcome);
        }
        !self.exhausted
    }

    /// The first difference in words, `self` being the expected one.
    pub fn difference(&self, found: &Observation) -> Option<String> {
        let pairs = self.outcomes.iter().zip(&found.outcomes);
        if let Some((at, (expected, found))) = pairs.enumerate().find(|(_, (expected, found))| expected != found) {
            return Some(format!("call {at} (0 is the instantiation): expected {expected:?}, found {found:?}"));
        }
        if self.exhausted || found.exhausted {
            return None;
        }
        if self.outcomes.len() != found.outcomes.len() {
            return Some(format!("expected {} calls, found {}", self.outcomes.len(), found.outcomes.len()));
        }
        if self.host_calls != found.host_calls {
            let at = self.host_calls.iter().zip(&found.host_calls).take_while(|(expected, found)| expected == found).count();
            return Some(format!("host call {at}: expected {:?}, found {:?}", self.host_calls.get(at), found.host_calls.get(at)));
        }
        if self.tables != found.tables {
            return Some(format!("sizes of tables: expected {:?}, found {:?}", self.tables, found.tables));
        }
        if let Some(at) = (0..self.globals.len()).find(|&at| self.globals.get(at) != found.globals.get(at)) {
            return Some(format!("exported global {at}: expected {:?}, found {:?}", self.globals[at], found.globals.get(at)));
        }
        self.memory_difference(found)
    }

    fn memory_difference(&self, found: &Observation) -> Option<String> {
        let (at, (expected, found)) =
            self.memories.iter().zip(&found.memories).enumerate().find(|(_, (expected, found))| expected != found)?;
        if expected.len() != found.len() {
            return Some(format!("memory {at}: expected {} bytes, found {}", expected.len(), found.len()));
        }
        let byte = expected.iter().zip(found).take_while(|(expected, found)| expected == found).count();
        Some(format!("memory {at}, byte {byte:#x}: expected {:#x}, found {:#x}", expected[byte], found[byte]))
    }
}
