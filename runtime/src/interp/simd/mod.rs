//! The instructions behind the prefix 0xFD: vectors of 128 bits.
//!
//! Each is a function of its own, found by its number in [`OPS`], which works on the operand stack of wide slots and returns to the handler of the prefix. The
//! relaxed instructions do one of the things that the specification allows, on all machines: what the strict instruction of that name does,
//! and multiply-add rounds twice.
//!
//! | file | concept |
//! |---|---|
//! | [`lanes`] | a vector as lanes; the macros that make instructions of expressions |
//! | [`integer`], [`float`] | arithmetic, comparisons, conversions by type of lane |
//! | [`whole`] | whole vectors and single lanes: constants, shuffles, splats, bits |
//! | [`memory`] | loads and stores |

mod float;
mod integer;
mod lanes;
mod memory;
#[cfg(test)]
mod tests;
mod whole;

use super::cx::Cx;
use super::dispatch::Wide;
use super::memarg::{Next, trapped};
use trjit_module::TrapCode;

/// An instruction: `ip` stands behind its number.
///
/// Safety: the registers are those of the running activation at this instruction of a validated function.
pub type SimdOp = unsafe fn(*const u8, *mut Wide, *mut Cx) -> Next<Wide>;

/// How many numbers there are.
const COUNT: usize = 0x114;

/// By the number behind the prefix.
pub static OPS: [SimdOp; COUNT] = {
    let mut table: [SimdOp; COUNT] = [unknown; COUNT];
    let families = [whole::OPS, integer::OPS, float::OPS, memory::OPS];
    let mut family = 0;
    while family < families.len() {
        let mut at = 0;
        while at < families[family].len() {
            let (number, op) = families[family][at];
            table[number as usize] = op;
            at += 1;
        }
        family += 1;
    }
    table
};

/// A number that validation lets through nowhere.
unsafe fn unknown(_: *const u8, sp: *mut Wide, cx: *mut Cx) -> Next<Wide> {
    // SAFETY: by the contract of instructions.
    unsafe { trapped(sp, cx, TrapCode::Unreachable) }
}
