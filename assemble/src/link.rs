//! Phase 4: reads the relocatable objects, lays the units out in the order of the plan, and resolves the calls between them.
//!
//! ```text
//! 0        lazy stub (LAZY_STUB_CODE), which a fresh jump table holds for every function
//! 16       functions in the order of the plan, each aligned as its section asks
//! ..       trampolines
//! ```
//! Invariant: only PC-relative relocations between functions of this text are applied, all others are refused: the text is position-independent and never
//! written. The tables come out sorted, with offsets from the start of the text.

use crate::emit::{Emitted, Tables};
use crate::unit;
use object::elf;
use object::read::elf::ElfFile64;
use object::read::{Object, ObjectSection, ObjectSymbol, RelocationTarget};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use trjit_cache_format::text::MAX_TEXT;
use trjit_cache_format::{CodeItem, Edge, LinkedText, PlacedFunction};
use trjit_code::place;
use trjit_code::unit::OutOfReach;
use trjit_code::{CallSite, HandlerSite, InlinedPlace, LAZY_STUB_CODE, Relocation, RelocationKind, TrapSite};
use trjit_module::FuncIndex;

/// What fills the space between units: a breakpoint instruction on x86-64.
const PADDING: u8 = 0xcc;

/// The objects do not make a text.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("object {object} can not be read")]
    Read { object: usize, source: object::read::Error },
    #[error("object {object}: '{symbol}' is not the name of a function or trampoline")]
    Symbol { object: usize, symbol: String },
    #[error("object {object}: '{symbol}' covers {found:?} of a section of {expected} bytes, expected a section of its own")]
    Section { object: usize, symbol: String, found: std::ops::Range<u64>, expected: u64 },
    #[error("{what} has a relocation of {found}, expected a PC-relative call of a function")]
    Relocation { what: CodeItem, found: String },
    #[error("{what} calls function {target}, which has no code in this text")]
    Undefined { what: CodeItem, target: FuncIndex },
    #[error("{what} is defined {found} times in the objects, expected once")]
    Count { what: CodeItem, found: usize },
    #[error("the code takes {found} bytes, a cache may have {MAX_TEXT}")]
    TooLarge { found: usize },
    #[error(transparent)]
    OutOfReach(#[from] OutOfReach),
}

/// Links. The order of the text is the order of the tables.
pub fn link(emitted: &Emitted) -> Result<LinkedText, LinkError> {
    let pieces = read_all(&emitted.objects)?;
    let mut text = Text::new();
    for tables in &emitted.tables {
        let piece = pieces.get(&tables.what).ok_or(LinkError::Count { what: tables.what, found: 0 })?;
        text.append(tables, piece)?;
    }
    text.resolve(&pieces)?;
    Ok(text.linked)
}

/// A unit's code as an object holds it.
struct Piece<'data> {
    bytes: &'data [u8],
    align: usize,
    relocations: Vec<Relocation>,
}

fn read_all(objects: &[Vec<u8>]) -> Result<HashMap<CodeItem, Piece<'_>>, LinkError> {
    let read: Vec<_> = objects.par_iter().enumerate().map(|(number, bytes)| read_object(number, bytes)).collect();
    let mut pieces = HashMap::new();
    for object in read {
        for (what, piece) in object? {
            if pieces.insert(what, piece).is_some() {
                return Err(LinkError::Count { what, found: 2 });
            }
        }
    }
    Ok(pieces)
}

fn read_object(object: usize, bytes: &[u8]) -> Result<Vec<(CodeItem, Piece<'_>)>, LinkError> {
    let unreadable = |source| LinkError::Read { object, source };
    let file: ElfFile64<'_> = ElfFile64::parse(bytes).map_err(unreadable)?;
    let mut pieces = Vec::new();
    for symbol in file.symbols().filter(|symbol| symbol.is_definition()) {
        let name = symbol.name().map_err(unreadable)?;
        let what = unit::from_symbol(name).ok_or_else(|| LinkError::Symbol { object, symbol: name.to_string() })?;
        let Some(section) = symbol.section_index() else { continue };
        let section = file.section_by_index(section).map_err(unreadable)?;
        let found = symbol.address()..symbol.address().saturating_add(symbol.size());
        if found != (0..section.size()) {
            return Err(LinkError::Section { object, symbol: name.to_string(), found, expected: section.size() });
        }
        let bytes = section.data().map_err(unreadable)?;
        let relocations = section.relocations().map(|(offset, found)| relocation(&file, what, offset, &found));
        pieces.push((what, Piece { bytes, align: section.align() as usize, relocations: relocations.collect::<Result<_, _>>()? }));
    }
    Ok(pieces)
}

/// Accepts PC-relative calls of functions only.
fn relocation(file: &ElfFile64<'_>, what: CodeItem, offset: u64, relocation: &object::read::Relocation) -> Result<Relocation, LinkError> {
    let refuse = |found: String| LinkError::Relocation { what, found };
    let object::RelocationFlags::Elf { r_type } = relocation.flags() else {
        return Err(refuse(format!("kind {:?}", relocation.flags())));
    };
    let kind = match (file.architecture(), r_type) {
        (object::Architecture::X86_64, elf::R_X86_64_PLT32 | elf::R_X86_64_PC32) => RelocationKind::X86PcRel4,
        (object::Architecture::Aarch64, elf::R_AARCH64_CALL26 | elf::R_AARCH64_JUMP26) => RelocationKind::Arm64Call,
        (architecture, _) => return Err(refuse(format!("ELF type {} of {architecture:?}", r_type.0))),
    };
    let RelocationTarget::Symbol(symbol) = relocation.target() else {
        return Err(refuse(format!("target {:?}", relocation.target())));
    };
    let name = file.symbol_by_index(symbol).and_then(|symbol| symbol.name()).map_err(|error| refuse(error.to_string()))?;
    let Some(CodeItem::Function(target)) = unit::from_symbol(name) else { return Err(refuse(format!("target '{name}'"))) };
    let offset = u32::try_from(offset).map_err(|_| refuse(format!("offset {offset}")))?;
    Ok(Relocation { offset, kind, target, addend: relocation.addend() })
}

/// The text under construction.
struct Text {
    linked: LinkedText,
    functions: HashMap<FuncIndex, u32>,
}

impl Text {
    fn new() -> Text {
        let linked = LinkedText { bytes: LAZY_STUB_CODE.to_vec(), ..LinkedText::default() };
        Text { linked, functions: HashMap::new() }
    }

    /// Appends a unit's code and tables.
    fn append(&mut self, tables: &Tables, piece: &Piece<'_>) -> Result<(), LinkError> {
        let LinkedText { bytes, functions, traps, calls, inlined, handlers, edges: _ } = &mut self.linked;
        // An object may ask for any alignment; what does not fit is refused before anything is allocated.
        let start = bytes.len().checked_next_multiple_of(piece.align.max(1)).unwrap_or(usize::MAX);
        let end = start.saturating_add(piece.bytes.len());
        if end > MAX_TEXT {
            return Err(LinkError::TooLarge { found: end });
        }
        bytes.resize(start, PADDING);
        bytes.extend_from_slice(piece.bytes);
        // Both are below MAX_TEXT.
        let (offset, len) = (start as u32, piece.bytes.len() as u32);
        let before = inlined.len() as u32;
        let place = |place| place::moved(place, before);
        traps.extend(tables.traps.iter().map(|site| TrapSite { offset: offset + site.offset, wasm: place(site.wasm), ..*site }));
        calls.extend(tables.call_sites.iter().map(|site| CallSite { offset: offset + site.offset, wasm: place(site.wasm) }));
        inlined.extend(tables.inlined.iter().map(|at| InlinedPlace { caller: place(at.caller), ..*at }));
        let moved = |site: &HandlerSite| HandlerSite { offset: offset + site.offset, landing: offset + site.landing, ..*site };
        handlers.extend(tables.handlers.iter().map(moved));
        functions.push(PlacedFunction { offset, len, what: tables.what, tier: tables.tier, features: tables.features });
        if let CodeItem::Function(function) = tables.what {
            self.functions.insert(function, offset);
        }
        Ok(())
    }

    /// Applies all relocations, and notes each as an edge.
    fn resolve(&mut self, pieces: &HashMap<CodeItem, Piece<'_>>) -> Result<(), LinkError> {
        let mut edges = BTreeSet::new();
        for &PlacedFunction { offset, len, what, .. } in &self.linked.functions {
            let code = &mut self.linked.bytes[offset as usize..][..len as usize];
            for relocation in pieces.get(&what).map_or(&[][..], |piece| &piece.relocations) {
                let target = relocation.target;
                // A refused function takes its direct callers with it; a trampoline must stay.
                let CodeItem::Function(caller) = what else {
                    return Err(LinkError::Relocation { what, found: format!("function {target}") });
                };
                let &callee = self.functions.get(&target).ok_or(LinkError::Undefined { what, target })?;
                relocation.apply(code, u64::from(offset), u64::from(callee))?;
                edges.insert(Edge { caller, callee: target });
            }
        }
        self.linked.edges = edges.into_iter().collect();
        Ok(())
    }
}
