//! Setting a guest up and running it: what `run` and `train` share.

use crate::args::Guest;
use crate::exit::{self, FAILURE, Failure};
use crate::options::Options;
use crate::stop::Stopped;
use crate::{Linked, source, spooled, ui};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use trjit_module::{CodeError, TrapCode, ValType};
use trjit_runtime::{Engine, Error, Instance, Limits, Linker, Module, Reason, Store, Trap, Val};
use trjit_wasi::{WasiCtx, WasiCtxBuilder};

/// Guests exit with statuses below this, as in wasmtime.
const MAX_GUEST_STATUS: i32 = 126;

/// Gives the guest its fuel, where the options limit it.
pub fn fuel(store: &mut Store<WasiCtx>, options: &Options) -> Result<()> {
    options.fuel.map_or(Ok(()), |fuel| Ok(store.set_fuel(fuel)?))
}

/// The path of the module. Not clap's check, since `-W help` needs none.
pub fn module_path(guest: &Guest) -> Result<&Path> {
    let path = guest.module_and_args.first().map(Path::new);
    path.ok_or_else(|| Failure::new(exit::USAGE, "no module is given").with_help("name a *.wasm or *.wat file, then its arguments").into())
}

/// The environment that the flags describe.
pub fn wasi_context(guest: &Guest, options: &Options, interrupt: Option<&Arc<AtomicBool>>) -> Result<WasiCtx> {
    let mut builder = WasiCtxBuilder::new();
    builder.inherit_stdio();
    if let Some(flag) = interrupt {
        builder.interrupt_flag(Arc::clone(flag));
    }
    let name = module_path(guest)?.file_name().unwrap_or_default();
    builder.arg(guest.argv0.as_deref().map_or(name, OsStr::new));
    // With --invoke the arguments are the function's.
    if guest.invoke.is_none() {
        builder.args(&guest.module_and_args[1..]);
    }
    if options.inherit_env {
        for (name, value) in spooled::environment() {
            builder.env(name, value);
        }
    }
    for variable in &guest.env {
        match variable.split_once('=') {
            Some((name, value)) => builder.env(name, value),
            None => {
                let value = std::env::var_os(variable).ok_or_else(|| {
                    let failure = Failure::new(FAILURE, format!("the environment variable `{variable}` is not set"));
                    failure.with_help(format!("set it, or give its value: --env {variable}=VALUE"))
                })?;
                builder.env(variable, value)
            }
        };
    }
    for dir in &guest.dirs {
        let (host, inside) = dir.split_once("::").unwrap_or((dir, dir));
        if matches!(std::fs::metadata(host), Err(error) if error.kind() == std::io::ErrorKind::NotFound) {
            // Version control and image builders drop empty directories: the guest finds nothing there, and is told so.
            ui::warning(&format!("--dir {dir}: there is no directory `{host}`; the guest gets nothing at `{inside}`"));
            continue;
        }
        builder.preopened_dir(host, inside, false);
    }
    Ok(builder.build()?)
}

/// A linker with WASI and the preloaded modules, and limits.
pub fn linker(engine: &Engine, store: &mut Store<WasiCtx>, guest: &Guest, options: &Options, linked: &Linked) -> Result<Linker<WasiCtx>> {
    let mut linker = Linker::new();
    linker.limits(Limits { memory_size: options.max_memory_size, table_elements: options.max_table_elements });
    trjit_wasi::add_to_linker(&mut linker, |context| context);
    for preload in &guest.preloads {
        let Some((name, path)) = preload.split_once('=') else {
            let failure = Failure::new(FAILURE, format!("--preload {preload}: expected NAME=MODULE_PATH"));
            return Err(failure.with_help("NAME is what the program imports from, as in --preload math=math.wasm").into());
        };
        let path = Path::new(path);
        let module = Module::from_parsed(engine, source::parse(path, source::read_wasm(path, linked)?)?)?;
        // What is trained is the program.
        module.keep_out_of_spool();
        let instance = linker.instantiate(store, &module).with_context(|| format!("can not preload `{}`", path.display()))?;
        linker.instance(name, instance);
    }
    Ok(linker)
}

/// Instantiates the module and runs what the flags ask for.
pub fn run(linker: &Linker<WasiCtx>, store: &mut Store<WasiCtx>, module: &Module, guest: &Guest) -> Result<(), Error> {
    let instance = linker.instantiate(store, module)?;
    call(&instance, store, guest)
}

/// Runs what the flags ask for; prints the results of `--invoke`.
pub fn call(instance: &Instance, store: &mut Store<WasiCtx>, guest: &Guest) -> Result<(), Error> {
    let Some(name) = &guest.invoke else {
        return match instance.get_func(store, "_start") {
            Some(start) => start.call(store, &[]).map(|_| ()),
            // A library: instantiating it was all there is to do.
            None => initialize(instance, store),
        };
    };
    initialize(instance, store)?;
    let function = instance.func(store, name)?;
    let (params, _) = function.ty(store);
    let arguments = arguments(&params, &guest.module_and_args[1..])?;
    for value in function.call(store, &arguments)? {
        ui::line(&format!("{value}"));
    }
    Ok(())
}

/// Runs a reactor's initialization.
fn initialize(instance: &Instance, store: &mut Store<WasiCtx>) -> Result<(), Error> {
    match instance.get_func(store, "_initialize") {
        Some(function) => function.call(store, &[]).map(|_| ()),
        None => Ok(()),
    }
}

/// Arguments of `--invoke` by the function's types.
fn arguments(params: &[ValType], texts: &[std::ffi::OsString]) -> Result<Vec<Val>, Error> {
    if params.len() != texts.len() {
        return Err(Error::ArgumentCount { expected: params.len(), found: texts.len() });
    }
    let parse = |at: usize, ty: ValType| {
        let text = texts[at].to_string_lossy();
        let wrong = || Error::ArgumentType { position: at + 1, found: format!("is `{text}`"), expected: ty.to_string() };
        match ty {
            // As in wasmtime, unsigned values are taken, too.
            ValType::I32 => integer(&text, 32).map(|value| Val::I32(value as i32)).ok_or_else(wrong),
            ValType::I64 => integer(&text, 64).map(|value| Val::I64(value as i64)).ok_or_else(wrong),
            ValType::F32 => text.parse::<f32>().map(|value| Val::F32(value.to_bits())).map_err(|_| wrong()),
            ValType::F64 => text.parse::<f64>().map(|value| Val::F64(value.to_bits())).map_err(|_| wrong()),
            ValType::Ref(_) | ValType::V128 => Err(wrong()),
        }
    };
    params.iter().enumerate().map(|(at, &ty)| parse(at, ty)).collect()
}

/// A decimal or `0x` integer of so many bits, signed or unsigned.
fn integer(text: &str, bits: u32) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16).ok()?,
        None => digits.parse::<i128>().ok()?,
    };
    let value = if negative { -value } else { value };
    (-(1i128 << (bits - 1))..1i128 << bits).contains(&value).then_some(value)
}

/// Whether a run was stopped from outside.
pub fn is_interrupted(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::Trap(trap)) if trap.code() == Some(TrapCode::Interrupt))
}

/// How a run ended, in the words of a profile.
pub fn ending(result: &Result<(), Error>, stopped: &Stopped) -> String {
    match result {
        Ok(()) => "exit 0".to_string(),
        Err(Error::Trap(trap)) => match (&trap.reason, stopped.signal()) {
            (Reason::Exit(status), _) => format!("exit {status}"),
            (Reason::Trap(TrapCode::Interrupt), Some(signal)) => format!("signal {signal}"),
            (Reason::Trap(TrapCode::Interrupt), None) => "time limit".to_string(),
            (Reason::Trap(code), _) => format!("trap: {code}"),
            (Reason::Host(_), _) => "host error".to_string(),
            (Reason::Exception(_), _) => "exception".to_string(),
        },
        Err(_) => "not started".to_string(),
    }
}

/// How a run ended, as an exit status; what the user must know is printed.
pub fn finish(result: Result<(), Error>, path: &Path) -> Result<u8> {
    match result {
        Ok(()) => Ok(exit::OK),
        Err(Error::Trap(trap)) => ended(*trap, path),
        Err(error) => Err(anyhow::Error::new(error).context(format!("can not run `{}`", path.display()))),
    }
}

fn ended(trap: Trap, path: &Path) -> Result<u8> {
    match &trap.reason {
        Reason::Exit(status) if (0..MAX_GUEST_STATUS).contains(status) => Ok(*status as u8),
        Reason::Exit(status) => {
            let failure =
                Failure::new(FAILURE, format!("`{}` exited with the status {status}, outside of 0..{MAX_GUEST_STATUS}", path.display()));
            Err(failure.into())
        }
        Reason::Trap(_) | Reason::Exception(_) => {
            ui::error(&format!("`{}` failed: {trap}", path.display()));
            print_backtrace(&trap);
            Ok(if trap.code() == Some(TrapCode::DamagedCache) { exit::CACHE_REFUSED } else { exit::TRAP })
        }
        Reason::Host(error) if error.is::<CodeError>() => {
            // The guest had begun, so that there is no way back to a start without the cache.
            let failure = Failure::new(exit::CACHE_REFUSED, format!("`{}` can not go on: {error}", path.display()));
            Err(failure.with_help("assemble the cache again; without it, the program runs from the wasm file").into())
        }
        Reason::Host(error) => {
            ui::error(&format!("`{}` failed: {error}", path.display()));
            print_backtrace(&trap);
            Ok(FAILURE)
        }
    }
}

/// As wasmtime prints it: number, offset in the wasm file, module and function.
fn print_backtrace(trap: &Trap) {
    let backtrace = &trap.backtrace;
    if !backtrace.frames.is_empty() {
        ui::note("wasm backtrace:");
    }
    for (at, frame) in backtrace.frames.iter().enumerate() {
        let module = if frame.module.is_empty() { "<unknown>" } else { &frame.module };
        let offset = frame.wasm_offset.map_or("      -".to_string(), |offset| format!("{offset:#7x}"));
        let name = frame.name.clone().unwrap_or_else(|| format!("<wasm function {}>", frame.function));
        ui::note(&format!("  {at:>3}: {offset} - {module}!{name}"));
    }
    if backtrace.omitted > 0 {
        ui::note(&format!("       .. and {} more frames", backtrace.omitted));
    }
}
