//! Assumptions about instances under which speculative code is made: who watches them, and what follows when one breaks.
//!
//! ```text
//! Table::set, fill, copy; a link   -> TableInner::changes -> broken: the bit in the instance's vmctx, which running code tests behind the call that it waits for
//!                                                         -> withdrawn: code that assumes it leaves the jump tables, for what is below it, and is made anew without it
//! code that is ready by then       -> not installed, and asked for again when the function stays hot
//! ```
//! A fact is one about an instance, but code is a module's: where it breaks in one instance, the module's code is withdrawn from all of them. In the others it went on being right.
//!
//! Invariant: code is entered only by jump tables while its assumptions hold in all instances whose tables name it: direct calls never reach code that assumes something
//! ([`is_callable`](crate::batch::is_callable)).

use crate::events::CompilationEvent;
use crate::instance::InstanceInner;
use crate::jit;
use std::sync::atomic::{AtomicU64, Ordering};
use trjit_code::{Assumption, Assumptions, Tier};
use trjit_module::vm::header;
use trjit_module::{Changers, TableIndex};

/// The assumptions about instances of a module that broke in one of them, a bit each.
#[derive(Default)]
pub(crate) struct Broken(AtomicU64);

impl Broken {
    /// Whether something of it broke.
    pub fn has_any_of(&self, bits: u64) -> bool {
        self.0.load(Ordering::Acquire) & bits != 0
    }

    /// Notes that they broke; whether that is new of some.
    pub fn add(&self, bits: u64) -> bool {
        self.0.fetch_or(bits, Ordering::AcqRel) & bits != bits
    }
}

impl Assumptions for Broken {
    fn may_assume(&self, assumption: Assumption) -> bool {
        assumption.bit().is_some_and(|bit| !self.has_any_of(bit))
    }
}

/// The bits of assumptions.
pub(crate) fn bits(assumptions: &[Assumption]) -> u64 {
    assumptions.iter().filter_map(|assumption| assumption.bit()).fold(0, |all, bit| all | bit)
}

/// A table of an instance is about to be changed by others, or can be from now on without anybody noticing.
pub(crate) fn table_changes(instance: &mut InstanceInner, table: u32) {
    let assumption = Assumption::TableLasts(TableIndex(table));
    let (Some(bit), Changers::Others) = (assumption.bit(), instance.code.module().changers(table)) else { return };
    // SAFETY: the header's field; the guest waits.
    unsafe {
        let broken: u64 = instance.read(header::BROKEN as u32);
        instance.write(header::BROKEN as u32, broken | bit);
    }
    let code = &instance.code;
    let withdrawn = code.withdraw(bit);
    let reason = format!("others changed table {table}, or can from now on; it is made anew without assuming that the table lasts");
    for function in withdrawn {
        code.tell(|| CompilationEvent::Withdrawn { function, tier: Tier::T4, reason: &reason });
        jit::renew(code, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_broke_is_assumed_no_more() {
        let broken = Broken::default();
        let [first, second, last] = [0, 1, 64].map(|table| Assumption::TableLasts(TableIndex(table)));
        assert!(broken.may_assume(first) && broken.may_assume(second) && !broken.may_assume(last), "the last one has no bit");
        assert!(broken.add(bits(&[first])) && !broken.add(bits(&[first])));
        assert!(!broken.may_assume(first) && broken.may_assume(second));
        assert!(broken.has_any_of(bits(&[first, second])) && !broken.has_any_of(bits(&[second])) && !broken.has_any_of(0));
    }
}
