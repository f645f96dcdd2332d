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
use trjit_cli::stop::{self, Signals, Stopped};
use trjit_cli::{guest, source, spooled, ui};
use trjit_runtime::{Config, DEFAULT_WORKLOAD, Engine, Error, Module, RunInfo, Store};

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
    spooled::label(&module, path);
    let interrupt = Arc::new(AtomicBool::new(false));
    let mut store = Store::new(&engine, guest::wasi_context(&train.guest, &options, Some(&interrupt))?)?;
    guest::fuel(&mut store, &options)?;
    let stopped = Arc::new(Stopped::default());
    stop::on_signals(Signals::block(), store.interrupt_handle(), Arc::clone(&interrupt), Arc::clone(&stopped), stop::exit_by);
    if let Some(limit) = [train.duration, options.timeout].into_iter().flatten().min() {
        stop::after(limit, store.interrupt_handle(), interrupt, Arc::clone(&stopped));
    }
    let linker = guest::linker(&engine, &mut store, &train.guest, &options, &LINKED)?;
    let start = Instant::now();
    let result = guest::run(&linker, &mut store, &module, &train.guest);
    let seconds = start.elapsed().as_secs_f64();
    let info = RunInfo {
        workload: train.workload.clone().unwrap_or_else(|| DEFAULT_WORKLOAD.to_string()),
        seconds,
        ended: guest::ending(&result, &stopped),
        ..RunInfo::default()
    };
    observer.iter().for_each(|observer| observer.finish(&train.observe, store.counters(), &module));
    write_profile(&engine, &module, info, &output, train.verbose)?;
    status(result, path, &stopped, train)
}

/// The guest's status, or what a run that was stopped from outside exits with.
fn status(result: Result<(), Error>, path: &Path, stopped: &Stopped, train: &Train) -> Result<u8> {
    let interrupted = guest::is_interrupted(&result);
    match stopped.signal() {
        Some(signal) if interrupted => Ok(SIGNAL_BASE + signal as u8),
        None if interrupted && stopped.by_time() && train.duration.is_some() => Ok(exit::OK),
        Some(_) | None => guest::finish(result, path),
    }
}

/// Fails before the run, rather than after it, where the profile can not be written.
pub fn check_writable(output: &Path) -> Result<()> {
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
