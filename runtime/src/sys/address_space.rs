//! How much address space the process may use (`RLIMIT_AS`, `ulimit -v`), and how the runtime's large reservations share it. Asked once an engine.
//!
//! ```text
//! no limit, or enough   JIT_ROOM for code | MAX_FUNC_REFS of a store | 4 GiB and a guard for each memory, accesses unchecked
//! less                  an eighth         | a sixteenth              | up to half for each memory, or what is left; accesses checked
//! ```
//! Reservations cost nothing but addresses, so without a limit nobody need count them.

use rustix::process::{Resource, getrlimit};
use trjit_code::MemoryStyle;
use trjit_module::vm::{MEMORY_GUARD, MEMORY_RESERVATION};
use trjit_runtime_loader::JIT_ROOM;

/// What one reserved memory needs, with room for all else that a process maps. Below this limit memories are checked.
const ENOUGH: u64 = MEMORY_RESERVATION + MEMORY_GUARD + (2 << 30);

/// The limit as it was when the engine was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSpace {
    limit: Option<u64>,
}

impl AddressSpace {
    /// Asks the system.
    pub fn of_process() -> AddressSpace {
        AddressSpace { limit: getrlimit(Resource::As).current }
    }

    /// Whether memories can be reserved whole.
    pub fn is_enough(self) -> bool {
        self.limit.is_none_or(|limit| limit >= ENOUGH)
    }

    /// The style that is possible where `wanted` is asked for.
    pub fn style(self, wanted: MemoryStyle) -> MemoryStyle {
        if self.is_enough() { wanted } else { MemoryStyle::Checked }
    }

    /// Bytes to reserve for code made at run time.
    pub fn code_room(self) -> usize {
        self.share(8).map_or(JIT_ROOM, |share| share.min(JIT_ROOM))
    }

    /// Elements of `size` bytes in an array for up to `most`.
    pub fn array(self, most: usize, size: usize) -> usize {
        self.share(16).map_or(most, |share| most.min(share / size))
    }

    /// Bytes to reserve for a memory that may grow up to `most`.
    pub fn memory(self, most: usize) -> usize {
        self.share(2).map_or(most, |share| most.min(share))
    }

    /// A part of what there is, where that is limited.
    fn share(self, part: u64) -> Option<usize> {
        let limit = self.limit.filter(|_| !self.is_enough())?;
        Some(usize::try_from(limit / part).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_shared_and_none_is_not() {
        for plenty in [None, Some(ENOUGH), Some(1 << 45)] {
            let space = AddressSpace { limit: plenty };
            assert_eq!(space.style(MemoryStyle::Reserved), MemoryStyle::Reserved);
            assert_eq!(space.style(MemoryStyle::Checked), MemoryStyle::Checked);
            assert_eq!((space.code_room(), space.array(1 << 26, 16), space.memory(1 << 32)), (JIT_ROOM, 1 << 26, 1 << 32));
        }
        for limit in [ENOUGH - 1, 1 << 30, 64 << 20] {
            let space = AddressSpace { limit: Some(limit) };
            assert_eq!(space.style(MemoryStyle::Reserved), MemoryStyle::Checked);
            let all = space.code_room() + space.array(1 << 26, 16) * 16 + space.memory(1 << 32);
            assert!(all as u64 <= limit / 4 * 3, "{limit}: {all}");
        }
    }
}
