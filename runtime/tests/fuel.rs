//! Fuel: every amount of it ends at the same point of a program, with the same rest, in every mix of tiers, from a cache and while a profile is recorded.

mod fuel_support;
#[allow(dead_code, reason = "worlds without fuel are for other tests")]
mod tiers_support;

use fuel_support::programs::{OTHERS, PROGRAMS, Program};
use fuel_support::{Observation, Way, cached, ways};
use trjit_runtime::{Config, Engine, Module, Store};

const PLENTY: u64 = 1 << 40;

/// Amounts to run a program of that cost with: around nothing, around its cost, and some between.
fn amounts(cost: u64) -> impl Iterator<Item = u64> {
    let step = (cost / 30).max(1) as usize;
    (0..cost.min(24)).chain((24..cost).step_by(step)).chain(cost.saturating_sub(3)..cost + 3).chain([PLENTY])
}

fn compare(program: &Program, reference: &Way, way: &Way) {
    let (reference, way_name) = (reference.module(program.text), way.name());
    let module = way.module(program.text);
    for fuel in amounts(program.cost) {
        let (expected, found) = (reference.run(fuel), module.run(fuel));
        assert_eq!(found, expected, "{}, {way_name}, fuel {fuel}", program.name);
    }
}

#[test]
fn programs_cost_what_they_should() {
    for way in ways() {
        for program in PROGRAMS {
            let Observation { outcome, left, .. } = way.module(program.text).run(PLENTY);
            let expected = program.trap.map_or("returned".to_string(), |trap| format!("wasm trap: {trap}"));
            let found = format!("{}, {}: {outcome}, {}", program.name, way.name(), PLENTY - left);
            assert_eq!(found, format!("{}, {}: {expected}, {}", program.name, way.name(), program.cost));
        }
    }
}

#[test]
fn every_amount_ends_at_the_same_point_in_every_mix() {
    let ways = ways();
    for way in &ways[1..] {
        for program in PROGRAMS {
            compare(program, &ways[0], way);
        }
    }
}

#[test]
fn with_less_than_it_costs_a_program_runs_out() {
    let looping = PROGRAMS.iter().filter(|program| program.trap.is_none() && program.cost > 40);
    for program in looping {
        let module = ways()[0].module(program.text);
        for fuel in 0..program.cost / 2 {
            let Observation { outcome, left, .. } = module.run(fuel);
            assert_eq!((outcome.as_str(), left), ("wasm trap: all fuel consumed by WebAssembly", 0), "{}, {fuel}", program.name);
        }
    }
}

#[test]
fn what_never_ends_ends_without_fuel_at_the_same_point() {
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(compare_what_never_ends).unwrap();
    assert!(thread.join().is_ok());
}

fn compare_what_never_ends() {
    let ways = ways();
    for program in OTHERS {
        let reference = ways[0].module(program.text);
        for way in &ways {
            let module = way.module(program.text);
            for fuel in (0..40).chain([99, 100, 101, 200, 333, 5000]) {
                let (expected, found) = (reference.run(fuel), module.run(fuel));
                assert_eq!(found, expected, "{}, {}, fuel {fuel}", program.name, way.name());
            }
        }
    }
    let ended = |name: &str, fuel| {
        let program = OTHERS.iter().find(|program| program.name == name).unwrap();
        ways[0].module(program.text).run(fuel)
    };
    for endless in ["an endless loop", "endless tail calls", "endless exceptions", "a host function that calls again", "endless filling"] {
        let Observation { outcome, left, .. } = ended(endless, 100_000);
        assert_eq!((outcome.as_str(), left), ("wasm trap: all fuel consumed by WebAssembly", 0), "{endless}");
    }
    // 1, then in each round the charge of what ran so far and half of the rest.
    assert_eq!(ended("a host function takes half of it", 100).looks, [48, 22, 9, 2, 0]);
    assert_eq!(ended("a start function", 1).looks, [0u64; 0]);
    assert_eq!(ended("a start function", 27).looks, [23, 17, 11, 5]);
}

#[test]
fn caches_and_engines_that_do_not_agree_on_fuel_are_refused() {
    let wasm = wat::parse_str(r#"(module (func (export "run")))"#).unwrap();
    for (engine_fuel, cache_fuel) in [(false, true), (true, false)] {
        let engine = Engine::new(Config::new().consume_fuel(engine_fuel));
        let refusal = cached(&engine, &wasm, cache_fuel).err().expect("another engine");
        assert_eq!(refusal.code(), "other-engine");
        assert!(refusal.to_string().contains("its fuel is") && refusal.help().contains("--fuel"), "{refusal}: {}", refusal.help());
        assert_eq!(engine.counters().refusals.get("other-engine"), Some(&1));
        // What to do then: go on without.
        assert!(Module::new(&engine, wasm.clone()).is_ok());
        assert!(cached(&engine, &wasm, engine_fuel).is_ok());
    }
}

#[test]
fn a_cache_that_was_opened_for_another_engine_is_refused() {
    let engines = [false, true].map(|fuel| Engine::new(Config::new().consume_fuel(fuel)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.trjit");
    let parsed = trjit_module::Module::parse(wat::parse_str("(module (func))").unwrap()).unwrap();
    let options = trjit_assemble::Options { all: true, fuel: true, threads: Some(1), ..trjit_assemble::Options::default() };
    let compiler = trjit_compile::CraneliftCompiler::new();
    let assembled = trjit_assemble::assemble(&parsed, None, &options, &compiler, &trjit_assemble::Silent).unwrap();
    std::fs::write(&path, &assembled.bytes).unwrap();
    let cache = std::sync::Arc::new(trjit_runtime_loader::MappedCache::open(&path, &engines[1].expectations(None)).unwrap());
    assert!(Module::from_cache(&engines[1], cache.clone()).is_ok());
    assert_eq!(Module::from_cache(&engines[0], cache).err().map(|refusal| refusal.code()), Some("other-engine"));
}

#[test]
fn huge_amounts_and_refills() {
    for way in ways() {
        let module = way.module(PROGRAMS.iter().find(|program| program.name == "calls and recursion").unwrap().text);
        for fuel in [u64::MAX, i64::MAX as u64, i64::MAX as u64 + 1, i64::MAX as u64 + 149, 1 << 63] {
            let Observation { outcome, left, .. } = module.run(fuel);
            assert_eq!((outcome.as_str(), fuel - left), ("returned", 149), "{}", way.name());
        }
    }
}

#[test]
fn a_store_begins_with_nothing_and_goes_on_after_a_refill() {
    let engine = Engine::new(Config::new().consume_fuel(true));
    let module = Module::new(&engine, wat::parse_str(r#"(module (func (export "run") (drop (i32.const 1))))"#).unwrap()).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = trjit_runtime::Linker::new().instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap_err().to_string(), "wasm trap: all fuel consumed by WebAssembly");
    store.set_fuel(5).unwrap();
    run.call(&mut store, ()).unwrap();
    run.call(&mut store, ()).unwrap();
    assert_eq!(store.get_fuel().unwrap(), 1);
    assert!(run.call(&mut store, ()).is_err());
}
