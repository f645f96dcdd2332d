//! The machine code as data: blocks with their heat, instructions with their text, where they come from, and what they reach.

use crate::flow::{self, Note};
use crate::guards::Reached;
use crate::heat::Heat;
use crate::inlined::chain;
use crate::machine::{self, Data, Machine, Placed, Unit};
use crate::model::{CallKind, Exit, From, MachineBlock, MachineInstruction};
use crate::names;
use crate::vm_names::{Known, VmNames};
use iced_x86::{FlowControl, Formatter, IntelFormatter, Mnemonic, OpKind};
use std::collections::BTreeMap;
use trjit_code::InlinedPlace;
use trjit_compile::PlaceRange;
use trjit_module::vm::{ExitPlace, header};
use trjit_module::{FuncIndex, Module};

/// The places of instructions.
pub enum Places<'a> {
    /// All that have one.
    All(&'a [PlaceRange]),
    /// Those of the unit's traps and calls.
    Anchors,
}

/// A unit and what is known of it.
pub struct Listing<'a> {
    pub module: &'a Module,
    pub unit: &'a Unit,
    pub places: Places<'a>,
    pub table: &'a [InlinedPlace],
    pub heat: &'a Heat<'a>,
    /// Calls of the function: what the prologue was executed.
    pub entries: Option<u64>,
    /// The function of the module that a direct call reaches: by the instruction's offset, its end, and where it leads.
    pub callee: &'a dyn Fn(&Placed) -> Option<FuncIndex>,
}

/// The code and what it calls.
pub struct Listed {
    pub blocks: Vec<MachineBlock>,
    pub calls: Vec<CallKind>,
    /// Calls of functions that are known.
    pub reached: Vec<Reached>,
    pub exits: Vec<Exit>,
}

pub fn list(listing: &Listing<'_>) -> Listed {
    let machine = machine::read(listing.unit);
    let notes = flow::notes(listing.unit, &machine, &VmNames::new(listing.module));
    let mut calls: BTreeMap<(&'static str, String), u32> = BTreeMap::new();
    let mut functions: Vec<Reached> = Vec::new();
    let mut exits: Vec<Exit> = Vec::new();
    let mut formatter = formatter();
    let leaders: Vec<u32> = machine.leaders(listing.unit).into_iter().collect();
    let mut blocks = Vec::new();
    let mut data = machine.data.iter().peekable();
    for (number, placed) in machine.instructions.iter().enumerate() {
        while let Some(before) = data.next_if(|data| data.offset < placed.offset) {
            blocks.push(table(before));
        }
        if leaders.binary_search(&placed.offset).is_ok() || blocks.is_empty() {
            blocks.push(MachineBlock { offset: placed.offset, bytes: 0, count: None, instructions: Vec::new(), table: Vec::new() });
        }
        let reached = listing.reached(placed, &notes[number]);
        if let Some(reached) = reached.clone().filter(|_| is_call(placed, listing.unit)) {
            *calls.entry(reached).or_default() += 1;
        }
        let function = listing.function(placed, &notes[number]).filter(|_| is_call(placed, listing.unit));
        exits.extend(listing.exit(placed));
        functions.extend(function.map(|function| (listing.from(placed), function)));
        if let Some(block) = blocks.last_mut() {
            block.bytes += placed.instruction.len() as u32;
            block.instructions.push(listing.instruction(placed, &notes[number], reached.map(|(_, name)| name), &mut formatter));
        }
    }
    blocks.extend(data.map(table));
    blocks.iter_mut().for_each(|block| block.count = listing.count(block, &machine));
    let calls = calls.into_iter().map(|((kind, name), sites)| CallKind { kind, name, sites }).collect();
    Listed { blocks, calls, reached: functions, exits }
}

fn formatter() -> IntelFormatter {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_space_after_operand_separator(true);
    options.set_first_operand_char_index(8);
    options.set_small_hex_numbers_in_decimal(true);
    formatter
}

fn table(data: &Data) -> MachineBlock {
    MachineBlock { offset: data.offset, bytes: data.len, count: None, instructions: Vec::new(), table: data.targets.clone() }
}

/// Whether an instruction calls, or leaves the unit for another function.
fn is_call(placed: &Placed, unit: &Unit) -> bool {
    let leaves = placed.target().is_none_or(|target| target >= unit.bytes.len() as u64);
    match placed.instruction.flow_control() {
        FlowControl::Call | FlowControl::IndirectCall => true,
        FlowControl::UnconditionalBranch | FlowControl::IndirectBranch => leaves,
        _ => false,
    }
}

impl Listing<'_> {
    /// Where an instruction comes from, the innermost first.
    fn from(&self, placed: &Placed) -> Vec<u32> {
        let place = match self.places {
            Places::All(ranges) => {
                let behind = ranges.partition_point(|range| range.start <= placed.offset);
                ranges[..behind].last().filter(|range| placed.offset < range.end).map(|range| range.place)
            }
            Places::Anchors => {
                let trap = self.unit.traps.binary_search_by_key(&placed.offset, |trap| trap.offset).ok();
                let call = self.unit.calls.binary_search_by_key(&placed.end(), |call| call.offset).ok();
                trap.map(|found| self.unit.traps[found].wasm).or_else(|| call.map(|found| self.unit.calls[found].wasm))
            }
        };
        place.map_or_else(Vec::new, |place| chain(place, self.table))
    }

    /// A side exit, by the constant that tells the interpreter where to go on: which is where the instruction itself comes from.
    fn exit(&self, placed: &Placed) -> Option<Exit> {
        let instruction = &placed.instruction;
        let is_constant = matches!(instruction.op1_kind(), OpKind::Immediate64 | OpKind::Immediate32to64 | OpKind::Immediate32);
        if instruction.mnemonic() != Mnemonic::Mov || instruction.op0_kind() != OpKind::Register || !is_constant {
            return None;
        }
        let position = ExitPlace::of(instruction.immediate(1)).position;
        let from = self.from(placed).first().filter(|&&wasm| wasm == position).map(|&wasm| self.origin(wasm))?;
        Some(Exit { wasm: from.wasm, function: from.function, offset: placed.offset, taken: None })
    }

    /// The function of the module that a call or jump reaches.
    fn function(&self, placed: &Placed, note: &Note) -> Option<FuncIndex> {
        match note.target {
            Some(Known::Code(function)) => Some(FuncIndex(function)),
            _ => (self.callee)(placed),
        }
    }

    /// What a call or jump reaches: its kind and its name.
    fn reached(&self, placed: &Placed, note: &Note) -> Option<(&'static str, String)> {
        if let Some(callee) = (self.callee)(placed) {
            return Some(("direct", names::label(self.module, callee)));
        }
        let name = |function: u32| names::label(self.module, FuncIndex(function));
        match note.target {
            Some(Known::Builtin(builtin)) => Some(("builtin", builtin.signature().0.to_string())),
            Some(Known::Code(function)) => Some(("jump table", name(function))),
            Some(Known::Import(function)) => Some(("import", name(function))),
            // Other code is reached through it only by way of the jump table.
            Some(Known::Field(at)) if at as usize == header::LAZY_STUB => Some(("exit", "interpreter".to_string())),
            _ if placed.instruction.flow_control() == FlowControl::IndirectCall => {
                let at = self.from(placed).first().map_or_else(String::new, |&at| format!("at {:#x}", self.module.wasm_offset(at)));
                Some(("indirect", at))
            }
            _ => None,
        }
    }

    fn instruction(&self, placed: &Placed, note: &Note, reached: Option<String>, formatter: &mut IntelFormatter) -> MachineInstruction {
        let mut text = String::new();
        let leads_within = placed.target().filter(|&target| target < self.unit.bytes.len() as u64 && (self.callee)(placed).is_none());
        match (placed.target(), leads_within) {
            (Some(_), Some(target)) => text = format!("{:<7} +{target:#06x}", mnemonic(placed)),
            (Some(_), None) => text = format!("{:<7} {}", mnemonic(placed), reached.as_deref().unwrap_or("?")),
            (None, _) => formatter.format(&placed.instruction, &mut text),
        }
        let trap = self.unit.traps.binary_search_by_key(&placed.offset, |trap| trap.offset).ok();
        let called = reached.filter(|_| placed.target().is_none());
        let kind = note.target.map(|target| match target {
            Known::Builtin(_) => "builtin ",
            Known::Code(_) => "through the jump table ",
            Known::Import(_) => "import ",
            Known::Field(_) => "exit to the ",
            _ => "",
        });
        let called = called.map(|name| format!("{}{name}", kind.unwrap_or("indirect ")));
        MachineInstruction {
            offset: placed.offset,
            text,
            from: self.from(placed).into_iter().map(|at| self.origin(at)).collect(),
            note: called.or_else(|| note.operand.clone()),
            trap: trap.map(|found| self.unit.traps[found].code.message()),
        }
    }

    fn origin(&self, position: u32) -> From {
        From {
            wasm: self.module.wasm_offset(position),
            function: self.module.function_at(position).map_or(u32::MAX, |function| function.0),
        }
    }

    /// What most instructions of a block were executed; of the prologue the entries.
    fn count(&self, block: &MachineBlock, machine: &Machine) -> Option<u64> {
        let mut votes: BTreeMap<u64, u32> = BTreeMap::new();
        for instruction in &block.instructions {
            let placed = machine.at(instruction.offset).map(|number| machine.instructions[number]);
            let chain = placed.map_or_else(Vec::new, |placed| self.from(&placed));
            if let Some(count) = self.heat.of_chain(&chain) {
                *votes.entry(count).or_default() += 1;
            }
        }
        let most = votes.into_iter().max_by_key(|&(count, votes)| (votes, count)).map(|(count, _)| count);
        if block.offset == 0 { most.or(self.entries) } else { most }
    }
}

fn mnemonic(placed: &Placed) -> String {
    format!("{:?}", placed.instruction.mnemonic()).to_lowercase()
}
