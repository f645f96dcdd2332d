//! Tiers that count, count what the interpreter counts when it records, in the same places: entries at the start, a branch before it is taken, the target of an indirect call
//! once its type was checked. T2 counts entries and branches back to loops only. T2 and T3 also [ask](super::climbing) for the next tier.

use super::{Translator, exits};
use crate::fault::{Fault, Res};
use crate::state::FrameKind;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use std::mem::offset_of;
use trjit_code::Tier;
use trjit_module::flat::SideTableEntry;
use trjit_module::vm::{Builtin, VmCallTargets, header};
use trjit_module::{CodeError, FuncIndex, Module};

/// What counting needs to know of the function.
pub struct Counting<'a> {
    tier: Tier,
    /// Its number among the defined functions.
    defined: u32,
    /// The number of its first side table entry in the module.
    side_table_start: u32,
    side_table: &'a [SideTableEntry],
    /// Its frame is small enough to be left for better code.
    may_leave: bool,
}

impl<'a> Counting<'a> {
    /// `None` for tiers that do not count.
    pub fn of(module: &'a Module, function: FuncIndex, tier: Tier) -> Result<Option<Counting<'a>>, CodeError> {
        let (Some(record), Some(defined), Tier::T2 | Tier::A3 | Tier::T3) =
            (module.function(function), module.defined_index(function), tier)
        else {
            return Ok(None);
        };
        let side_table = module.body(record)?.side_table;
        let may_leave = exits::may_leave(module, record);
        Ok(Some(Counting { tier, defined: defined.0, side_table_start: record.side_table_start, side_table, may_leave }))
    }

    /// The number by which code tells the runtime its tier, where it asks for the next one.
    pub fn asks_from(&self) -> Option<u32> {
        match self.tier {
            Tier::T2 => Some(2),
            Tier::T3 => Some(3),
            _ => None,
        }
    }
}

impl Translator<'_, '_> {
    /// Whether every branch is counted.
    pub(super) fn counts_branches(&self) -> bool {
        self.counting.as_ref().is_some_and(|counting| counting.tier != Tier::T2)
    }

    /// Whether branches to a label are counted.
    pub(super) fn counts_branches_to(&self, depth: u32) -> bool {
        self.counts_branches() || self.counting.is_some() && self.is_loop(depth)
    }

    fn is_loop(&self, depth: u32) -> bool {
        let frame = self.frames.iter().rev().nth(depth as usize);
        frame.is_some_and(|frame| matches!(frame.kind, FrameKind::Loop { .. }))
    }

    /// At the function's start.
    pub(super) fn count_entry(&mut self) -> Res<()> {
        let Some(counting) = &self.counting else { return Ok(()) };
        let (offset, asks_from) = (i64::from(counting.defined) * 8, counting.asks_from());
        let counters = self.env.header(&mut self.b, header::PROFILE_ENTRIES)?;
        let count = self.count(counters, offset)?;
        asks_from.map_or(Ok(()), |from| self.ask_at_entry(count, from))
    }

    /// Where the branch of a side table entry (counted from the function's first) is taken, which does not lead back.
    pub(super) fn count_branch(&mut self, entry: u32) -> Res<()> {
        if self.counts_branches() {
            self.count_entry_of_side_table(entry)?;
        }
        Ok(())
    }

    /// The new count of a side table entry's branch, in tiers that count.
    fn count_entry_of_side_table(&mut self, entry: u32) -> Res<Option<Value>> {
        let Some(counting) = &self.counting else { return Ok(None) };
        let offset = (i64::from(counting.side_table_start) + i64::from(entry)) * 8;
        let counters = self.env.header(&mut self.b, header::PROFILE_BRANCHES)?;
        self.count(counters, offset).map(Some)
    }

    /// Takes the branch of a side table entry to a label, whose block is `target`, with the prepared arguments.
    pub(super) fn take_branch(&mut self, depth: u32, entry: u32, target: Block) -> Res<()> {
        let count = if self.counts_branches_to(depth) { self.count_entry_of_side_table(entry)? } else { None };
        let asks = |counting: &Counting<'_>| counting.may_leave && counting.asks_from().is_some();
        if let Some(count) = count.filter(|_| self.counting.as_ref().is_some_and(asks) && self.is_loop(depth)) {
            return self.ask_at_back_edge(count, depth, target);
        }
        self.b.ins().jump(target, &self.branch_args);
        Ok(())
    }

    /// At an indirect call of function `function` (an i32) of the instance `vmctx`: the first target of the site is counted here, others by the runtime.
    pub(super) fn count_target(&mut self, vmctx: Value, function: Value) -> Res<()> {
        let Some(counting) = self.counting.as_ref().filter(|counting| counting.tier != Tier::T2) else { return Ok(()) };
        let entry = counting.side_table.get(self.entries.start as usize);
        let site = entry.ok_or_else(|| Fault::internal("an indirect call has no side table entry"))?.keep;
        let offset = i64::from(site) * size_of::<VmCallTargets>() as i64;
        let sites = self.env.header(&mut self.b, header::PROFILE_SITES)?;
        let first = self.offset(sites, offset + offset_of!(VmCallTargets, functions) as i64);
        let known = self.b.ins().load(types::I32, self.env.flags.profile, first, 0);
        let own = self.env.vmctx()?;
        let is_own = self.b.ins().icmp(IntCC::Equal, vmctx, own);
        let is_known = self.b.ins().icmp(IntCC::Equal, known, function);
        let both = self.b.ins().band(is_own, is_known);
        let (here, elsewhere, next) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.ins().brif(both, here, &[], elsewhere, &[]);
        self.b.seal_block(here);
        self.b.seal_block(elsewhere);
        self.b.switch_to_block(here);
        self.count(sites, offset + offset_of!(VmCallTargets, counts) as i64)?;
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(elsewhere);
        let site = self.index(site);
        self.env.builtin(&mut self.b, Builtin::RecordIndirect, &[site, function, vmctx])?;
        self.b.ins().jump(next, &[]);
        self.b.seal_block(next);
        self.b.switch_to_block(next);
        Ok(())
    }

    /// Adds one to the counter at an offset, wrapping; the sum.
    fn count(&mut self, counters: Value, offset: i64) -> Res<Value> {
        let address = self.offset(counters, offset);
        let flags = self.env.flags.profile;
        let count = self.b.ins().load(types::I64, flags, address, 0);
        let one = self.b.ins().iconst(types::I64, 1);
        let sum = self.b.ins().iadd(count, one);
        self.b.ins().store(flags, sum, address, 0);
        Ok(sum)
    }

    fn offset(&mut self, base: Value, offset: i64) -> Value {
        let offset = self.b.ins().iconst(types::I64, offset);
        self.b.ins().iadd(base, offset)
    }
}
