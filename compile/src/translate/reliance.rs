//! What speculative code ([`Tier::T4`](trjit_code::Tier)) relies on about the instance, and where it looks whether that still holds.
//!
//! So far that is one thing: a table that the module exports, and that only others can change, holds what it begins with; then the index tells the callee of an indirect call (`guards.rs`).
//! Others can change it while they are called, and at no other time. So behind each call from which control may come to such a place again, the code tests the vmctx' word of broken
//! assumptions, and leaves in the state behind the call:
//! ```text
//! call g            results on the operand stack
//! broken & mask     0: on;  else: a side exit before the next instruction
//! ```
//! At its start nothing has to be tested: a function is entered only while its assumptions hold (`runtime/src/assumptions.rs`).
//!
//! Code that is entered in the middle relies on nothing, since it has no exits before the place of entry; nor do bodies that are inlined, where a call is followed by the test of the code
//! around; nor functions that catch exceptions, which would have to be tested where they are caught.

use super::Translator;
use super::guards::are_told_by_index;
use crate::fault::Res;
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
    /// Positions of instructions, ascending, and the assumption and bit of each.
    places: Vec<(u32, Assumption, u64)>,
    /// The outermost loops, ascending.
    loops: Vec<Range<u32>>,
}

impl Reliance {
    /// Whether the instruction at a position does.
    pub fn relies(&self, position: u32) -> bool {
        self.places.binary_search_by_key(&position, |place| place.0).is_ok()
    }

    /// All of it.
    pub fn assumptions(&self) -> Vec<Assumption> {
        let mut all: Vec<Assumption> = self.places.iter().map(|place| place.1).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The bits of what may be relied on behind the instruction at a position: by what follows, and by all of the outermost loop around it.
    fn bits_behind(&self, position: u32) -> u64 {
        let around = self.loops.iter().find(|range| range.contains(&position));
        let from = around.map_or(position + 1, |range| range.start);
        let behind = self.places.partition_point(|place| place.0 < from);
        self.places[behind..].iter().fold(0, |bits, place| bits | place.2)
    }
}

impl Translator<'_, '_> {
    /// Finds the places that will rely on something.
    pub(super) fn look_for_reliance(&mut self) -> Res<()> {
        let (request, module) = (self.request, self.env.module);
        let may = self.exits.is_some() && self.caller.is_none() && request.entry == Entry::Start;
        let tables = || (0..).take(module.tables().len());
        if !may || !tables().any(|table| module.changers(table) == Changers::Others) {
            return Ok(());
        }
        let (Some(record), Some(heat)) = (module.function(request.function).filter(|record| record.handlers_len == 0), &self.heat) else {
            return Ok(());
        };
        let mut reader = trjit_module::body_reader(module, record)?.get_operators_reader()?;
        let (mut depth, mut outermost) = (0u32, None);
        let mut reliance = Reliance::default();
        while !reader.eof() {
            let (operator, position) = reader.read_with_offset()?;
            let position = position as u32;
            match operator {
                Operator::Loop { .. } => {
                    outermost.get_or_insert((depth, position));
                    depth += 1;
                }
                Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => depth += 1,
                Operator::End => {
                    depth = depth.saturating_sub(1);
                    if let Some((_, start)) = outermost.take_if(|outermost| outermost.0 == depth) {
                        reliance.loops.push(start..position);
                    }
                }
                Operator::CallIndirect { type_index, table_index } | Operator::ReturnCallIndirect { type_index, table_index }
                    if module.changers(table_index) == Changers::Others =>
                {
                    let assumption = Assumption::TableLasts(TableIndex(table_index));
                    let bit = assumption.bit().filter(|_| request.assumptions.may_assume(assumption));
                    let site = heat.peek(position).and_then(|executed| executed.site);
                    if let (Some(bit), Some(site)) = (bit, site) {
                        let expected = targets::expected(&request, request.function, site, TypeIndex(type_index));
                        if are_told_by_index(module, table_index, &expected.functions) {
                            reliance.places.push((position, assumption, bit));
                        }
                    }
                }
                _ => {}
            }
        }
        self.reliance = reliance;
        Ok(())
    }

    /// Behind an instruction, where the next one stands at `after`: leaves where it was a call in which something broke that is still relied on.
    pub(super) fn test_assumptions(&mut self, operator: &Operator<'_>, after: u32) -> Res<()> {
        let is_call = matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. });
        let bits = if is_call && self.reachable { self.reliance.bits_behind(self.position) } else { 0 };
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
