//! From a cache file to usable code, or a typed refusal; and the one place where code becomes executable.
//!
//! ```text
//! path -> MappedCache::open (map, check) -> Image::from_cache (text at the base of a reserved range) -+-> jump table, tables by text offset
//!         no cache: Image::new_empty (the lazy stub alone) -------------------------------------------+
//! CompiledFunction.. -> Image::publish (place, relocate, copy to fresh pages, seal) ------------------+
//! ```
//! Invariant: no page is ever writable and executable at once, nor written again once it was executable; code is freed only with its image.
//! Invariant: lookups by text offset neither allocate nor lock, so that a signal handler may use them.
//! Invariant: unsafe code is in `mmap` only.
#![deny(unsafe_code)]

pub mod batches;
pub mod image;
pub mod jump_table;
pub mod mapped;
mod mmap;

pub use image::{Image, ImageError, JIT_ROOM, PublishError, PublishUnit};
pub use jump_table::{JumpTable, JumpTableError};
pub use mapped::{ImagePart, MappedCache};
/// What a [`PublishUnit`] is: the same as the pieces of a cache's text.
pub use trjit_cache_format::CodeItem as UnitKind;
pub use trjit_cache_format::{CacheFile, Expectations, ModuleId, PlacedFunction, Refusal};
