//! Caches from the API: what was trained, assembled and loaded runs as cached code and says so; what does not fit is refused by type.

mod modes_support;

use modes_support::*;
use std::path::{Path, PathBuf};
use trjit_assemble::{Options, Silent, assemble};
use trjit_code::MemoryStyle;
use trjit_compile::CraneliftCompiler;
use trjit_module::FuncIndex;
use trjit_runtime::{Config, Counters, Engine, Linker, Module, Profile, Store};
use trjit_runtime_loader::Refusal;

/// Functions 1 to 4; `cold` is called by nobody else, `twice` calls `square` and, by the host, `inc`.
const PROGRAM: &str = r#"(module (import "host" "inc" (func $inc (param i32) (result i32)))
    (func $square (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
    (func $twice (export "twice") (param i32) (result i32) (i32.add (call $square (local.get 0)) (call $inc (local.get 0))))
    (func $cold (export "cold") (param i32) (result i32) (call $colder (local.get 0)))
    (func $colder (param i32) (result i32) (i32.sub (i32.const 0) (call $square (local.get 0)))))"#;

/// Calls exports by their names, and gives the results and the store's counters.
fn serve(engine: &Engine, module: &Module, requests: &[(&str, i32)]) -> Result<(Vec<i32>, Counters, Vec<FuncIndex>)> {
    let mut linker = Linker::new();
    linker.func_wrap("host", "inc", |value: i32| value + 1);
    let mut store = Store::new(engine, ())?;
    let instance = linker.instantiate(&mut store, module)?;
    let mut results = Vec::new();
    for (name, value) in requests {
        results.push(instance.get_typed_func::<i32, i32>(&mut store, name)?.call(&mut store, *value)?);
    }
    let interpreted = instance.interpreted_functions(&store);
    Ok((results, store.counters(), interpreted))
}

struct World {
    folder: tempfile::TempDir,
    wasm: Vec<u8>,
}

impl World {
    fn new() -> Result<World> {
        Ok(World { folder: tempfile::tempdir()?, wasm: wat::parse_str(PROGRAM)? })
    }

    fn train(&self, requests: &[(&str, i32)]) -> Result<Profile> {
        let engine = Engine::new(Config::new().record_profile(true));
        let module = Module::new(&engine, self.wasm.clone())?;
        serve(&engine, &module, requests)?;
        Ok(engine.take_profile(&module, "requests")?)
    }

    fn assemble(&self, profile: Option<&Profile>, options: &Options) -> Result<PathBuf> {
        let parsed = trjit_module::Module::parse(self.wasm.clone())?;
        let assembled = assemble(&parsed, profile, options, &CraneliftCompiler::new(), &Silent)?;
        let path = self.folder.path().join("app.trjit");
        std::fs::write(&path, assembled.bytes)?;
        Ok(path)
    }
}

fn options() -> Options {
    Options { threads: Some(1), ..Options::default() }
}

#[test]
fn what_was_trained_is_served_by_the_cache() -> Result {
    let world = World::new()?;
    let profile = world.train(&[("twice", 3), ("twice", 4)])?;
    let cache = world.assemble(Some(&profile), &options())?;
    let engine = Engine::new(Config::new());
    let module = Module::from_cache_file(&engine, &cache, Some(&world.wasm))?;
    assert_eq!((module.cached_functions(), module.compiled_functions()), (2, 0));

    let (results, counters, interpreted) = serve(&engine, &module, &[("twice", 3), ("twice", 5)])?;
    assert_eq!(results, [13, 31]);
    // `square` is called by cached code: no entry.
    assert_eq!(counters, Counters { cached: 2, compiled: 0, interpreted: 0, host: 2, exits: 0, climbs: 0 });
    assert_eq!((counters.cached_share(), interpreted), (1.0, vec![]));

    // `cold` enters the interpreter, which stays in `colder` and enters the cache for `square`.
    let (results, counters, interpreted) = serve(&engine, &module, &[("cold", 3)])?;
    assert_eq!(results, [-9]);
    assert_eq!(counters, Counters { cached: 1, compiled: 0, interpreted: 1, host: 0, exits: 0, climbs: 0 });
    assert_eq!((counters.cached_share(), interpreted), (0.5, vec![FuncIndex(3), FuncIndex(4)]));

    let all = engine.counters();
    assert_eq!((all.calls, all.caches_used), (Counters { cached: 3, compiled: 0, interpreted: 1, host: 2, exits: 0, climbs: 0 }, 1));
    assert_eq!(all.refusals, [].into());
    Ok(())
}

#[test]
fn without_a_cache_the_interpreter_is_counted() -> Result {
    let world = World::new()?;
    let engine = Engine::new(Config::new());
    let module = Module::new(&engine, world.wasm.clone())?;
    let (_, counters, interpreted) = serve(&engine, &module, &[("twice", 3)])?;
    assert_eq!(counters, Counters { cached: 0, compiled: 0, interpreted: 1, host: 1, exits: 0, climbs: 0 });
    assert_eq!((counters.cached_share(), interpreted), (0.0, vec![FuncIndex(1), FuncIndex(2)]));
    assert_eq!(Counters::default().cached_share(), 0.0);
    Ok(())
}

#[test]
fn training_on_a_cache_records_everything() -> Result {
    let world = World::new()?;
    let requests = [("twice", 3), ("cold", 4)];
    let profile = world.train(&requests)?;
    let cache = world.assemble(Some(&profile), &options())?;
    let engine = Engine::new(Config::new().record_profile(true));
    let module = Module::from_cache_file(&engine, &cache, None)?;
    assert_eq!(module.cached_functions(), 0, "none is used");
    let (results, counters, interpreted) = serve(&engine, &module, &requests)?;
    assert_eq!((results, counters.cached, interpreted.len()), (vec![13, -16], 0, 4));
    let again = engine.take_profile(&module, "requests")?;
    assert_eq!((again.module(), again.functions(), again.imports()), (profile.module(), profile.functions(), profile.imports()));
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_by_type() -> Result {
    let world = World::new()?;
    let options = Options { all: true, ..options() };
    let cache = world.assemble(None, &options)?;
    let engine = Engine::new(Config::new());
    let from_file = |path: &Path, wasm: &[u8]| Module::from_cache_file(&engine, path, Some(wasm)).err().ok_or("it is refused");

    let missing = from_file(&world.folder.path().join("none.trjit"), &world.wasm)?;
    assert!(matches!(missing, Refusal::Unreadable { .. }), "{missing}");
    let other = wat::parse_str("(module (func))")?;
    let refusal = from_file(&cache, &other)?;
    assert!(matches!(refusal, Refusal::OtherModule { .. }), "{refusal}");

    let good = std::fs::read(&cache)?;
    let changed = world.folder.path().join("changed.trjit");
    std::fs::write(&changed, &world.wasm)?;
    assert!(matches!(from_file(&changed, &world.wasm)?, Refusal::NotACache { .. }));
    let mut damaged = good.clone();
    // Behind the headers of 192 bytes stands the module, which a digest covers.
    damaged[256] ^= 1;
    std::fs::write(&changed, &damaged)?;
    assert!(matches!(from_file(&changed, &world.wasm)?, Refusal::Corrupt { .. }));
    let checked = world.assemble(None, &Options { memory: MemoryStyle::Checked, ..options })?;
    assert!(matches!(from_file(&checked, &world.wasm)?, Refusal::OtherEngine { .. }));

    let counters = engine.counters();
    let refusals = [("unreadable", 1), ("other-module", 1), ("not-a-cache", 1), ("corrupt", 1), ("other-engine", 1)];
    assert_eq!((counters.refusals, counters.caches_used), (refusals.into(), 0));
    // A refusal is no error of the module: it runs without.
    let module = Module::new(&engine, world.wasm.clone())?;
    assert_eq!(serve(&engine, &module, &[("twice", 3)])?.0, [13]);
    Ok(())
}
