//! What registers and stack slots hold, as far as it hangs on the vmctx: a forward analysis of the machine code, so that loads, stores and calls can be named.
//!
//! Known at the entry: rdi is the vmctx. A register is known at the start of a block where all ways there agree. Calls forget all but the registers that
//! callees keep; slots are followed while nothing moves the stack pointer.

use crate::machine::{Machine, Placed, Unit};
use crate::vm_names::{Known, VmNames};
use iced_x86::{FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register};
use std::collections::{BTreeMap, VecDeque};
use std::mem::offset_of;
use trjit_module::vm::VmHeader;

/// What an instruction has to do with the vmctx.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// What its memory operand is.
    pub operand: Option<String>,
    /// What an indirect call or jump reaches.
    pub target: Option<Known>,
}

/// Registers that a callee keeps, of compiled code as of the C convention.
const KEPT: [Register; 6] = [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];

/// A register, or a slot by its base and offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Register(u32),
    Slot(bool, i64),
}

type State = BTreeMap<Holder, Known>;

/// Notes for all instructions, in their order.
pub fn notes(unit: &Unit, machine: &Machine, names: &VmNames<'_>) -> Vec<Note> {
    let leaders: Vec<u32> = machine.leaders(unit).into_iter().collect();
    let mut flow = Flow { machine, names, info: InstructionInfoFactory::new() };
    let mut entries: BTreeMap<u32, State> = BTreeMap::from([(0, State::from([(register(Register::RDI), Known::VmCtx)]))]);
    let mut open: VecDeque<u32> = VecDeque::from([0]);
    for handler in &unit.handlers {
        entries.insert(handler.landing, State::new());
        open.push_back(handler.landing);
    }
    let mut notes = vec![Note::default(); machine.instructions.len()];
    while let Some(leader) = open.pop_front() {
        let Some(mut state) = entries.get(&leader).cloned() else { continue };
        let (end, last) = flow.block(leader, &leaders, &mut state, &mut notes);
        for next in flow.successors(last, end, &leaders) {
            if merge(entries.get_mut(&next), &state).is_none_or(|changed| changed) {
                entries.entry(next).or_insert_with(|| state.clone());
                open.push_back(next);
            }
        }
    }
    notes
}

/// Keeps what both know; says whether that is less than before. `None` where nothing was there.
fn merge(into: Option<&mut State>, from: &State) -> Option<bool> {
    let into = into?;
    let before = into.len();
    into.retain(|holder, known| from.get(holder) == Some(known));
    Some(into.len() < before)
}

fn register(register: Register) -> Holder {
    Holder::Register(register.full_register() as u32)
}

struct Flow<'a> {
    machine: &'a Machine,
    names: &'a VmNames<'a>,
    info: InstructionInfoFactory,
}

impl Flow<'_> {
    /// Runs over a block; returns the offset behind it and its last instruction.
    fn block(&mut self, leader: u32, leaders: &[u32], state: &mut State, notes: &mut [Note]) -> (u32, Option<Placed>) {
        let Some(first) = self.machine.at(leader) else { return (leader, None) };
        let next = leaders.partition_point(|&other| other <= leader);
        let end = leaders.get(next).copied().unwrap_or(u32::MAX);
        let mut last = None;
        for (number, placed) in self.machine.instructions.iter().enumerate().skip(first).take_while(|(_, placed)| placed.offset < end) {
            notes[number] = self.step(&placed.instruction, state);
            last = Some(*placed);
        }
        (last.map_or(leader, |last| last.end()), last)
    }

    fn successors(&self, last: Option<Placed>, end: u32, leaders: &[u32]) -> Vec<u32> {
        let Some(last) = last else { return Vec::new() };
        let mut next: Vec<u32> = Vec::new();
        if !last.stops() {
            next.push(end);
        }
        match last.instruction.flow_control() {
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
                next.extend(last.target().and_then(|target| u32::try_from(target).ok()));
            }
            FlowControl::IndirectBranch => {
                let table = self.machine.data.iter().find(|data| data.offset == end);
                next.extend(table.iter().flat_map(|table| &table.targets));
            }
            _ => {}
        }
        next.retain(|next| leaders.binary_search(next).is_ok());
        next
    }

    fn step(&mut self, instruction: &Instruction, state: &mut State) -> Note {
        let operand = self.operand(instruction, state);
        let loaded = self.loaded(instruction, state);
        let mut note = Note { operand, target: None };
        if matches!(instruction.flow_control(), FlowControl::IndirectCall | FlowControl::IndirectBranch | FlowControl::Call) {
            note.target = match instruction.op0_kind() {
                OpKind::Register => state.get(&register(instruction.op0_register())).copied(),
                OpKind::Memory => loaded,
                _ => None,
            };
            if instruction.flow_control() != FlowControl::IndirectBranch {
                state.retain(|holder, _| match holder {
                    Holder::Slot(..) => true,
                    Holder::Register(_) => KEPT.iter().any(|&kept| register(kept) == *holder),
                });
            }
            return note;
        }
        self.forget(instruction, state, loaded);
        note
    }

    /// What the result of an instruction is, if it is known.
    fn loaded(&self, instruction: &Instruction, state: &State) -> Option<Known> {
        let value = |operand: u32| match instruction.op_kind(operand) {
            OpKind::Register => state.get(&register(instruction.op_register(operand))).copied(),
            OpKind::Memory => self.load(instruction, state),
            _ => None,
        };
        match instruction.mnemonic() {
            Mnemonic::Mov | Mnemonic::Movsxd => value(1),
            Mnemonic::Call | Mnemonic::Jmp => value(0),
            Mnemonic::Add => sum(value(0)?, value(1)?),
            Mnemonic::Lea => {
                let part = |part: Register| state.get(&register(part)).copied();
                sum(part(instruction.memory_base())?, part(instruction.memory_index())?)
            }
            _ => None,
        }
    }

    fn load(&self, instruction: &Instruction, state: &State) -> Option<Known> {
        if instruction.memory_index() != Register::None {
            return None;
        }
        if let Some(slot) = slot(instruction) {
            return state.get(&slot).copied();
        }
        let base = state.get(&register(instruction.memory_base())).copied()?;
        self.names.at(base, instruction.memory_displacement64() as i64).1
    }

    /// The name of the memory operand.
    fn operand(&self, instruction: &Instruction, state: &State) -> Option<String> {
        if !(0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory)
            || instruction.mnemonic() == Mnemonic::Lea
        {
            return None;
        }
        let part = |part: Register| state.get(&register(part)).copied();
        match (part(instruction.memory_base()), part(instruction.memory_index())) {
            (Some(Known::MemoryBase(memory)), _) | (_, Some(Known::MemoryBase(memory))) => Some(format!("memory {memory}")),
            (Some(Known::Elements(table)), _) | (_, Some(Known::Elements(table))) => Some(format!("table {table}")),
            (Some(base), None) if instruction.memory_index() == Register::None => {
                self.names.at(base, instruction.memory_displacement64() as i64).0
            }
            _ => None,
        }
    }

    /// Drops what the instruction overwrites, and notes what it is now.
    fn forget(&mut self, instruction: &Instruction, state: &mut State, result: Option<Known>) {
        let info = self.info.info(instruction);
        let writes =
            |access: OpAccess| matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite);
        let mut moves_stack = false;
        for used in info.used_registers().iter().filter(|used| writes(used.access())) {
            state.remove(&register(used.register()));
            moves_stack |= used.register().full_register() == Register::RSP;
        }
        if moves_stack {
            state.retain(|holder, _| !matches!(holder, Holder::Slot(true, _)));
        }
        for used in info.used_memory().iter().filter(|used| writes(used.access())) {
            let is_stack = match used.base().full_register() {
                Register::RSP => true,
                Register::RBP => false,
                _ => continue,
            };
            let (at, size) = (used.displacement() as i64, used.memory_size().size() as i64);
            state.retain(
                |holder, _| !matches!(holder, Holder::Slot(base, slot) if *base == is_stack && *slot < at + size && at < *slot + 8),
            );
        }
        let Some(result) = result else { return };
        match instruction.op0_kind() {
            OpKind::Register if instruction.op0_register().size() == 8 => {
                state.insert(register(instruction.op0_register()), result);
            }
            OpKind::Memory => {
                let is_word = instruction.op1_kind() == OpKind::Register && instruction.op1_register().size() == 8;
                if let Some(slot) = slot(instruction).filter(|_| is_word) {
                    state.insert(slot, result);
                }
            }
            _ => {}
        }
    }
}

/// The slot that a memory operand without index is.
fn slot(instruction: &Instruction) -> Option<Holder> {
    let at = instruction.memory_displacement64() as i64;
    match instruction.memory_base().full_register() {
        _ if instruction.memory_index() != Register::None => None,
        Register::RSP => Some(Holder::Slot(true, at)),
        Register::RBP => Some(Holder::Slot(false, at)),
        _ => None,
    }
}

/// The image's base and an offset from the jump table are a function's code.
fn sum(one: Known, other: Known) -> Option<Known> {
    let is_base = |known: Known| known == Known::Field(offset_of!(VmHeader, image_base) as u32);
    match (one, other) {
        (Known::Offset(function), base) | (base, Known::Offset(function)) if is_base(base) => Some(Known::Code(function)),
        _ => None,
    }
}
