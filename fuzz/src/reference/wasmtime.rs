//! A case on wasmtime: the whole language that trjit accepts.

use crate::case::{Case, FUEL, PENDING};
use crate::host::{self, EXIT_STATUS, HostImport, Log};
use crate::observation::{Observation, Outcome};
use crate::value::Value;
use anyhow::{Context, Result, bail};
use std::sync::OnceLock;
use trjit_module::{HeapType, TrapCode, ValType};
use wasmtime::{AsContextMut, Caller, Engine, ExternRef, FuncType, Instance, Linker, Module, Ref, RefType, Store, Trap, Val};

/// Deep enough that a program's steps run out first.
const MAX_STACK: usize = 24 << 20;

/// How a host function ends the program.
#[derive(Debug)]
struct Exit;

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the host ends the program")
    }
}

impl std::error::Error for Exit {}

fn engine() -> Result<&'static Engine> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    if let Some(engine) = ENGINE.get() {
        return Ok(engine);
    }
    let mut config = wasmtime::Config::new();
    config.wasm_tail_call(true).wasm_multi_memory(true).wasm_memory64(true).wasm_extended_const(true);
    config.wasm_simd(true).wasm_relaxed_simd(true).relaxed_simd_deterministic(true);
    config.wasm_function_references(true).wasm_exceptions(true).wasm_threads(true);
    // The second one only limits the first one here.
    config.max_wasm_stack(MAX_STACK).async_stack_size(MAX_STACK).memory_init_cow(false);
    let engine = Engine::new(&config).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok(ENGINE.get_or_init(|| engine))
}

/// Runs the case.
pub fn run(case: &Case) -> Result<Observation> {
    let engine = engine()?;
    let mut store: Store<Log> = Store::new(engine, Log::new());
    let mut linker = Linker::new(engine);
    for (index, import) in case.hosts.iter().enumerate() {
        define_host(engine, &mut linker, index, import)?;
    }
    for (name, wasm) in &case.providers {
        let module = load(engine, wasm)?;
        let instance = linker.instantiate(&mut store, &module).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        linker.instance(&mut store, name, instance).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    }
    let mut observation = Observation::default();
    let module = load(engine, &case.wasm)?;
    match linker.instantiate(&mut store, &module) {
        Ok(instance) => {
            observation.push(Outcome::Returned(Vec::new()));
            make_calls(case, &mut store, &instance, &mut observation)?;
        }
        Err(error) => {
            let outcome = outcome_of(&mut store, &error)?;
            observation.push(outcome);
        }
    }
    observation.host_calls = store.into_data();
    Ok(observation)
}

fn load(engine: &Engine, wasm: &[u8]) -> Result<Module> {
    Module::new(engine, wasm).map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn make_calls(case: &Case, store: &mut Store<Log>, instance: &Instance, observation: &mut Observation) -> Result<()> {
    for call in &case.calls {
        if let Some(fuel) = instance.get_global(&mut *store, FUEL) {
            fuel.set(&mut *store, Val::I32(case.fuel)).map_err(|error| anyhow::anyhow!("the step counter: {error:?}"))?;
        }
        let outcome = match self::call(store, instance, &call.export, &call.arguments) {
            Ok(values) => Outcome::Returned(values),
            Err(error) => outcome_of(store, &error)?,
        };
        if !observation.push(outcome) {
            return Ok(());
        }
        if let Some(pending) = instance.get_global(&mut *store, PENDING) {
            let pending = pending.get(&mut *store);
            observation.pending.push(from_val(&mut *store, &pending).map_err(|error| anyhow::anyhow!("{error:?}"))?);
        }
    }
    look(case, store, instance, observation)
}

fn call(store: &mut Store<Log>, instance: &Instance, name: &str, arguments: &[Value]) -> wasmtime::Result<Vec<Value>> {
    let function = instance.get_func(&mut *store, name).ok_or_else(|| wasmtime::Error::msg("no such export"))?;
    let arguments = arguments.iter().map(|&value| to_val(&mut *store, value)).collect::<wasmtime::Result<Vec<_>>>()?;
    let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
    function.call(&mut *store, &arguments, &mut results)?;
    results.iter().map(|value| from_val(&mut *store, value)).collect()
}

/// Memories, tables and globals.
fn look(case: &Case, store: &mut Store<Log>, instance: &Instance, observation: &mut Observation) -> Result<()> {
    for name in &case.memories {
        let memory = instance.get_memory(&mut *store, name).context("an exported memory")?;
        observation.memories.push(memory.data(&*store).to_vec());
    }
    for name in &case.tables {
        let table = instance.get_table(&mut *store, name).context("an exported table")?;
        observation.tables.push(table.size(&*store));
    }
    for name in &case.globals {
        let global = instance.get_global(&mut *store, name).context("an exported global")?;
        let value = global.get(&mut *store);
        observation.globals.push(from_val(&mut *store, &value).map_err(|error| anyhow::anyhow!("{error:?}"))?);
    }
    Ok(())
}

fn define_host(engine: &Engine, linker: &mut Linker<Log>, index: usize, import: &HostImport) -> Result<()> {
    let types = |types: &[ValType]| types.iter().map(|&ty| type_of(ty)).collect::<Vec<_>>();
    let ty = FuncType::new(engine, types(&import.params), types(&import.results));
    let import = import.clone();
    let (module, name) = (import.module.clone(), import.name.clone());
    let call = move |mut caller: Caller<'_, Log>, arguments: &[Val], results: &mut [Val]| -> wasmtime::Result<()> {
        let arguments = arguments.iter().map(|value| from_val(&mut caller, value)).collect::<wasmtime::Result<_>>()?;
        let answers = host::answer(caller.data_mut(), index, &import, arguments).ok_or_else(|| wasmtime::Error::new(Exit))?;
        for (result, answer) in results.iter_mut().zip(answers) {
            *result = to_val(&mut caller, answer)?;
        }
        Ok(())
    };
    linker.func_new(&module, &name, ty, call).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok(())
}

fn type_of(ty: ValType) -> wasmtime::ValType {
    match ty {
        ValType::I32 => wasmtime::ValType::I32,
        ValType::I64 => wasmtime::ValType::I64,
        ValType::F32 => wasmtime::ValType::F32,
        ValType::F64 => wasmtime::ValType::F64,
        ValType::V128 => wasmtime::ValType::V128,
        ValType::Ref(ty) => wasmtime::ValType::Ref(match ty.heap {
            HeapType::Func | HeapType::Concrete(_) => RefType::FUNCREF,
            HeapType::Extern => RefType::EXTERNREF,
            HeapType::Exn => RefType::new(true, wasmtime::HeapType::Exn),
            HeapType::NoExn => RefType::new(true, wasmtime::HeapType::NoExn),
        }),
    }
}

fn to_val(store: impl AsContextMut, value: Value) -> wasmtime::Result<Val> {
    Ok(match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
        Value::V128(lanes) => Val::V128(lanes.into()),
        // Cases name no function and no exception of an engine: the only such reference that they pass is null.
        Value::FuncRef(_) => Val::FuncRef(None),
        Value::ExnRef(_) => Ref::Exn(None).into(),
        Value::ExternRef(0) => Val::ExternRef(None),
        Value::ExternRef(number) => Val::ExternRef(Some(ExternRef::new(store, number)?)),
    })
}

fn from_val(mut store: impl AsContextMut, value: &Val) -> wasmtime::Result<Value> {
    Ok(match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(bits) => Value::f32(*bits),
        Val::F64(bits) => Value::f64(*bits),
        Val::V128(lanes) => Value::V128(lanes.as_u128()),
        Val::FuncRef(reference) => Value::FuncRef(reference.is_some()),
        Val::ExnRef(reference) => Value::ExnRef(reference.is_some()),
        Val::ExternRef(None) => Value::ExternRef(0),
        Val::ExternRef(Some(reference)) => {
            let context = store.as_context_mut();
            let number = reference.data(&context)?.and_then(|data| data.downcast_ref::<u64>());
            // Numbers are all that cases make references to.
            Value::ExternRef(number.copied().unwrap_or(u64::MAX))
        }
        other => return Err(wasmtime::Error::msg(format!("no case has a value like {other:?}"))),
    })
}

/// How the guest ended; an error that is no ending of a guest is an error of the case.
fn outcome_of(store: &mut Store<Log>, error: &wasmtime::Error) -> Result<Outcome> {
    if error.downcast_ref::<Exit>().is_some() {
        return Ok(Outcome::Exited(EXIT_STATUS));
    }
    if error.downcast_ref::<wasmtime::ThrownException>().is_some() {
        store.take_pending_exception();
        return Ok(Outcome::Threw);
    }
    match error.downcast_ref::<Trap>() {
        Some(&trap) => Ok(Outcome::Trapped(trap_code(trap)?)),
        None => bail!("the outside engine: {error:?}"),
    }
}

fn trap_code(trap: Trap) -> Result<TrapCode> {
    Ok(match trap {
        Trap::StackOverflow => TrapCode::StackOverflow,
        Trap::MemoryOutOfBounds => TrapCode::MemoryOutOfBounds,
        Trap::HeapMisaligned => TrapCode::HeapMisaligned,
        Trap::TableOutOfBounds => TrapCode::TableOutOfBounds,
        Trap::IndirectCallToNull => TrapCode::IndirectCallToNull,
        Trap::BadSignature => TrapCode::BadSignature,
        Trap::IntegerOverflow => TrapCode::IntegerOverflow,
        Trap::IntegerDivisionByZero => TrapCode::IntegerDivisionByZero,
        Trap::BadConversionToInteger => TrapCode::BadConversionToInteger,
        Trap::UnreachableCodeReached => TrapCode::Unreachable,
        Trap::AtomicWaitNonSharedMemory => TrapCode::ExpectedShared,
        Trap::NullReference => TrapCode::NullReference,
        other => bail!("the outside engine ran out of resources: {other}"),
    })
}
