//! Whether a cache would be used: the loader's own checks, for this machine's CPU or for another one, without running anything.

use bytes::Bytes;
use trjit_cache_format::{CacheFile, Expectations, ModuleId, Refusal};
use trjit_code::{CpuFeatures, MemoryStyle};

/// Opens the cache as an engine of this build would, on a CPU with these features, and then reads all of it. `module`: what it shall belong to, if that is known.
pub fn accepted(cache: Bytes, module: Option<ModuleId>, cpu: CpuFeatures, memory: MemoryStyle, fuel: bool) -> Result<(), Refusal> {
    let expected = Expectations { fuel, host: cpu, ..Expectations::of_host(module, memory) };
    CacheFile::open(cache, &expected)?.verify_all()
}
