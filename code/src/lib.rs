//! What a unit of machine code is. Everything that makes code (a compiler in this process, an assembly in CI) and everything that uses it (the JIT's
//! publish point, the linker of a cache file, the loader) meets in the types of this crate.
//!
//! ```text
//! CompileRequest -> trait Compiler -> CompiledFunction { bytes, relocations, traps, call sites } -> publish | link
//! ```
//! Invariant: code is position-independent. All that varies from run to run is reached through the vmctx; the only relocations are
//! PC-relative calls of other functions in the same text, so that one function's code is a unit that can be reused, checked and sent alone.
//! Invariant: unsafe code is in `host_cpu` only.
#![deny(unsafe_code)]

pub mod assumption;
pub mod compiler;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod host_cpu;
pub mod place;
pub mod steered;
pub mod target;
pub mod unit;

pub use assumption::{AllAssumptions, Assumption, Assumptions, NoAssumptions};
pub use compiler::{BranchCounts, CompileError, CompileRequest, Compiler, DirectCalls, Entry, NoCounts, NoDirectCalls, SiteTargets, Tier};
pub use place::InlinedPlace;
pub use steered::{Failures, MadeUpCounts, ScatteredExits, Steered};
pub use target::{CpuFeature, CpuFeatures, CpuLevel, MemoryStyle, Settings};
pub use unit::{CallSite, CompiledFunction, HandlerSite, Relocation, RelocationKind, TrapSite};

/// First bytes of every image: `jmp [rdi + LAZY_STUB]`, so that offset 0, which a fresh jump table holds for every function, enters
/// the runtime's stub through the callee's vmctx (`rdi` holds it in both calling conventions).
pub const LAZY_STUB_CODE: [u8; 16] = {
    let offset = (trjit_module::vm::header::LAZY_STUB as u32).to_le_bytes();
    // jmp qword ptr [rdi + disp32], then int3 up to the alignment of functions.
    [0xff, 0xa7, offset[0], offset[1], offset[2], offset[3], 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc]
};
