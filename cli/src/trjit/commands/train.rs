//! `trjit train`: runs the program, recorded, and writes its profile, however the run ends.

use crate::LINKED;
use crate::args::Train;
use anyhow::{Context, Result, anyhow, ensure};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use trjit_cli::args::Jit;
use trjit_cli::exit::{self, FAILURE, Failure, SIGNAL_BASE};
use trjit_cli::observer::Observer;
use trjit_cli::options::Options;
use trjit_cli::stop::{self, Stopped};
use trjit_cli::{guest, source, ui};
use trjit_runtime::{Config, Engine, Error, Module, Reason, RunInfo, Store};

pub fn execute(train: &mut Train) -> Result<u8> {
    train.fill()?;
    let train = &*train;
    let options = Options::parse(&train.guest)?;
    let path = guest::module_path(&train.guest)?;
    let output = train.output.clone().unwrap_or_else(|| path.with_extension("trprof"));
    let mut tunables = options.tunables;
    tunables.max_wasm_stack = options.max_wasm_stack.unwrap_or(tunables.max_wasm_stack);
    tunables.background &= train.jit != Some(Jit::Sync);
    let mut config = Config { tunables, record_profile: true, ..Config::default() };
    config.consume_fuel(options.fuel.is_some());
    config.compiler = LINKED.compiler.filter(|_| train.jit != Some(Jit::Off)).map(|make| make());
    let observer = Observer::new(&train.observe)?;
    config.compilation_hook = observer.as_ref().map(Observer::hook);
    let engine = Engine::new(config.memory_style(options.memory_style()));
    let module = Module::from_parsed(&engine, source::parse(path, source::read_wasm(path, &LINKED)?)?)?;
    check_writable(&output)?;
    let interrupt = Arc::new(AtomicBool::new(false));
    let mut store = Store::new(&engine, guest::wasi_context(&train.guest, &options, Some(&interrupt))?)?;
    guest::fuel(&mut store, &options)?;
    let stopped = Arc::new(Stopped::default());
    stop::on_signals(store.interrupt_handle(), Arc::clone(&interrupt), Arc::clone(&stopped));
    if let Some(limit) = [train.duration, options.timeout].into_iter().flatten().min() {
        stop::after(limit, store.interrupt_handle(), interrupt, Arc::clone(&stopped));
    }
    let linker = guest::linker(&engine, &mut store, &train.guest, &options, &LINKED)?;
    let start = Instant::now();
    let result = guest::run(&linker, &mut store, &module, &train.guest);
    let seconds = start.elapsed().as_secs_f64();
    let info = RunInfo { workload: train.workload.clone(), seconds, ended: ending(&result, &stopped), ..RunInfo::default() };
    observer.iter().for_each(|observer| observer.finish(&train.observe, store.counters(), &module));
    write_profile(&engine, &module, info, &output, train.verbose)?;
    status(result, path, &stopped, train)
}

/// The guest's status, or what a run that was stopped from outside exits with.
fn status(result: Result<(), Error>, path: &Path, stopped: &Stopped, train: &Train) -> Result<u8> {
    let interrupted = matches!(&result, Err(Error::Trap(trap)) if trap.code() == Some(trjit_module::TrapCode::Interrupt));
    match stopped.signal() {
        Some(signal) if interrupted => Ok(SIGNAL_BASE + signal as u8),
        None if interrupted && stopped.by_time() && train.duration.is_some() => Ok(exit::OK),
        Some(_) | None => guest::finish(result, path),
    }
}

/// How the run ended, in the words of the profile.
fn ending(result: &Result<(), Error>, stopped: &Stopped) -> String {
    match result {
        Ok(()) => "exit 0".to_string(),
        Err(Error::Trap(trap)) => match (&trap.reason, stopped.signal()) {
            (Reason::Exit(status), _) => format!("exit {status}"),
            (Reason::Trap(trjit_module::TrapCode::Interrupt), Some(signal)) => format!("signal {signal}"),
            (Reason::Trap(trjit_module::TrapCode::Interrupt), None) => "time limit".to_string(),
            (Reason::Trap(code), _) => format!("trap: {code}"),
            (Reason::Host(_), _) => "host error".to_string(),
            (Reason::Exception(_), _) => "exception".to_string(),
        },
        Err(_) => "not started".to_string(),
    }
}

/// Fails before the run, rather than after it, where the profile can not be written.
fn check_writable(output: &Path) -> Result<()> {
    let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unwritable = || {
        let failure = Failure::new(FAILURE, format!("the profile can not be written to `{}`", output.display()));
        failure.with_help("name a file with -o, in a directory that exists")
    };
    let metadata = std::fs::metadata(directory).with_context(unwritable)?;
    ensure!(metadata.is_dir(), anyhow!("`{}` is no directory", directory.display()).context(unwritable()));
    ensure!(!output.is_dir(), anyhow!("it is a directory").context(unwritable()));
    Ok(())
}

fn write_profile(engine: &Engine, module: &Module, info: RunInfo, output: &Path, verbose: bool) -> Result<()> {
    let profile = engine.take_profile(module, info)?;
    profile.write(output)?;
    if verbose {
        let functions = profile.functions().iter().filter(|function| function.entries > 0).count();
        let defined = module.parsed().functions().len();
        ui::note(&format!(
            "trjit: {functions} of {defined} functions entered, {} calls recorded in `{}`",
            profile.total_calls(),
            output.display()
        ));
    }
    Ok(())
}
