//! A case on trjit, in one mode; and the training run of a case.

use crate::case::{Case, FUEL, PENDING};
use crate::compilers::Refusals;
use crate::host::{self, EXIT_STATUS, HostImport, Log};
use crate::mode::{Mode, Prepared, Training};
use crate::observation::{Observation, Outcome};
use crate::value::Value;
use anyhow::{Context, Result, bail};
use std::path::Path;
use trjit_runtime::{Engine, Error, HostTrap, Instance, Linker, Module, OwnedFuncType, Reason, Store, Val};
use trjit_trace::{Profile, RunInfo};

/// Runs the case.
pub fn run(case: &Case, parsed: &trjit_module::Module, mode: Mode, profile: Option<&Profile>, scratch: &Path) -> Result<Observation> {
    let Prepared { engine, module, refusals } = mode.prepare(parsed, profile, scratch)?;
    let observation = observe(case, &engine, &module, &mut None)?;
    refusals.check()?;
    Ok(observation)
}

/// Runs the case and records it.
pub fn train(case: &Case, parsed: &trjit_module::Module, training: Training) -> Result<(Observation, Profile)> {
    let refusals = Refusals::default();
    let engine = training.engine(&refusals);
    let module = Module::from_parsed(&engine, parsed.clone())?;
    let observation = observe(case, &engine, &module, &mut None)?;
    refusals.check()?;
    Ok((observation, engine.take_profile(&module, RunInfo::default())?))
}

/// The fuel of a run, in an engine that consumes it: what each call gets, and what each that did not exhaust the stack left, the instantiation first.
pub(crate) struct Fuel {
    pub amount: u64,
    pub left: Vec<u64>,
}

pub(crate) fn observe(case: &Case, engine: &Engine, module: &Module, fuel: &mut Option<Fuel>) -> Result<Observation> {
    observe_in(Store::new(engine, Log::new())?, case, module, fuel)
}

/// As [`observe`], in a store that somebody has prepared.
pub(crate) fn observe_in(mut store: Store<Log>, case: &Case, module: &Module, fuel: &mut Option<Fuel>) -> Result<Observation> {
    let engine = &store.engine().clone();
    refill(&mut store, fuel)?;
    let mut linker = Linker::new();
    for (index, import) in case.hosts.iter().enumerate() {
        define_host(&mut linker, index, import);
    }
    for (name, wasm) in &case.providers {
        let instance = linker.instantiate(&mut store, &Module::new(engine, wasm.clone())?)?;
        linker.instance(name, instance);
    }
    let mut observation = Observation::default();
    match linker.instantiate(&mut store, module) {
        Ok(instance) => {
            observation.push(Outcome::Returned(Vec::new()));
            read_rest(&store, fuel)?;
            make_calls(case, &mut store, &instance, &mut observation, fuel)?;
        }
        Err(error) => {
            if observation.push(outcome_of(error)?) {
                read_rest(&store, fuel)?;
            }
        }
    }
    observation.host_calls = std::mem::take(store.data_mut());
    Ok(observation)
}

fn refill(store: &mut Store<Log>, fuel: &Option<Fuel>) -> Result<()> {
    fuel.as_ref().map_or(Ok(()), |fuel| Ok(store.set_fuel(fuel.amount)?))
}

fn read_rest(store: &Store<Log>, fuel: &mut Option<Fuel>) -> Result<()> {
    if let Some(fuel) = fuel {
        fuel.left.push(store.get_fuel()?);
    }
    Ok(())
}

fn make_calls(
    case: &Case,
    store: &mut Store<Log>,
    instance: &Instance,
    observation: &mut Observation,
    fuel: &mut Option<Fuel>,
) -> Result<()> {
    for call in &case.calls {
        if let Some(steps) = instance.get_global(store, FUEL) {
            steps.set(store, Val::I32(case.fuel))?;
        }
        refill(store, fuel)?;
        let arguments: Vec<Val> = call.arguments.iter().map(|&value| to_val(value)).collect();
        let outcome = match instance.func(store, &call.export)?.call(store, &arguments) {
            Ok(values) => Outcome::Returned(values.into_iter().map(from_val).collect()),
            Err(error) => outcome_of(error)?,
        };
        if !observation.push(outcome) {
            return Ok(());
        }
        observation.pending.extend(instance.get_global(store, PENDING).map(|pending| from_val(pending.get(store))));
        read_rest(store, fuel)?;
    }
    look(case, store, instance, observation)
}

/// Memories, tables and globals.
fn look(case: &Case, store: &mut Store<Log>, instance: &Instance, observation: &mut Observation) -> Result<()> {
    for name in &case.memories {
        observation.memories.push(instance.get_memory(store, name).context("an exported memory")?.data(store).to_vec());
    }
    for name in &case.tables {
        observation.tables.push(instance.get_table(store, name).context("an exported table")?.size(store));
    }
    for name in &case.globals {
        let value = instance.get_global(store, name).context("an exported global")?.get(store);
        observation.globals.push(from_val(value));
    }
    Ok(())
}

fn define_host(linker: &mut Linker<Log>, index: usize, import: &HostImport) {
    let import = import.clone();
    let (module, name) = (import.module.clone(), import.name.clone());
    let ty = OwnedFuncType::new(import.params.iter().copied(), import.results.iter().copied());
    linker.func_new(&module, &name, ty, move |mut caller, arguments, results| {
        let arguments = arguments.iter().map(|&argument| from_val(argument)).collect();
        let answers = host::answer(caller.data_mut(), index, &import, arguments).ok_or(HostTrap::Exit(EXIT_STATUS))?;
        results.iter_mut().zip(answers).for_each(|(result, answer)| *result = to_val(answer));
        Ok(())
    });
}

fn to_val(value: Value) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
        // Cases name no function of an engine: the only function reference that they pass is null.
        Value::FuncRef(_) => Val::FuncRef(None),
        Value::ExternRef(number) => Val::ExternRef(number),
        Value::ExnRef(_) => Val::ExnRef(0),
        Value::V128(lanes) => Val::V128(lanes),
    }
}

fn from_val(value: Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(value),
        Val::I64(value) => Value::I64(value),
        Val::F32(bits) => Value::f32(bits),
        Val::F64(bits) => Value::f64(bits),
        Val::FuncRef(reference) => Value::FuncRef(reference.is_some()),
        Val::ExternRef(number) => Value::ExternRef(number),
        Val::ExnRef(reference) => Value::ExnRef(reference != 0),
        Val::V128(lanes) => Value::V128(lanes),
    }
}

/// How the guest ended; an error that is no ending of a guest is a difference of its own.
pub(crate) fn outcome_of(error: Error) -> Result<Outcome> {
    let Error::Trap(trap) = error else { return Err(error.into()) };
    match &trap.reason {
        Reason::Trap(code) => Ok(Outcome::Trapped(*code)),
        Reason::Exit(status) => Ok(Outcome::Exited(*status)),
        Reason::Exception(_) => Ok(Outcome::Threw),
        Reason::Host(error) => bail!("a host function failed: {error}"),
    }
}
