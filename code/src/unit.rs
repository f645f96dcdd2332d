//! One compiled function and the tables beside its code.

use crate::assumption::Assumption;
use crate::place::InlinedPlace;
use crate::target::CpuFeatures;
use trjit_module::{FuncIndex, TrapCode};

/// Machine code of one function (or trampoline), not yet placed. All offsets count from its first byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompiledFunction {
    /// Code, constants and jump tables: one self-contained blob.
    pub bytes: Vec<u8>,
    /// Required alignment, a power of two.
    pub align: u32,
    /// Calls of other functions of the same text, sorted by offset.
    pub relocations: Vec<Relocation>,
    /// Instructions that may trap, sorted by offset.
    pub traps: Vec<TrapSite>,
    /// Return addresses, sorted by offset.
    pub call_sites: Vec<CallSite>,
    /// What the places of the two tables refer to.
    pub inlined: Vec<InlinedPlace>,
    /// Calls that exceptions are caught from, sorted by offset.
    pub handlers: Vec<HandlerSite>,
    /// Starts of basic blocks, ascending, of code that holds jump tables; empty otherwise. A jump table ends where the next block begins: a
    /// reader of the code needs this to tell instructions from data. (Constants stand behind all code, and instructions point to them.)
    pub blocks: Vec<u32>,
    /// What must hold in an instance that enters the code, ascending.
    pub assumptions: Vec<Assumption>,
    /// CPU features beyond the base of the architecture that the code was allowed to use.
    pub features: CpuFeatures,
}

/// An instruction that may trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// Offset of the instruction.
    pub offset: u32,
    pub code: TrapCode,
    /// The [place](crate::place) of the wasm instruction.
    pub wasm: u32,
}

/// A call instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// Offset behind the call instruction: the return address.
    pub offset: u32,
    /// The [place](crate::place) of the wasm instruction.
    pub wasm: u32,
}

/// A call instruction inside of a `try_table`. An exception that leaves the callee continues at `landing`, with the frame pointer of the calling frame, the
/// stack pointer `frame_offset` below it, and the exception's reference in the first register of exception payloads (rax on x86-64); nothing is expected of
/// other registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlerSite {
    /// The return address.
    pub offset: u32,
    pub landing: u32,
    pub frame_offset: u32,
}

/// A place in the code that depends on where another function lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Offset of the bytes to patch.
    pub offset: u32,
    pub kind: RelocationKind,
    pub target: FuncIndex,
    pub addend: i64,
}

/// How a relocation is written. Only PC-relative kinds exist: code that would need another is refused by the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelocationKind {
    /// x86-64: `S + A - P` as 32 bits.
    X86PcRel4,
    /// aarch64: `(S + A - P) >> 2` in the low 26 bits of a `bl` or `b`.
    Arm64Call,
}

impl Relocation {
    /// Patches `bytes` (the function's code, placed at `function` in a text where the target lies at `target`). Fails when the target is out of reach.
    pub fn apply(&self, bytes: &mut [u8], function: u64, target: u64) -> Result<(), OutOfReach> {
        let place = function.wrapping_add(u64::from(self.offset));
        let delta = target.wrapping_add_signed(self.addend).wrapping_sub(place) as i64;
        let out_of_reach = OutOfReach { function: self.target, distance: delta };
        let site = bytes.get_mut(self.offset as usize..).and_then(|rest| rest.first_chunk_mut::<4>()).ok_or(out_of_reach)?;
        *site = match self.kind {
            RelocationKind::X86PcRel4 => i32::try_from(delta).map_err(|_| out_of_reach)?.to_le_bytes(),
            RelocationKind::Arm64Call => {
                let words = delta >> 2;
                if delta & 3 != 0 || !(-(1 << 25)..1 << 25).contains(&words) {
                    return Err(out_of_reach);
                }
                ((u32::from_le_bytes(*site) & 0xfc00_0000) | (words as u32 & 0x03ff_ffff)).to_le_bytes()
            }
        };
        Ok(())
    }
}

/// A call can not reach its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call of function {function} would have to reach over {distance} bytes")]
pub struct OutOfReach {
    pub function: FuncIndex,
    pub distance: i64,
}
