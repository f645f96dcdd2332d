//! Loads, stores and bulk operations, on each of the program's memories.

use super::body::Body;
use super::plan::Memory;
use super::{SEGMENT_LEN, module};
use wasm_encoder::{Instruction, MemArg, MemArgTarget, ValType};

/// Addresses are mostly cut to the first part of the memory.
const ADDRESS_MASK: i32 = 0xfff;

/// An instruction at an address.
pub(super) type AtAddress = fn(MemArg) -> Instruction<'static>;

/// The type of indices.
pub(super) fn index_type(is_64: bool) -> ValType {
    if is_64 { ValType::I64 } else { ValType::I32 }
}

impl Body<'_> {
    fn memory(&mut self) -> (u32, Memory) {
        let at = self.rng.below(self.plan.memories.len() as u64) as u32;
        (at, self.plan.memories[at as usize])
    }

    /// An index or a length of a memory or table: mostly cut by the mask, once in `wild` times not at all.
    fn index(&mut self, is_64: bool, mask: i32, depth: u32, wild: u64) -> bool {
        let (mask, and) = match is_64 {
            true => (Instruction::I64Const(mask.into()), Instruction::I64And),
            false => (Instruction::I32Const(mask), Instruction::I32And),
        };
        self.expression(index_type(is_64), depth);
        let wild = self.rng.one_in(wild);
        if !wild {
            self.emit(mask);
            self.emit(and);
        } else if is_64 && self.rng.one_in(2) {
            // Inside, but for bits that 32-bit indices do not have.
            self.emit(mask);
            self.emit(and);
            let high = 1 << self.rng.range(32, 63);
            self.emit(Instruction::I64Const(high));
            self.emit(Instruction::I64Or);
        }
        wild
    }

    /// An index or a length that is mostly small.
    pub(super) fn small(&mut self, is_64: bool, mask: i32) {
        self.index(is_64, mask, 3, 40);
    }

    /// An address that is mostly inside, a constant offset; natural alignment is not promised.
    pub(super) fn address(&mut self, depth: u32) -> MemArg {
        let (memory, Memory { is_64, .. }) = self.memory();
        let wild = self.index(is_64, ADDRESS_MASK, depth + 1, 40);
        let offset = match self.rng.below(12) {
            0 => self.rng.below(0xc000),
            // Around the end of the first page.
            1 => 0x1_0000 - ADDRESS_MASK as u64 - self.rng.below(20),
            2 if wild && is_64 => self.rng.number() >> self.rng.below(40),
            2 if wild => self.rng.below(1 << 32),
            _ => self.rng.below(64),
        };
        MemArg { offset, align: 0, target: MemArgTarget::Memory(memory), ordering: None }
    }

    /// An address for an access of `1 << align` bytes at once, seldom a misaligned one.
    pub(super) fn aligned_address(&mut self, align: u32, depth: u32) -> MemArg {
        let (memory, Memory { is_64, .. }) = self.memory();
        let aligned = !self.rng.one_in(30);
        let mask = if aligned { ADDRESS_MASK >> align << align } else { ADDRESS_MASK };
        self.index(is_64, mask, depth + 1, 60);
        let offset = (self.rng.below(64) + if self.rng.one_in(8) { 0xf000 } else { 0 }) >> align << align;
        MemArg { offset, align, target: MemArgTarget::Memory(memory), ordering: None }
    }

    pub(super) fn store(&mut self) {
        use Instruction::*;
        let at = self.address(0);
        if self.plan.language.vectors && self.rng.one_in(4) {
            self.expression(ValType::V128, 1);
            return self.emit(V128Store(at));
        }
        let (ty, instruction) = match self.rng.below(9) {
            0 => (ValType::I32, I32Store(at)),
            1 => (ValType::I32, I32Store8(at)),
            2 => (ValType::I32, I32Store16(at)),
            3 => (ValType::I64, I64Store(at)),
            4 => (ValType::I64, I64Store8(at)),
            5 => (ValType::I64, I64Store16(at)),
            6 => (ValType::I64, I64Store32(at)),
            7 => (ValType::F32, F32Store(at)),
            _ => (ValType::F64, F64Store(at)),
        };
        self.canonical(ty, 1);
        self.emit(instruction);
    }

    /// Loads a number.
    pub(super) fn load(&mut self, ty: ValType, depth: u32) {
        use Instruction::*;
        let at = self.address(depth);
        let choices: &[AtAddress] = match ty {
            ValType::I64 => &[I64Load, I64Load8S, I64Load8U, I64Load16S, I64Load16U, I64Load32S, I64Load32U],
            ValType::F32 => &[F32Load],
            ValType::F64 => &[F64Load],
            _ => &[I32Load, I32Load8S, I32Load8U, I32Load16S, I32Load16U],
        };
        let instruction = self.rng.pick(choices)(at);
        self.emit(instruction);
    }

    /// The size of a memory whose indices have the type.
    pub(super) fn memory_size(&mut self, ty: ValType) {
        let (memory, Memory { is_64, .. }) = self.memory();
        if index_type(is_64) != ty {
            return self.constant(ty);
        }
        self.emit(Instruction::MemorySize(memory));
    }

    /// Grows a memory, often beyond its maximum, and notes what it was, what that gave, and what it is.
    pub(super) fn memory_grow(&mut self) {
        let (memory, Memory { is_64, .. }) = self.memory();
        self.emit(Instruction::MemorySize(memory));
        let mask = *self.rng.pick(&[1, 1, 3]);
        self.small(is_64, mask);
        self.emit(Instruction::MemoryGrow(memory));
        self.emit(Instruction::MemorySize(memory));
        self.keep(&[index_type(is_64); 3]);
    }

    /// Fills up to the very end of a memory, seldom one byte more.
    fn fill_to_the_end(&mut self) {
        let (memory, Memory { is_64, .. }) = self.memory();
        let len = self.rng.below(64) as i32;
        let beyond = i32::from(self.rng.one_in(8));
        self.emit(Instruction::MemorySize(memory));
        for (operand, instruction) in match is_64 {
            true => [(16, Instruction::I64Shl), (len - beyond, Instruction::I64Sub)],
            false => [(16, Instruction::I32Shl), (len - beyond, Instruction::I32Sub)],
        } {
            self.element(is_64, operand.into());
            self.emit(instruction);
        }
        if self.rng.one_in(2) {
            self.leaf(ValType::I32);
            self.element(is_64, len.into());
            return self.emit(Instruction::MemoryFill(memory));
        }
        self.small(is_64, ADDRESS_MASK);
        self.element(is_64, len.into());
        self.emit(Instruction::MemoryCopy { src_mem: memory, dst_mem: memory });
    }

    pub(super) fn bulk(&mut self) {
        if self.rng.one_in(6) {
            return self.fill_to_the_end();
        }
        let (dst_mem, Memory { is_64, .. }) = self.memory();
        self.small(is_64, ADDRESS_MASK);
        match self.rng.below(4) {
            0 => {
                self.expression(ValType::I32, 2);
                self.small(is_64, 0xff);
                self.emit(Instruction::MemoryFill(dst_mem));
            }
            1 | 2 => {
                let (src_mem, source) = self.memory();
                self.small(source.is_64, ADDRESS_MASK);
                self.small(is_64 && source.is_64, 0xff);
                self.emit(Instruction::MemoryCopy { src_mem, dst_mem });
            }
            _ => self.memory_init(dst_mem, SEGMENT_LEN as i32 / 2 - 1),
        }
    }

    /// From the passive segment to an address on the stack.
    fn memory_init(&mut self, mem: u32, mask: i32) {
        self.small(false, mask);
        self.small(false, mask);
        self.emit(Instruction::MemoryInit { mem, data_index: self.plan.memories.len() as u32 });
    }

    /// Drops a passive segment: what is copied from it later must be nothing.
    pub(super) fn drop_segment(&mut self) {
        let copies = self.rng.one_in(2);
        if self.rng.one_in(2) {
            self.emit(Instruction::DataDrop(self.plan.memories.len() as u32));
            if copies {
                let (memory, Memory { is_64, .. }) = self.memory();
                self.small(is_64, ADDRESS_MASK);
                self.memory_init(memory, 1);
            }
        } else {
            self.emit(Instruction::ElemDrop(module::passive_elements(self.plan)));
            if copies {
                self.table_init(0, 1);
            }
        }
    }
}
