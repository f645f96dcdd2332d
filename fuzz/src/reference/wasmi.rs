//! A case on wasmi, which knows no exceptions, no typed references and no threads: such cases are an error.

use crate::case::{Case, FUEL, PENDING};
use crate::host::{self, EXIT_STATUS, HostImport, Log};
use crate::observation::{Observation, Outcome};
use crate::value::Value;
use anyhow::{Context, Result, bail};
use std::panic::{AssertUnwindSafe, catch_unwind};
use trjit_module::{TrapCode, ValType};
use wasmi::{Caller, CompilationMode, Engine, Error, ExternRef, FuncType, Instance, Linker, Module, Nullable, Store, Val};

/// Deep enough that a program's steps run out first.
const MAX_RECURSION: usize = 1 << 16;

/// An engine for one case: after a panic it would be in no certain state.
pub(super) fn engine() -> Engine {
    let mut config = wasmi::Config::default();
    config
        .wasm_multi_memory(true)
        .wasm_memory64(true)
        .wasm_tail_call(true)
        .wasm_extended_const(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(true);
    config.set_max_recursion_depth(MAX_RECURSION).set_max_stack_height(64 << 20);
    // It fails for some modules, and could not while it executes.
    config.compilation_mode(CompilationMode::Eager);
    Engine::new(&config)
}

/// Runs the case.
pub fn run(case: &Case) -> Result<Observation> {
    let engine = &engine();
    let mut store: Store<Log> = Store::new(engine, Log::new());
    let mut linker = Linker::new(engine);
    for (index, import) in case.hosts.iter().enumerate() {
        define_host(&mut linker, index, import)?;
    }
    for (name, wasm) in &case.providers {
        let instance = linker.instantiate_and_start(&mut store, &Module::new(engine, wasm)?)?;
        linker.instance(&mut store, name, instance)?;
    }
    let mut observation = Observation::default();
    // wasmi 2.0.0 panics in the translation of some functions (`a register operand already exists on the stack`).
    let module = catch_unwind(AssertUnwindSafe(|| Module::new(engine, &case.wasm))).map_err(|_| anyhow::anyhow!("wasmi panics"))??;
    let instance = match linker.instantiate_and_start(&mut store, &module) {
        Ok(instance) => instance,
        Err(error) => {
            observation.push(outcome_of(error)?);
            observation.host_calls = store.into_data();
            return Ok(observation);
        }
    };
    observation.push(Outcome::Returned(Vec::new()));
    for call in &case.calls {
        if let Some(fuel) = instance.get_global(&store, FUEL) {
            fuel.set(&mut store, Val::I32(case.fuel)).context("the step counter")?;
        }
        let outcome = match self::call(&mut store, &instance, &call.export, &call.arguments) {
            Ok(values) => Outcome::Returned(values),
            Err(error) => outcome_of(error)?,
        };
        if !observation.push(outcome) {
            return Ok(observation);
        }
        observation.pending.extend(instance.get_global(&store, PENDING).map(|pending| from_val(&store, &pending.get(&store))));
    }
    look(case, &store, &instance, &mut observation)?;
    observation.host_calls = store.into_data();
    Ok(observation)
}

fn call(store: &mut Store<Log>, instance: &Instance, name: &str, arguments: &[Value]) -> Result<Vec<Value>, Error> {
    let function = instance.get_func(&*store, name).ok_or_else(|| Error::new("no such export"))?;
    let arguments: Vec<Val> = arguments.iter().map(|&value| to_val(&mut *store, value)).collect();
    let mut results: Vec<Val> = function.ty(&*store).results().iter().map(|&ty| Val::default_for_ty(ty)).collect();
    function.call(&mut *store, &arguments, &mut results)?;
    Ok(results.iter().map(|value| from_val(&*store, value)).collect())
}

/// Memories, tables and globals.
fn look(case: &Case, store: &Store<Log>, instance: &Instance, observation: &mut Observation) -> Result<()> {
    for name in &case.memories {
        observation.memories.push(instance.get_memory(store, name).context("an exported memory")?.data(store).to_vec());
    }
    for name in &case.tables {
        observation.tables.push(instance.get_table(store, name).context("an exported table")?.size(store));
    }
    for name in &case.globals {
        let value = instance.get_global(store, name).context("an exported global")?.get(store);
        observation.globals.push(from_val(store, &value));
    }
    Ok(())
}

fn define_host(linker: &mut Linker<Log>, index: usize, import: &HostImport) -> Result<()> {
    let types = |types: &[ValType]| types.iter().map(|&ty| type_of(ty)).collect::<Vec<_>>();
    let ty = FuncType::new(types(&import.params), types(&import.results));
    let import = import.clone();
    let (module, name) = (import.module.clone(), import.name.clone());
    linker.func_new(&module, &name, ty, move |mut caller: Caller<'_, Log>, arguments, results| {
        let arguments = arguments.iter().map(|value| from_val(&caller, value)).collect();
        let answers = host::answer(caller.data_mut(), index, &import, arguments).ok_or_else(|| Error::i32_exit(EXIT_STATUS))?;
        for (result, answer) in results.iter_mut().zip(answers) {
            *result = to_val(&mut caller, answer);
        }
        Ok(())
    })?;
    Ok(())
}

fn type_of(ty: ValType) -> wasmi::ValType {
    match ty {
        ValType::I32 => wasmi::ValType::I32,
        ValType::I64 => wasmi::ValType::I64,
        ValType::F32 => wasmi::ValType::F32,
        ValType::F64 => wasmi::ValType::F64,
        ValType::V128 => wasmi::ValType::V128,
        ValType::Ref(ty) if ty.is_func() => wasmi::ValType::FuncRef,
        ValType::Ref(_) => wasmi::ValType::ExternRef,
    }
}

fn to_val(store: impl wasmi::AsContextMut, value: Value) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(wasmi::F32::from_bits(bits)),
        Value::F64(bits) => Val::F64(wasmi::F64::from_bits(bits)),
        // Cases name no function of an engine: the only function reference that they pass is null.
        Value::FuncRef(_) => Val::FuncRef(Nullable::Null),
        Value::V128(lanes) => Val::V128(lanes.into()),
        Value::ExternRef(0) => Val::ExternRef(Nullable::Null),
        Value::ExternRef(number) => Val::ExternRef(Nullable::Val(ExternRef::new(store, number))),
        // It knows no such type, and runs no case that has it.
        Value::ExnRef(_) => Val::ExternRef(Nullable::Null),
    }
}

fn from_val(store: impl wasmi::AsContext, value: &Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(value) => Value::f32(value.to_bits()),
        Val::F64(value) => Value::f64(value.to_bits()),
        Val::V128(lanes) => Value::V128(lanes.as_u128()),
        Val::FuncRef(reference) => Value::FuncRef(!reference.is_null()),
        Val::ExternRef(Nullable::Null) => Value::ExternRef(0),
        Val::ExternRef(Nullable::Val(reference)) => {
            let number = reference.data(store.as_context()).downcast_ref::<u64>();
            // Numbers are all that cases make references to.
            Value::ExternRef(number.copied().unwrap_or(u64::MAX))
        }
    }
}

/// How the guest ended; an error that is no ending of a guest is an error of the case.
pub(super) fn outcome_of(error: Error) -> Result<Outcome> {
    if let Some(status) = error.i32_exit_status() {
        return Ok(Outcome::Exited(status));
    }
    match error.as_trap_code() {
        Some(code) => Ok(Outcome::Trapped(trap_code(code)?)),
        None => instantiation_trap(error),
    }
}

/// Element segments that do not fit are an error of their own there.
fn instantiation_trap(error: Error) -> Result<Outcome> {
    match error.kind() {
        wasmi::errors::ErrorKind::Instantiation(wasmi::errors::InstantiationError::ElementSegmentDoesNotFit { .. }) => {
            Ok(Outcome::Trapped(TrapCode::TableOutOfBounds))
        }
        _ => Err(anyhow::Error::new(error).context("the outside engine")),
    }
}

fn trap_code(code: wasmi::TrapCode) -> Result<TrapCode> {
    Ok(match code {
        wasmi::TrapCode::UnreachableCodeReached => TrapCode::Unreachable,
        wasmi::TrapCode::MemoryOutOfBounds => TrapCode::MemoryOutOfBounds,
        wasmi::TrapCode::TableOutOfBounds => TrapCode::TableOutOfBounds,
        wasmi::TrapCode::IndirectCallToNull => TrapCode::IndirectCallToNull,
        wasmi::TrapCode::IntegerDivisionByZero => TrapCode::IntegerDivisionByZero,
        wasmi::TrapCode::IntegerOverflow => TrapCode::IntegerOverflow,
        wasmi::TrapCode::BadConversionToInteger => TrapCode::BadConversionToInteger,
        wasmi::TrapCode::StackOverflow => TrapCode::StackOverflow,
        wasmi::TrapCode::BadSignature => TrapCode::BadSignature,
        other => bail!("the outside engine ran out of resources: {other}"),
    })
}
