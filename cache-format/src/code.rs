//! `.trjit.code`: the bodies of functions with their side tables and handlers, packed in blocks, for what has no machine code. Most starts read none of it.
//!
//! ```text
//! starts   BlockStart x blocks + 1     code u32 | side_table u32 | handlers u32 | at u32      16 bytes
//! frames   a zstd frame a block:       code section's contents | zeros up to a multiple of 4 | planes of the side table | planes of the handlers
//! ```
//! [`BlockStart`] tells which functions a block holds, and in `at` where its frame begins, counted from the start of the section. The last one holds the
//! totals and the length of the section. The contents of a block are drawn in [`trjit_module::bodies`]; tables lie in the frame as [planes](crate::planes).
//! Nothing is stored where the module has no code.
//!
//! What a function needs when it is first interpreted is one block: large blocks pack better, small ones are read faster. Functions that have machine code are
//! hardly ever read here, so that they share large blocks. The figures stand at [`BLOCK`] and [`COMPILED_BLOCK`].

use crate::planes;
use crate::reader::CacheFile;
use crate::section::SectionId;
use std::ops::Range;
use trjit_module::bodies::{BlockSource, BlockStart, Body};
use trjit_module::flat::{FunctionRecord, HandlerRecord, SideTableEntry};
use trjit_module::{CodeError, FuncIndex, Module};
use zerocopy::{FromBytes, IntoBytes};

/// Bytes of a block before packing, but for functions that are larger. Python's 9.16 MB become 2.55 MB with 8 KiB, 2.33 MB with 24 KiB, 2.20 MB with 64 KiB; unpacking one takes
/// 29, 48 and 87 microseconds.
const BLOCK: usize = 24 << 10;
/// The same for a block all of whose functions have machine code.
const COMPILED_BLOCK: usize = 256 << 10;
/// Level of compression. 3 is 1.7 times as fast and leaves 7.5 % more, 12 is five times as slow and leaves 1.4 % less.
const LEVEL: i32 = 6;
/// Level for blocks that are larger than [`BLOCK`], which gain more: 3.5 % of sqlite3.
const LARGE_LEVEL: i32 = 12;
/// No function of a valid module makes a larger block: less than 8 MiB of code, and a side table entry a byte.
const MAX_BLOCK: usize = 256 << 20;
const START: usize = size_of::<BlockStart>();
const ENTRY: usize = size_of::<SideTableEntry>();
const HANDLER: usize = size_of::<HandlerRecord>();

/// The bodies of a module on their way into a cache: blocks can be packed in any order and on any thread.
pub struct Packing<'m> {
    whole: Body<'m>,
    starts: Vec<BlockStart>,
}

impl<'m> Packing<'m> {
    /// Cuts the bodies into blocks; `None` where the module comes from a cache itself. `has_code` tells of a function whether it has machine code.
    pub fn new(module: &'m Module, has_code: impl Fn(FuncIndex) -> bool) -> Option<Packing<'m>> {
        let whole = module.bodies_in_place()?;
        let mut starts = Vec::new();
        let mut start = BlockStart::default();
        let mut end = start;
        let mut is_compiled = true;
        for (record, function) in module.functions().iter().zip(module.imported_functions()..) {
            let next = behind(record);
            let has_code = has_code(FuncIndex(function));
            let limit = if is_compiled && has_code { COMPILED_BLOCK } else { BLOCK };
            if end != start && start.len_to(&next).is_none_or(|len| len > limit) {
                starts.push(std::mem::replace(&mut start, end));
                is_compiled = true;
            }
            is_compiled &= has_code;
            end = next;
        }
        if end != start {
            starts.push(start);
            // Whatever stands behind the last body belongs to it.
            starts.push(BlockStart { code: whole.code.len() as u32, ..end });
        }
        Some(Packing { whole, starts })
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The frame of a block.
    pub fn pack(&self, block: usize) -> Vec<u8> {
        let Some(&[start, end]) = self.starts.get(block..).and_then(|rest| rest.first_chunk()) else { return Vec::new() };
        let (code, side_table, handlers) = (start.code..end.code, start.side_table..end.side_table, start.handlers..end.handlers);
        let range = |range: Range<u32>| range.start as usize..range.end as usize;
        let stretch = Body {
            code: &self.whole.code[range(code)],
            side_table: &self.whole.side_table[range(side_table)],
            handlers: &self.whole.handlers[range(handlers)],
        };
        let mut block = stretch.to_block();
        let tables = block.split_off(block.len() - size_of_val(stretch.side_table) - size_of_val(stretch.handlers));
        let (side_table, handlers) = tables.split_at(size_of_val(stretch.side_table));
        block.extend(planes::split::<ENTRY>(side_table));
        block.extend(planes::split::<HANDLER>(handlers));
        let level = if block.len() > BLOCK { LARGE_LEVEL } else { LEVEL };
        zstd::bulk::compress(&block, level).expect("zstd fails only where the output buffer, made to its bound, is too small")
    }

    /// The section, from the frames of all blocks in their order.
    pub fn finish(mut self, frames: &[Vec<u8>]) -> Vec<u8> {
        let mut at = self.starts.len() * START;
        for (start, frame) in self.starts.iter_mut().zip(frames.iter().chain([&Vec::new()])) {
            start.at = at as u32;
            at += frame.len();
        }
        [self.starts.as_bytes(), &frames.concat()].concat()
    }
}

/// The section of a module all of whose functions have machine code, packed one block after another; `None` as [`Packing::new`].
pub fn encode(module: &Module) -> Option<Vec<u8>> {
    let packing = Packing::new(module, |_| true)?;
    let frames: Vec<Vec<u8>> = (0..packing.blocks()).map(|block| packing.pack(block)).collect();
    Some(packing.finish(&frames))
}

/// Where the next function begins at the earliest.
fn behind(record: &FunctionRecord) -> BlockStart {
    BlockStart {
        code: record.body.offset + record.body.len,
        side_table: record.side_table_start + record.side_table_len,
        handlers: record.handlers_start + record.handlers_len,
        at: 0,
    }
}

/// The section of a file, verified and unpacked as far as it is used.
#[derive(Clone)]
pub(crate) struct Packed {
    file: CacheFile,
    /// Whether the section as a whole was verified.
    is_verified: bool,
}

impl Packed {
    pub fn new(file: &CacheFile) -> Packed {
        Packed { file: file.clone(), is_verified: false }
    }

    /// The same where the section's own digest is right.
    pub fn verified(file: &CacheFile) -> Packed {
        Packed { file: file.clone(), is_verified: true }
    }

    /// Bytes of the section, verified.
    fn bytes(&self, range: Range<usize>) -> Result<&[u8], CodeError> {
        let section = self.file.section_range(SectionId::Code);
        let outside = || corrupt(format!("{range:?} lies outside of the section, which has {} bytes", section.len()));
        let bytes = self.file.section(SectionId::Code).get(range.clone()).ok_or_else(outside)?;
        if !self.is_verified {
            self.file.ensure(section.start + range.start..section.start + range.end).map_err(CodeError::new)?;
        }
        Ok(bytes)
    }

    /// Checks that the index tells of the module's whole code, and that every function has its body.
    pub fn check(&self, module: &Module) -> Result<(), String> {
        let index = self.index().map_err(|error| error.to_string())?;
        let sections = &module.header().sections;
        let count = |section, size| sections[section as usize].len / size as u32;
        let whole = (
            module.code_len() as u32,
            count(trjit_module::flat::Section::SideTable, size_of::<trjit_module::flat::SideTableEntry>()),
            count(trjit_module::flat::Section::Handlers, size_of::<trjit_module::flat::HandlerRecord>()),
            self.file.section(SectionId::Code).len() as u32,
        );
        let told = index.last().map(|last| (last.code, last.side_table, last.handlers, last.at));
        if told.is_some_and(|told| told != whole) || told.is_none() && !module.functions().is_empty() {
            return Err(format!("its index ends at {told:?}, the module at {whole:?}"));
        }
        module.functions().iter().try_for_each(|record| module.body(record).map(|_| ())).map_err(|error| error.to_string())
    }
}

impl BlockSource for Packed {
    fn index(&self) -> Result<&[BlockStart], CodeError> {
        let section = self.file.section(SectionId::Code);
        if section.is_empty() {
            return Ok(&[]);
        }
        let first = BlockStart::ref_from_bytes(self.bytes(0..START)?).map_err(|_| corrupt("its index is not aligned".into()))?;
        <[BlockStart]>::ref_from_bytes(self.bytes(0..first.at as usize)?)
            .map_err(|_| corrupt(format!("its index has {} bytes, no multiple of {START}", first.at)))
    }

    fn read(&self, block: usize) -> Result<Box<[u32]>, CodeError> {
        let index = self.index()?;
        let pair = index.get(block..).and_then(|rest| rest.first_chunk());
        let &[start, end] = pair.ok_or_else(|| corrupt(format!("there is no block {block}")))?;
        let len = start.len_to(&end).filter(|&len| len <= MAX_BLOCK);
        let len = len.ok_or_else(|| corrupt(format!("block {block} goes from {start:?} to {end:?}")))?;
        let frame = self.bytes(start.at as usize..end.at as usize)?;
        match zstd::bulk::decompress(frame, len) {
            Ok(unpacked) if unpacked.len() == len => Ok(whole_records(&unpacked, start, &end)),
            Ok(unpacked) => Err(corrupt(format!("block {block} has {} bytes, expected {len}", unpacked.len()))),
            Err(error) => Err(corrupt(format!("block {block} can not be unpacked: {error}"))),
        }
    }
}

/// A block whose tables are records again. The length of `unpacked` is what the starts say.
fn whole_records(unpacked: &[u8], start: BlockStart, end: &BlockStart) -> Box<[u32]> {
    let side_table = (end.side_table - start.side_table) as usize * ENTRY;
    let handlers = (end.handlers - start.handlers) as usize * HANDLER;
    let code = unpacked.len() - side_table - handlers;
    let mut words = vec![0u32; unpacked.len() / 4].into_boxed_slice();
    let bytes = words.as_mut_bytes();
    bytes[..code].copy_from_slice(&unpacked[..code]);
    planes::join::<ENTRY>(&unpacked[code..code + side_table], &mut bytes[code..code + side_table]);
    planes::join::<HANDLER>(&unpacked[code + side_table..], &mut bytes[code + side_table..]);
    words
}

fn corrupt(reason: String) -> CodeError {
    CodeError::new(crate::Refusal::corrupt(SectionId::Code.name(), reason))
}
