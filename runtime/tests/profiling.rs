//! Training from the API: several instances, stores and threads of one engine; what is taken while guests run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trjit_code::Compiler;
use trjit_compile::CraneliftCompiler;
use trjit_runtime::{Config, Engine, Linker, Module, Profile, ProfileError, RunInfo, Store, Tunables};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// `run(n)` calls `odd` or `even` by a table, n times.
const PROGRAM: &str = r#"(module
    (type $unary (func (param i32) (result i32)))
    (table funcref (elem $even $odd))
    (func $run (export "run") (param i32) (result i32) (local $sum i32)
        (block $done
            (loop $again
                (br_if $done (i32.eqz (local.get 0)))
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (local.set $sum (i32.add (local.get $sum)
                    (call_indirect (type $unary) (local.get 0) (i32.and (local.get 0) (i32.const 1)))))
                (br $again)))
        (local.get $sum))
    (func $even (param i32) (result i32) (i32.const 1))
    (func $odd (param i32) (result i32) (i32.const 2))
    (func $never (result i32) (i32.const 3)))"#;

fn recording() -> Result<(Engine, Module)> {
    let engine = Engine::new(Config::new().record_profile(true));
    let module = Module::new(&engine, wat::parse_str(PROGRAM)?)?;
    Ok((engine, module))
}

fn run(engine: &Engine, module: &Module, times: i32) -> Result<i32> {
    let mut store = Store::new(engine, ())?;
    let instance = Linker::new().instantiate(&mut store, module)?;
    Ok(instance.get_typed_func::<i32, i32>(&mut store, "run")?.call(&mut store, times)?)
}

/// Calls of `run`, `even`, `odd`; back-edges of `run`; its targets.
fn told(profile: &Profile) -> (Vec<u64>, u64, Vec<u64>) {
    let functions = profile.functions();
    let targets = functions.iter().flat_map(|function| &function.sites).flat_map(|site| &site.targets).map(|target| target.count);
    (
        functions.iter().map(|function| function.entries).collect(),
        functions.first().map_or(0, |function| function.back_edges()),
        targets.collect(),
    )
}

#[test]
fn a_profile_has_all_instances_of_all_stores() -> Result {
    let (engine, module) = recording()?;
    assert_eq!(run(&engine, &module, 10)?, 15);
    let mut store = Store::new(&engine, ())?;
    let linker = Linker::new();
    for times in [4, 6] {
        let instance = linker.instantiate(&mut store, &module.clone())?;
        instance.get_typed_func::<i32, i32>(&mut store, "run")?.call(&mut store, times)?;
    }
    let profile = engine.take_profile(&module, "some requests")?;
    assert_eq!(told(&profile), (vec![3, 10, 10], 20, vec![10, 10]));
    let [one] = profile.runs() else { panic!("one run: {:?}", profile.runs()) };
    assert_eq!((one.workload.as_str(), one.entries), ("some requests", 23));
    assert_eq!(one.order.iter().map(|call| call.function).collect::<Vec<_>>(), [0, 2, 1], "odd comes before even");

    // It was taken; what comes now is another part.
    assert_eq!(told(&engine.take_profile(&module, "nothing")?), (vec![], 0, vec![]));
    drop(store);
    run(&engine, &module, 1)?;
    assert_eq!(told(&engine.take_profile(&module, RunInfo::default())?), (vec![1, 1], 1, vec![1]));
    Ok(())
}

#[test]
fn profiles_are_taken_while_guests_run() -> Result {
    const THREADS: u64 = 3;
    const CALLS: u64 = 300;
    let (engine, module) = recording()?;
    let (taken, stop) = (&mut Vec::new(), AtomicBool::new(false));
    std::thread::scope(|scope| -> Result {
        let serve = || -> Result<(), String> {
            let mut store = Store::new(&engine, ()).map_err(|error| error.to_string())?;
            let instance = Linker::new().instantiate(&mut store, &module).map_err(|error| error.to_string())?;
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").map_err(|error| error.to_string())?;
            (0..CALLS).try_for_each(|_| run.call(&mut store, 1000).map(|_| ())).map_err(|error| error.to_string())
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(serve)).collect();
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                taken.push(engine.take_profile(&module, "part"));
                std::thread::yield_now();
            }
        });
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        stop.store(true, Ordering::Release);
        Ok(())
    })?;
    assert!(taken.len() > 1);
    let mut parts = std::mem::take(taken).into_iter().collect::<Result<Vec<Profile>, ProfileError>>()?;
    let under_load = parts.iter().filter(|part| part.total_calls() != 0).count();
    assert!(under_load >= 1, "something was taken while guests ran");
    parts.push(engine.take_profile(&module, "rest")?);
    let (calls, targets) = (THREADS * CALLS, THREADS * CALLS * 500);
    assert_eq!(told(&Profile::merge(parts)?), (vec![calls, targets, targets], 2 * targets, vec![targets, targets]));
    Ok(())
}

#[test]
fn each_module_has_its_own_profile() -> Result {
    let (engine, library) = recording()?;
    let user = Module::new(
        &engine,
        wat::parse_str(
            r#"(module (import "lib" "run" (func $run (param i32) (result i32))) (import "host" "again" (func $again (param i32)))
                (func (export "user") (param i32) (drop (call $run (local.get 0))) (call $again (local.get 0))))"#,
        )?,
    )?;
    let mut store = Store::new(&engine, ())?;
    let mut linker = Linker::new();
    linker.func_wrap("host", "again", |mut caller: trjit_runtime::Caller<'_, ()>, times: i32| -> Result<(), trjit_runtime::HostTrap> {
        if times == 0 {
            return Ok(());
        }
        let user = caller.get_export("user").and_then(trjit_runtime::Extern::into_func);
        let user = user.ok_or_else(|| trjit_runtime::HostTrap::new("no function"))?;
        Ok(user.typed::<i32, ()>(&caller)?.call(&mut caller, times - 1)?)
    });
    linker.module(&mut store, "lib", &library)?;
    let instance = linker.instantiate(&mut store, &user)?;
    instance.get_typed_func::<i32, ()>(&mut store, "user")?.call(&mut store, 3)?;
    assert_eq!(told(&engine.take_profile(&user, "user")?), (vec![4], 0, vec![]));
    assert_eq!(told(&engine.take_profile(&library, "library")?), (vec![4, 4, 2], 6, vec![4, 2]));
    Ok(())
}

#[test]
fn code_that_is_compiled_while_recording_counts_the_same() -> Result {
    for background in [false, true] {
        let tunables = Tunables { background, ..Tunables::default() };
        let compiler: Arc<dyn Compiler> = Arc::new(CraneliftCompiler::new());
        let engine = Engine::new(Config { compiler: Some(compiler), record_profile: true, tunables, ..Config::default() });
        let module = Module::new(&engine, wat::parse_str(PROGRAM)?)?;
        assert_eq!(module.compile_all(), 0, "who is to be recorded begins in the interpreter");
        assert_eq!(run(&engine, &module, 100_000)?, 150_000);
        let profile = engine.take_profile(&module, "long")?;
        assert_eq!(told(&profile), (vec![1, 50_000, 50_000], 100_000, vec![50_000, 50_000]));
        assert_eq!(profile.runs()[0].order.iter().map(|call| call.function).collect::<Vec<_>>(), [0, 2, 1]);
        if !background {
            assert_eq!(module.compiled_functions(), 2);
            assert_eq!(run(&engine, &module, 10)?, 15);
            assert_eq!(told(&engine.take_profile(&module, "compiled")?), (vec![1, 5, 5], 10, vec![5, 5]));
        }
    }
    Ok(())
}

#[test]
fn who_does_not_record_has_no_profile() -> Result {
    let (engine, module) = recording()?;
    let plain = Engine::new(Config::new());
    let unrecorded = Module::new(&plain, wat::parse_str(PROGRAM)?)?;
    assert_eq!(plain.take_profile(&unrecorded, ""), Err(ProfileError::NotRecording));
    assert_eq!(plain.take_profile(&module, ""), Err(ProfileError::OtherEngine));
    assert_eq!(engine.take_profile(&unrecorded, ""), Err(ProfileError::OtherEngine));
    Ok(())
}
