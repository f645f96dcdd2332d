//! Fuel, where the settings ask for it, by the rules of [`trjit_module::fuel`]: the cost of straight code is taken from `VmStore::fuel` at its end, and
//! function entries and loop headers trap where nothing is left. Bulk operations are charged by their builtins.

use super::Translator;
use crate::env::trap;
use crate::fault::{Fault, Res};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use trjit_module::TrapCode;
use trjit_module::fuel::{self, Step};
use trjit_module::vm::store;

impl Translator<'_, '_> {
    /// Before the instruction at a position is translated.
    pub(super) fn count_fuel(&mut self, position: u64) -> Res<()> {
        if !self.env.settings.fuel {
            return Ok(());
        }
        let opcode = position.checked_sub(self.opcodes.start.into()).and_then(|at| self.opcodes.bytes.get(at as usize));
        let opcode = opcode.ok_or_else(|| Fault::internal(format!("no code at position {position}")))?;
        let Step { cost, settles } = fuel::STEPS[usize::from(*opcode)];
        self.fuel_used += i64::from(cost);
        if settles && self.fuel_used != 0 {
            let used = std::mem::take(&mut self.fuel_used);
            self.charge(used)?;
        }
        Ok(())
    }

    /// At the entry of a function whose first instruction stands at that position.
    pub(super) fn charge_entry(&mut self, first: u32) -> Res<()> {
        if !self.env.settings.fuel {
            return Ok(());
        }
        let left = self.charge(fuel::ENTRY)?;
        self.trap_without(left, first);
        Ok(())
    }

    /// At the header of a loop whose first instruction stands at that position.
    pub(super) fn check_fuel(&mut self, first: u32) -> Res<()> {
        if self.env.settings.fuel {
            let vm_store = self.env.store(&mut self.b)?;
            let left = self.b.ins().load(types::I64, self.env.flags.vm, vm_store, store::FUEL as i32);
            self.trap_without(left, first);
        }
        Ok(())
    }

    /// Takes so much; the rest.
    fn charge(&mut self, cost: i64) -> Res<Value> {
        let vm_store = self.env.store(&mut self.b)?;
        let fuel = self.b.ins().load(types::I64, self.env.flags.vm, vm_store, store::FUEL as i32);
        let cost = self.b.ins().iconst(types::I64, cost);
        let left = self.b.ins().isub(fuel, cost);
        self.b.ins().store(self.env.flags.vm, left, vm_store, store::FUEL as i32);
        Ok(left)
    }

    /// Traps where nothing is left, for a backtrace at that position.
    fn trap_without(&mut self, left: Value, position: u32) {
        self.set_position(position);
        let empty = self.b.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, left, 0);
        self.b.ins().trapnz(empty, trap(TrapCode::OutOfFuel));
    }
}
