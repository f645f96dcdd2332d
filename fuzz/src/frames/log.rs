//! The interpreter's frames at the chosen places, in their order, and which of their locals are read later.
//!
//! A local is read later where the next access to it in the same frame is a read: each `local.get` marks it in the frame's records since the last `local.set`. No path is guessed: it is
//! what happened.

use super::Leaving;
use super::places::{Access, Places};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use trjit_code::BranchCounts;
use trjit_module::FuncIndex;
use trjit_runtime::ShownFrame;

/// Most words of frames that are kept of a run: what comes later is not compared.
pub const MOST_WORDS: usize = 1 << 20;

/// A frame before an instruction.
pub struct Record {
    pub function: FuncIndex,
    pub position: u32,
    pub entry: u32,
    pub fuel: Option<i64>,
    /// In [`Log::words`].
    words: Range<usize>,
    /// In [`Log::read`]: where its locals begin.
    read: usize,
}

/// See the module.
#[derive(Default)]
pub struct Log {
    pub records: Vec<Record>,
    /// Whether the run went on behind the last record.
    pub is_full: bool,
    words: Vec<u64>,
    read: Vec<bool>,
}

impl Log {
    pub fn words(&self, record: &Record) -> &[u64] {
        &self.words[record.words.clone()]
    }

    pub fn is_read_later(&self, record: &Record, local: usize) -> bool {
        self.read[record.read + local]
    }
}

/// A frame that may still run.
struct Open {
    /// Its records so far.
    records: Vec<usize>,
    /// By local: the first of these records that the next read of it marks.
    unmarked: Vec<usize>,
}

/// Makes a [`Log`].
pub struct Recorder {
    places: Arc<Places>,
    leaving: Leaving,
    log: Log,
    open: HashMap<(usize, usize), Open>,
}

impl Recorder {
    pub fn new(places: Arc<Places>, leaving: Leaving) -> Recorder {
        Recorder { places, leaving, log: Log::default(), open: HashMap::new() }
    }

    pub fn finish(self) -> Log {
        self.log
    }

    /// Before an instruction.
    pub fn see(&mut self, frame: &ShownFrame<'_>) {
        let locals = self.places.locals(frame.function).len();
        if self.places.is_entry(frame.function, frame.position) {
            self.open.insert(frame.identity, Open { records: Vec::new(), unmarked: vec![0; locals] });
        }
        let access = self.places.at(frame.function, frame.position).and_then(|place| place.access);
        let leaves = self.leaving.leaves(frame.function, frame.position, 0);
        if !leaves && access.is_none() {
            return;
        }
        let Some(open) = self.open.get_mut(&frame.identity) else { return };
        if leaves {
            if self.log.words.len() >= MOST_WORDS {
                self.log.is_full = true;
            } else {
                open.records.push(self.log.records.len());
                self.log.push(frame, locals);
            }
        }
        match access {
            Some(Access::Read(local)) => {
                let from = std::mem::replace(&mut open.unmarked[local as usize], open.records.len());
                for &record in &open.records[from..] {
                    let place = self.log.records[record].read + local as usize;
                    self.log.read[place] = true;
                }
            }
            Some(Access::Write(local)) => open.unmarked[local as usize] = open.records.len(),
            None => {}
        }
    }
}

impl Log {
    fn push(&mut self, frame: &ShownFrame<'_>, locals: usize) {
        let start = self.words.len();
        self.words.extend_from_slice(frame.words);
        let read = self.read.len();
        self.read.resize(read + locals, false);
        let ShownFrame { function, position, entry, fuel, .. } = *frame;
        self.records.push(Record { function, position, entry, fuel, words: start..self.words.len(), read });
    }
}
