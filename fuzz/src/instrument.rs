//! A module that counts itself: plain wasm before the instructions adds to exported globals what a recording engine would count.
//!
//! ```text
//! wasm -> validator (what can be reached, operand types) -> bodies with counting between their operators -> globals, exports -> wasm
//! ```
//! Where positions are: a branch of a function has the numbers that profiles give it, in program order among all that can be reached: `br`, `br_if`, `br_on_null`,
//! `br_on_non_null`, `if` and `else` have one, `br_table` one a label with the default last, `try_table` one a clause, an indirect call one.
//!
//! Invariant: nothing of trjit's parser, side tables or translator is asked; the module does what it did before. Branches to handlers are not counted: they are listed.

mod body;

use crate::case::PENDING;
use crate::rewrite;
use anyhow::{Context, Result};
use body::Counting;
use std::collections::HashMap;
use wasm_encoder::{ConstExpr, Encode, GlobalType, ValType};
use wasmparser::types::CoreTypeId;
use wasmparser::{FuncValidatorAllocations, Parser, ValidPayload, Validator};

/// What a branch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Branch {
    Br,
    BrIf,
    /// Taken where the condition is zero.
    If,
    /// The end of the then-arm is reached.
    Else,
    BrTable,
    BrTableDefault,
    BrOnNull,
    BrOnNonNull,
}

/// What a counter counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Entry,
    Taken {
        position: u32,
        branch: Branch,
    },
    /// Calls that were tried at an indirect call site, numbered in its function from 0: also one that trapped before its callee began.
    Called {
        site: u32,
    },
}

/// A counter, whose export is [`Counter::export`] of its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counter {
    /// Among the defined functions.
    pub function: u32,
    pub event: Event,
}

impl Counter {
    /// The name of the global of counter number `number`.
    pub fn export(number: usize) -> String {
        format!("counter-of-the-test-{number}")
    }
}

/// What a function's walk came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Walk {
    /// Entries of a side table in all.
    pub positions: u32,
    /// Indirect call sites.
    pub sites: u32,
    /// Positions of clauses that catch exceptions, which nothing counts.
    pub clauses: Vec<u32>,
}

/// A module that counts itself.
pub struct Instrumented {
    pub wasm: Vec<u8>,
    pub counters: Vec<Counter>,
    /// By defined function.
    pub walks: Vec<Walk>,
}

/// Makes a valid module count itself. Each event adds `weight` of its counter: 1 but where a test wants mistakes.
pub fn instrument(wasm: &[u8], weight: impl Fn(&Counter) -> i64) -> Result<Instrumented> {
    let types = Validator::new_with_features(trjit_module::FEATURES).validate_all(wasm)?;
    let types = types.as_ref();
    let type_indices: HashMap<CoreTypeId, u32> =
        (0..types.core_type_count_in_module()).map(|index| (types.core_type_at_in_module(index), index)).collect();
    let first_global = types.global_count();
    let mut counting = Counting { type_indices, first_global, counters: Vec::new(), weight: &weight };
    let mut validator = Validator::new_with_features(trjit_module::FEATURES);
    let (mut bodies, mut walks, mut memory) = (Vec::new(), Vec::new(), FuncValidatorAllocations::default());
    for payload in Parser::new(0).parse_all(wasm) {
        if let ValidPayload::Func(function, body) = validator.payload(&payload?)? {
            let mut validator = function.into_validator(memory);
            let (code, walk) = counting.body(walks.len() as u32, &mut validator, &body)?;
            memory = validator.into_allocations();
            bodies.push(code);
            walks.push(walk);
        }
    }
    let counters = counting.counters;
    let mut bodies = bodies.into_iter();
    let wasm = rewrite::map_bodies(wasm, |_| bodies.next().context("a body for each function"))?;
    let wasm = rewrite::append_globals(&wasm, std::iter::once(pending()).chain(counters.iter().map(|_| counter())))?;
    let exports = (0..counters.len()).map(|number| (Counter::export(number), first_global + 1 + number as u32));
    let wasm = rewrite::export_globals(&wasm, std::iter::once((PENDING.to_string(), first_global)).chain(exports))?;
    Ok(Instrumented { wasm, counters, walks })
}

/// One more than the number of the counter of the indirect call whose callee has not begun, or 0.
fn pending() -> Vec<u8> {
    global(ValType::I32, &ConstExpr::i32_const(0))
}

fn counter() -> Vec<u8> {
    global(ValType::I64, &ConstExpr::i64_const(0))
}

fn global(val_type: ValType, begin: &ConstExpr) -> Vec<u8> {
    let mut entry = Vec::new();
    GlobalType { val_type, mutable: true, shared: false }.encode(&mut entry);
    begin.encode(&mut entry);
    entry
}
