//! Values in slots: frames handed over by the interpreter, arguments and results of crossings, results beyond the registers, payloads of exceptions.
//! i32 and f32 stand in the low half of the first word, and the high half is zero. Where slots have two words, scalars leave the second one as it is.

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;

/// An array of slots.
#[derive(Clone, Copy)]
pub struct Slots {
    pub base: Value,
    /// Words of 8 bytes a slot, 1 or 2.
    pub words: usize,
    /// How slots are accessed; not `aligned`, since those of vectors are aligned to words only.
    pub flags: MemFlagsData,
}

impl Slots {
    /// Byte offset of a slot. Wasm's limits on locals and types keep it far below 2 GiB.
    fn offset(self, slot: usize) -> i32 {
        (slot * self.words * 8) as i32
    }

    pub fn load(self, b: &mut FunctionBuilder<'_>, ty: Type, slot: usize) -> Value {
        b.ins().load(ty, self.flags, self.base, self.offset(slot))
    }

    pub fn store(self, b: &mut FunctionBuilder<'_>, value: Value, slot: usize) {
        let wide = match b.func.dfg.value_type(value) {
            types::I32 => b.ins().uextend(types::I64, value),
            types::F32 => {
                let bits = b.ins().bitcast(types::I32, MemFlagsData::new(), value);
                b.ins().uextend(types::I64, bits)
            }
            _ => value,
        };
        b.ins().store(self.flags, wide, self.base, self.offset(slot));
    }

    pub fn store_all(self, b: &mut FunctionBuilder<'_>, values: &[Value]) {
        for (slot, &value) in values.iter().enumerate() {
            self.store(b, value, slot);
        }
    }
}
