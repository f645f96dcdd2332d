//! `.trjit.memory` and `.trjit.extents`: what the module's own memories hold when an instance begins ([`trjit_module::memory_image`]).
//!
//! ```text
//! .trjit.memory    pages of 4096 bytes, at such a place of the file: they are mapped copy-on-write over fresh memories
//! .trjit.extents   ExtentRecord x n
//!                  memory u32 | 0 u32 | at u64 | from u64 | len u64
//!                  `len` bytes from byte `from` of .trjit.memory stand at byte `at` of the memory; all three are multiples of 4096
//! ```
//! Records ascend by memory and place and do not overlap; all lie within the declared minimum of a memory that the module defines. Where there is an image, the
//! data segments in it are [`IMAGED`](trjit_module::flat::mode::IMAGED) in the flat module, and their bytes are not in `.trjit.data`.

use crate::table::records;
use trjit_module::Module;
use trjit_module::memory_image::{Extent, IMAGE_PAGE};
use trjit_module::vm::PAGE_SIZE;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct ExtentRecord {
    memory: u32,
    reserved: u32,
    at: u64,
    from: u64,
    len: u64,
}

/// Writes `.trjit.extents`.
pub fn encode(extents: &[Extent]) -> Vec<u8> {
    let record = |&Extent { memory, at, from, len }: &Extent| ExtentRecord { memory, reserved: 0, at, from, len };
    extents.iter().map(record).collect::<Vec<_>>().as_bytes().to_vec()
}

/// `.trjit.extents`, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extents<'a> {
    rows: &'a [ExtentRecord],
}

impl<'a> Extents<'a> {
    /// A view of the section; the error tells what is wrong with its shape.
    pub fn view(bytes: &'a [u8]) -> Result<Extents<'a>, String> {
        records(bytes).map(|rows| Extents { rows })
    }

    /// Checks order, the image's `pages` bytes and the module's memories.
    pub fn check(&self, pages: usize, module: &Module) -> Result<(), String> {
        let mut end = (module.header().imported_memories, 0);
        for Extent { memory, at, from, len } in self.iter() {
            let whole = [at, from, len].iter().all(|bytes| bytes.is_multiple_of(IMAGE_PAGE as u64)) && len > 0;
            let size = module.memories().get(memory as usize).map_or(0, |record| record.min.saturating_mul(PAGE_SIZE));
            let fits = |start: u64, room: u64| start.checked_add(len).is_some_and(|end| end <= room);
            if !whole || !fits(at, size) || !fits(from, pages as u64) || (memory, at) < end {
                return Err(format!(
                    "{len} bytes from {from} at {at} of memory {memory}: not there, no whole pages, or not behind the ones before"
                ));
            }
            end = (memory, at + len);
        }
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn iter(self) -> impl Iterator<Item = Extent> + use<'a> {
        self.rows.iter().map(|row| Extent { memory: row.memory, at: row.at, from: row.from, len: row.len })
    }
}
