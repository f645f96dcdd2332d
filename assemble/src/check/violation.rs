//! What a check can find, and how it is told: where, what was found, what was expected.

use trjit_cache_format::{CodeItem, Edge, Refusal};
use trjit_code::{CallSite, CompileError, CpuFeatures, HandlerSite, Tier, TrapSite};
use trjit_module::FuncIndex;

/// Most violations that are kept; the rest is counted.
const KEPT: usize = 100;
/// Most violations that one message tells.
const TOLD: usize = 3;

/// A cache that must not be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("{threads} checking threads can not be started: {detail}")]
    Threads { threads: usize, detail: String },
    #[error("the file that was written is refused: {0}")]
    Refused(Refusal),
    #[error(transparent)]
    Violations(#[from] Violations),
}

impl CheckError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            CheckError::Threads { .. } => "give a smaller number with --threads",
            CheckError::Refused(_) => "assemble again; if it happens again on another disk, report it as a bug of trjit",
            CheckError::Violations(violations) if violations.needs_features() => {
                "this is a bug of the code generator: report it with the module; a higher --cpu-level, or a run without a cache, avoids it"
            }
            CheckError::Violations(_) => {
                "assemble again: if it differs from time to time, suspect the memory or the disk; else report it as a bug of trjit with the module and the profiles"
            }
        }
    }
}

/// All that is wrong, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    /// The first ones.
    pub found: Vec<Violation>,
    pub total: usize,
}

impl Violations {
    pub(super) fn new(mut found: Vec<Violation>) -> Violations {
        let total = found.len();
        found.truncate(KEPT);
        Violations { found, total }
    }

    fn needs_features(&self) -> bool {
        self.found.iter().all(|violation| matches!(violation.fault, Fault::Feature { .. }))
    }
}

impl std::error::Error for Violations {}

impl std::fmt::Display for Violations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: Vec<String> = self.found.iter().take(TOLD).map(ToString::to_string).collect();
        write!(f, "{}", shown.join("; "))?;
        match self.total - shown.len() {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{fault}", self.place())]
pub struct Violation {
    /// The unit, and the function's name where the module tells it. `None`: the file as a whole.
    pub what: Option<CodeItem>,
    pub name: Option<String>,
    /// Offset from the unit's first byte, where it is about one place in the code.
    pub offset: Option<u32>,
    pub fault: Fault,
}

impl Violation {
    fn place(&self) -> String {
        let what = self.what.map(|what| what.to_string()).unwrap_or_default();
        let name = self.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let offset = self.offset.map(|offset| format!(" at +{offset:#x}")).unwrap_or_default();
        let place = format!("{what}{name}{offset}");
        if place.is_empty() { place } else { format!("{place}: ") }
    }
}

/// The kinds of violations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    // What the code does.
    #[error("the bytes {bytes} are no instruction")]
    Invalid { bytes: String },
    #[error("`{instruction}` ({bytes}) needs {needs}, but the code declares {}", feature_list(*.declared))]
    Feature { instruction: String, bytes: String, needs: String, declared: CpuFeatures },
    #[error("`{instruction}` ({bytes}) is not allowed in compiled code: {why}")]
    Forbidden { instruction: String, bytes: String, why: &'static str },
    #[error("`{instruction}` goes to {target}, expected {expected}")]
    Target { instruction: String, target: String, expected: &'static str },
    #[error("control runs on behind `{instruction}`, where {behind}")]
    RunsOn { instruction: String, behind: &'static str },
    #[error("entry {entry} of the jump table leads to {target:+#x}, which is no instruction of the code")]
    TableEntry { entry: usize, target: i64 },
    #[error("the code begins with {found}, expected the frame's `push rbp; mov rbp, rsp`")]
    Frame { found: String },
    #[error("{what} is listed here, where {found}")]
    Listed { what: &'static str, found: &'static str },
    #[error("`{instruction}` is not in the table of {table}")]
    Unlisted { instruction: String, table: &'static str },

    // What a second compilation says.
    #[error("byte {found:#04x}, a second compilation gives {expected:#04x}")]
    Code { found: u8, expected: u8 },
    #[error("{found} bytes of code, a second compilation gives {expected}")]
    Length { found: usize, expected: usize },
    #[error("a call goes to text offset {found:#x}, expected {expected:#x}, where function {callee} begins")]
    Call { callee: FuncIndex, found: i64, expected: u32 },
    #[error("a call of function {callee}, which has no code in this cache")]
    NoCallee { callee: FuncIndex },
    #[error("the trap table says {}, a second compilation gives {}", or_nothing(.found), or_nothing(.expected))]
    Trap { found: Option<TrapSite>, expected: Option<TrapSite> },
    #[error("the call table says {}, a second compilation gives {}", or_nothing(.found), or_nothing(.expected))]
    CallSite { found: Option<CallSite>, expected: Option<CallSite> },
    #[error("the handler table says {}, a second compilation gives {}", or_nothing(.found), or_nothing(.expected))]
    Handler { found: Option<HandlerSite>, expected: Option<HandlerSite> },
    #[error("the file declares CPU features {}, a second compilation gives {}", feature_list(*.found), feature_list(*.expected))]
    Features { found: CpuFeatures, expected: CpuFeatures },
    #[error("it lies at {offset:#x}, expected a multiple of {align}")]
    Align { offset: u32, align: u32 },
    #[error("it has code, but does not compile: {0}")]
    NoCode(CompileError),

    // What the plan and the link say.
    #[error("it is planned and compiles, but the file has no code of it")]
    Missing,
    #[error("the file has code of it, but the plan has not")]
    Unplanned,
    #[error("tier {}, planned is {}", tier_name(*.found), tier_name(*.expected))]
    Tier { found: Option<Tier>, expected: Option<Tier> },
    #[error("the plan has {expected} at this place of the text")]
    Order { expected: CodeItem },
    #[error("function {} calls function {} directly: the file {}", .edge.caller, .edge.callee, if *.in_file { "says so, the code does not" } else { "does not list it" })]
    Edge { edge: Edge, in_file: bool },
    #[error("text offset {offset:#x} lies between functions and holds {found:#04x}, expected the breakpoint 0xcc")]
    Padding { offset: u32, found: u8 },
    #[error("the table of {table} has an entry for text offset {offset:#x}, where no code lies")]
    Stray { table: &'static str, offset: u32 },
    #[error("section {section} is not what the module says")]
    Section { section: &'static str },
    #[error("the manifest says {what} {found}, expected {expected}")]
    Manifest { what: &'static str, found: String, expected: String },
}

fn feature_list(features: CpuFeatures) -> String {
    if features.is_empty() { "none beyond x86-64".to_string() } else { features.to_string() }
}

fn tier_name(tier: Option<Tier>) -> &'static str {
    tier.map_or("none", Tier::name)
}

fn or_nothing<T: std::fmt::Debug>(site: &Option<T>) -> String {
    site.as_ref().map_or_else(|| "nothing".to_string(), |site| format!("{site:?}"))
}
