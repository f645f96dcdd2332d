//! The answer as data: what `--json` prints, and what text and page are made of.
//!
//! Offsets named `wasm` count in the wasm file, as other tools and backtraces name instructions; `offset` counts from the function's first byte of machine code.
//! Counts are those of the training runs in the given profile, absent where nothing is known. Blocks are numbered by their place in [`Graph::blocks`].

use serde::Serialize;
use std::collections::HashMap;

/// Counts changes of this layout that a reader could stumble on; new keys are none.
pub const SCHEMA: u32 = 1;

#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub schema: u32,
    pub of: Of,
    pub function: Function,
    pub training: Training,
    /// `None`: the function is left to the interpreter.
    pub code: Option<Code>,
    /// Why it has this tier, or no code.
    pub why: String,
    /// What should be known of all the rest: what is missing, and why.
    pub notes: Vec<String>,
    /// In the order of the body.
    pub sites: Vec<Site>,
    pub inlined: Vec<Inlined>,
    pub guards: Vec<Guard>,
    pub exits: Vec<Exit>,
    pub cold: Option<Cold>,
    pub traps: Vec<TrapKind>,
    pub calls: Vec<CallKind>,
    pub graph: Graph,
    pub machine: Vec<MachineBlock>,
    pub clif: Option<Clif>,
}

impl Explanation {
    /// Joins what the log of a run tells to the exits: how often it went on at an instruction (its offset in the wasm file).
    pub fn join_exits(&mut self, taken: &HashMap<u32, u64>) {
        for exit in &mut self.exits {
            exit.taken = Some(taken.get(&exit.wasm).copied().unwrap_or(0));
        }
        let body = self.function.wasm..self.function.wasm + self.function.wasm_bytes;
        let elsewhere = taken.iter().filter(|(wasm, _)| body.contains(*wasm) && self.exits.iter().all(|exit| exit.wasm != **wasm));
        let (places, times) = elsewhere.fold((0u32, 0u64), |(places, times), (_, count)| (places + 1, times.saturating_add(*count)));
        if places > 0 {
            self.notes.push(format!(
                "by the log the run also went on at {places} other places of this function, {times} times: it had left code that was made by other counts, or a \
                 function that has this one inlined"
            ));
        }
    }
}

/// Where the answer comes from, and for what the code is.
#[derive(Clone, Debug, Serialize)]
pub struct Of {
    /// `cache` or `module`.
    pub kind: &'static str,
    /// Digest of the wasm bytes.
    pub module: String,
    pub compiler: String,
    pub cpu_level: String,
    pub memory_style: String,
    pub fuel: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct Function {
    pub index: u32,
    pub name: String,
    pub exports: Vec<String>,
    pub signature: String,
    /// Of the body.
    pub wasm: u32,
    pub wasm_bytes: u32,
    pub instructions: u32,
    pub loops: u32,
    pub locals: u32,
    pub indirect_call_sites: u32,
}

/// What the profile says of the whole function.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Training {
    /// A profile was given.
    pub given: bool,
    pub runs: u64,
    pub entries: Option<u64>,
    pub back_edges: Option<u64>,
    /// Place in the order of first use, from 1.
    pub order: Option<u32>,
    /// Functions that were entered.
    pub functions: u32,
    /// Whether the cache was assembled with this very profile; `None` where that is no question.
    pub is_the_caches: Option<bool>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Code {
    pub tier: String,
    pub bytes: u32,
    /// Place in the cache's text; `None` where there is no cache.
    pub text_offset: Option<u32>,
    /// CPU features that the code may use beyond the base.
    pub features: Vec<String>,
    /// Functions of the cache whose code calls this one directly.
    pub direct_callers: Option<u32>,
    /// What must hold in an instance that enters the code: of speculative code only.
    pub assumptions: Vec<String>,
    /// Whether the compiler makes these bytes again from what was given. If not, the machine code is told by the cache's tables alone.
    pub is_exact: bool,
}

/// A place in the body that was counted, or is worth a look.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    pub wasm: u32,
    pub kind: SiteKind,
    pub text: String,
    /// Executions.
    pub count: Option<u64>,
    /// Of a branch: times that it did not just go on; of a loop: times that it went back.
    pub taken: Option<u64>,
    /// Of an indirect call, the most frequent first.
    pub targets: Vec<Target>,
    /// Calls of functions that were not told apart.
    pub other: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteKind {
    Entry,
    Loop,
    Branch,
    Call,
    IndirectCall,
}

#[derive(Clone, Debug, Serialize)]
pub struct Target {
    pub function: u32,
    pub name: String,
    pub count: u64,
}

/// A body that stands in place of a call.
#[derive(Clone, Debug, Serialize)]
pub struct Inlined {
    pub function: u32,
    pub name: String,
    /// The call.
    pub wasm: u32,
    /// Executions of the call. Inside of an inlined body that is its share, taken to be that of the body.
    pub calls: Option<u64>,
    /// The call is an indirect one, and the body stands behind a comparison.
    pub is_guarded: bool,
    /// Size of the body.
    pub wasm_bytes: u32,
    /// Machine code that comes from it, without what it inlined itself, and without pure arithmetic, whose origin the compiler does not tell; `None` where it could not be
    /// asked.
    pub bytes: Option<u32>,
    pub inlined: Vec<Inlined>,
}

/// An indirect call that first looks for the functions that training counted there.
#[derive(Clone, Debug, Serialize)]
pub struct Guard {
    /// The call.
    pub wasm: u32,
    /// The table whose index is compared; none where the reference itself is.
    pub index_of: Option<u32>,
    /// The most frequent first.
    pub targets: Vec<GuardTarget>,
}

#[derive(Clone, Debug, Serialize)]
pub struct GuardTarget {
    pub function: u32,
    pub name: String,
    /// `called` or `inlined`.
    pub how: &'static str,
    /// Calls of it here.
    pub calls: Option<u64>,
}

/// Where speculative code leaves for the interpreter.
#[derive(Clone, Debug, Serialize)]
pub struct Exit {
    /// The instruction that the interpreter goes on with.
    pub wasm: u32,
    /// Whose body it is in: the function, or one that was inlined.
    pub function: u32,
    /// Where in the machine code the frame is left.
    pub offset: u32,
    /// How often a run went on there, whatever code it left; `None` without a log of one.
    pub taken: Option<u64>,
}

/// What training never executed.
#[derive(Clone, Debug, Serialize)]
pub struct Cold {
    pub instructions: u32,
    pub never_executed: u32,
    /// Bytes of machine code in blocks that come from these.
    pub bytes: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct TrapKind {
    pub trap: &'static str,
    pub sites: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CallKind {
    /// `direct`, `jump table`, `import`, `builtin`, `exit` or `indirect`.
    pub kind: &'static str,
    pub name: String,
    pub sites: u32,
}

/// The wasm body as blocks.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Graph {
    pub blocks: Vec<Block>,
    pub edges: Vec<Edge>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Block {
    pub wasm: u32,
    pub count: Option<u64>,
    pub is_loop: bool,
    pub instructions: Vec<Instruction>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Instruction {
    pub wasm: u32,
    pub depth: u32,
    pub text: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    /// `falls`, `taken`, `back` or `catches`.
    pub kind: &'static str,
    pub count: Option<u64>,
}

/// Machine code between branches, or a table among it.
#[derive(Clone, Debug, Serialize)]
pub struct MachineBlock {
    pub offset: u32,
    pub bytes: u32,
    /// Executions, by those of the wasm that most of it comes from.
    pub count: Option<u64>,
    pub instructions: Vec<MachineInstruction>,
    /// Of a jump table: where its entries lead.
    pub table: Vec<u32>,
}

#[derive(Clone, Debug, Serialize)]
pub struct MachineInstruction {
    pub offset: u32,
    pub text: String,
    /// Where it comes from: of an inlined body the innermost, then the call it stands for, and so on. Empty where nothing is known.
    pub from: Vec<From>,
    /// What it reaches: functions, builtins, what hangs on the vmctx.
    pub note: Option<String>,
    pub trap: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct From {
    pub wasm: u32,
    pub function: u32,
}

/// Cranelift IR.
#[derive(Clone, Debug, Serialize)]
pub struct Clif {
    pub translated: String,
    pub inlined: String,
    pub optimized: String,
}
