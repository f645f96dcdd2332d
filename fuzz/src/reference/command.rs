//! A WASI command on wasmi. The host functions are those of trjit-wasi, which knows no engine.

use super::wasmi::{engine, outcome_of};
use crate::case::PENDING;
use crate::command::{Answer, Command};
use crate::observation::Outcome;
use crate::value::Value;
use anyhow::{Context, Result};
use trjit_wasi::{ValType, WasiCtx, WasiError, WasiFunction, functions};
use wasmi::{Caller, Error, FuncType, Global, Linker, Module, Store, Val};

/// Runs it; returns also the exported globals of these names, and the pending call.
pub fn run(command: &Command, globals: &[String]) -> Result<(Answer, Vec<u64>, Value)> {
    let home = tempfile::tempdir()?;
    let (context, output) = command.context(home.path())?;
    let engine = engine();
    let mut store = Store::new(&engine, context);
    let mut linker = Linker::new(&engine);
    for function in functions() {
        let types = |types: &[ValType]| types.iter().map(|&ty| type_of(ty)).collect::<Vec<_>>();
        let ty = FuncType::new(types(function.params), types(function.results));
        linker.func_new(function.module, function.name, ty, |caller, arguments, results| call(function, caller, arguments, results))?;
    }
    let module = Module::new(&engine, &command.wasm)?;
    let instance = linker.instantiate_and_start(&mut store, &module)?;
    let start = instance.get_func(&store, Command::START).context("a command exports its start")?;
    let outcome = match start.call(&mut store, &[], &mut []) {
        Ok(()) => Outcome::Returned(Vec::new()),
        Err(error) => outcome_of(error)?,
    };
    let global = |name: &str| instance.get_global(&store, name).context("an exported global");
    let bits = |global: Global| match global.get(&store) {
        Val::I32(value) => u64::from(value as u32),
        Val::I64(value) => value as u64,
        _ => 0,
    };
    let counts = globals.iter().map(|name| Ok(bits(global(name)?))).collect::<Result<_>>()?;
    let pending = Value::I64(bits(global(PENDING)?) as i64);
    Ok((Answer { outcome, stdout: output.contents() }, counts, pending))
}

fn type_of(ty: ValType) -> wasmi::ValType {
    match ty {
        ValType::I32 => wasmi::ValType::I32,
        ValType::I64 => wasmi::ValType::I64,
    }
}

fn call(function: &WasiFunction, mut caller: Caller<'_, WasiCtx>, arguments: &[Val], results: &mut [Val]) -> Result<(), Error> {
    let slots: Vec<u64> = arguments.iter().map(slot).collect();
    let memory = caller.get_export("memory").and_then(wasmi::Extern::into_memory).ok_or_else(|| Error::new("no memory"))?;
    let (memory, context) = memory.data_and_store_mut(&mut caller);
    let answer = (function.call)(context, memory, &slots).map_err(|error| match error {
        WasiError::Exit(status) => Error::i32_exit(status),
        other => Error::new(other.to_string()),
    })?;
    results.iter_mut().for_each(|result| *result = Val::I32(answer as i32));
    Ok(())
}

fn slot(argument: &Val) -> u64 {
    match argument {
        Val::I32(value) => u64::from(*value as u32),
        Val::I64(value) => *value as u64,
        // The signatures have no other types.
        _ => 0,
    }
}
