//! Memories and globals.
//!
//! A 32-bit index can not leave a reservation of 4 GiB plus its guard, so most accesses need no check: out of bounds is a fault of the access itself, which has
//! a row in the trap table. Without a reservation, or with an offset beyond the guard, index + offset + width is compared with the length first, in 64 bits; so are
//! all accesses to memories with 64-bit indices, where that sum may overflow, too.

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
pub(super) struct Place {
    pub base: Value,
    pub offset: i32,
    pub flags: MemFlagsData,
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
            Opcode::Uload8x8 => i.uload8x8(flags, base, offset),
            Opcode::Sload8x8 => i.sload8x8(flags, base, offset),
            Opcode::Uload16x4 => i.uload16x4(flags, base, offset),
            Opcode::Sload16x4 => i.sload16x4(flags, base, offset),
            Opcode::Uload32x2 => i.uload32x2(flags, base, offset),
            Opcode::Sload32x2 => i.sload32x2(flags, base, offset),
            _ => i.load(ty, flags, base, offset),
        };
        self.push(value);
        Ok(())
    }

    pub(super) fn store(&mut self, opcode: Opcode, memarg: &MemArg) -> Res<()> {
        let value = self.pop()?;
        self.store_value(opcode, value, memarg)
    }

    /// Stores a value that was popped already.
    pub(super) fn store_value(&mut self, opcode: Opcode, value: Value, memarg: &MemArg) -> Res<()> {
        let ty = self.b.func.dfg.value_type(value);
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
        let memory = memory_of(memarg)?;
        if self.has_wide_index(memory)? {
            let index = self.pop()?;
            return self.wide_place(memory, index, memarg.offset, width);
        }
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

    /// A place in a memory with 64-bit indices, whose base may move when it grows.
    fn wide_place(&mut self, memory: u32, index: Value, offset: u64, width: u64) -> Res<Place> {
        let start = self.add_offset(index, offset);
        let width = self.b.ins().iconst(types::I64, width as i64);
        let end = self.b.ins().uadd_overflow_trap(start, width, trap(TrapCode::MemoryOutOfBounds));
        self.check_end(memory, end)?;
        let base = self.env.memory_base(&mut self.b, memory)?;
        Ok(self.checked_place(base, start, 0))
    }

    /// Index + offset; traps when that is no 64-bit number.
    pub(super) fn add_offset(&mut self, index: Value, offset: u64) -> Value {
        if offset == 0 {
            return index;
        }
        let offset = self.b.ins().iconst(types::I64, offset as i64);
        self.b.ins().uadd_overflow_trap(index, offset, trap(TrapCode::MemoryOutOfBounds))
    }

    /// Traps when `end` is beyond the length.
    pub(super) fn check_end(&mut self, memory: u32, end: Value) -> Res<()> {
        let len = self.env.memory_len(&mut self.b, memory)?;
        let beyond = self.b.ins().icmp(IntCC::UnsignedGreaterThan, end, len);
        self.b.ins().trapnz(beyond, trap(TrapCode::MemoryOutOfBounds));
        Ok(())
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
        self.check_end(memory, end)?;
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

    /// Whether indices of the memory have 64 bits.
    pub(super) fn has_wide_index(&self, memory: u32) -> Res<bool> {
        let record =
            self.env.module.memories().get(memory as usize).ok_or_else(|| Fault::internal(format!("there is no memory {memory}")))?;
        Ok(record.flags & MemoryRecord::MEMORY64 != 0)
    }

    pub(super) fn memory_size(&mut self, memory: u32) -> Res<()> {
        let wide = self.has_wide_index(memory)?;
        let len = self.env.memory_len(&mut self.b, memory)?;
        let pages = self.b.ins().ushr_imm_u(len, i64::from(PAGE_SIZE.trailing_zeros()));
        self.push_index(pages, wide);
        Ok(())
    }

    pub(super) fn memory_grow(&mut self, memory: u32) -> Res<()> {
        let wide = self.has_wide_index(memory)?;
        let delta = self.pop_index(wide)?;
        let memory = self.index(memory);
        let old = self.env.builtin_value(&mut self.b, Builtin::MemoryGrow, &[memory, delta])?;
        self.push_index(old, wide);
        Ok(())
    }

    pub(super) fn memory_copy(&mut self, dst_memory: u32, src_memory: u32) -> Res<()> {
        let wide = (self.has_wide_index(dst_memory)?, self.has_wide_index(src_memory)?);
        self.copy(Builtin::MemoryCopy, dst_memory, src_memory, wide)
    }

    pub(super) fn memory_fill(&mut self, memory: u32) -> Res<()> {
        let wide = self.has_wide_index(memory)?;
        let len = self.pop_index(wide)?;
        let value = self.pop()?;
        let dst = self.pop_index(wide)?;
        let memory = self.index(memory);
        self.env.builtin(&mut self.b, Builtin::MemoryFill, &[memory, dst, value, len])?;
        Ok(())
    }

    pub(super) fn memory_init(&mut self, memory: u32, segment: u32) -> Res<()> {
        let wide = self.has_wide_index(memory)?;
        self.init(Builtin::MemoryInit, memory, segment, wide)
    }

    /// `copy` of memories or tables: destination, source and length on the stack. `wide`: whether indices of destination and source have 64 bits; the length has
    /// as many as the shorter of them.
    pub(super) fn copy(&mut self, builtin: Builtin, dst_index: u32, src_index: u32, wide: (bool, bool)) -> Res<()> {
        let len = self.pop_index(wide.0 && wide.1)?;
        let src = self.pop_index(wide.1)?;
        let dst = self.pop_index(wide.0)?;
        let (dst_index, src_index) = (self.index(dst_index), self.index(src_index));
        self.env.builtin(&mut self.b, builtin, &[dst_index, src_index, dst, src, len])?;
        Ok(())
    }

    /// `init` of memories or tables from a segment, where places have 32 bits.
    pub(super) fn init(&mut self, builtin: Builtin, index: u32, segment: u32, wide: bool) -> Res<()> {
        let len = self.pop_index(false)?;
        let src = self.pop_index(false)?;
        let dst = self.pop_index(wide)?;
        let (index, segment) = (self.index(index), self.index(segment));
        self.env.builtin(&mut self.b, builtin, &[index, segment, dst, src, len])?;
        Ok(())
    }

    pub(super) fn drop_segment(&mut self, builtin: Builtin, segment: u32) -> Res<()> {
        let segment = self.index(segment);
        self.env.builtin(&mut self.b, builtin, &[segment])?;
        Ok(())
    }

    /// An index or a length from the stack, an i64 where `wide`, as an unsigned 64-bit number.
    pub(super) fn pop_index(&mut self, wide: bool) -> Res<Value> {
        if wide {
            return self.pop();
        }
        let value = self.pop_condition()?;
        Ok(self.b.ins().uextend(types::I64, value))
    }

    /// Pushes a 64-bit number as an i64 where `wide`, else as an i32.
    pub(super) fn push_index(&mut self, value: Value, wide: bool) {
        let value = if wide { value } else { self.b.ins().ireduce(types::I32, value) };
        self.push(value);
    }

    /// An index of the module as an argument.
    pub(super) fn index(&mut self, index: u32) -> Value {
        self.b.ins().iconst(types::I32, i64::from(index))
    }

    fn global_type(&self, global: u32) -> Res<Type> {
        let record = self.env.module.globals().get(GlobalIndex(global).index());
        let ty = record
            .and_then(|record| ValType::from_code(record.ty))
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

/// The memory of an access.
pub(super) fn memory_of(memarg: &MemArg) -> Res<u32> {
    match memarg.target {
        MemArgTarget::Memory(memory) => Ok(memory),
        _ => Err(Fault::unsupported("accesses to arrays")),
    }
}

/// Bytes that an access touches.
fn width(opcode: Opcode, ty: Type) -> u64 {
    match opcode {
        Opcode::Uload8 | Opcode::Sload8 | Opcode::Istore8 => 1,
        Opcode::Uload16 | Opcode::Sload16 | Opcode::Istore16 => 2,
        Opcode::Uload32 | Opcode::Sload32 | Opcode::Istore32 => 4,
        Opcode::Uload8x8 | Opcode::Sload8x8 | Opcode::Uload16x4 | Opcode::Sload16x4 | Opcode::Uload32x2 | Opcode::Sload32x2 => 8,
        _ => u64::from(ty.bytes()),
    }
}
