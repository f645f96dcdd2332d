//! Memories and globals.
//!
//! A 32-bit index can not leave a reservation of 4 GiB plus its guard, so most accesses need no check: out of bounds is a fault of the access itself, which has
//! a row in the trap table. Without a reservation, or with an offset beyond the guard, index + offset + width is compared with the length first, in 64 bits.

use super::Translator;
use crate::env::trap;
use crate::fault::{Fault, Res};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value, ValueDef, types};
use trjit_code::MemoryStyle;
use trjit_module::flat::MemoryRecord;
use trjit_module::vm::{Builtin, MEMORY_GUARD, PAGE_SIZE};
use trjit_module::{GlobalIndex, TrapCode, ValType};
use wasmparser::{MemArg, MemArgTarget};

/// An address that may be accessed with these flags.
struct Place {
    base: Value,
    offset: i32,
    flags: MemFlagsData,
}

impl Translator<'_, '_> {
    pub(super) fn load(&mut self, opcode: Opcode, ty: Type, memarg: &MemArg) -> Res<()> {
        let Place { base, offset, flags } = self.place(memarg, width(opcode, ty))?;
        let i = self.b.ins();
        let value = match opcode {
            Opcode::Uload8 => i.uload8(ty, flags, base, offset),
            Opcode::Sload8 => i.sload8(ty, flags, base, offset),
            Opcode::Uload16 => i.uload16(ty, flags, base, offset),
            Opcode::Sload16 => i.sload16(ty, flags, base, offset),
            Opcode::Uload32 => i.uload32(flags, base, offset),
            Opcode::Sload32 => i.sload32(flags, base, offset),
            _ => i.load(ty, flags, base, offset),
        };
        self.push(value);
        Ok(())
    }

    pub(super) fn store(&mut self, opcode: Opcode, ty: Type, memarg: &MemArg) -> Res<()> {
        let value = self.pop()?;
        let Place { base, offset, flags } = self.place(memarg, width(opcode, ty))?;
        let i = self.b.ins();
        match opcode {
            Opcode::Istore8 => i.istore8(flags, value, base, offset),
            Opcode::Istore16 => i.istore16(flags, value, base, offset),
            Opcode::Istore32 => i.istore32(flags, value, base, offset),
            _ => i.store(flags, value, base, offset),
        };
        Ok(())
    }

    /// Pops the index and says where the access goes.
    fn place(&mut self, memarg: &MemArg, width: u64) -> Res<Place> {
        let MemArgTarget::Memory(memory) = memarg.target else { return Err(Fault::unsupported("accesses to arrays")) };
        self.check_memory(memory)?;
        let index = self.pop()?;
        // Behind the last byte, less the index.
        let reach = memarg.offset.checked_add(width).ok_or_else(|| Fault::internal("the offset does not fit a 32-bit memory"))?;
        match self.env.settings.memory {
            MemoryStyle::Reserved if reach <= MEMORY_GUARD => self.reserved_place(memory, index, memarg.offset, width),
            MemoryStyle::Reserved => {
                let wide = self.check_bounds(memory, index, reach)?;
                let base = self.env.fixed_memory_base(&mut self.b, memory)?;
                Ok(self.checked_place(base, wide, memarg.offset))
            }
            MemoryStyle::Checked => {
                let wide = self.check_bounds(memory, index, reach)?;
                let base = self.env.memory_base(&mut self.b, memory)?;
                Ok(self.checked_place(base, wide, memarg.offset))
            }
        }
    }

    fn reserved_place(&mut self, memory: u32, index: Value, offset: u64, width: u64) -> Res<Place> {
        let flags = self.env.flags.heap;
        let base = self.fixed_base(memory)?;
        if let Some(address) = self.constant(index).map(|index| index + offset).filter(|address| address + width <= i32::MAX as u64) {
            return Ok(Place { base, offset: address as i32, flags });
        }
        let wide = self.b.ins().uextend(types::I64, index);
        // The guard is below 2 GiB, and the offset below the guard.
        Ok(Place { base: self.b.ins().iadd(base, wide), offset: offset as i32, flags })
    }

    /// Base of a memory that never moves. Loaded once a block: without the optimizer nobody else would merge the loads.
    fn fixed_base(&mut self, memory: u32) -> Res<Value> {
        let block = self.b.current_block();
        match self.known_base {
            Some((at, of, base)) if Some(at) == block && of == memory => Ok(base),
            _ => {
                let base = self.env.fixed_memory_base(&mut self.b, memory)?;
                self.known_base = block.map(|block| (block, memory, base));
                Ok(base)
            }
        }
    }

    /// Traps when index + reach is beyond the length; returns the index in 64 bits.
    fn check_bounds(&mut self, memory: u32, index: Value, reach: u64) -> Res<Value> {
        let wide = self.b.ins().uextend(types::I64, index);
        let end = self.b.ins().iadd_imm_u(wide, reach as i64);
        let len = self.env.memory_len(&mut self.b, memory)?;
        let beyond = self.b.ins().icmp(IntCC::UnsignedGreaterThan, end, len);
        self.b.ins().trapnz(beyond, trap(TrapCode::MemoryOutOfBounds));
        Ok(wide)
    }

    fn checked_place(&mut self, base: Value, wide: Value, offset: u64) -> Place {
        let address = self.b.ins().iadd(base, wide);
        let flags = self.env.flags.checked_heap;
        match i32::try_from(offset) {
            Ok(offset) => Place { base: address, offset, flags },
            Err(_) => Place { base: self.b.ins().iadd_imm_u(address, offset as i64), offset: 0, flags },
        }
    }

    /// The value of a constant of type i32.
    fn constant(&self, value: Value) -> Option<u64> {
        let ValueDef::Result(inst, _) = self.b.func.dfg.value_def(value) else { return None };
        match self.b.func.dfg.insts[inst] {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(u64::from(imm.bits() as u32)),
            _ => None,
        }
    }

    fn check_memory(&self, memory: u32) -> Res<()> {
        let record =
            self.env.module.memories().get(memory as usize).ok_or_else(|| Fault::internal(format!("there is no memory {memory}")))?;
        match record.flags {
            0 => Ok(()),
            flags if flags & MemoryRecord::MEMORY64 != 0 => Err(Fault::unsupported("64-bit memories")),
            _ => Err(Fault::unsupported("shared memories")),
        }
    }

    pub(super) fn memory_size(&mut self, memory: u32) -> Res<()> {
        self.check_memory(memory)?;
        let len = self.env.memory_len(&mut self.b, memory)?;
        let pages = self.b.ins().ushr_imm_u(len, i64::from(PAGE_SIZE.trailing_zeros()));
        let pages = self.b.ins().ireduce(types::I32, pages);
        self.push(pages);
        Ok(())
    }

    pub(super) fn memory_grow(&mut self, memory: u32) -> Res<()> {
        self.check_memory(memory)?;
        let delta = self.pop_wide()?;
        let memory = self.index(memory);
        let old = self.env.builtin_value(&mut self.b, Builtin::MemoryGrow, &[memory, delta])?;
        let old = self.b.ins().ireduce(types::I32, old);
        self.push(old);
        Ok(())
    }

    pub(super) fn memory_copy(&mut self, dst_memory: u32, src_memory: u32) -> Res<()> {
        self.check_memory(dst_memory)?;
        self.check_memory(src_memory)?;
        self.copy(Builtin::MemoryCopy, dst_memory, src_memory)
    }

    pub(super) fn memory_fill(&mut self, memory: u32) -> Res<()> {
        self.check_memory(memory)?;
        let len = self.pop_wide()?;
        let value = self.pop()?;
        let dst = self.pop_wide()?;
        let memory = self.index(memory);
        self.env.builtin(&mut self.b, Builtin::MemoryFill, &[memory, dst, value, len])?;
        Ok(())
    }

    pub(super) fn memory_init(&mut self, memory: u32, segment: u32) -> Res<()> {
        self.check_memory(memory)?;
        self.init(Builtin::MemoryInit, memory, segment)
    }

    /// `copy` of memories or tables: destination, source and length on the stack.
    pub(super) fn copy(&mut self, builtin: Builtin, dst_index: u32, src_index: u32) -> Res<()> {
        let len = self.pop_wide()?;
        let src = self.pop_wide()?;
        let dst = self.pop_wide()?;
        let (dst_index, src_index) = (self.index(dst_index), self.index(src_index));
        self.env.builtin(&mut self.b, builtin, &[dst_index, src_index, dst, src, len])?;
        Ok(())
    }

    /// `init` of memories or tables from a segment.
    pub(super) fn init(&mut self, builtin: Builtin, index: u32, segment: u32) -> Res<()> {
        let (src, len) = self.pop2()?;
        let dst = self.pop_wide()?;
        let (index, segment) = (self.index(index), self.index(segment));
        self.env.builtin(&mut self.b, builtin, &[index, segment, dst, src, len])?;
        Ok(())
    }

    pub(super) fn drop_segment(&mut self, builtin: Builtin, segment: u32) -> Res<()> {
        let segment = self.index(segment);
        self.env.builtin(&mut self.b, builtin, &[segment])?;
        Ok(())
    }

    /// An i32 from the stack as an unsigned 64-bit number.
    pub(super) fn pop_wide(&mut self) -> Res<Value> {
        let value = self.pop_condition()?;
        Ok(self.b.ins().uextend(types::I64, value))
    }

    /// An index of the module as an argument.
    pub(super) fn index(&mut self, index: u32) -> Value {
        self.b.ins().iconst(types::I32, i64::from(index))
    }

    fn global_type(&self, global: u32) -> Res<Type> {
        let record = self.env.module.globals().get(GlobalIndex(global).index());
        let ty = record
            .and_then(|record| ValType::from_byte(record.ty as u8))
            .ok_or_else(|| Fault::internal(format!("there is no global {global}")))?;
        crate::signature::clif_type(ty)
    }

    pub(super) fn global_get(&mut self, global: u32) -> Res<()> {
        let ty = self.global_type(global)?;
        let (base, offset) = self.env.global(&mut self.b, global)?;
        let value = self.b.ins().load(ty, self.env.flags.global, base, offset);
        self.push(value);
        Ok(())
    }

    /// The high half of a narrow global is zero from the beginning, and no writer touches it.
    pub(super) fn global_set(&mut self, global: u32) -> Res<()> {
        let value = self.pop()?;
        let (base, offset) = self.env.global(&mut self.b, global)?;
        self.b.ins().store(self.env.flags.global, value, base, offset);
        Ok(())
    }
}

/// Bytes that an access touches.
fn width(opcode: Opcode, ty: Type) -> u64 {
    match opcode {
        Opcode::Uload8 | Opcode::Sload8 | Opcode::Istore8 => 1,
        Opcode::Uload16 | Opcode::Sload16 | Opcode::Istore16 => 2,
        Opcode::Uload32 | Opcode::Sload32 | Opcode::Istore32 => 4,
        _ => u64::from(ty.bytes()),
    }
}
