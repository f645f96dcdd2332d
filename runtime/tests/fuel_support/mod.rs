//! The ways in which the tests of fuel run programs, and what they look at.

pub mod programs;

use crate::tiers_support::{MIXES, Mix};
use std::sync::{Arc, Mutex};
use trjit_code::Steered;
use trjit_compile::CraneliftCompiler;
use trjit_runtime::{Caller, Config, Engine, Error, Extern, HostTrap, Linker, Module, Store};

/// How a program runs.
#[derive(Clone, Copy)]
pub enum Way {
    Mix(Mix),
    /// All from an assembled cache, without a compiler.
    Cached,
    /// In the recording interpreter.
    Recorded,
}

pub fn ways() -> Vec<Way> {
    MIXES.iter().map(|&mix| Way::Mix(mix)).chain([Way::Cached, Way::Recorded]).collect()
}

/// A module that is ready to be instantiated, again and again.
pub struct Ready {
    engine: Engine,
    module: Module,
    compiler: Option<Arc<Steered<CraneliftCompiler>>>,
    /// Whether the host may pass on a trap.
    calls_again: bool,
}

/// All that a run shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Observation {
    /// `returned`, or the trap.
    pub outcome: String,
    /// The function of each frame of the trap, and the position in the innermost one; not where that one called the host, which passed the trap on: positions
    /// of calls are those of their first byte in compiled code, of their last one in the interpreter.
    pub frames: Vec<u32>,
    pub position: Option<u32>,
    pub left: u64,
    /// The fuel at each call of `host.look`.
    pub looks: Vec<u64>,
}

impl Way {
    pub fn name(&self) -> &'static str {
        match self {
            Way::Mix(mix) => mix.name,
            Way::Cached => "cached",
            Way::Recorded => "recorded",
        }
    }

    pub fn module(&self, text: &str) -> Ready {
        let wasm = wat::parse_str(text).unwrap();
        let (mut config, compiler) = match self {
            Way::Mix(mix) => {
                let (config, compiler) = mix.config();
                (config, Some(compiler))
            }
            Way::Cached => (Config::new(), None),
            Way::Recorded => (Config { record_profile: true, ..Config::default() }, None),
        };
        // Fuel shall end a recursion, and not the stack, of which each tier takes as much as it does.
        config.max_wasm_stack(12 << 20);
        let engine = Engine::new(config.consume_fuel(true));
        let module = match self {
            Way::Cached => cached(&engine, &wasm, true).unwrap(),
            Way::Mix(_) | Way::Recorded => Module::new(&engine, wasm).unwrap(),
        };
        module.compile_all();
        Ready { engine, module, compiler, calls_again: text.contains(r#""host" "again""#) }
    }
}

/// A module from a cache with everything compiled, which counts fuel or not.
pub fn cached(engine: &Engine, wasm: &[u8], fuel: bool) -> Result<Module, trjit_runtime_loader::Refusal> {
    let parsed = trjit_module::Module::parse(wasm.to_vec()).unwrap();
    let options = trjit_assemble::Options { all: true, fuel, threads: Some(1), ..trjit_assemble::Options::default() };
    let compiler = trjit_compile::CraneliftCompiler::new();
    let assembled = trjit_assemble::assemble(&parsed, None, &options, &compiler, &trjit_assemble::Silent).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.trjit");
    std::fs::write(&path, &assembled.bytes).unwrap();
    Module::from_cache_file(engine, &path, Some(wasm))
}

impl Ready {
    /// Runs the export `run` with so much fuel, in a store of its own.
    pub fn run(&self, fuel: u64) -> Observation {
        let looks = Arc::new(Mutex::new(Vec::new()));
        let linker = linker(&looks);
        let mut store = Store::new(&self.engine, ()).unwrap();
        store.set_fuel(fuel).unwrap();
        let ended = linker.instantiate(&mut store, &self.module).and_then(|instance| {
            let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
            run.call(&mut store, ())
        });
        let (outcome, frames) = match ended {
            Ok(()) => ("returned".to_string(), Vec::new()),
            Err(Error::Trap(trap)) => (trap.to_string(), trap.backtrace.frames),
            Err(error) => panic!("{error}"),
        };
        let failures = self.compiler.as_ref().map_or(Vec::new(), |compiler| compiler.take_failures());
        assert_eq!(failures, [], "what the mix wants compiled is interpreted");
        let position = frames.first().filter(|_| !self.calls_again).and_then(|frame| frame.wasm_offset);
        let frames = frames.iter().map(|frame| frame.function.0).collect();
        let looks = std::mem::take(&mut *looks.lock().unwrap());
        Observation { outcome, frames, position, left: store.get_fuel().unwrap(), looks }
    }
}

fn linker(looks: &Arc<Mutex<Vec<u64>>>) -> Linker<()> {
    let mut linker = Linker::new();
    let looks = Arc::clone(looks);
    linker.func_wrap("host", "look", move |caller: Caller<'_, ()>| -> Result<(), HostTrap> {
        looks.lock().unwrap().push(caller.get_fuel()?);
        Ok(())
    });
    linker.func_wrap("host", "halve", |mut caller: Caller<'_, ()>| -> Result<(), HostTrap> {
        let left = caller.get_fuel()?;
        Ok(caller.set_fuel(left / 2)?)
    });
    linker.func_wrap("host", "again", |mut caller: Caller<'_, ()>| -> Result<(), HostTrap> {
        let Some(Extern::Func(again)) = caller.get_export("again") else { return Err(HostTrap::new("no export `again`")) };
        again.call(&mut caller, &[])?;
        Ok(())
    });
    linker
}
