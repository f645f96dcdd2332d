//! Calling conventions as Cranelift signatures; `trjit_module::vm` describes them.

use crate::fault::Res;
use cranelift_codegen::ir::{AbiParam, ArgumentPurpose, Signature, Type, types};
use cranelift_codegen::isa::CallConv;
use trjit_module::vm::{Builtin, BuiltinType, MAX_REG_RESULTS};
use trjit_module::{FuncType, ValType};

/// How a value type lives in registers. References are store indices.
pub fn clif_type(ty: ValType) -> Res<Type> {
    Ok(match ty {
        ValType::I32 => types::I32,
        ValType::I64 | ValType::Ref(_) => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        // Whatever the lanes were: instructions cast.
        ValType::V128 => types::I8X16,
    })
}

/// The same for the parser's types.
pub fn clif_type_of(ty: wasmparser::ValType) -> Res<Type> {
    Ok(match ty {
        wasmparser::ValType::I32 => types::I32,
        wasmparser::ValType::I64 => types::I64,
        wasmparser::ValType::F32 => types::F32,
        wasmparser::ValType::F64 => types::F64,
        wasmparser::ValType::Ref(_) => types::I64,
        wasmparser::ValType::V128 => types::I8X16,
    })
}

/// Whether results go to memory, through a pointer behind the vmctx.
pub fn returns_by_pointer(ty: FuncType<'_>) -> bool {
    ty.results().len() > MAX_REG_RESULTS
}

/// The vmctx parameter, marked so that the prologue finds the stack limit through it.
fn vmctx() -> AbiParam {
    AbiParam::special(types::I64, ArgumentPurpose::VMContext)
}

/// Compiled functions of a type.
pub fn compiled(ty: FuncType<'_>) -> Res<Signature> {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params.push(vmctx());
    let by_pointer = returns_by_pointer(ty);
    if by_pointer {
        signature.params.push(AbiParam::new(types::I64));
    }
    for param in ty.params() {
        signature.params.push(AbiParam::new(clif_type(param)?));
    }
    for result in ty.results().filter(|_| !by_pointer) {
        signature.returns.push(AbiParam::new(clif_type(result)?));
    }
    Ok(signature)
}

/// The crossing from slots to compiled code for a tail call of that type (`VmTrampolines::tail_to_native`): as a compiled function, but with the code and the slots
/// in place of the parameters.
pub fn tail_to_native(ty: FuncType<'_>) -> Res<Signature> {
    let mut signature = compiled(ty)?;
    signature.params.truncate(1 + usize::from(returns_by_pointer(ty)));
    signature.params.extend([AbiParam::new(types::I64), AbiParam::new(types::I64)]);
    Ok(signature)
}

/// `extern "C" fn(vmctx, code, slots) -> u64`: OSR entries (which do not use `code`) and trampolines to compiled code.
pub fn from_slots() -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend([vmctx(), AbiParam::new(types::I64), AbiParam::new(types::I64)]);
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

/// `extern "C" fn(vmctx, ..)` of a builtin.
pub fn builtin(builtin: Builtin) -> Signature {
    let abi = |ty: BuiltinType| {
        AbiParam::new(match ty {
            BuiltinType::I32 => types::I32,
            BuiltinType::I64 => types::I64,
        })
    };
    let (_, params, result) = builtin.signature();
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.push(vmctx());
    signature.params.extend(params.iter().copied().map(abi));
    signature.returns.extend(result.map(abi));
    signature
}
