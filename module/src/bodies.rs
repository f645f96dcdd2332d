//! Bodies of functions with what only interpreting or compiling needs of them, and where they come from: from buffers that hold all of them, as the parser
//! leaves them, or in blocks, each of which is read when its first function is wanted.
//!
//! ```text
//! index    BlockStart x blocks + 1      where each block begins; the last record is where the last block ends
//! block    code section's contents | zeros up to a multiple of 4 | SideTableEntry x .. | HandlerRecord x ..
//! ```
//! A block holds what lies between its start and the next one's, in whole functions; the first one begins at 0. Nothing is read before a body is asked for.

use crate::flat::{FunctionRecord, HandlerRecord, SideTableEntry};
use std::error::Error;
use std::sync::{Arc, OnceLock};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What interpreting or compiling a function needs beside its record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body<'m> {
    /// Local declarations, then instructions.
    pub code: &'m [u8],
    pub side_table: &'m [SideTableEntry],
    pub handlers: &'m [HandlerRecord],
}

/// Where a block begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct BlockStart {
    /// Position in the code section's contents.
    pub code: u32,
    /// Position in the module's side table: entries, not bytes.
    pub side_table: u32,
    /// Position among the module's handlers: records, not bytes.
    pub handlers: u32,
    /// Where the source has it; its own affair.
    pub at: u32,
}

/// Keeps blocks, packed in some way.
pub trait BlockSource: Send + Sync {
    /// The index. It costs nothing to ask again.
    fn index(&self) -> Result<&[BlockStart], CodeError>;

    /// The bytes of a block; there are one less than records in the index.
    fn read(&self, block: usize) -> Result<Box<[u32]>, CodeError>;
}

/// A body that can not be had: the place it comes from is damaged. Clones share the cause.
#[derive(Clone, Debug)]
pub struct CodeError(Arc<dyn Error + Send + Sync>);

impl CodeError {
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> CodeError {
        CodeError(cause.into().into())
    }

    /// What the source said.
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl std::fmt::Display for CodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for CodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl<'m> Body<'m> {
    /// The function of a record, where these are all bodies from `start` on.
    pub(crate) fn cut(&self, start: BlockStart, record: &FunctionRecord) -> Result<Body<'m>, CodeError> {
        let body = || {
            Some(Body {
                code: part(self.code, start.code, record.body.offset, record.body.len)?,
                side_table: part(self.side_table, start.side_table, record.side_table_start, record.side_table_len)?,
                handlers: part(self.handlers, start.handlers, record.handlers_start, record.handlers_len)?,
            })
        };
        body().ok_or_else(|| CodeError::new(format!("a function's record tells of {:?} in the code, which is elsewhere", record.body)))
    }

    /// The bytes of a block that holds these bodies.
    pub fn to_block(&self) -> Vec<u8> {
        let padding = self.code.len().next_multiple_of(4) - self.code.len();
        [self.code, &[0; 3][..padding], self.side_table.as_bytes(), self.handlers.as_bytes()].concat()
    }

    /// What lies in a block between two starts.
    fn of_block(block: &'m [u32], start: BlockStart, end: BlockStart) -> Option<Body<'m>> {
        let count = |from: u32, to: u32| to.checked_sub(from).map(|count| count as usize);
        let len = count(start.code, end.code)?;
        let (code, rest) = block.as_bytes().split_at_checked(len.next_multiple_of(4))?;
        let (side_table, rest) = <[SideTableEntry]>::ref_from_prefix_with_elems(rest, count(start.side_table, end.side_table)?).ok()?;
        let (handlers, rest) = <[HandlerRecord]>::ref_from_prefix_with_elems(rest, count(start.handlers, end.handlers)?).ok()?;
        rest.is_empty().then_some(Body { code: &code[..len], side_table, handlers })
    }
}

impl BlockStart {
    /// Bytes of the block that ends at `end`; `None` where that lies before this start.
    pub fn len_to(&self, end: &BlockStart) -> Option<usize> {
        let code = (end.code.checked_sub(self.code)? as usize).next_multiple_of(4);
        let side_table = end.side_table.checked_sub(self.side_table)? as usize * size_of::<SideTableEntry>();
        Some(code + side_table + end.handlers.checked_sub(self.handlers)? as usize * size_of::<HandlerRecord>())
    }
}

/// `len` items from position `at` on, where the first of `all` is at position `first`.
fn part<T>(all: &[T], first: u32, at: u32, len: u32) -> Option<&[T]> {
    all.get(at.checked_sub(first)? as usize..)?.get(..len as usize)
}

/// A block, once it was read.
type Cell = OnceLock<Box<[u32]>>;

/// The blocks of a module that were read. What was read stays.
pub(crate) struct Blocks {
    source: Arc<dyn BlockSource>,
    /// Made on first use: most runs need no body.
    read: OnceLock<Box<[Cell]>>,
}

impl Blocks {
    pub fn new(source: Arc<dyn BlockSource>) -> Blocks {
        Blocks { source, read: OnceLock::new() }
    }

    /// The function of a record.
    pub fn body(&self, record: &FunctionRecord) -> Result<Body<'_>, CodeError> {
        let behind = self.source.index()?.partition_point(|start| start.code <= record.body.offset);
        let (start, stretch) = self.block(behind.saturating_sub(1))?;
        stretch.cut(start, record)
    }

    /// Number of blocks.
    pub fn count(&self) -> Result<usize, CodeError> {
        Ok(self.source.index()?.len().saturating_sub(1))
    }

    /// All bodies of a block, and where it begins.
    pub fn block(&self, block: usize) -> Result<(BlockStart, Body<'_>), CodeError> {
        let index = self.source.index()?;
        let &[start, end] =
            index.get(block..).and_then(|rest| rest.first_chunk()).ok_or_else(|| CodeError::new("a function has no body"))?;
        let cells = self.read.get_or_init(|| (1..index.len()).map(|_| OnceLock::new()).collect());
        let words = match cells[block].get() {
            Some(words) => words,
            // Two threads may read the same block; one result stays.
            None => {
                let words = self.source.read(block)?;
                cells[block].get_or_init(|| words)
            }
        };
        let stretch = Body::of_block(words, start, end);
        let wrong = || CodeError::new(format!("block {block} of the code has {} bytes, its index tells of others", words.as_bytes().len()));
        Ok((start, stretch.ok_or_else(wrong)?))
    }
}
