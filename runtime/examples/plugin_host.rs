//! A host of plugins: serves requests on several threads, is trained under that load, and then starts on a cache of what it learned.
//!
//! ```text
//! record_profile -> serve, take_profile meanwhile -> merge -> assemble -> plugin.trjit -> from_cache_file -> serve -> counters
//! ```
//! `cargo run -p trjit-runtime --example plugin_host`

use std::path::Path;
use trjit_assemble::{Options, Silent, assemble};
use trjit_compile::CraneliftCompiler;
use trjit_runtime::{Config, Engine, Error, Instance, InstancePre, Linker, Memory, Module, Profile, Store};
use trjit_wasi::{Output, OutputBuffer, WasiCtx, WasiCtxBuilder};

type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const PLUGIN: &str = include_str!("plugin.wat");
const THREADS: usize = 3;
const REQUESTS: usize = 200;

/// A plugin in a store of its own, which one thread uses.
struct Plugin {
    store: Store<WasiCtx>,
    instance: Instance,
    memory: Memory,
    said: OutputBuffer,
}

impl Plugin {
    /// Makes an instance, and initializes it, as a reactor asks for.
    fn start(engine: &Engine, pre: &InstancePre<WasiCtx>) -> Result<Plugin> {
        let said = OutputBuffer::default();
        let context = WasiCtxBuilder::new().stderr(Output::Buffer(said.clone())).build()?;
        let mut store = Store::new(engine, context)?;
        let instance = pre.instantiate(&mut store)?;
        instance.get_typed_func::<(), ()>(&mut store, "_initialize")?.call(&mut store, ())?;
        let memory = instance.get_memory(&mut store, "memory").ok_or("the plugin exports no memory")?;
        Ok(Plugin { store, instance, memory, said })
    }

    /// Writes a request to where the plugin wants it.
    fn place(&mut self, request: &[u8]) -> Result<(u32, u32)> {
        let len = u32::try_from(request.len())?;
        let at = self.instance.get_typed_func::<u32, u32>(&mut self.store, "place")?.call(&mut self.store, len)?;
        self.memory.write(&mut self.store, at as usize, request)?;
        Ok((at, len))
    }

    fn checksum(&mut self, request: &[u8]) -> Result<u32> {
        let (at, len) = self.place(request)?;
        Ok(self.instance.get_typed_func::<(u32, u32), u32>(&mut self.store, "checksum")?.call(&mut self.store, (at, len))?)
    }

    fn count(&mut self, request: &[u8], byte: u8) -> Result<u32> {
        let (at, len) = self.place(request)?;
        let count = self.instance.get_typed_func::<(u32, u32, u32), u32>(&mut self.store, "count")?;
        Ok(count.call(&mut self.store, (at, len, byte.into()))?)
    }
}

/// Names are looked up and types compared here, once for all threads.
fn link(module: &Module) -> Result<InstancePre<WasiCtx>, Error> {
    let mut linker = Linker::new();
    trjit_wasi::add_to_linker(&mut linker, |context| context);
    linker.instantiate_pre(module)
}

/// Serves the load, and calls `meanwhile` until all threads are done.
fn serve(engine: &Engine, module: &Module, mut meanwhile: impl FnMut() -> Result) -> Result {
    let pre = link(module)?;
    std::thread::scope(|scope| {
        let work = || -> Result {
            let mut plugin = Plugin::start(engine, &pre)?;
            for number in 0..REQUESTS {
                plugin.checksum(format!("request {number}").repeat(200).as_bytes())?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            meanwhile()?;
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })
}

/// Everything is interpreted and recorded. The profile is taken in parts while requests are served, as a host would that runs for long.
fn train(wasm: &[u8]) -> Result<Profile> {
    let engine = Engine::new(Config::new().record_profile(true));
    let module = Module::new(&engine, wasm.to_vec())?;
    let mut parts = Vec::new();
    serve(&engine, &module, || {
        parts.push(engine.take_profile(&module, "under load")?);
        Ok(())
    })?;
    println!("requests were recorded while others were served: {}", parts.iter().any(|part| part.total_calls() > 0));
    parts.push(engine.take_profile(&module, "under load")?);
    Ok(Profile::merge(parts)?)
}

/// The module with its cache; without, where the cache is refused.
fn load(engine: &Engine, wasm: &[u8], cache: &Path) -> Result<Module> {
    match Module::from_cache_file(engine, cache, Some(wasm)) {
        Ok(module) => Ok(module),
        Err(refusal) => {
            println!("refused ({}): {}", refusal.code(), refusal.help());
            Ok(Module::new(engine, wasm.to_vec())?)
        }
    }
}

fn main() -> Result {
    let wasm = wat::parse_str(PLUGIN)?;
    let folder = tempfile::tempdir()?;
    let cache = folder.path().join("plugin.trjit");

    let profile = train(&wasm)?;
    println!("trained: {} functions", profile.functions().iter().filter(|function| function.entries > 0).count());
    for function in profile.functions() {
        println!("    {} was called {} times", function.identity.name.as_deref().unwrap_or("?"), function.entries);
    }

    // With `trjit_compile` as the code generator; the host that serves needs neither of the two crates.
    let parsed = trjit_module::Module::parse(wasm.clone())?;
    let assembled = assemble(&parsed, Some(&profile), &Options::default(), &CraneliftCompiler::new(), &Silent)?;
    std::fs::write(&cache, &assembled.bytes)?;

    let engine = Engine::new(Config::new());
    let module = load(&engine, &wasm, &cache)?;
    println!("assembled: {} functions have code", module.cached_functions());
    serve(&engine, &module, || Ok(()))?;
    let calls = engine.counters().calls;
    println!("served: cached code was entered {} times, the interpreter {} times", calls.cached, calls.interpreted);

    // What training did not see is interpreted.
    let mut plugin = Plugin::start(&engine, &link(&module)?)?;
    println!("checksum: {:08x}, by cached code", plugin.checksum(b"123456789")?);
    println!("count: {}, by the interpreter", plugin.count(b"to be or not to be", b'o')?);
    let lacking = plugin.instance.interpreted_functions(&plugin.store);
    let names: Vec<_> = lacking.into_iter().filter_map(|function| module.parsed().func_name(function)).collect();
    println!("the cache lacks: {}", names.join(", "));
    print!("{}", String::from_utf8_lossy(&plugin.said.contents()));

    // A new version of the plugin: its cache is another one. The host says so and goes on.
    let newer = wat::parse_str(PLUGIN.replace("ready", "readY"))?;
    let module = load(&engine, &newer, &cache)?;
    let mut plugin = Plugin::start(&engine, &link(&module)?)?;
    println!("checksum: {:08x}, by the interpreter", plugin.checksum(b"123456789")?);
    println!("refusals: {:?}", engine.counters().refusals);
    Ok(())
}
