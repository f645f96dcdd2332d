//! Programs that look like compiled ones: typed expressions over locals, bounded loops, calls through tables, addresses that mostly lie in memory. What
//! wasm-smith seldom reaches (long runs, loops entered with operands on the stack, sign extension of real data, payloads of exceptions) is common here.
//!
//! [`plan`] fixes what functions know of each other and which part of the language the program uses; [`body`] writes one function and [`module`] the sections.
//! What bodies consist of: [`numbers`] and [`vectors`] (instructions by type in [`ops`] and [`vector_ops`]), [`references`], [`memory`], [`tables`],
//! [`calls`], [`exceptions`].

mod atomics;
mod body;
mod calls;
mod exceptions;
mod memory;
mod module;
mod numbers;
mod ops;
mod plan;
mod references;
mod tables;
mod vector_ops;
mod vectors;

use crate::case::Case;
use crate::rng::Rng;
use anyhow::Result;
use plan::Plan;

/// Length of each passive segment.
const SEGMENT_LEN: u32 = 64;

/// The case of a seed.
pub fn case(seed: u64) -> Result<Case> {
    let mut rng = Rng::new(seed);
    let plan = Plan::new(&mut rng);
    let wasm = module::encode(&plan, &mut rng);
    let fuel = rng.range(10, 300) as i32;
    Case::new(wasm, 3, fuel, &mut rng)
}
