//! Machine code as a list of instructions, jump tables and constants.
//!
//! ```text
//! code .. `jmp reg` | jump table: i32 x n, from the table's start to an instruction | code .. | deferred traps | constants, aligned with zeros
//! ```
//! Where tables begin is known: behind the indirect jump, at an address that the code takes. Where they end is known if the compiler told its blocks; else a table ends
//! at the next place that anything known leads to.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};
use std::collections::BTreeSet;
use trjit_code::{CallSite, HandlerSite, TrapSite};

/// A unit of code, with the tables beside it. All offsets count from its first byte.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    pub bytes: Vec<u8>,
    pub traps: Vec<TrapSite>,
    pub calls: Vec<CallSite>,
    pub handlers: Vec<HandlerSite>,
    /// Starts of blocks, as far as they are known.
    pub blocks: Vec<u32>,
}

/// An instruction at its place.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub offset: u32,
    pub instruction: Instruction,
}

impl Placed {
    pub fn end(&self) -> u32 {
        self.offset + self.instruction.len() as u32
    }

    /// Where a direct branch or call leads, relative to the unit: outside of it the number wraps.
    pub fn target(&self) -> Option<u64> {
        let is_near = self.instruction.op_count() > 0 && self.instruction.op0_kind() == OpKind::NearBranch64;
        is_near.then(|| self.instruction.near_branch_target())
    }

    /// Whether control never goes on behind it.
    pub fn stops(&self) -> bool {
        use FlowControl::{Exception, IndirectBranch, Return, UnconditionalBranch};
        matches!(self.instruction.flow_control(), UnconditionalBranch | IndirectBranch | Return | Exception)
    }
}

/// Bytes that are no instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    pub offset: u32,
    pub len: u32,
    /// Of a jump table: where its entries lead.
    pub targets: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub instructions: Vec<Placed>,
    pub data: Vec<Data>,
}

/// Reads the unit.
pub fn read(unit: &Unit) -> Machine {
    let known = unit.blocks.iter().copied();
    let known = known.chain(unit.traps.iter().map(|trap| trap.offset)).chain(unit.handlers.iter().map(|handler| handler.landing));
    let mut reader =
        Reader { unit, machine: Machine::default(), taken: Vec::new(), constants: unit.bytes.len() as u32, led_to: known.collect() };
    reader.sweep();
    reader.machine
}

struct Reader<'a> {
    unit: &'a Unit,
    machine: Machine,
    /// Addresses that the code takes.
    taken: Vec<u32>,
    /// The first place from which an instruction loads.
    constants: u32,
    /// Places where code begins.
    led_to: BTreeSet<u32>,
}

impl Reader<'_> {
    fn len(&self) -> u32 {
        self.unit.bytes.len() as u32
    }

    fn sweep(&mut self) {
        let mut decoder = Decoder::with_ip(64, &self.unit.bytes, 0, DecoderOptions::NONE);
        let mut at = 0;
        while at < self.constants {
            if decoder.set_position(at as usize).is_err() {
                return;
            }
            decoder.set_ip(u64::from(at));
            let placed = Placed { offset: at, instruction: decoder.decode() };
            if placed.instruction.is_invalid() {
                break;
            }
            self.note(&placed);
            self.machine.instructions.push(placed);
            at = placed.end();
            if placed.instruction.flow_control() == FlowControl::IndirectBranch && self.taken.contains(&at) {
                at = self.jump_table(at);
            }
            let rest = self.unit.bytes.get(at as usize..self.constants as usize).unwrap_or(&[]);
            if placed.stops() && rest.iter().all(|&byte| byte == 0) {
                break;
            }
        }
        if at < self.len() {
            self.machine.data.push(Data { offset: at, len: self.len() - at, targets: Vec::new() });
        }
    }

    fn note(&mut self, placed: &Placed) {
        let len = self.len();
        let within = |target: u64| u32::try_from(target).ok().filter(|&target| target < len);
        if let Some(target) = placed.target().and_then(within) {
            self.led_to.insert(target);
        }
        if placed.instruction.is_ip_rel_memory_operand()
            && let Some(target) = within(placed.instruction.ip_rel_memory_address()).filter(|&target| target >= placed.end())
        {
            match placed.instruction.mnemonic() {
                Mnemonic::Lea => self.taken.push(target),
                _ => self.constants = self.constants.min(target),
            }
        }
    }

    /// Reads a table and returns its end.
    fn jump_table(&mut self, start: u32) -> u32 {
        let mut targets = Vec::new();
        let mut at = start;
        loop {
            let end = self.led_to.range(start + 1..).next().copied().unwrap_or(self.constants).min(self.constants);
            let entry = self.unit.bytes.get(at as usize..).and_then(|rest| rest.first_chunk::<4>());
            let Some(entry) = entry.filter(|_| at + 4 <= end) else { break };
            let target = i64::from(start) + i64::from(i32::from_le_bytes(*entry));
            let Some(target) = u32::try_from(target).ok().filter(|&target| target < self.len() && target != start) else { break };
            targets.push(target);
            self.led_to.insert(target);
            at += 4;
        }
        self.machine.data.push(Data { offset: start, len: at - start, targets });
        at
    }
}

impl Machine {
    /// Where blocks begin: what branches, tables and handlers lead to, and what follows a branch.
    pub fn leaders(&self, unit: &Unit) -> BTreeSet<u32> {
        let mut leaders: BTreeSet<u32> = self.instructions.first().map(|first| first.offset).into_iter().collect();
        leaders.extend(unit.handlers.iter().map(|handler| handler.landing));
        leaders.extend(self.data.iter().flat_map(|data| &data.targets));
        let mut ends_before = false;
        for placed in &self.instructions {
            if ends_before {
                leaders.insert(placed.offset);
            }
            let is_branch = matches!(placed.instruction.flow_control(), FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch);
            if let Some(target) = placed.target().filter(|&target| is_branch && target < unit.bytes.len() as u64) {
                leaders.insert(target as u32);
            }
            ends_before = is_branch || placed.stops();
        }
        leaders.retain(|&leader| self.at(leader).is_some());
        leaders
    }

    /// The number of the instruction at an offset.
    pub fn at(&self, offset: u32) -> Option<usize> {
        self.instructions.binary_search_by_key(&offset, |placed| placed.offset).ok()
    }
}
