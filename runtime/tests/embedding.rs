//! The embedding API: typed functions, host functions, linking, handles of the host's own things, limits, interruption and deadlines.

use std::time::{Duration, Instant};
use trjit_module::{RefType, TrapCode, ValType};
use trjit_runtime::{
    Caller, Config, Engine, Error, Extern, Func, FuncType, Global, GlobalType, HostTrap, Instance, Linker, Memory, MemoryType, Module,
    Reason, ResourceLimiter, Store, StoreLimits, Table, TableType, Trap, Val,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn module(engine: &Engine, text: &str) -> Result<Module> {
    Ok(Module::new(engine, wat::parse_str(text)?)?)
}

fn trap(error: Error) -> Trap {
    match error {
        Error::Trap(trap) => *trap,
        other => panic!("expected a trap, found {other}"),
    }
}

#[test]
fn typed_functions_move_values_of_all_types() -> Result {
    let engine = Engine::new(Config::new());
    let module = module(
        &engine,
        r#"(module
            (func (export "mix") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
                local.get 3 local.get 2 local.get 1 local.get 0)
            (func (export "nothing")))"#,
    )?;
    let mut store = Store::new(&engine, ())?;
    let instance = Linker::new().instantiate(&mut store, &module)?;
    let mix = instance.get_typed_func::<(i32, i64, f32, f64), (f64, f32, u64, u32)>(&mut store, "mix")?;
    assert_eq!(mix.call(&mut store, (-1, -2, 1.5, -0.25))?, (-0.25, 1.5, u64::MAX - 1, u32::MAX));
    instance.get_typed_func::<(), ()>(&mut store, "nothing")?.call(&mut store, ())?;
    let wrong = instance.get_typed_func::<i32, i32>(&mut store, "mix").err().ok_or("another type is refused")?;
    assert_eq!(
        wrong.to_string(),
        "the function has type (param i32 i64 f32 f64) (result f64 f32 i64 i32), expected (param i32) (result i32)"
    );
    assert!(matches!(instance.get_typed_func::<(), ()>(&mut store, "none"), Err(Error::NoSuchExport { .. })));
    Ok(())
}

#[test]
fn host_functions_see_the_store_and_call_back() -> Result {
    let engine = Engine::new(Config::new());
    let module = module(
        &engine,
        r#"(module
            (import "host" "twice" (func $twice (param i32) (result i32)))
            (import "host" "values" (func $values (param i32 i64) (result i64)))
            (memory (export "memory") 1)
            (func (export "fall") (param i32) (result i32)
                (if (result i32) (i32.eqz (local.get 0)) (then unreachable) (else (call $twice (i32.sub (local.get 0) (i32.const 1))))))
            (func (export "inc") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func (export "run") (param i32) (result i32) (call $twice (local.get 0)))
            (func (export "run_values") (result i64) (call $values (i32.const 3) (i64.const 4))))"#,
    )?;
    let mut linker: Linker<Vec<i32>> = Linker::new();
    linker.func_wrap("host", "twice", |mut caller: Caller<'_, Vec<i32>>, value: i32| -> Result<i32, HostTrap> {
        caller.data_mut().push(value);
        let memory = caller.get_export("memory").and_then(Extern::into_memory).ok_or(HostTrap::new("no memory"))?;
        memory.write(&mut caller, 8, &value.to_le_bytes()).map_err(HostTrap::new)?;
        let name = if value < 0 || caller.data().len() > 1 { "fall" } else { "inc" };
        let back = caller.get_export(name).and_then(Extern::into_func).ok_or(HostTrap::new("no function"))?;
        Ok(back.typed::<i32, i32>(&caller)?.call(&mut caller, value)?)
    });
    linker.func_new("host", "values", FuncType::new([ValType::I32, ValType::I64], [ValType::I64]), |_, arguments, results| {
        let sum = i64::from(arguments[0].i32().unwrap_or(0)) + arguments[1].i64().unwrap_or(0);
        results[0] = Val::I64(sum);
        Ok(())
    });
    let mut store = Store::new(&engine, Vec::new())?;
    let instance = linker.instantiate(&mut store, &module)?;
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
    assert_eq!(run.call(&mut store, 41)?, 42);
    let memory = instance.get_memory(&mut store, "memory").ok_or("a memory")?;
    assert_eq!(&memory.data(&store)[8..12], &41i32.to_le_bytes());
    // Host and guest call each other three times, and a trap leaves all of them.
    let trap = trap(run.call(&mut store, 2).err().ok_or("it falls through to a trap")?);
    assert_eq!(trap.code(), Some(TrapCode::Unreachable));
    assert_eq!(*store.data(), [41, 2, 1, 0]);
    assert_eq!(instance.func(&mut store, "run_values")?.call(&mut store, &[])?, [Val::I64(7)]);
    assert!(store.counters().host >= 5 && store.counters().interpreted >= 5);
    assert_eq!(store.into_data().len(), 4);
    Ok(())
}

#[test]
fn instances_share_what_the_host_made() -> Result {
    let engine = Engine::new(Config::new());
    let user = module(
        &engine,
        r#"(module
            (import "own" "memory" (memory 1 4)) (import "own" "table" (table 2 funcref))
            (import "own" "global" (global $g (mut i64))) (import "lib" "add" (func $add (param i32 i32) (result i32)))
            (type $ii (func (param i32) (result i32)))
            (func (export "run") (param i32) (result i32)
                (global.set $g (i64.add (global.get $g) (i64.const 1)))
                (i32.store (i32.const 0) (call $add (local.get 0) (i32.const 1)))
                (call_indirect (type $ii) (i32.load (i32.const 0)) (i32.const 1))))"#,
    )?;
    let library = module(&engine, r#"(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#)?;
    let mut store = Store::new(&engine, 10)?;
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(4)))?;
    let table = Table::new(&mut store, TableType::new(RefType::FUNCREF, 2, None), Val::FuncRef(0))?;
    let global = Global::new(&mut store, GlobalType::new(ValType::I64, true), Val::I64(5))?;
    let host = Func::wrap(&mut store, |mut caller: Caller<'_, i32>, value: i32| {
        *caller.data_mut() += value;
        *caller.data()
    });
    let reference = host.to_val(&mut store);
    table.set(&mut store, 1, reference)?;
    let mut linker = Linker::new();
    linker.define(&store, "own", "memory", memory).define(&store, "own", "table", table).define(&store, "own", "global", global);
    linker.module(&mut store, "lib", &library)?;
    let instance = linker.instantiate(&mut store, &user)?;
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
    assert_eq!(run.call(&mut store, 6)?, 17);
    assert_eq!((global.get(&store), *store.data()), (Val::I64(6), 17));
    let mut word = [0; 4];
    memory.read(&store, 0, &mut word)?;
    assert_eq!(word, [7, 0, 0, 0]);
    assert!(memory.read(&store, 65533, &mut word).is_err());
    assert_eq!((memory.grow(&mut store, 2)?, memory.size(&store), memory.data_size(&store)), (1, 3, 3 << 16));
    assert!(memory.grow(&mut store, 2).is_err());
    let again = table.get(&mut store, 1).ok_or("an element")?;
    let again = Func::from_val(&mut store, again).ok_or("a function")?;
    assert_eq!(again.call(&mut store, &[Val::I32(1)])?, [Val::I32(18)]);
    assert_eq!((table.grow(&mut store, 3, Val::FuncRef(0))?, table.size(&store)), (2, 5));
    Table::copy(&mut store, &table, 3, &table, 0, 2)?;
    assert_eq!(table.get(&mut store, 4), Some(reference));
    assert!(Table::copy(&mut store, &table, 4, &table, 0, 2).is_err() && table.get(&mut store, 5).is_none());
    // The same without names, and with too few imports.
    let add = linker.get(&mut store, "lib", "add").ok_or("a definition")?;
    let direct = Instance::new(&mut store, &user, &[memory.into(), table.into(), global.into(), add])?;
    assert_eq!(direct.get_typed_func::<i32, i32>(&mut store, "run")?.call(&mut store, 0)?, 19);
    let error = Instance::new(&mut store, &user, &[memory.into()]).err().ok_or("imports are missing")?;
    assert_eq!(error.to_string(), "the module has 4 imports, 1 definitions were given");
    Ok(())
}

#[test]
fn an_instance_pre_serves_many_stores_on_many_threads() -> Result {
    let engine = Engine::new(Config::new());
    let module = module(
        &engine,
        r#"(module (import "host" "id" (func $id (result i32))) (global $n (mut i32) (i32.const 0))
            (func (export "run") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (i32.add (global.get $n) (call $id))))"#,
    )?;
    let mut linker = Linker::new();
    linker.func_wrap("host", "id", |caller: Caller<'_, i32>| *caller.data());
    let pre = linker.instantiate_pre(&module)?;
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let (pre, engine) = (pre.clone(), engine.clone());
            std::thread::spawn(move || -> Result<(Store<i32>, i32), Error> {
                let mut store = Store::new(&engine, number * 100)?;
                let instance = pre.instantiate(&mut store)?;
                let run = instance.get_typed_func::<(), i32>(&mut store, "run")?;
                run.call(&mut store, ())?;
                let result = run.call(&mut store, ())?;
                Ok((store, result))
            })
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        let (store, result) = thread.join().map_err(|_| "a thread panicked")??;
        assert_eq!((result, *store.data()), (number as i32 * 100 + 2, number as i32 * 100));
    }
    let missing = Linker::<i32>::new().instantiate_pre(&module).err().ok_or("an import is missing")?;
    assert!(missing.to_string().contains("`host::id`"), "{missing}");
    let mut other = Linker::new();
    other.func_wrap("host", "id", |_: i64| ());
    let wrong = other.instantiate(&mut Store::new(&engine, 0)?, &module).err().ok_or("the type differs")?;
    assert!(wrong.to_string().contains("incompatible import type"), "{wrong}");
    other = Linker::new();
    let mut store = Store::new(&engine, 0)?;
    let instance = other.define_unknown_imports_as_traps(&module).instantiate(&mut store, &module)?;
    let error = instance.func(&mut store, "run")?.call(&mut store, &[]).err().ok_or("the import fails")?;
    assert!(matches!(trap(error).reason, Reason::Host(error) if error.to_string().contains("`host::id`")));
    Ok(())
}

#[test]
#[should_panic(expected = "used with a store that it is not of")]
fn handles_of_another_store_are_found_out() {
    let engine = Engine::new(Config::new());
    let mut first = Store::new(&engine, ()).expect("a store");
    let second = Store::new(&engine, ()).expect("a store");
    let memory = Memory::new(&mut first, MemoryType::new(1, None)).expect("a memory");
    memory.data(&second);
}

#[test]
fn a_limiter_is_asked_before_anything_grows() -> Result {
    struct Asked(Vec<(usize, usize, Option<usize>)>);
    impl ResourceLimiter for Asked {
        fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
            self.0.push((current, desired, maximum));
            desired <= 3 << 16
        }
        fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> bool {
            desired <= 4
        }
    }
    let engine = Engine::new(Config::new());
    let module = module(
        &engine,
        r#"(module (memory 1 9) (table 2 funcref)
            (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "table") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))"#,
    )?;
    let mut store = Store::new(&engine, Asked(Vec::new()))?;
    store.limiter(|asked| asked);
    let instance = Linker::new().instantiate(&mut store, &module)?;
    let memory = instance.get_typed_func::<i32, i32>(&mut store, "memory")?;
    assert_eq!([memory.call(&mut store, 2)?, memory.call(&mut store, 1)?, memory.call(&mut store, 0)?], [1, -1, 3]);
    let page = 1 << 16;
    assert_eq!(store.data().0, [(0, page, Some(9 * page)), (page, 3 * page, Some(9 * page)), (3 * page, 4 * page, Some(9 * page))]);
    let table = instance.get_typed_func::<i32, i32>(&mut store, "table")?;
    assert_eq!([table.call(&mut store, 3)?, table.call(&mut store, 2)?], [-1, 2]);
    let mut small = Store::new(&engine, StoreLimits { memory_size: Some(100), ..StoreLimits::default() })?;
    small.limiter(|limits| limits);
    let error = Linker::new().instantiate(&mut small, &module).err().ok_or("the memory is too large")?;
    assert!(error.to_string().contains("limiter refuses a memory"), "{error}");
    Ok(())
}

const ENDLESS: &str = r#"(module (func (export "run") (loop br 0)) (func (export "short") (result i32) (i32.const 1)))"#;

fn is_interrupt(result: Result<(), Error>) -> bool {
    matches!(result, Err(Error::Trap(trap)) if trap.code() == Some(TrapCode::Interrupt))
}

#[test]
fn guests_stop_at_deadlines_and_run_again_after_them() -> Result {
    let engine = Engine::new(Config::new());
    let module = module(&engine, ENDLESS)?;
    let mut store = Store::new(&engine, ())?;
    let instance = Linker::new().instantiate(&mut store, &module)?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    let short = instance.get_typed_func::<(), i32>(&mut store, "short")?;
    let start = Instant::now();
    store.set_deadline(Some(start + Duration::from_millis(50)));
    assert!(is_interrupt(run.call(&mut store, ())));
    assert!(start.elapsed() >= Duration::from_millis(50));
    // Still passed; then moved.
    assert!(is_interrupt(short.call(&mut store, ()).map(|_| ())));
    store.set_deadline(None);
    assert_eq!(short.call(&mut store, ())?, 1);
    store.set_epoch_deadline(2);
    let ticker = engine.clone();
    engine.increment_epoch();
    assert_eq!(short.call(&mut store, ())?, 1);
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        ticker.increment_epoch();
    });
    assert!(is_interrupt(run.call(&mut store, ())));
    thread.join().map_err(|_| "the ticker panicked")?;
    store.set_epoch_deadline(1);
    assert_eq!(short.call(&mut store, ())?, 1);
    Ok(())
}

#[test]
fn another_thread_stops_a_guest() -> Result {
    let engine = Engine::new(Config::new());
    let module = module(&engine, ENDLESS)?;
    let mut store = Store::new(&engine, ())?;
    let instance = Linker::new().instantiate(&mut store, &module)?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    let handle = store.interrupt_handle();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        handle.interrupt()
    });
    assert!(is_interrupt(run.call(&mut store, ())));
    assert!(thread.join().map_err(|_| "the thread panicked")?);
    Ok(())
}

#[test]
fn refused_caches_are_counted_by_code() -> Result {
    let engine = Engine::new(Config::new());
    let refusal = Module::from_cache_file(&engine, std::path::Path::new("does/not/exist.trjit"), None).err().ok_or("no such file")?;
    assert_eq!(refusal.code(), "unreadable");
    assert_eq!(engine.counters().refusals, [("unreadable", 1)].into());
    Ok(())
}
