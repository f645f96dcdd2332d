//! Reads every byte of a unit's code as the CPU will, and holds it against the rules:
//!
//! ```text
//! code .. `jmp reg` | jump table: i32 x n, from the table's start to an instruction | code .. | deferred traps | constants, aligned with zeros
//! ```
//! Data are known, not guessed: a jump table begins behind the indirect jump at an address that the code takes, and ends where the next block begins (or
//! at the first deferred trap or constant); constants stand behind all code, from the first place that an instruction refers to.
//!
//! Invariants that are checked: every instruction is valid, needs no CPU feature beyond the declared ones, and is none that reaches the system;
//! direct branches and jump tables lead to instructions of the unit, or to the start of another one; control never runs into data nor out of the unit;
//! traps and return addresses are listed exactly where the code has them; handlers are entered at an instruction, from a call; the frame is linked, so that the
//! stack can be walked.

use super::features;
use super::violation::Fault;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use trjit_code::{CompiledFunction, CpuFeatures};

/// `push rbp; mov rbp, rsp`
const FRAME: [u8; 4] = [0x55, 0x48, 0x89, 0xe5];
/// Most zeros that may stand before a constant: what alignment can ask for, less one.
const MAX_ZEROS: u32 = 63;

/// A unit's code as it lies in the file.
#[derive(Clone, Copy)]
pub struct Code<'a> {
    pub bytes: &'a [u8],
    /// Text offset of the first byte.
    pub start: u32,
    /// CPU features that the file declares for it.
    pub declared: CpuFeatures,
    /// Where blocks, traps and calls are.
    pub compiled: &'a CompiledFunction,
    /// Text offsets at which units begin, ascending.
    pub units: &'a [u32],
}

/// Reads it all. Faults come with their offset in the unit; the number is that of instructions.
pub fn read(code: Code<'_>) -> (u64, Vec<(u32, Fault)>) {
    let mut reader = Reader::new(code);
    reader.sweep();
    reader.check_targets();
    reader.check_tables();
    (reader.instructions, reader.faults)
}

/// What a byte is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Byte {
    Data,
    /// First byte of an instruction.
    Start,
    Inside,
}

struct Reader<'a> {
    code: Code<'a>,
    bytes: Vec<Byte>,
    /// Offsets behind calls.
    returns: Vec<u32>,
    /// Addresses that the code takes.
    taken: Vec<u32>,
    /// The first place from which an instruction loads.
    constants: u32,
    /// Targets of direct branches within the unit: from, to, and the branch's name.
    branches: Vec<(u32, u32, String)>,
    /// Entries of jump tables: place, number, target.
    entries: Vec<(u32, usize, i64)>,
    instructions: u64,
    faults: Vec<(u32, Fault)>,
}

impl<'a> Reader<'a> {
    fn new(code: Code<'a>) -> Reader<'a> {
        let len = code.bytes.len();
        Reader {
            code,
            bytes: vec![Byte::Data; len],
            returns: Vec::new(),
            taken: Vec::new(),
            constants: len as u32,
            branches: Vec::new(),
            entries: Vec::new(),
            instructions: 0,
            faults: Vec::new(),
        }
    }

    fn len(&self) -> u32 {
        self.code.bytes.len() as u32
    }

    fn fault(&mut self, at: u32, fault: Fault) {
        self.faults.push((at, fault));
    }

    /// From the first byte to the constants.
    fn sweep(&mut self) {
        let bytes = self.code.bytes;
        if !bytes.starts_with(&FRAME) {
            let found = hex(&bytes[..bytes.len().min(FRAME.len())]);
            self.fault(0, Fault::Frame { found });
        }
        let mut decoder = Decoder::with_ip(64, bytes, u64::from(self.code.start), DecoderOptions::NONE);
        let mut at = 0;
        while at < self.len() {
            // `at` is at most the length, so that the position exists.
            if decoder.set_position(at as usize).is_err() {
                return;
            }
            decoder.set_ip(u64::from(self.code.start) + u64::from(at));
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                let end = (at as usize + instruction.len().max(1)).min(bytes.len());
                let bytes = hex(&bytes[at as usize..end]);
                return self.fault(at, Fault::Invalid { bytes });
            }
            let next = at + instruction.len() as u32;
            self.instruction(at, next, &instruction);
            let stops = stops(&instruction);
            if next >= self.constants.min(self.len()) && !stops {
                let behind = if next >= self.len() { "its code ends" } else { "constants lie" };
                self.fault(at, Fault::RunsOn { instruction: name(&instruction), behind });
            }
            at = next;
            if instruction.flow_control() == FlowControl::IndirectBranch && self.taken.contains(&at) {
                at = self.jump_table(at);
            }
            if stops && self.only_data_follows(at) {
                return;
            }
        }
    }

    /// Reads a table and returns its end.
    fn jump_table(&mut self, start: u32) -> u32 {
        let compiled = self.code.compiled;
        let block = compiled.blocks.iter().copied().find(|&block| block > start);
        let trap = compiled.traps.iter().map(|trap| trap.offset).find(|&trap| trap > start);
        let constant = Some(self.constants).filter(|&constant| constant > start);
        let end = [block, trap, constant].into_iter().flatten().min().unwrap_or(self.len()).min(self.len());
        let table = &self.code.bytes[start as usize..end as usize];
        let (entries, _) = table.as_chunks::<4>();
        let mut behind = start;
        for (number, entry) in entries.iter().enumerate() {
            let delta = i32::from_le_bytes(*entry);
            // Zeros before constants: no entry leads to its own table.
            if delta == 0 && number > 0 && table[4 * number..].iter().all(|&byte| byte == 0) {
                break;
            }
            self.entries.push((start + 4 * number as u32, number, i64::from(start) + i64::from(delta)));
            behind += 4;
        }
        behind
    }

    /// Whether constants begin here, or behind zeros from here.
    fn only_data_follows(&self, at: u32) -> bool {
        let taken = self.taken.iter().copied().filter(|&taken| taken >= at);
        let data = taken.chain([self.constants]).min().unwrap_or(self.len());
        let zeros = self.code.bytes.get(at as usize..data as usize);
        data >= at && data - at <= MAX_ZEROS && zeros.is_some_and(|zeros| zeros.iter().all(|&byte| byte == 0))
    }

    /// Holds one instruction against the rules, and notes what it refers to.
    fn instruction(&mut self, at: u32, next: u32, instruction: &Instruction) {
        self.instructions += 1;
        self.bytes[at as usize] = Byte::Start;
        self.bytes[at as usize + 1..next as usize].fill(Byte::Inside);
        let bytes = || hex(&self.code.bytes[at as usize..next as usize]);
        if let Some(why) = forbidden(instruction) {
            let fault = Fault::Forbidden { instruction: name(instruction), bytes: bytes(), why };
            self.fault(at, fault);
        } else if let Some(needs) = features::lacking(instruction, self.code.declared) {
            let declared = self.code.declared;
            let fault = Fault::Feature { instruction: name(instruction), bytes: bytes(), needs, declared };
            self.fault(at, fault);
        }
        match instruction.flow_control() {
            FlowControl::Call | FlowControl::IndirectCall => self.returns.push(next),
            FlowControl::Exception if self.code.compiled.traps.binary_search_by_key(&at, |trap| trap.offset).is_err() => {
                self.fault(at, Fault::Unlisted { instruction: name(instruction), table: "traps" });
            }
            _ => {}
        }
        if instruction.op_count() > 0 && instruction.op0_kind() == OpKind::NearBranch64 {
            self.branch(at, instruction);
        }
        if instruction.is_ip_rel_memory_operand() {
            self.reference(at, next, instruction);
        }
    }

    /// A direct branch or call.
    fn branch(&mut self, at: u32, instruction: &Instruction) {
        let (start, target) = (u64::from(self.code.start), instruction.near_branch_target());
        if (start..start + u64::from(self.len())).contains(&target) {
            // Within the unit, so the difference is below its length.
            return self.branches.push((at, (target - start) as u32, name(instruction)));
        }
        let leaves = matches!(instruction.flow_control(), FlowControl::Call | FlowControl::UnconditionalBranch);
        let unit = u32::try_from(target).is_ok_and(|target| self.code.units.binary_search(&target).is_ok());
        if !leaves || !unit {
            let expected = if leaves { "the start of a function" } else { "an instruction of the same function" };
            let target = format!("text offset {:#x}", target as i64);
            self.fault(at, Fault::Target { instruction: name(instruction), target, expected });
        }
    }

    /// An operand that is relative to the instruction: a constant, or the address of a table.
    fn reference(&mut self, at: u32, next: u32, instruction: &Instruction) {
        let target = instruction.ip_rel_memory_address().wrapping_sub(u64::from(self.code.start));
        let Some(target) = u32::try_from(target).ok().filter(|&target| (next..self.len()).contains(&target)) else {
            let target = format!("+{:#x}", target as i64);
            return self
                .fault(at, Fault::Target { instruction: name(instruction), target, expected: "data behind it in the same function" });
        };
        match instruction.mnemonic() {
            Mnemonic::Lea => self.taken.push(target),
            _ => self.constants = self.constants.min(target),
        }
    }

    fn byte(&self, at: i64) -> Option<Byte> {
        usize::try_from(at).ok().and_then(|at| self.bytes.get(at)).copied()
    }

    /// Branches and jump tables lead to instructions.
    fn check_targets(&mut self) {
        for (at, target, instruction) in std::mem::take(&mut self.branches) {
            if self.byte(i64::from(target)) != Some(Byte::Start) {
                let target = format!("+{target:#x}");
                self.fault(at, Fault::Target { instruction, target, expected: "the start of an instruction" });
            }
        }
        for (at, entry, target) in std::mem::take(&mut self.entries) {
            if self.byte(target) != Some(Byte::Start) {
                self.fault(at, Fault::TableEntry { entry, target });
            }
        }
    }

    /// Traps, return addresses, blocks and handlers stand where the tables beside the code say.
    fn check_tables(&mut self) {
        let compiled = self.code.compiled;
        let landings = compiled.handlers.iter().map(|handler| (handler.landing, "a handler"));
        let traps = compiled.traps.iter().map(|trap| (trap.offset, "a trap"));
        // A block may be empty at the very end of the code.
        let blocks = compiled.blocks.iter().map(|&block| (block, "a block")).filter(|&(block, _)| block < self.code.bytes.len() as u32);
        for (offset, what) in traps.chain(blocks).chain(landings).collect::<Vec<_>>() {
            match self.byte(i64::from(offset)) {
                Some(Byte::Start) => {}
                Some(Byte::Inside) => self.fault(offset, Fault::Listed { what, found: "an instruction is in its middle" }),
                Some(Byte::Data) | None => self.fault(offset, Fault::Listed { what, found: "no code lies" }),
            }
        }
        for offset in compiled.handlers.iter().map(|handler| handler.offset) {
            if self.returns.binary_search(&offset).is_err() {
                self.fault(offset, Fault::Listed { what: "a call with a handler", found: "no call ends" });
            }
        }
        let listed: Vec<u32> = compiled.call_sites.iter().map(|site| site.offset).collect();
        for &offset in listed.iter().filter(|offset| self.returns.binary_search(offset).is_err()).collect::<Vec<_>>() {
            self.fault(offset, Fault::Listed { what: "a return address", found: "no call ends" });
        }
        for at in self.returns.iter().copied().filter(|at| listed.binary_search(at).is_err()).collect::<Vec<_>>() {
            self.fault(at, Fault::Unlisted { instruction: "call".to_string(), table: "return addresses" });
        }
    }
}

/// Whether control never goes on behind the instruction.
fn stops(instruction: &Instruction) -> bool {
    use FlowControl::{Exception, IndirectBranch, Return, UnconditionalBranch};
    matches!(instruction.flow_control(), UnconditionalBranch | IndirectBranch | Return | Exception)
}

/// Why compiled code may not hold an instruction, whatever the CPU.
fn forbidden(instruction: &Instruction) -> Option<&'static str> {
    use Mnemonic as M;
    let mnemonic = instruction.mnemonic();
    let segment = |operand| instruction.op_kind(operand) == OpKind::Register && instruction.op_register(operand).is_segment_register();
    if instruction.is_privileged() {
        return Some("it is privileged");
    }
    if matches!(instruction.segment_prefix(), Register::FS | Register::GS) || (0..instruction.op_count()).any(segment) {
        return Some("it uses a segment");
    }
    match instruction.flow_control() {
        FlowControl::Interrupt => Some("it is an interrupt"),
        FlowControl::XbeginXabortXend => Some("it is of a hardware transaction"),
        FlowControl::Exception if mnemonic != M::Ud2 => Some("the trap instruction is ud2"),
        FlowControl::Return if mnemonic != M::Ret => Some("it returns to elsewhere than a caller"),
        FlowControl::Call | FlowControl::IndirectCall if mnemonic != M::Call => Some("it calls the system"),
        FlowControl::Call | FlowControl::IndirectCall | FlowControl::UnconditionalBranch | FlowControl::IndirectBranch
            if is_far(instruction) =>
        {
            Some("it is a far branch")
        }
        _ => match mnemonic {
            M::Syscall | M::Sysenter | M::Sysexit | M::Sysret => Some("it calls the system"),
            M::Cpuid | M::Rdtsc | M::Rdtscp | M::Xgetbv => Some("its result depends on the machine"),
            M::Popf | M::Popfd | M::Popfq | M::Std => Some("it changes flags that all code relies on"),
            _ => None,
        },
    }
}

fn is_far(instruction: &Instruction) -> bool {
    instruction.is_jmp_far() || instruction.is_call_far() || instruction.is_jmp_far_indirect() || instruction.is_call_far_indirect()
}

fn name(instruction: &Instruction) -> String {
    format!("{:?}", instruction.mnemonic()).to_lowercase()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
