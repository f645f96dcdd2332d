//! The spool: what embedders leave there, in whatever order their engines, modules and stores end, on several threads, and at the exit of the process.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use trjit_compile::CraneliftCompiler;
use trjit_runtime::{Config, Engine, Linker, Module, Profile, ProfileError, SPOOL_VARIABLE, Store, Tunables, WORKLOAD_VARIABLE};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const PROGRAM: &str = r#"(module
    (func $step (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)))
    (func (export "run") (param i32) (result i32)
        (loop (br_if 0 (local.tee 0 (call $step (local.get 0)))))
        (local.get 0)))"#;

const OTHER: &str = r#"(module (func (export "run") (param i32) (result i32) (local.get 0)))"#;

/// Calls that `run(times)` makes in [`PROGRAM`].
const fn calls(times: u64) -> u64 {
    times + 1
}

fn engine(spool: &Path) -> Engine {
    Engine::new(Config::new().spool(Some(spool)))
}

fn module(engine: &Engine, text: &str) -> Result<Module> {
    Ok(Module::new(engine, wat::parse_str(text)?)?)
}

fn store_that_ran(engine: &Engine, module: &Module, times: i32) -> Result<Store<()>> {
    let mut store = Store::new(engine, ())?;
    let instance = Linker::new().instantiate(&mut store, module)?;
    instance.get_typed_func::<i32, i32>(&mut store, "run")?.call(&mut store, times)?;
    Ok(store)
}

/// Files of a spool that end so.
fn files(spool: &Path, end: &str) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> =
        spool.read_dir().expect("the spool is readable").map(|entry| entry.expect("the entry is readable").path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == end));
    found.sort();
    found
}

/// Calls and workloads of all traces, sorted.
fn told(spool: &Path) -> Result<Vec<(u64, String)>> {
    let mut all = Vec::new();
    for path in files(spool, "trprof") {
        let profile = Profile::read(path)?;
        all.extend(profile.runs().iter().map(|run| (profile.total_calls(), run.workload.clone())));
    }
    all.sort();
    Ok(all)
}

fn alone(calls: u64) -> Vec<(u64, String)> {
    vec![(calls, "default".to_string())]
}

#[test]
fn a_trace_is_left_when_module_and_instances_are_gone_in_any_order() -> Result {
    for last in ["engine", "module", "store"] {
        let spool = tempfile::tempdir()?;
        let engine = engine(spool.path());
        let module = module(&engine, PROGRAM)?;
        module.set_label("app.wasm");
        let store = store_that_ran(&engine, &module, 5)?;
        assert_eq!((files(spool.path(), "run").len(), told(spool.path())?), (1, vec![]), "it goes on");
        assert_eq!(std::fs::read_link(&files(spool.path(), "run")[0])?, Path::new("app.wasm"));
        match last {
            "engine" => drop((store, module, engine)),
            "module" => drop((engine, store, module)),
            _ => drop((module, engine, store)),
        }
        assert_eq!(told(spool.path())?, alone(calls(5)), "{last}");
        assert_eq!((files(spool.path(), "run").len(), files(spool.path(), "ended").len()), (0, 1), "{last}");
    }
    Ok(())
}

#[test]
fn modules_and_engines_are_kept_apart_and_compiled_code_counts() -> Result {
    let spool = tempfile::tempdir()?;
    let tunables = Tunables { call_threshold: 2, loop_threshold: 2, background: false, ..Tunables::default() };
    for _ in 0..2 {
        let mut config = Config::new();
        config.spool(Some(spool.path())).tunables(tunables).compiler(Arc::new(CraneliftCompiler::new()));
        let engine = Engine::new(config);
        let (program, other) = (module(&engine, PROGRAM)?, module(&engine, OTHER)?);
        drop(module(&engine, PROGRAM)?);
        let _first = store_that_ran(&engine, &program, 1000)?;
        let _second = store_that_ran(&engine, &program.clone(), 500)?;
        let _other = store_that_ran(&engine, &other, 1)?;
        assert!(program.compiled_functions() > 0);
    }
    let sums: Vec<u64> = told(spool.path())?.into_iter().map(|(calls, _)| calls).collect();
    assert_eq!(sums, [1, 1, calls(1000) + calls(500), calls(1000) + calls(500)]);
    Ok(())
}

#[test]
fn instances_on_threads_are_added_up() -> Result {
    let spool = tempfile::tempdir()?;
    let engine = engine(spool.path());
    let module = module(&engine, PROGRAM)?;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (engine, module) = (engine.clone(), module.clone());
            std::thread::spawn(move || store_that_ran(&engine, &module, 50).map(drop).map_err(|error| error.to_string()))
        })
        .collect();
    drop((engine, module));
    for thread in threads {
        thread.join().expect("no thread panics")?;
    }
    assert_eq!(told(spool.path())?, alone(4 * calls(50)));
    Ok(())
}

/// What an embedder takes is in the spool as well, once.
#[test]
fn who_takes_profiles_gets_them_and_the_spool_has_them_too() -> Result {
    let spool = tempfile::tempdir()?;
    let engine = Engine::new(Config::new().record_profile(true).spool(Some(spool.path())));
    let program = module(&engine, PROGRAM)?;
    let store = store_that_ran(&engine, &program, 10)?;
    assert_eq!(engine.take_profile(&program, "first")?.total_calls(), calls(10));
    let more = store_that_ran(&engine, &program, 20)?;
    assert_eq!(engine.take_profile(&program, "second")?.total_calls(), calls(20));
    drop(store_that_ran(&engine, &program, 30)?);
    let named = |calls: u64, name: &str| (calls, name.to_string());
    assert_eq!(told(spool.path())?, [named(calls(10), "first"), named(calls(20), "second")]);
    drop((store, more, program));
    assert_eq!(told(spool.path())?, [named(calls(10), "first"), named(calls(20), "second"), named(calls(30), "default")]);

    let silent = module(&engine, PROGRAM)?;
    silent.keep_out_of_spool();
    drop(store_that_ran(&engine, &silent, 1)?);
    assert_eq!(engine.take_profile(&silent, "silent")?.total_calls(), calls(1));
    drop(silent);
    assert_eq!(told(spool.path())?.len(), 3);
    Ok(())
}

/// A spool makes no profiles for those that did not ask, as without one.
#[test]
fn a_spool_alone_gives_no_profiles() -> Result {
    let spool = tempfile::tempdir()?;
    let engine = engine(spool.path());
    let module = module(&engine, PROGRAM)?;
    assert_eq!(engine.take_profile(&module, "x").err(), Some(ProfileError::NotRecording));
    Ok(())
}

/// Memories, tables and globals of the host are modules inside, and no program.
#[test]
fn things_of_the_host_leave_nothing() -> Result {
    let spool = tempfile::tempdir()?;
    let engine = engine(spool.path());
    let mut store = Store::new(&engine, ())?;
    trjit_runtime::Memory::new(&mut store, trjit_runtime::MemoryType::new(1, None))?;
    drop((store, engine));
    assert_eq!(spool.path().read_dir()?.count(), 0);
    Ok(())
}

/// What a process of the tests below does: it ends while a store lives and another thread is in a guest.
#[test]
#[ignore = "it is a process of its own"]
fn embedder_that_exits() {
    let engine = Engine::new(Config::new());
    let module = module(&engine, PROGRAM).expect("the program is right");
    let store = store_that_ran(&engine, &module, 7).expect("it runs");
    let background = (engine.clone(), module.clone());
    std::thread::spawn(move || store_that_ran(&background.0, &background.1, i32::MAX).map(drop).map_err(|error| error.to_string()));
    std::mem::forget((store, module, engine));
    match std::env::var("END").as_deref() {
        Ok("exit") => std::process::exit(9),
        Ok("abort") => std::process::abort(),
        _ => {}
    }
}

fn embedder(spool: &Path, end: &str) -> Result<std::process::Output> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--exact", "embedder_that_exits", "--ignored"])
        .env(SPOOL_VARIABLE, spool)
        .env(WORKLOAD_VARIABLE, "suite")
        .env("END", end);
    Ok(command.output()?)
}

#[test]
fn a_process_that_exits_leaves_its_traces_without_a_change() -> Result {
    for (end, status) in [("exit", Some(9)), ("return", Some(0))] {
        let spool = tempfile::tempdir()?;
        let output = embedder(spool.path(), end)?;
        assert_eq!(output.status.code(), status, "{output:?}");
        let told = told(spool.path())?;
        assert!(told.len() == 1 && told[0].0 >= calls(7) && told[0].1 == "suite", "{told:?}");
        assert_eq!((files(spool.path(), "run").len(), files(spool.path(), "ended").len()), (0, 1));
    }
    Ok(())
}

#[test]
fn a_process_that_is_killed_owes_its_trace() -> Result {
    let spool = tempfile::tempdir()?;
    assert_eq!(embedder(spool.path(), "abort")?.status.code(), None);
    assert_eq!((told(spool.path())?, files(spool.path(), "run").len()), (vec![], 1));
    Ok(())
}

#[test]
fn a_spool_that_is_gone_is_told_once_and_changes_nothing() -> Result {
    let output = embedder(Path::new("/proc/no/such/spool"), "exit")?;
    let said = String::from_utf8(output.stderr)?;
    assert_eq!((output.status.code(), said.matches("warning: the spool `/proc/no/such/spool`").count()), (Some(9), 1), "{said}");
    Ok(())
}
