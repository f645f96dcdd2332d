//! Modules from wasm-smith, configured like what compilers emit and like what nobody would write, bounded by wasm-smith's own step counter.

use crate::canonical;
use crate::case::{Case, FUEL};
use crate::rewrite::export_global;
use crate::rng::Rng;
use anyhow::{Context, Result};
use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

/// Bytes that a module is made from.
const MAX_INPUT: u64 = 6000;

/// Steps of a call: loop iterations and calls.
const FUEL_PER_CALL: u64 = 400;

/// The case of a seed.
pub fn case(seed: u64) -> Result<Case> {
    let mut rng = Rng::new(seed);
    let config = config(&mut rng);
    let input_len = rng.range(300, MAX_INPUT) as usize;
    let input = rng.bytes(input_len);
    let mut module = Module::new(config, &mut Unstructured::new(&input)).context("wasm-smith makes a module")?;
    let fuel = rng.range(20, FUEL_PER_CALL) as i32;
    let global = module.ensure_termination(fuel as u32).context("wasm-smith counts steps")?;
    let wasm = canonical::nans(&export_global(&module.to_bytes(), FUEL, global)?)?;
    Case::new(wasm, 3, fuel, &mut rng)
}

/// WebAssembly 2.0 and parts of what came after it, in many sizes. Memories and tables have maxima, so that growing them can fail for no other reason.
fn config(rng: &mut Rng) -> Config {
    let small = rng.one_in(2);
    let simd = rng.one_in(3);
    let memories = if rng.one_in(5) { 3 } else { 1 };
    Config {
        bulk_memory_enabled: true,
        multi_value_enabled: true,
        reference_types_enabled: true,
        saturating_float_to_int_enabled: true,
        sign_extension_ops_enabled: true,
        simd_enabled: simd,
        relaxed_simd_enabled: simd && rng.one_in(3),
        exceptions_enabled: rng.one_in(3),
        gc_enabled: false,
        memory64_enabled: rng.one_in(4),
        tail_call_enabled: rng.one_in(3),
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        extended_const_enabled: rng.one_in(2),
        compact_imports_enabled: false,
        custom_page_sizes_enabled: false,
        allow_floats: !rng.one_in(4),
        canonicalize_nans: true,
        disallow_traps: rng.one_in(2),
        export_everything: true,
        allow_start_export: rng.one_in(4),
        max_imports: if rng.one_in(3) { rng.range(1, 5) as usize } else { 0 },
        min_funcs: 1,
        max_funcs: if small { 4 } else { 10 },
        max_types: 8,
        min_types: 1,
        max_instructions: if small { 60 } else { rng.range(50, 400) as usize },
        max_globals: 6,
        min_memories: u32::from(!rng.one_in(8)),
        max_memories: memories,
        max_memory32_bytes: 16 << 16,
        max_memory64_bytes: 16 << 16,
        max_tags: 5,
        memory_max_size_required: true,
        memory_offset_choices: wasm_smith::MemoryOffsetChoices(90, 9, 1),
        min_tables: u32::from(!rng.one_in(4)),
        max_tables: 3,
        max_table_elements: 40,
        table_max_size_required: true,
        max_data_segments: 4,
        max_element_segments: 4,
        max_elements: 12,
        max_nesting_depth: 8,
        ..Config::default()
    }
}
