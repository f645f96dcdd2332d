//! One process of the measure `instances`: an engine as a library, some instances of one module, and a line of JSON about them.
//!
//! `trjit-bench worker --engine NAME ..`, started by the bench itself, so that no engine shares a process with another.

use crate::results::Footprint;
use crate::stats;
use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is called so on the command line.
pub const COMMAND: &str = "worker";

#[derive(Parser, Debug)]
pub struct Args {
    #[arg(long)]
    pub engine: Library,
    /// The module.
    #[arg(long)]
    pub wasm: PathBuf,
    /// The cache or the precompiled file; wasmtime's is made here when it is not there.
    #[arg(long)]
    pub artifact: PathBuf,
    /// Instances that live at once.
    #[arg(long)]
    pub count: u64,
    /// Keep them until standard input ends, and measure nothing.
    #[arg(long)]
    pub hold: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    Trjit,
    #[cfg(feature = "wasmtime")]
    Wasmtime,
}

impl Library {
    pub fn name(self) -> &'static str {
        match self {
            Library::Trjit => "trjit",
            #[cfg(feature = "wasmtime")]
            Library::Wasmtime => "wasmtime",
        }
    }
}

pub fn main(args: &Args) -> Result<()> {
    match args.engine {
        Library::Trjit => trjit(args),
        #[cfg(feature = "wasmtime")]
        Library::Wasmtime => wasmtime_pooled::run(args),
    }
}

fn trjit(args: &Args) -> Result<()> {
    use trjit_runtime::{Config, Engine, Linker, Module, Store};
    let engine = Engine::new(Config::new());
    let module = Module::from_cache_file(&engine, &args.artifact, None).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
    let mut linker: Linker<()> = Linker::new();
    linker.define_unknown_imports_as_traps(&module);
    let ready = linker.instantiate_pre(&module)?;
    work(args, || {
        let mut store = Store::new(&engine, ())?;
        ready.instantiate(&mut store)?;
        Ok(store)
    })
}

/// wasmtime with its pooling allocator, on a precompiled file.
#[cfg(feature = "wasmtime")]
mod wasmtime_pooled {
    use super::{Args, Result, work};
    use crate::sys;
    use wasmtime::{Config, Engine, InstanceAllocationStrategy, Linker, PoolingAllocationConfig, Store};

    pub fn run(args: &Args) -> Result<()> {
        let mut pool = PoolingAllocationConfig::default();
        // One more than live at once: the one that is being timed.
        let slots = u32::try_from(args.count + 1)?;
        pool.total_core_instances(slots).total_memories(slots).total_tables(slots).table_elements(1 << 17);
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).wasm_exceptions(true);
        let engine = known(Engine::new(&config))?;
        if !args.artifact.exists() {
            let compiled = known(engine.precompile_module(&std::fs::read(&args.wasm)?))?;
            std::fs::write(&args.artifact, compiled)?;
        }
        let module = known(sys::deserialize(&engine, &args.artifact))?;
        let mut linker: Linker<()> = Linker::new(&engine);
        known(linker.define_unknown_imports_as_traps(&module))?;
        let ready = known(linker.instantiate_pre(&module))?;
        work(args, || {
            let mut store = Store::new(&engine, ());
            known(ready.instantiate(&mut store))?;
            Ok(store)
        })
    }

    /// wasmtime's errors are no standard ones.
    fn known<T>(result: wasmtime::Result<T>) -> Result<T> {
        result.map_err(|error| anyhow::anyhow!("{error:#}"))
    }
}

/// Instances that are timed, made and dropped among those that live.
const TIMED: usize = 2000;
const TIME: Duration = Duration::from_secs(2);

/// Makes the instances, each in a store of its own, and prints what they take.
fn work<S>(args: &Args, make: impl Fn() -> Result<S>) -> Result<()> {
    // The first one also makes what all share: that is not of one more instance.
    drop(make()?);
    let before = pss_kib(Path::new("/proc/self/smaps_rollup"))?;
    let living: Vec<S> = (0..args.count).map(|_| make()).collect::<Result<_>>()?;
    if args.hold {
        println!();
        std::io::stdin().read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let after = pss_kib(Path::new("/proc/self/smaps_rollup"))?;
    let mut times = Vec::with_capacity(TIMED);
    let start = Instant::now();
    while times.len() < TIMED && (start.elapsed() < TIME || times.is_empty()) {
        let begin = Instant::now();
        let one = make()?;
        times.push(begin.elapsed().as_nanos() as f64 / 1e3);
        drop(one);
    }
    drop(living);
    times.sort_by(f64::total_cmp);
    let footprint = Footprint {
        p50_us: stats::quantile(&times, 0.5),
        p99_us: stats::quantile(&times, 0.99),
        pss_kib_each: (after as f64 - before as f64) / args.count as f64,
    };
    println!("{}", serde_json::to_string(&footprint)?);
    Ok(())
}

/// The proportional set size in such a file of /proc.
pub fn pss_kib(path: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let Some(line) = text.lines().find_map(|line| line.strip_prefix("Pss:")) else { bail!("{} has no Pss", path.display()) };
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
