//! What the translator remembers of the control structure around the current instruction.

use crate::fault::Res;
use crate::signature::{clif_type, clif_type_of};
use crate::translate::Copies;
use cranelift_codegen::ir::{Block, Type, Value};
use trjit_module::{FuncType, Module, TypeIndex};

/// The type of a block.
#[derive(Clone, Copy)]
pub enum BlockSig<'a> {
    Empty,
    Result(Type),
    Func(FuncType<'a>),
}

impl<'a> BlockSig<'a> {
    pub fn new(module: &'a Module, ty: wasmparser::BlockType) -> Res<BlockSig<'a>> {
        Ok(match ty {
            wasmparser::BlockType::Empty => BlockSig::Empty,
            wasmparser::BlockType::Type(ty) => BlockSig::Result(clif_type_of(ty)?),
            wasmparser::BlockType::FuncType(index) => BlockSig::Func(module.func_type(TypeIndex(index))),
        })
    }

    pub fn params(self) -> usize {
        match self {
            BlockSig::Func(ty) => ty.params().len(),
            BlockSig::Empty | BlockSig::Result(_) => 0,
        }
    }

    pub fn results(self) -> usize {
        match self {
            BlockSig::Empty => 0,
            BlockSig::Result(_) => 1,
            BlockSig::Func(ty) => ty.results().len(),
        }
    }

    /// Calls `take` with the type of each result.
    pub fn each_result(self, mut take: impl FnMut(Type)) -> Res<()> {
        match self {
            BlockSig::Empty => {}
            BlockSig::Result(ty) => take(ty),
            BlockSig::Func(ty) => {
                for result in ty.results() {
                    take(clif_type(result)?);
                }
            }
        }
        Ok(())
    }
}

/// What opened a frame.
pub enum FrameKind<'a> {
    /// `block`, or the function's body.
    Block,
    Loop {
        header: Block,
        /// Where branches to it go: the header, or that of the next copy where it is unrolled.
        back: Block,
        copies: Option<Box<Copies<'a>>>,
        /// Position of its first instruction, and the entry of the function's side table that is next there.
        first: u32,
        entry: u32,
        /// Where branches back ask for better code; made by the first one that does. It has the parameters of the header.
        asking: Option<Block>,
    },
    /// A `try_table`: a block, with a scope in `Translator::tries`.
    Try,
    /// The block of `else`, and the parameters that it begins with; `seen_else` once it was translated.
    If { else_block: Block, params: Vec<Value>, seen_else: bool },
}

/// A control frame that was reachable when it was opened; frames in unreachable code are only counted.
pub struct Frame<'a> {
    pub kind: FrameKind<'a>,
    pub sig: BlockSig<'a>,
    /// Height of the operand stack below the frame's parameters.
    pub height: usize,
    /// Where the frame ends, with the results as block parameters; made by the first branch there. A loop has none, unless it is unrolled: its label is the header.
    pub next: Option<Block>,
    /// The values below are in variables: code may enter the function inside of this frame.
    pub spilled: bool,
}

impl Frame<'_> {
    /// Values that a branch to this frame's label takes from the top of the stack.
    pub fn branch_arity(&self) -> usize {
        match self.kind {
            FrameKind::Loop { .. } => self.sig.params(),
            FrameKind::Block | FrameKind::Try | FrameKind::If { .. } => self.sig.results(),
        }
    }
}
