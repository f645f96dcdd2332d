//! Values in slots of 8 bytes: frames handed over by the interpreter, arguments and results of crossings, results beyond the registers.
//! i32 and f32 stand in the low half, and the high half is zero.

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;

/// Byte offset of a slot. Wasm's limits on locals and types keep it far below 2 GiB.
fn offset(slot: usize) -> i32 {
    slot as i32 * 8
}

pub fn load(b: &mut FunctionBuilder<'_>, flags: MemFlagsData, ty: Type, base: Value, slot: usize) -> Value {
    b.ins().load(ty, flags, base, offset(slot))
}

pub fn store(b: &mut FunctionBuilder<'_>, flags: MemFlagsData, value: Value, base: Value, slot: usize) {
    let wide = match b.func.dfg.value_type(value) {
        types::I32 => b.ins().uextend(types::I64, value),
        types::F32 => {
            let bits = b.ins().bitcast(types::I32, MemFlagsData::new(), value);
            b.ins().uextend(types::I64, bits)
        }
        _ => value,
    };
    b.ins().store(flags, wide, base, offset(slot));
}
