//! The interface between those who want code and the translator: a request for one function, and the trait that answers it.
//!
//! `runtime` knows only this trait: a binary without a compiler links none.

use crate::assumption::Assumptions;
use crate::target::Settings;
use crate::unit::CompiledFunction;
use trjit_module::{FuncIndex, Module, TypeIndex};

/// A tier is a setting of the one translator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tier {
    /// No optimization, single-pass register allocation: for code that hardly runs.
    A1,
    /// As A1; counts entries and branches back to loops, and asks for the next tier when there were many: for code that may become hot. In this process only.
    T2,
    /// No optimization; counts entries, taken branches and targets of indirect calls, as the interpreter does when it records: the instance must record.
    A3,
    /// As A3; asks for the next tier when there were many, and leaves loops for its code. In this process only.
    T3,
    /// Optimized, no side exits, no assumption about the instance's state: usable from the first instruction.
    Ap4,
    /// As AP4, and speculative: what the counts say is never executed is not compiled, but left to the interpreter, which goes on in the middle of the function (a side exit); and
    /// it may be made under [assumptions](crate::Assumption).
    T4,
}

impl Tier {
    pub const ALL: &'static [Tier] = &[Tier::A1, Tier::T2, Tier::A3, Tier::T3, Tier::Ap4, Tier::T4];

    pub const fn name(self) -> &'static str {
        match self {
            Tier::A1 => "A1",
            Tier::T2 => "T2",
            Tier::A3 => "A3",
            Tier::T3 => "T3",
            Tier::Ap4 => "AP4",
            Tier::T4 => "T4",
        }
    }

    pub fn parse(name: &str) -> Option<Tier> {
        Tier::ALL.iter().copied().find(|tier| tier.name() == name)
    }
}

/// Where compiled code begins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Entry {
    /// At the function's start, with the calling convention of compiled functions.
    Start,
    /// At a bytecode offset (position in the module's `code` bytes of any instruction that can be reached), with the frame in slots:
    /// `extern "C" fn(vmctx, unused, slots) -> u64`. `slots` points to the frame (slots of [`Module::slot_words`]): locals, then the operand stack. Runs the
    /// function to its end, or to a side exit; the result is one of [`trjit_module::vm::ended`]. Loops are entered behind their `loop` instruction.
    At(u32),
}

/// Which functions a call may reach without the jump table: those that lie in the same text and whose body holds in every instance.
pub trait DirectCalls: Sync {
    fn direct(&self, callee: FuncIndex) -> bool;
}

/// Every call goes through the jump table.
pub struct NoDirectCalls;

impl DirectCalls for NoDirectCalls {
    fn direct(&self, _callee: FuncIndex) -> bool {
        false
    }
}

/// What training counted, in terms of the module at hand. It steers: wrong counts cost speed and nothing else.
pub trait BranchCounts: Sync {
    /// Times that the function was entered; `None` where nothing is known of it.
    fn entries(&self, function: FuncIndex) -> Option<u64>;

    /// Times that the branch of a side table entry, counted from the function's first, was taken.
    fn taken(&self, function: FuncIndex, entry: u32) -> u64;

    /// What an indirect call site called, by its number, counted from the function's first. Neither that the functions exist nor that the numbers add up is promised.
    fn targets(&self, function: FuncIndex, site: u32) -> SiteTargets;

    /// Times that compiled code was left before the instruction at a position, in the middle of the function: executions that no branch and no entry accounts for.
    fn exits(&self, _function: FuncIndex, _position: u32) -> u64 {
        0
    }

    /// Whether speculative code leaves before the instruction at a position, which was executed so often.
    fn leaves(&self, _function: FuncIndex, _position: u32, executed: u64) -> bool {
        executed == 0
    }

    /// Whether speculative code of a function makes an assumption by which so many calls get cheaper, and behind so many calls (each an execution) there is a test.
    fn is_worth_tests(&self, _function: FuncIndex, cheaper: u64, tested: u64) -> bool {
        cheaper > tested
    }
}

/// The callees of an indirect call site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteTargets {
    /// All calls there, also of functions that are not told apart.
    pub calls: u64,
    /// Functions of the module, each with its calls; in any order.
    pub functions: Vec<(FuncIndex, u64)>,
}

/// Nothing is known of any function.
pub struct NoCounts;

impl BranchCounts for NoCounts {
    fn entries(&self, _function: FuncIndex) -> Option<u64> {
        None
    }

    fn taken(&self, _function: FuncIndex, _entry: u32) -> u64 {
        0
    }

    fn targets(&self, _function: FuncIndex, _site: u32) -> SiteTargets {
        SiteTargets::default()
    }
}

/// What to compile.
#[derive(Clone, Copy)]
pub struct CompileRequest<'a> {
    pub module: &'a Module,
    pub function: FuncIndex,
    pub tier: Tier,
    pub entry: Entry,
    pub settings: Settings,
    pub direct_calls: &'a dyn DirectCalls,
    pub counts: &'a dyn BranchCounts,
    /// What speculative code may rely on; all other code relies on nothing.
    pub assumptions: &'a dyn Assumptions,
}

/// Why there is no code. Never a reason to stop: the interpreter runs the function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    #[error("function {function} uses {what}, which this compiler does not translate")]
    Unsupported { function: FuncIndex, what: String },
    #[error("function {function} is too large for the code generator: {detail}")]
    TooLarge { function: FuncIndex, detail: String },
    #[error("function {function} is left to the interpreter")]
    NotChosen { function: FuncIndex },
    #[error("function {function}: internal error of the code generator: {detail}")]
    Internal { function: FuncIndex, detail: String },
}

/// Makes machine code. Implementations are stateless and may be called from many threads; the same request gives the same bytes.
pub trait Compiler: Send + Sync {
    /// Compiles one function.
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError>;

    /// Compiles the crossing from slots to compiled code for a type ([`VmTrampolines::to_native`](trjit_module::vm::VmTrampolines)).
    fn to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError>;

    /// Compiles the crossing from compiled code to slots for a type ([`VmTrampolines::to_interpreter`](trjit_module::vm::VmTrampolines)).
    fn to_interpreter(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError>;

    /// Compiles the crossing from slots to compiled code for a tail call
    /// ([`VmTrampolines::tail_to_native`](trjit_module::vm::VmTrampolines)).
    fn tail_to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError>;

    /// Name and version of the code generator, for `--version` and manifests.
    fn version(&self) -> String;
}
