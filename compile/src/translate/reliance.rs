//! What speculative code ([`Tier::T4`](trjit_code::Tier)) relies on about the instance, and where it looks whether that still holds.
//!
//! So far that is one thing: a table that the module exports, and that only others can change, holds what it begins with; then the index tells the callee of an indirect call (`guards.rs`).
//! Others can change it while they are called, and at no other time. So behind each call from which control may come to such a place again, the code tests the vmctx' word of broken
//! assumptions, and leaves in the state behind the call:
//! ```text
//! call g            results on the operand stack
//! broken & mask     0: on;  else: a side exit before the next instruction
//! ```
//! Tests cost what the guard saves: an assumption is made for places that no call comes before, and for all places of a function where those are executed more often than such calls.
//! At its start nothing has to be tested: a function is entered only while its assumptions hold (`runtime/src/assumptions.rs`).
//!
//! Code that is entered in the middle relies on nothing, since it has no exits before the place of entry; nor do bodies that are inlined, where a call is followed by the test of the code
//! around; nor functions that catch exceptions, which would have to be tested where they are caught.

use super::Translator;
use super::guards::are_told_by_index;
use crate::fault::Res;
use crate::heat::Heat;
use crate::planted::{self, ExitBug};
use crate::targets;
use cranelift_codegen::ir::{InstBuilder, types};
use std::ops::Range;
use trjit_code::{Assumption, Entry};
use trjit_module::vm::header;
use trjit_module::{Changers, TableIndex, TypeIndex};
use wasmparser::Operator;

/// The places of a function that rely on something.
#[derive(Default)]
pub(super) struct Reliance {
    /// Ascending.
    places: Vec<Place>,
    loops: Loops,
}

/// An instruction that relies on an assumption.
#[derive(Clone, Copy)]
struct Place {
    position: u32,
    assumption: Assumption,
    /// Its bit in the word of broken ones.
    bit: u64,
    /// Executions in training.
    count: u64,
}

/// The outermost loops of a body, ascending.
#[derive(Default)]
struct Loops(Vec<Range<u32>>);

impl Loops {
    /// The first position that control can come to behind the instruction at a position; it may come to all behind that.
    fn reach_of(&self, position: u32) -> u32 {
        let around = self.0.iter().find(|range| range.contains(&position));
        around.map_or(position + 1, |range| range.start)
    }
}

impl Reliance {
    /// Whether the instruction at a position does.
    pub fn relies(&self, position: u32) -> bool {
        self.places.binary_search_by_key(&position, |place| place.position).is_ok()
    }

    /// All of it.
    pub fn assumptions(&self) -> Vec<Assumption> {
        let mut all: Vec<Assumption> = self.places.iter().map(|place| place.assumption).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The bits of what may be relied on behind the instruction at a position.
    fn bits_behind(&self, position: u32) -> u64 {
        let reach = self.loops.reach_of(position);
        let first = self.places.partition_point(|place| place.position < reach);
        self.places[first..].iter().fold(0, |bits, place| bits | place.bit)
    }
}

/// What a walk over a body finds.
#[derive(Default)]
struct Found {
    reliance: Reliance,
    /// Calls that were executed, and how often.
    calls: Vec<(u32, u64)>,
}

impl Found {
    /// Leaves out what costs more tests than it is worth. What no call comes before costs none.
    fn chosen(mut self, is_worth_tests: impl Fn(u64, u64) -> bool) -> Reliance {
        let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0u64, u64::saturating_add);
        let cheaper = sum(&mut self.reliance.places.iter().map(|place| place.count));
        let tested = self.calls.iter().filter(|call| self.reliance.bits_behind(call.0) != 0);
        let tested = sum(&mut tested.map(|call| call.1));
        if tested != 0 && !is_worth_tests(cheaper, tested) {
            let reached = self.calls.iter().map(|call| self.reliance.loops.reach_of(call.0)).min().unwrap_or(u32::MAX);
            self.reliance.places.retain(|place| place.position < reached);
        }
        self.reliance
    }
}

impl Translator<'_, '_> {
    /// Finds the places that will rely on something.
    pub(super) fn look_for_reliance(&mut self) -> Res<()> {
        let (request, module) = (self.request, self.env.module);
        let may = self.exits.is_some() && self.caller.is_none() && request.entry == Entry::Start;
        if may && (0..).take(module.tables().len()).any(|table| module.changers(table) == Changers::Others) {
            let found = self.find_reliance()?;
            self.reliance = found.chosen(|cheaper, tested| request.counts.is_worth_tests(request.function, cheaper, tested));
        }
        Ok(())
    }

    fn find_reliance(&self) -> Res<Found> {
        let module = self.env.module;
        let mut found = Found::default();
        let (Some(record), Some(heat)) = (module.function(self.request.function).filter(|record| record.handlers_len == 0), &self.heat)
        else {
            return Ok(found);
        };
        let mut reader = trjit_module::body_reader(module, record)?.get_operators_reader()?;
        let (mut depth, mut outermost) = (0u32, None);
        while !reader.eof() {
            let (operator, position) = reader.read_with_offset()?;
            let position = position as u32;
            match operator {
                Operator::Loop { .. } => {
                    outermost.get_or_insert((depth, position));
                    depth += 1;
                }
                Operator::Block { .. } | Operator::If { .. } => depth += 1,
                Operator::End => {
                    depth = depth.saturating_sub(1);
                    if let Some((_, start)) = outermost.take_if(|outermost| outermost.0 == depth) {
                        found.reliance.loops.0.push(start..position);
                    }
                }
                Operator::CallIndirect { type_index, table_index } | Operator::ReturnCallIndirect { type_index, table_index } => {
                    found.reliance.places.extend(self.reliance_of_call(heat, position, table_index, TypeIndex(type_index)));
                }
                _ => {}
            }
            let count = heat.peek(position).map_or(0, |executed| executed.count);
            if is_call(&operator) && count != 0 {
                found.calls.push((position, count));
            }
        }
        Ok(found)
    }

    /// What the indirect call at a position can rely on, with what that is worth.
    fn reliance_of_call(&self, heat: &Heat, position: u32, table: u32, ty: TypeIndex) -> Option<Place> {
        let (request, module) = (&self.request, self.env.module);
        let assumption = Assumption::TableLasts(TableIndex(table));
        if module.changers(table) != Changers::Others || !request.assumptions.may_assume(assumption) {
            return None;
        }
        let executed = heat.peek(position)?;
        let expected = targets::expected(request, request.function, executed.site?, ty);
        let place = Place { position, assumption, bit: assumption.bit()?, count: executed.count };
        are_told_by_index(module, table, &expected.functions).then_some(place)
    }

    /// Behind an instruction, where the next one stands at `after`: leaves where it was a call in which something broke that is still relied on.
    pub(super) fn test_assumptions(&mut self, operator: &Operator<'_>, after: u32) -> Res<()> {
        let bits = if is_call(operator) && self.reachable { self.reliance.bits_behind(self.position) } else { 0 };
        if bits == 0 || planted::has(ExitBug::Untested) {
            return Ok(());
        }
        let vmctx = self.env.vmctx()?;
        let broken = self.b.ins().load(types::I64, self.env.flags.vm, vmctx, header::BROKEN as i32);
        let bits = if planted::has(ExitBug::OtherBit) { bits << 1 } else { bits };
        let bits = self.b.ins().iconst(types::I64, bits as i64);
        let found = self.b.ins().band(broken, bits);
        let (leave, stay) = (self.b.create_block(), self.b.create_block());
        self.b.ins().brif(found, leave, &[], stay, &[]);
        self.b.seal_block(leave);
        self.b.seal_block(stay);
        self.b.set_cold_block(leave);
        self.b.switch_to_block(leave);
        self.leave_behind(after)?;
        self.b.switch_to_block(stay);
        self.mark_cold(self.position);
        Ok(())
    }

    /// Leaves before the instruction at a position, which follows the current one; what is translated next does not follow from that.
    fn leave_behind(&mut self, after: u32) -> Res<()> {
        let (entries, fuel_used) = (self.entries.clone(), self.fuel_used);
        self.entries = entries.end..entries.end;
        self.leave(self.request.function, after)?;
        (self.entries, self.fuel_used, self.reachable) = (entries, fuel_used, true);
        self.set_position(self.position);
        Ok(())
    }
}

/// Whether what follows an instruction follows a call.
fn is_call(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. })
}
