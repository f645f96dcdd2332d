//! What a function was on its way to machine code, for people who look inside ([`CraneliftCompiler::stages`](crate::CraneliftCompiler::stages)).

use cranelift_codegen::CompiledCode;
use cranelift_codegen::ir::Function;
use trjit_code::{CompiledFunction, InlinedPlace};

/// A compilation, and the texts of its IR between the steps.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    pub code: CompiledFunction,
    /// Cranelift IR of the body alone.
    pub translated: String,
    /// The same after bodies took the place of calls.
    pub inlined: String,
    /// The same after all optimizations, before instructions are selected.
    pub optimized: String,
    /// Where code comes from, ascending. Bytes of prologues, jump tables and constants are in none of the ranges.
    pub places: Vec<PlaceRange>,
    /// What the places in `places` refer to: more than [`CompiledFunction::inlined`], which keeps only what backtraces need.
    pub inlined_places: Vec<InlinedPlace>,
    /// Starts of the basic blocks of the machine code, ascending.
    pub blocks: Vec<u32>,
}

/// Bytes of code that come from one [place](trjit_code::place).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceRange {
    pub start: u32,
    pub end: u32,
    pub place: u32,
}

/// Where a compilation stands.
pub(crate) enum Moment<'a> {
    Translated(&'a Function),
    Inlined(&'a Function),
    Compiled { optimized: &'a Function, code: &'a CompiledCode, places: &'a [InlinedPlace] },
}

impl Stages {
    pub(crate) fn note(&mut self, moment: Moment<'_>) {
        match moment {
            Moment::Translated(func) => self.translated = func.display().to_string(),
            Moment::Inlined(func) => self.inlined = func.display().to_string(),
            Moment::Compiled { optimized, code, places } => {
                self.optimized = optimized.display().to_string();
                let ranges = code.buffer.get_srclocs_sorted().iter();
                let known = ranges.filter(|range| !range.loc.is_default());
                self.places = known.map(|range| PlaceRange { start: range.start, end: range.end, place: range.loc.bits() }).collect();
                self.inlined_places = places.to_vec();
                self.blocks = code.bb_starts.clone();
                self.blocks.sort_unstable();
                self.blocks.dedup();
            }
        }
    }
}
