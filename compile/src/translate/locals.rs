//! Locals, in one of two forms.
//!
//! For the optimizer they are variables, which become SSA values. Without it they are slots of the native frame: the single-pass allocator would keep
//! values that live across blocks in memory anyway, and would move each of them at every edge where the builder had put a block parameter.

use super::Translator;
use crate::fault::{Fault, Res};
use cranelift_codegen::ir::{Block, InstBuilder, StackSlot, StackSlotData, StackSlotKind, Type, Value, types};
use cranelift_frontend::Variable;
use trjit_code::Tier;

/// All locals of a function.
pub enum Locals {
    Variables(Vec<Variable>),
    /// 8 bytes a local, or 16 where one is a vector.
    Slots {
        area: StackSlot,
        stride: i32,
        types: Vec<Type>,
        /// What each local is known to hold in a block.
        known: Vec<Option<(Block, Value)>>,
    },
}

impl Locals {
    /// Before the locals are known.
    pub fn none() -> Locals {
        Locals::Variables(Vec::new())
    }

    pub fn len(&self) -> usize {
        match self {
            Locals::Variables(variables) => variables.len(),
            Locals::Slots { types, .. } => types.len(),
        }
    }
}

impl Translator<'_, '_> {
    /// Declares all locals; `local_init` has to follow for each.
    pub(super) fn declare_locals(&mut self, tier: Tier, types: &[Type]) {
        self.locals = match tier {
            Tier::A1 | Tier::T2 if !types.is_empty() => {
                let stride = if types.iter().any(|ty| ty.is_vector()) { 16 } else { 8 };
                let size = types.len() as u32 * stride;
                let data = StackSlotData::new(StackSlotKind::ExplicitSlot, size, stride.trailing_zeros() as u8);
                let (area, types) = (self.b.create_sized_stack_slot(data), types.to_vec());
                let known = vec![None; types.len()];
                Locals::Slots { area, stride: stride as i32, types, known }
            }
            Tier::A1 | Tier::T2 | Tier::A3 | Tier::T3 | Tier::Ap4 | Tier::T4 => {
                Locals::Variables(types.iter().map(|&ty| self.b.declare_var(ty)).collect())
            }
        };
    }

    pub(super) fn local_get(&mut self, local: u32) -> Res<()> {
        let value = self.local_value(local)?;
        self.push(value);
        Ok(())
    }

    pub(super) fn local_value(&mut self, local: u32) -> Res<Value> {
        let block = self.b.current_block();
        Ok(match &mut self.locals {
            Locals::Variables(variables) => {
                let variable = *variables.get(local as usize).ok_or_else(|| no_local(local))?;
                self.b.use_var(variable)
            }
            Locals::Slots { area, stride, types, known } => {
                let ty = *types.get(local as usize).ok_or_else(|| no_local(local))?;
                match known[local as usize] {
                    Some((at, value)) if Some(at) == block => value,
                    _ => {
                        let value = self.b.ins().stack_load(types::I64, ty, *area, local as i32 * *stride);
                        known[local as usize] = block.map(|block| (block, value));
                        value
                    }
                }
            }
        })
    }

    /// Pops the local's new value; returns it.
    pub(super) fn local_set(&mut self, local: u32) -> Res<Value> {
        let value = self.pop()?;
        self.local_init(local, value)?;
        Ok(value)
    }

    pub(super) fn local_init(&mut self, local: u32, value: Value) -> Res<()> {
        let block = self.b.current_block();
        match &mut self.locals {
            Locals::Variables(variables) => {
                let variable = *variables.get(local as usize).ok_or_else(|| no_local(local))?;
                self.b.def_var(variable, value);
            }
            Locals::Slots { area, stride, types, known } if (local as usize) < types.len() => {
                known[local as usize] = block.map(|block| (block, value));
                self.b.ins().stack_store(types::I64, value, *area, local as i32 * *stride);
            }
            Locals::Slots { .. } => return Err(no_local(local)),
        }
        Ok(())
    }
}

#[cold]
fn no_local(local: u32) -> Fault {
    Fault::internal(format!("there is no local {local}"))
}
