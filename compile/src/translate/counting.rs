//! Tier A3 counts what the interpreter counts when it records, in the same places: entries at the start, a branch before it is taken, the target of an indirect call
//! once its type was checked. The counters are the instance's; only its thread writes them.

use super::Translator;
use crate::fault::{Fault, Res};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use std::mem::offset_of;
use trjit_code::Tier;
use trjit_module::flat::SideTableEntry;
use trjit_module::vm::{Builtin, VmCallTargets, header};
use trjit_module::{CodeError, FuncIndex, Module};

/// What counting needs to know of the function.
pub struct Counting<'a> {
    /// Its number among the defined functions.
    defined: u32,
    /// The number of its first side table entry in the module.
    side_table_start: u32,
    side_table: &'a [SideTableEntry],
}

impl<'a> Counting<'a> {
    /// `None` for tiers that do not count.
    pub fn of(module: &'a Module, function: FuncIndex, tier: Tier) -> Result<Option<Counting<'a>>, CodeError> {
        let (Some(record), Some(defined), Tier::A3) = (module.function(function), module.defined_index(function), tier) else {
            return Ok(None);
        };
        let side_table = module.body(record)?.side_table;
        Ok(Some(Counting { defined: defined.0, side_table_start: record.side_table_start, side_table }))
    }
}

impl Translator<'_, '_> {
    pub(super) fn counts(&self) -> bool {
        self.counting.is_some()
    }

    /// At the function's start.
    pub(super) fn count_entry(&mut self) -> Res<()> {
        let Some(counting) = &self.counting else { return Ok(()) };
        let offset = i64::from(counting.defined) * 8;
        let counters = self.env.header(&mut self.b, header::PROFILE_ENTRIES)?;
        self.count(counters, offset)
    }

    /// Where the branch of a side table entry (counted from the function's first) is taken.
    pub(super) fn count_branch(&mut self, entry: u32) -> Res<()> {
        let Some(counting) = &self.counting else { return Ok(()) };
        let offset = (i64::from(counting.side_table_start) + i64::from(entry)) * 8;
        let counters = self.env.header(&mut self.b, header::PROFILE_BRANCHES)?;
        self.count(counters, offset)
    }

    /// At an indirect call of function `function` (an i32) of the instance `vmctx`: the first target of the site is counted here, others by the runtime.
    pub(super) fn count_target(&mut self, vmctx: Value, function: Value) -> Res<()> {
        let Some(counting) = &self.counting else { return Ok(()) };
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

    /// Adds one to the counter at an offset, wrapping.
    fn count(&mut self, counters: Value, offset: i64) -> Res<()> {
        let address = self.offset(counters, offset);
        let flags = self.env.flags.profile;
        let count = self.b.ins().load(types::I64, flags, address, 0);
        let one = self.b.ins().iconst(types::I64, 1);
        let sum = self.b.ins().iadd(count, one);
        self.b.ins().store(flags, sum, address, 0);
        Ok(())
    }

    fn offset(&mut self, base: Value, offset: i64) -> Value {
        let offset = self.b.ins().iconst(types::I64, offset);
        self.b.ins().iadd(base, offset)
    }
}
