//! Assumptions: facts about an instance under which speculative code is made.
//!
//! Code that needs one is entered only where it holds, and is left behind the call in which it broke: whoever can break it tells the instance, whose word of broken
//! assumptions that code tests behind calls.

use trjit_module::TableIndex;

/// A fact about an instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Assumption {
    /// A table that others can change ([`Changers::Others`](trjit_module::Changers)) holds what it begins with, and nobody else can write to it but by the embedding API.
    TableLasts(TableIndex),
}

impl Assumption {
    /// Its bit in the word of broken assumptions ([`VmHeader::broken`](trjit_module::vm::VmHeader)); none where that has no place for it: it can not be made then.
    pub fn bit(self) -> Option<u64> {
        let Assumption::TableLasts(table) = self;
        1u64.checked_shl(table.0)
    }
}

impl std::fmt::Display for Assumption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Assumption::TableLasts(table) = self;
        write!(f, "table {} holds what it begins with", table.0)
    }
}

/// What may be assumed at the moment.
pub trait Assumptions: Sync {
    fn may_assume(&self, assumption: Assumption) -> bool;
}

/// Nothing is assumed.
pub struct NoAssumptions;

impl Assumptions for NoAssumptions {
    fn may_assume(&self, _assumption: Assumption) -> bool {
        false
    }
}

/// Everything that code can be made under is assumed: for those who only look at the code.
pub struct AllAssumptions;

impl Assumptions for AllAssumptions {
    fn may_assume(&self, _assumption: Assumption) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_a_bit_of_its_own_as_long_as_there_are_some() {
        let bit = |table| Assumption::TableLasts(TableIndex(table)).bit();
        assert_eq!([bit(0), bit(1), bit(63), bit(64), bit(u32::MAX)], [Some(1), Some(2), Some(1 << 63), None, None]);
    }
}
