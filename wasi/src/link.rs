//! Puts the WASI functions into a linker of the runtime.

use crate::ctx::WasiCtx;
use crate::error::WasiError;
use crate::functions::{ValType, WasiFunction, functions};
use trjit_module::TrapCode;
use trjit_runtime::{Caller, HostTrap, Linker, OwnedFuncType};

/// Defines every function of `wasi_snapshot_preview1` and `wasi_unstable`; `context` finds the guest's [`WasiCtx`] in the store's data.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>, context: fn(&mut T) -> &mut WasiCtx) {
    linker.funcs_on_demand(move |module, name| {
        let function = functions().iter().find(|function| function.name == name && function.module == module)?;
        let ty = OwnedFuncType::new(function.params.iter().map(value_type), function.results.iter().map(value_type));
        Some((ty, move |caller: Caller<'_, T>, slots: &mut [u64]| call(function, context, caller, slots)))
    });
}

fn value_type(ty: &ValType) -> trjit_module::ValType {
    match ty {
        ValType::I32 => trjit_module::ValType::I32,
        ValType::I64 => trjit_module::ValType::I64,
    }
}

fn call<T>(
    function: &'static WasiFunction,
    context: fn(&mut T) -> &mut WasiCtx,
    mut caller: Caller<'_, T>,
    slots: &mut [u64],
) -> Result<(), HostTrap> {
    let (memory, data) = caller.memory_and_data();
    let result = (function.call)(context(data), memory, &slots[..function.params.len()]).map_err(host_trap)?;
    if !function.results.is_empty() {
        slots[0] = result;
    }
    Ok(())
}

fn host_trap(error: WasiError) -> HostTrap {
    match error {
        WasiError::Exit(status) => HostTrap::Exit(status),
        WasiError::Interrupted => HostTrap::Trap(TrapCode::Interrupt),
        WasiError::Trap(message) => HostTrap::Error(message.into()),
    }
}
