//! One unit of the file against a second compilation: code, the places where it calls others, and the tables beside it.
//!
//! The link is not repeated but judged by its effect: outside of relocated bytes the code is what the compiler gave, and each relocated place reaches the
//! function that it names where the file says that it lies.

use super::decode::{self, Code};
use super::violation::Fault;
use std::collections::HashMap;
use trjit_cache_format::{CodeItem, Edge, PlacedFunction};
use trjit_code::place::{self, INLINED};
use trjit_code::{CallSite, CompiledFunction, HandlerSite, InlinedPlace, Relocation, RelocationKind, TrapSite};
use trjit_module::FuncIndex;

/// The file, as the comparison of all units sees it.
pub struct Written<'a> {
    pub text: &'a [u8],
    pub traps: Vec<TrapSite>,
    pub calls: Vec<CallSite>,
    pub inlined: Vec<InlinedPlace>,
    pub handlers: Vec<HandlerSite>,
    /// Text offsets at which units begin, ascending.
    pub units: Vec<u32>,
    pub functions: HashMap<FuncIndex, u32>,
}

/// What became of a unit.
#[derive(Default)]
pub struct Compared {
    pub instructions: u64,
    pub edges: Vec<Edge>,
    /// Faults and their offsets from the unit's start, if they have one.
    pub faults: Vec<(Option<u32>, Fault)>,
}

impl Written<'_> {
    /// Compares a unit with its second compilation, and reads its instructions.
    pub fn compare(&self, placed: &PlacedFunction, compiled: &CompiledFunction) -> Compared {
        // The tier was held against the plan, and code under assumptions was refused when it was compiled. Exhaustive: what a unit gets beside these does not compile until it is compared, too.
        let PlacedFunction { offset, len, what, tier: _, features } = *placed;
        let CompiledFunction {
            bytes: _,
            align,
            relocations,
            traps: _,
            call_sites: _,
            inlined: _,
            handlers: _,
            blocks: _,
            assumptions: _,
            features: expected,
        } = compiled;
        // The reader checked the functions' places against the text.
        let bytes = &self.text[offset as usize..][..len as usize];
        let mut result = Compared::default();
        if features != *expected {
            result.faults.push((None, Fault::Features { found: features, expected: *expected }));
        }
        if !offset.is_multiple_of((*align).max(1)) {
            result.faults.push((None, Fault::Align { offset, align: *align }));
        }
        result.faults.extend(code(bytes, compiled));
        for relocation in relocations {
            result.faults.extend(self.call(bytes, offset, relocation).map(|fault| (Some(relocation.offset), fault)));
            if let CodeItem::Function(caller) = what {
                result.edges.push(Edge { caller, callee: relocation.target });
            }
        }
        result.faults.extend(self.tables(placed, compiled));
        let (instructions, faults) = decode::read(Code { bytes, start: offset, declared: features, compiled, units: &self.units });
        result.instructions = instructions;
        result.faults.extend(faults.into_iter().map(|(at, fault)| (Some(at), fault)));
        result
    }

    /// Whether a relocated place reaches its function.
    fn call(&self, bytes: &[u8], start: u32, relocation: &Relocation) -> Option<Fault> {
        let callee = relocation.target;
        let Some(&expected) = self.functions.get(&callee) else { return Some(Fault::NoCallee { callee }) };
        let field = bytes.get(relocation.offset as usize..)?.first_chunk::<4>()?;
        let place = i64::from(start) + i64::from(relocation.offset);
        let found = match relocation.kind {
            RelocationKind::X86PcRel4 => place + i64::from(i32::from_le_bytes(*field)) - relocation.addend,
            // The low 26 bits count instructions.
            RelocationKind::Arm64Call => place + i64::from(((u32::from_le_bytes(*field) << 6) as i32) >> 6) * 4 - relocation.addend,
        };
        (found != i64::from(expected)).then_some(Fault::Call { callee, found, expected })
    }

    /// The tables' rows for a unit.
    fn tables(&self, placed: &PlacedFunction, compiled: &CompiledFunction) -> Vec<(Option<u32>, Fault)> {
        let start = placed.offset;
        // Places are equal when they tell the same positions: the file numbers those of all its functions.
        let mut chains = Chains::default();
        let mut found = |place| chains.number(place, &self.inlined);
        let traps: Vec<TrapSite> =
            self.traps_of(placed).iter().map(|site| TrapSite { offset: site.offset - start, wasm: found(site.wasm), ..*site }).collect();
        let calls: Vec<CallSite> =
            self.calls_of(placed).iter().map(|site| CallSite { offset: site.offset - start, wasm: found(site.wasm) }).collect();
        let mut expected = |place| chains.number(place, &compiled.inlined);
        let expected_traps: Vec<TrapSite> = compiled.traps.iter().map(|site| TrapSite { wasm: expected(site.wasm), ..*site }).collect();
        let expected_calls: Vec<CallSite> =
            compiled.call_sites.iter().map(|site| CallSite { wasm: expected(site.wasm), ..*site }).collect();
        let offset = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        let trap = differences(traps.into_iter(), &expected_traps).map(|(found, expected)| {
            let at = offset(found.map(|site| site.offset), expected.map(|site| site.offset));
            (at, Fault::Trap { found, expected })
        });
        let call = differences(calls.into_iter(), &expected_calls).map(|(found, expected)| {
            let at = offset(found.map(|site| site.offset), expected.map(|site| site.offset));
            (at, Fault::CallSite { found, expected })
        });
        let handlers = self.handlers_of(placed).iter().map(|site| {
            // A landing outside of the unit differs from any that belongs there.
            HandlerSite { offset: site.offset - start, landing: site.landing.wrapping_sub(start), ..*site }
        });
        let handler = differences(handlers, &compiled.handlers).map(|(found, expected)| {
            let at = offset(found.map(|site| site.offset), expected.map(|site| site.offset));
            (at, Fault::Handler { found, expected })
        });
        trap.into_iter().chain(call).chain(handler).collect()
    }

    /// Rows of the trap table within a unit.
    pub fn traps_of(&self, placed: &PlacedFunction) -> &[TrapSite] {
        let end = placed.offset + placed.len;
        let behind = |offset: u32| self.traps.partition_point(|site| site.offset < offset);
        &self.traps[behind(placed.offset)..behind(end)]
    }

    /// Rows of the call table within a unit: a return address lies behind its call, so behind the unit for a call at its very end.
    pub fn calls_of(&self, placed: &PlacedFunction) -> &[CallSite] {
        let end = placed.offset + placed.len;
        let behind = |offset: u32| self.calls.partition_point(|site| site.offset <= offset);
        &self.calls[behind(placed.offset)..behind(end)]
    }

    /// Rows of the handler table within a unit, by their return addresses.
    pub fn handlers_of(&self, placed: &PlacedFunction) -> &[HandlerSite] {
        let end = placed.offset + placed.len;
        let behind = |offset: u32| self.handlers.partition_point(|site| site.offset <= offset);
        &self.handlers[behind(placed.offset)..behind(end)]
    }
}

/// Numbers for chains of positions: the same chain has the same number, wherever its places are numbered.
#[derive(Default)]
struct Chains(HashMap<Vec<u32>, u32>);

impl Chains {
    /// A place that is comparable with those of another table: itself where nothing is inlined.
    fn number(&mut self, place: u32, table: &[InlinedPlace]) -> u32 {
        if place::inlined(place).is_none() {
            return place;
        }
        let chain = place::positions(place, |number| table.get(number as usize).copied()).collect();
        let next = self.0.len() as u32;
        INLINED | *self.0.entry(chain).or_insert(next)
    }
}

/// The first difference of two tables.
fn differences<T: Copy + PartialEq>(found: impl Iterator<Item = T>, expected: &[T]) -> Option<(Option<T>, Option<T>)> {
    let found: Vec<T> = found.collect();
    let longer = found.len().max(expected.len());
    let rows = (0..longer).map(|row| (found.get(row).copied(), expected.get(row).copied()));
    rows.into_iter().find(|(found, expected)| found != expected)
}

/// The first difference of the code, outside of relocated bytes.
fn code(found: &[u8], compiled: &CompiledFunction) -> Option<(Option<u32>, Fault)> {
    let expected = &compiled.bytes;
    if found.len() != expected.len() {
        return Some((None, Fault::Length { found: found.len(), expected: expected.len() }));
    }
    if found == expected {
        return None;
    }
    let relocated = |at: u32| {
        let before = compiled.relocations.partition_point(|relocation| relocation.offset <= at);
        before.checked_sub(1).is_some_and(|last| at - compiled.relocations[last].offset < 4)
    };
    let pairs = found.iter().zip(expected).enumerate();
    let mut differing =
        pairs.filter(|(_, (found, expected))| found != expected).map(|(at, (&found, &expected))| (at as u32, found, expected));
    let (at, found, expected) = differing.find(|&(at, ..)| !relocated(at))?;
    Some((Some(at), Fault::Code { found, expected }))
}
