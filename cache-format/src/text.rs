//! `.text`: what the linker of an assembly hands to the writer, and what must hold for it.
//!
//! ```text
//! 0     LAZY_STUB_CODE, 16 bytes, put there by the linker
//! 16..  functions and crossings in the given order, any gaps filled by the linker; then breakpoints up to a whole page, put there by the writer
//! ```
//! All offsets count from the start of the text. The text is mapped at the image's base: offset 0 is what a fresh jump table points to.

use crate::table::ascending;
use trjit_code::{CallSite, CpuFeatures, HandlerSite, InlinedPlace, LAZY_STUB_CODE, Tier, TrapSite};
use trjit_module::{FuncIndex, Module, TypeIndex};

/// Most bytes of a text: what an `i32` reaches, less room for code made at run time.
pub const MAX_TEXT: usize = 1 << 30;

/// What a piece of code is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CodeItem {
    Function(FuncIndex),
    /// [`VmTrampolines::to_native`](trjit_module::vm::VmTrampolines) of a type.
    ToNative(TypeIndex),
    /// [`VmTrampolines::to_interpreter`](trjit_module::vm::VmTrampolines) of a type.
    ToInterpreter(TypeIndex),
    /// [`VmTrampolines::tail_to_native`](trjit_module::vm::VmTrampolines) of a type.
    TailToNative(TypeIndex),
}

impl std::fmt::Display for CodeItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CodeItem::Function(function) => write!(f, "function {function}"),
            CodeItem::ToNative(ty) => write!(f, "crossing to native code for type {ty}"),
            CodeItem::TailToNative(ty) => write!(f, "crossing of tail calls to native code for type {ty}"),
            CodeItem::ToInterpreter(ty) => write!(f, "crossing to the interpreter for type {ty}"),
        }
    }
}

/// A piece of code at its place in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlacedFunction {
    pub offset: u32,
    pub len: u32,
    pub what: CodeItem,
    /// `None` for crossings.
    pub tier: Option<Tier>,
    /// CPU features that the code may use.
    pub features: CpuFeatures,
}

/// A direct call: refusing the callee's code refuses the caller's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Edge {
    pub caller: FuncIndex,
    pub callee: FuncIndex,
}

/// Linked code with its tables.
#[derive(Clone, Default, Debug)]
pub struct LinkedText {
    /// The code: [`LAZY_STUB_CODE`] first, relocations applied.
    pub bytes: Vec<u8>,
    /// Ascending by offset, not overlapping, each item at most once.
    pub functions: Vec<PlacedFunction>,
    /// Strictly ascending by offset from the start of the text.
    pub traps: Vec<TrapSite>,
    /// Strictly ascending by return address as offset from the start of the text.
    pub calls: Vec<CallSite>,
    /// What places in `traps` and `calls` refer to.
    pub inlined: Vec<InlinedPlace>,
    /// Strictly ascending by return address; all fields but the frame offset count from the start of the text.
    pub handlers: Vec<HandlerSite>,
    /// In any order.
    pub edges: Vec<Edge>,
}

/// What is wrong with a linked text: a fault of the linker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("the text begins with {found:02x?}, expected the lazy stub {LAZY_STUB_CODE:02x?}")]
    LazyStub { found: Vec<u8> },
    #[error("the text has {len} bytes, a cache may have {MAX_TEXT}")]
    TooLarge { len: usize },
    #[error("{what} lies at {offset}..{end}, expected a range within {from}..{to}")]
    Place { what: CodeItem, offset: u32, end: u64, from: u64, to: usize },
    #[error("{what} is in the text twice")]
    Twice { what: CodeItem },
    #[error("{what} has index {index}, the module has {bound}")]
    Unknown { what: CodeItem, index: u32, bound: u32 },
    #[error("{what} is an imported function: it has no code")]
    Imported { what: CodeItem },
    #[error("{what} has a tier, or has none, against what it is")]
    Tier { what: CodeItem },
    #[error("{what} uses {features}, which the settings do not allow")]
    Features { what: CodeItem, features: CpuFeatures },
    #[error("the table of {table} is wrong: {reason}")]
    Table { table: &'static str, reason: String },
}

impl LinkedText {
    /// Checks all that the fields promise.
    pub fn check(&self, module: &Module, allowed: CpuFeatures) -> Result<(), TextError> {
        if !self.bytes.starts_with(&LAZY_STUB_CODE) {
            return Err(TextError::LazyStub { found: self.bytes[..self.bytes.len().min(LAZY_STUB_CODE.len())].to_vec() });
        }
        if self.bytes.len() > MAX_TEXT {
            return Err(TextError::TooLarge { len: self.bytes.len() });
        }
        self.check_places()?;
        self.functions.iter().try_for_each(|placed| check_item(placed, module, allowed))?;
        let mut items: Vec<CodeItem> = self.functions.iter().map(|placed| placed.what).collect();
        items.sort_unstable();
        if let Some(pair) = items.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(TextError::Twice { what: pair[0] });
        }
        self.check_tables(module.function_count()).map_err(|(table, reason)| TextError::Table { table, reason })
    }

    fn check_tables(&self, functions: u32) -> Result<(), (&'static str, String)> {
        let len = self.bytes.len();
        let traps: Vec<u32> = self.traps.iter().map(|site| site.offset).collect();
        let calls: Vec<u32> = self.calls.iter().map(|site| site.offset).collect();
        let handlers: Vec<u32> = self.handlers.iter().map(|site| site.offset).collect();
        for (table, offsets, end) in [("traps", &traps, len), ("calls", &calls, len + 1), ("handlers", &handlers, len + 1)] {
            ascending(offsets).map_err(|reason| (table, reason))?;
            if let Some(last) = offsets.last().filter(|&&last| last as usize >= end) {
                return Err((table, format!("offset {last} lies outside of the text, which has {len} bytes")));
            }
        }
        crate::inlined::check(&self.inlined).map_err(|reason| ("inlined places", reason))?;
        let places = self.traps.iter().map(|site| site.wasm).chain(self.calls.iter().map(|site| site.wasm));
        crate::inlined::check_places(places, self.inlined.len()).map_err(|reason| ("traps or calls", reason))?;
        if let Some(site) = self.handlers.iter().find(|site| site.landing as usize >= len) {
            return Err(("handlers", format!("landing {} lies outside of the text, which has {len} bytes", site.landing)));
        }
        match self.edges.iter().find(|edge| edge.caller.0.max(edge.callee.0) >= functions) {
            Some(edge) => Err(("edges", format!("{} calls {}, but the module has {functions} functions", edge.caller, edge.callee))),
            None => Ok(()),
        }
    }

    fn check_places(&self) -> Result<(), TextError> {
        let mut from = LAZY_STUB_CODE.len() as u64;
        for &PlacedFunction { offset, len, what, .. } in &self.functions {
            let end = u64::from(offset) + u64::from(len);
            if u64::from(offset) < from || len == 0 || end > self.bytes.len() as u64 {
                return Err(TextError::Place { what, offset, end, from, to: self.bytes.len() });
            }
            from = end;
        }
        Ok(())
    }
}

fn check_item(placed: &PlacedFunction, module: &Module, allowed: CpuFeatures) -> Result<(), TextError> {
    let what = placed.what;
    let (index, bound) = match what {
        CodeItem::Function(function) => (function.0, module.function_count()),
        CodeItem::ToNative(ty) | CodeItem::ToInterpreter(ty) | CodeItem::TailToNative(ty) => (ty.0, module.types().len() as u32),
    };
    if index >= bound {
        return Err(TextError::Unknown { what, index, bound });
    }
    let is_function = matches!(what, CodeItem::Function(_));
    if is_function && index < module.imported_functions() {
        return Err(TextError::Imported { what });
    }
    if placed.tier.is_some() != is_function {
        return Err(TextError::Tier { what });
    }
    match placed.features.minus(allowed) {
        excess if excess.is_empty() => Ok(()),
        features => Err(TextError::Features { what, features }),
    }
}
