//! Fuel, where the settings ask for it: each instruction costs one, those that only structure the code nothing. The cost of straight code is taken from
//! `VmStore::fuel` at its end; function entries and loop headers trap once it is below zero, so that all that runs long stops.

use super::Translator;
use crate::env::trap;
use crate::fault::Res;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};
use trjit_module::TrapCode;
use trjit_module::vm::store;
use wasmparser::Operator as Op;

/// What an instruction costs.
fn cost(operator: &Op<'_>) -> i64 {
    match operator {
        Op::Nop
        | Op::Drop
        | Op::Block { .. }
        | Op::Loop { .. }
        | Op::TryTable { .. }
        | Op::Unreachable
        | Op::Return
        | Op::Else
        | Op::End => 0,
        _ => 1,
    }
}

/// Whether straight code ends with the instruction: control may leave there, or come from elsewhere.
fn ends_straight_code(operator: &Op<'_>) -> bool {
    matches!(
        operator,
        Op::Unreachable
            | Op::Loop { .. }
            | Op::If { .. }
            | Op::Else
            | Op::End
            | Op::TryTable { .. }
            | Op::Throw { .. }
            | Op::ThrowRef
            | Op::Br { .. }
            | Op::BrIf { .. }
            | Op::BrTable { .. }
            | Op::BrOnNull { .. }
            | Op::BrOnNonNull { .. }
            | Op::Return
            | Op::Call { .. }
            | Op::CallIndirect { .. }
            | Op::CallRef { .. }
            | Op::ReturnCall { .. }
            | Op::ReturnCallIndirect { .. }
            | Op::ReturnCallRef { .. }
    )
}

impl Translator<'_, '_> {
    /// Before an instruction is translated.
    pub(super) fn count_fuel(&mut self, operator: &Op<'_>) -> Res<()> {
        if !self.env.settings.fuel {
            return Ok(());
        }
        self.fuel_used += cost(operator);
        if self.fuel_used == 0 || !ends_straight_code(operator) {
            return Ok(());
        }
        let vm_store = self.env.store(&mut self.b)?;
        let fuel = self.b.ins().load(types::I64, self.env.flags.vm, vm_store, store::FUEL as i32);
        let used = self.b.ins().iconst(types::I64, self.fuel_used);
        let left = self.b.ins().isub(fuel, used);
        self.b.ins().store(self.env.flags.vm, left, vm_store, store::FUEL as i32);
        self.fuel_used = 0;
        Ok(())
    }

    /// At a function's entry and at a loop's header.
    pub(super) fn check_fuel(&mut self) -> Res<()> {
        if self.env.settings.fuel {
            let vm_store = self.env.store(&mut self.b)?;
            let fuel = self.b.ins().load(types::I64, self.env.flags.vm, vm_store, store::FUEL as i32);
            let empty = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, fuel, 0);
            self.b.ins().trapnz(empty, trap(TrapCode::OutOfFuel));
        }
        Ok(())
    }
}
