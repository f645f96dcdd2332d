//! Frames that code has left, compared with the log while they come.
//!
//! Code that is entered in the middle of a function does not leave there, nor before that, where a loop leads back to: so a frame may stay out that stands in a loop with a place where code
//! is entered, and not behind that. All others come.

use super::log::{Log, Record};
use super::places::{Kind, Places};
use std::collections::HashMap;
use std::sync::Arc;
use trjit_module::FuncIndex;
use trjit_runtime::ShownFrame;

/// See the module.
pub struct Comparison {
    log: Arc<Log>,
    places: Arc<Places>,
    /// The record that is due.
    next: usize,
    /// By function and loop: the last place where code is entered. Records up to there may stay out.
    entered: HashMap<(FuncIndex, u32), u32>,
    /// Whether code is entered wherever it has left once.
    is_bridged: bool,
    /// Exceptions of this run by those of the log, and the other way round.
    exceptions: [HashMap<u64, u64>; 2],
    compared: u64,
    difference: Option<String>,
}

impl Comparison {
    /// `entered`: where code is entered from the beginning.
    pub fn new(log: Arc<Log>, places: Arc<Places>, entered: &[(FuncIndex, u32)], is_bridged: bool) -> Comparison {
        let (nowhere, exceptions) = (HashMap::new(), Default::default());
        let mut made = Comparison { log, places, next: 0, entered: nowhere, is_bridged, exceptions, compared: 0, difference: None };
        entered.iter().for_each(|&(function, position)| made.enter(function, position));
        made
    }

    fn again(&self, function: FuncIndex, position: u32) -> Option<(FuncIndex, u32)> {
        Some((function, self.places.at(function, position)?.again?))
    }

    /// From now on code is entered there.
    fn enter(&mut self, function: FuncIndex, position: u32) {
        if let Some(again) = self.again(function, position) {
            let last = self.entered.entry(again).or_insert(position);
            *last = position.max(*last);
        }
    }

    fn may_stay_out(&self, record: &Record) -> bool {
        let again = self.again(record.function, record.position);
        again.and_then(|again| self.entered.get(&again)).is_some_and(|&last| record.position <= last)
    }

    /// Frames that were equal.
    pub fn compared(&self) -> u64 {
        self.compared
    }

    /// The first difference; also a frame that should have come.
    pub fn difference(&self) -> Option<String> {
        let missing = || {
            let record = self.log.records[self.next..].iter().find(|record| !self.may_stay_out(record))?;
            Some(format!("function {} @ {:#x} was not left", record.function.0, record.position))
        };
        self.difference.clone().or_else(missing)
    }

    /// A frame at a chosen place; false after the first difference.
    pub fn see(&mut self, frame: &ShownFrame<'_>) -> bool {
        if self.difference.is_some() {
            return false;
        }
        let log = Arc::clone(&self.log);
        let mut first = None;
        while let Some(record) = log.records.get(self.next) {
            let Some(what) = self.different(record, frame) else {
                self.meet_exceptions(record, frame);
                self.next += 1;
                self.compared += 1;
                if self.is_bridged {
                    self.enter(record.function, record.position);
                }
                return true;
            };
            first = first.or(Some(what));
            if !self.may_stay_out(record) {
                break;
            }
            self.next += 1;
        }
        if self.next < self.log.records.len() || !self.log.is_full {
            self.difference = Some(first.unwrap_or_else(|| format!("{} was left once more", told(frame))));
            return false;
        }
        true
    }

    /// What differs.
    fn different(&self, record: &Record, frame: &ShownFrame<'_>) -> Option<String> {
        let words = self.log.words(record);
        if (record.function, record.position) != (frame.function, frame.position) {
            return Some(format!("{} was left, expected function {} @ {:#x}", told(frame), record.function.0, record.position));
        }
        let differs = |what: &str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
            Some(format!("{}: {what}: expected {expected:x?}, found {found:x?} (frame {})", told(frame), self.next))
        };
        if words.len() != frame.words.len() {
            return differs("words of the frame", &words.len(), &frame.words.len());
        }
        if record.entry != frame.entry {
            return differs("entry of the side table", &record.entry, &frame.entry);
        }
        if record.fuel != frame.fuel {
            return differs("fuel", &record.fuel, &frame.fuel);
        }
        for Slot { name, kind, expected, found } in self.slots(record, frame) {
            let is_equal = match kind {
                Kind::Exception => self.is_same_exception(expected[0], found[0]),
                _ => is_equal(kind, expected, found),
            };
            if !is_equal {
                return differs(&name.to_string(), &expected, &found);
            }
        }
        None
    }

    /// The slots that count: locals that are read later, and all operands.
    fn slots<'s>(&'s self, record: &'s Record, frame: &'s ShownFrame<'_>) -> impl Iterator<Item = Slot<'s>> {
        let locals = self.places.locals(frame.function);
        let operands = self.places.at(frame.function, frame.position).map_or(&[][..], |place| &place.operands);
        let words = self.log.words(record).chunks(frame.slot_words).zip(frame.words.chunks(frame.slot_words));
        let all = locals.iter().chain(operands).zip(words).enumerate().map(move |(at, (&kind, (expected, found)))| {
            let name = if at < locals.len() { Name::Local(at) } else { Name::Operand(at - locals.len()) };
            Slot { name, kind, expected, found }
        });
        all.filter(|slot| match slot.name {
            Name::Local(local) => self.log.is_read_later(record, local),
            Name::Operand(_) => true,
        })
    }

    fn is_same_exception(&self, expected: u64, found: u64) -> bool {
        let [ours, theirs] = [self.exceptions[0].get(&expected), self.exceptions[1].get(&found)];
        match (ours, theirs) {
            (None, None) => (expected == 0) == (found == 0),
            (ours, theirs) => ours == Some(&found) && theirs == Some(&expected),
        }
    }

    /// Notes which exceptions of two equal frames are the same.
    fn meet_exceptions(&mut self, record: &Record, frame: &ShownFrame<'_>) {
        let exceptions = self.slots(record, frame).filter(|slot| slot.kind == Kind::Exception && slot.expected[0] != 0);
        let met: Vec<(u64, u64)> = exceptions.map(|slot| (slot.expected[0], slot.found[0])).collect();
        self.exceptions[1].extend(met.iter().map(|&(expected, found)| (found, expected)));
        self.exceptions[0].extend(met);
    }
}

#[derive(Clone, Copy)]
enum Name {
    Local(usize),
    Operand(usize),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Local(at) => write!(f, "local {at}"),
            Name::Operand(at) => write!(f, "operand {at}"),
        }
    }
}

/// A slot of both frames.
struct Slot<'a> {
    name: Name,
    kind: Kind,
    expected: &'a [u64],
    found: &'a [u64],
}

fn told(frame: &ShownFrame<'_>) -> String {
    format!("function {} @ {:#x}", frame.function.0, frame.position)
}

/// Whether two slots hold the same value; all NaNs of a type are one.
fn is_equal(kind: Kind, one: &[u64], other: &[u64]) -> bool {
    let nan32 = |bits: u32| f32::from_bits(bits).is_nan();
    let nan64 = |bits: u64| f64::from_bits(bits).is_nan();
    let both32 = |one: u64, other: u64| one >> 32 == other >> 32 && nan32(one as u32) && nan32(other as u32);
    let lanes32 = |one: u64, other: u64| {
        [0, 32].iter().all(|shift| {
            let (one, other) = ((one >> shift) as u32, (other >> shift) as u32);
            one == other || nan32(one) && nan32(other)
        })
    };
    match kind {
        Kind::Word | Kind::Exception => one[0] == other[0],
        Kind::F32 => one[0] == other[0] || both32(one[0], other[0]),
        Kind::F64 => one[0] == other[0] || nan64(one[0]) && nan64(other[0]),
        Kind::V128 => {
            let lanes64 = |one: u64, other: u64| one == other || nan64(one) && nan64(other);
            one.iter().zip(other).all(|(&one, &other)| lanes32(one, other))
                || one.iter().zip(other).all(|(&one, &other)| lanes64(one, other))
        }
    }
}
