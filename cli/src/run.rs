//! Running a program: from a module, a module and a cache, or a cache alone.

use crate::args::{CacheMode, Jit, Run};
use crate::exit::{CACHE_REFUSED, FAILURE, Failure, USAGE};
use crate::observer::Observer;
use crate::options::Options;
use crate::spooled::{self, Spooled};
use crate::stop::{self, Stopped};
use crate::timings::{Phase, Timings};
use crate::{Linked, guest, source, ui};
use anyhow::Result;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use trjit_cache_format::{ModuleId, Refusal};
use trjit_code::Compiler;
use trjit_runtime::{Config, Engine, Module, Store};
use trjit_runtime_loader::MappedCache;

/// Runs a program to its end, and gives the exit status, with which the process is to end: what the run held is left to the system, which frees it faster.
pub fn execute(run: &mut Run, linked: &Linked, mut timings: Timings) -> Result<u8> {
    run.fill()?;
    let run = &*run;
    let options = Options::parse(&run.guest)?;
    let path = guest::module_path(&run.guest)?;
    let observer = Observer::new(&run.observe)?;
    let mut config = config(run, &options, linked)?;
    config.compilation_hook = observer.as_ref().map(Observer::hook);
    let engine = Engine::new(config);
    timings.mark(Phase::Args);
    let (module, cached) = load(run, &engine, path, linked, &mut timings)?;
    compile_by_counts(run, &module, linked)?;
    // Without a time limit or a trace to leave nobody would raise it, and the guest's reads need not look.
    let interrupt = (options.timeout.is_some() || spooled::is_spooled(&engine)).then(|| Arc::new(AtomicBool::new(false)));
    let mut store = Store::new(&engine, guest::wasi_context(&run.guest, &options, interrupt.as_ref())?)?;
    guest::fuel(&mut store, &options)?;
    let spooled = interrupt.as_ref().filter(|_| spooled::is_spooled(&engine));
    let spooled = spooled.map(|interrupt| Spooled::begin(&module, path, store.interrupt_handle(), interrupt));
    let linker = guest::linker(&engine, &mut store, &run.guest, &options, linked)?;
    if let (Some(limit), Some(interrupt)) = (options.timeout, interrupt) {
        let stopped = spooled.as_ref().map_or_else(|| Arc::new(Stopped::default()), |spooled| Arc::clone(spooled.stopped()));
        stop::after(limit, store.interrupt_handle(), interrupt, stopped);
    }
    let instance = linker.instantiate(&mut store, &module);
    timings.mark(Phase::Instantiate);
    let ready = timings.since_main();
    let result = instance.and_then(|instance| guest::call(&instance, &mut store, &run.guest));
    timings.mark(Phase::Guest);
    spooled.iter().for_each(|spooled| spooled.leave(&module, &result));
    if run.verbose {
        let source = if cached { "cache" } else { "no cache" };
        let compiled = module.compiled_functions();
        ui::note(&format!(
            "trjit: {source}; ready after {ready:.2?}; {compiled} functions compiled in this run; total {:.2?}",
            timings.since_main()
        ));
    }
    if let (true, true) = (run.verbose, engine.lacks_address_space()) {
        ui::note("trjit: memories are checked: the limit of address space (`ulimit -v`) is too low to reserve them");
    }
    if let Some(reason) = module.code_refusal() {
        let what_to_do = "allow executable memory, give a cache that has all functions, or say --jit off";
        ui::refusal(&format!("what has become hot was interpreted: {reason}"), what_to_do);
    }
    if let Some(format) = run.timings {
        timings.print(format);
    }
    observer.iter().for_each(|observer| observer.finish(&run.observe, store.counters(), &module));
    let status = guest::finish(result, path);
    std::mem::forget((store, linker, module, engine));
    status
}

fn config(run: &Run, options: &Options, linked: &Linked) -> Result<Config> {
    let compiler = compiler(run, linked)?;
    let mut tunables = options.tunables;
    tunables.background &= run.jit != Some(Jit::Sync);
    tunables.call_threshold = run.call_threshold.unwrap_or(tunables.call_threshold);
    tunables.loop_threshold = run.loop_threshold.unwrap_or(tunables.loop_threshold);
    tunables.max_wasm_stack = options.max_wasm_stack.unwrap_or(tunables.max_wasm_stack);
    let mut config = Config { compiler, tunables, ..Config::default() };
    config.consume_fuel(options.fuel.is_some());
    config.memory_style(options.memory_style());
    Ok(config)
}

/// The compiler that `--jit` asks for.
fn compiler(run: &Run, linked: &Linked) -> Result<Option<Arc<dyn Compiler>>> {
    match (run.jit, linked.compiler) {
        (Some(Jit::Off), _) | (None, None) => Ok(None),
        (_, Some(make)) => Ok(Some(make())),
        (Some(Jit::Background | Jit::Sync), None) => {
            let failure = Failure::new(USAGE, format!("--jit: there is no compiler in {}", linked.program));
            Err(failure.with_help("use `trjit run`, or leave --jit away: what the cache lacks is then interpreted").into())
        }
    }
}

/// Gives the module the counts that `--counts` asks for.
fn compile_by_counts(run: &Run, module: &Module, linked: &Linked) -> Result<()> {
    if run.counts.is_empty() {
        return Ok(());
    }
    let Some(read) = linked.counts else {
        let failure = Failure::new(USAGE, format!("--counts: there is no compiler in {}", linked.program));
        return Err(failure.with_help("use `trjit run`, or leave --counts away: caches were compiled by their counts").into());
    };
    module.compile_by(read(&run.counts, module.parsed())?);
    Ok(())
}

/// The module, and whether it comes from a cache.
fn load(run: &Run, engine: &Engine, path: &Path, linked: &Linked, timings: &mut Timings) -> Result<(Module, bool)> {
    if run.allow_precompiled && source::begins_precompiled(path)? {
        let module = open(engine, path, None, timings).map_err(|refusal| refused(&refusal, path))?;
        return Ok((module, true));
    }
    let mode = run.cache_mode.unwrap_or(CacheMode::Auto);
    if let (Some(cache), CacheMode::Auto | CacheMode::Require | CacheMode::Own) = (&run.cache, mode) {
        let id = source::identity(path, linked)?;
        timings.mark(Phase::Check);
        match open(engine, cache, Some(id), timings) {
            Ok(module) => return Ok((module, true)),
            Err(Refusal::OtherModule { .. }) if mode == CacheMode::Own => {}
            Err(refusal) if mode != CacheMode::Auto => return Err(refused(&refusal, cache)),
            Err(refusal) => {
                ui::refusal(&format!("cache `{}` is not used [{}]: {refusal}", cache.display(), refusal.code()), &refusal.help());
            }
        }
    }
    if run.cache.is_none() && matches!(mode, CacheMode::Require | CacheMode::Own) {
        let name = if mode == CacheMode::Own { "own" } else { "require" };
        return Err(Failure::new(FAILURE, format!("--cache-mode {name} needs a cache"))
            .with_help("name it with --cache FILE, or in TRJIT_CACHE")
            .into());
    }
    let wasm = source::read_wasm(path, linked)?;
    timings.mark(Phase::Check);
    let module = Module::from_parsed(engine, source::parse(path, wasm)?)?;
    timings.mark(Phase::Parse);
    Ok((module, false))
}

fn open(engine: &Engine, path: &Path, module: Option<ModuleId>, timings: &mut Timings) -> Result<Module, Refusal> {
    let cache = MappedCache::open(path, &engine.expectations(module))?;
    timings.mark(Phase::Open);
    let module = Module::from_cache(engine, Arc::new(cache))?;
    timings.mark(Phase::Map);
    Ok(module)
}

fn refused(refusal: &Refusal, path: &Path) -> anyhow::Error {
    let message = format!("cache `{}` is refused [{}]: {refusal}", path.display(), refusal.code());
    Failure::new(CACHE_REFUSED, message).with_help(refusal.help()).into()
}
