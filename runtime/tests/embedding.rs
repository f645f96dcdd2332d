//! The embedding API in every mode: typed functions, host functions, linking, handles of the host's own things.

mod modes_support;

use modes_support::*;
use trjit_module::{RefType, TrapCode, ValType};
use trjit_runtime::{
    Caller, Config, Engine, Error, Extern, Func, FuncType, Global, GlobalType, HostTrap, Instance, Linker, Memory, MemoryType, Reason,
    Store, Table, TableType, Val,
};

#[test]
fn typed_functions_move_values_of_all_types() -> Result {
    in_every_mode(|api| {
        let engine = &api.engine;
        let module = api.module(
            r#"(module
            (func (export "mix") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
                local.get 3 local.get 2 local.get 1 local.get 0)
            (func (export "nothing")))"#,
        )?;
        let mut store = Store::new(engine, ())?;
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
    })
}

#[test]
fn host_functions_see_the_store_and_call_back() -> Result {
    in_every_mode(|api| {
        let engine = &api.engine;
        let module = api.module(
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
        let mut store = Store::new(engine, Vec::new())?;
        let instance = linker.instantiate(&mut store, &module)?;
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
        assert_eq!(run.call(&mut store, 41)?, 42);
        let memory = instance.get_memory(&mut store, "memory").ok_or("a memory")?;
        assert_eq!(&memory.data(&store)[8..12], &41i32.to_le_bytes());
        // Host and guest call each other three times, and a trap leaves all of them.
        let trap = trap(run.call(&mut store, 2))?;
        assert_eq!(trap.code(), Some(TrapCode::Unreachable));
        assert_eq!(*store.data(), [41, 2, 1, 0]);
        assert_eq!(instance.func(&mut store, "run_values")?.call(&mut store, &[])?, [Val::I64(7)]);
        assert_eq!(store.counters().host, 5, "{:?}", store.counters());
        assert_eq!(store.into_data().len(), 4);
        Ok(())
    })
}

#[test]
fn instances_share_what_the_host_made() -> Result {
    in_every_mode(|api| {
        let engine = &api.engine;
        let user = api.module(
            r#"(module
            (import "own" "memory" (memory 1 4)) (import "own" "table" (table 2 funcref))
            (import "own" "global" (global $g (mut i64))) (import "lib" "add" (func $add (param i32 i32) (result i32)))
            (type $ii (func (param i32) (result i32)))
            (func (export "run") (param i32) (result i32)
                (global.set $g (i64.add (global.get $g) (i64.const 1)))
                (i32.store (i32.const 0) (call $add (local.get 0) (i32.const 1)))
                (call_indirect (type $ii) (i32.load (i32.const 0)) (i32.const 1))))"#,
        )?;
        let library = api.module(r#"(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#)?;
        let mut store = Store::new(engine, 10)?;
        let memory = Memory::new(&mut store, MemoryType::new(1, Some(4)))?;
        let table = Table::new(&mut store, TableType::new(RefType::FUNCREF, 2, None), Val::FuncRef(None))?;
        let global = Global::new(&mut store, GlobalType::new(ValType::I64, true), Val::I64(5))?;
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, i32>, value: i32| {
            *caller.data_mut() += value;
            *caller.data()
        });
        let reference = Val::from(host);
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
        let again = table.get(&mut store, 1).and_then(Val::func_ref).flatten().ok_or("a function")?;
        assert_eq!(again.call(&mut store, &[Val::I32(1)])?, [Val::I32(18)]);
        assert_eq!((table.grow(&mut store, 3, Val::FuncRef(None))?, table.size(&store)), (2, 5));
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
    })
}

#[test]
fn an_instance_pre_serves_many_stores_on_many_threads() -> Result {
    in_every_mode(|api| {
        let engine = &api.engine;
        let module = api.module(
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
        let wrong = other.instantiate(&mut Store::new(engine, 0)?, &module).err().ok_or("the type differs")?;
        assert!(wrong.to_string().contains("incompatible import type"), "{wrong}");
        other = Linker::new();
        let mut store = Store::new(engine, 0)?;
        let instance = other.define_unknown_imports_as_traps(&module).instantiate(&mut store, &module)?;
        let failed = trap(instance.func(&mut store, "run")?.call(&mut store, &[]))?;
        assert!(matches!(failed.reason, Reason::Host(error) if error.to_string().contains("`host::id`")));
        Ok(())
    })
}

/// Three modules: the first has memory, table and global, which the others use; each calls the one before it.
const BASE: &str = r#"(module
    (memory (export "memory") 1) (table (export "table") 4 funcref) (global (export "depth") (mut i32) (i32.const 0))
    (func $load (export "load") (param i32) (result i32) (i32.load (local.get 0)))
    (elem (i32.const 0) $load))"#;
const MIDDLE: &str = r#"(module
    (import "base" "memory" (memory 1)) (import "base" "table" (table 4 funcref)) (import "base" "depth" (global $depth (mut i32)))
    (import "base" "load" (func $load (param i32) (result i32)))
    (type $unary (func (param i32) (result i32)))
    (func $store (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
    (func $both (export "both") (param i32) (result i32)
        (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
        (i32.add (call $load (local.get 0)) (call_indirect (type $unary) (local.get 0) (i32.const 0))))
    (elem (i32.const 1) $both))"#;
const TOP: &str = r#"(module
    (import "base" "table" (table 4 funcref)) (import "base" "load" (func $load (param i32) (result i32)))
    (import "middle" "both" (func $both (param i32) (result i32))) (import "middle" "store" (func $store (param i32 i32)))
    (type $unary (func (param i32) (result i32)))
    (func $own (param i32) (result i32) (call $both (local.get 0)))
    (elem (i32.const 2) $own)
    (export "load again" (func $load))
    (func (export "run") (param i32 i32) (result i32)
        (call $store (local.get 0) (local.get 1))
        (i32.add (call $both (local.get 0)) (call_indirect (type $unary) (local.get 0) (i32.const 2))))
    (func (export "at") (param i32 i32) (result i32) (call_indirect (type $unary) (local.get 0) (local.get 1))))"#;

#[test]
fn modules_call_each_other_and_share_their_things() -> Result {
    in_every_mode(|api| {
        let (base, middle, top) = (api.module(BASE)?, api.module(MIDDLE)?, api.module(TOP)?);
        let mut store = Store::new(&api.engine, ())?;
        let mut linker = Linker::new();
        let base = linker.instantiate(&mut store, &base)?;
        linker.instance("base", base);
        linker.module(&mut store, "middle", &middle)?;
        let top = linker.instantiate(&mut store, &top)?;
        let run = top.get_typed_func::<(i32, i32), i32>(&mut store, "run")?;
        assert_eq!(run.call(&mut store, (16, 5))?, 20);
        let depth = base.get_global(&mut store, "depth").ok_or("a global")?;
        assert_eq!(depth.get(&store), Val::I32(2));
        // Functions of three modules in one table, and one that is exported again.
        let at = top.get_typed_func::<(i32, i32), i32>(&mut store, "at")?;
        assert_eq!([at.call(&mut store, (16, 0))?, at.call(&mut store, (16, 1))?, at.call(&mut store, (16, 2))?], [5, 10, 10]);
        assert_eq!(top.get_typed_func::<i32, i32>(&mut store, "load again")?.call(&mut store, 16)?, 5);
        // A trap in the innermost one leaves all of them; the store goes on.
        let beyond = trap(at.call(&mut store, (65_533, 2)))?;
        assert_eq!((beyond.code(), beyond.backtrace.frames.len()), (Some(TrapCode::MemoryOutOfBounds), 4));
        assert_eq!(trap(at.call(&mut store, (0, 3)))?.code(), Some(TrapCode::IndirectCallToNull));
        assert_eq!(run.call(&mut store, (8, 1))?, 4);
        assert_eq!(depth.get(&store), Val::I32(7));
        Ok(())
    })
}

/// An error of the embedder's own.
#[derive(Debug, PartialEq)]
struct Refused(i32);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused: {}", self.0)
    }
}

impl std::error::Error for Refused {}

#[test]
fn host_functions_end_guests_with_what_they_say() -> Result {
    in_every_mode(|api| {
        let module = api.module(
            r#"(module (import "host" "end" (func $end (param i32) (result i32)))
                (func $inner (param i32) (result i32) (i32.add (call $end (local.get 0)) (i32.const 1)))
                (func (export "run") (param i32) (result i32) (call $inner (local.get 0)))
                (func (export "start over") (param i32) (result i32) (call $end (i32.sub (local.get 0) (i32.const 10)))))"#,
        )?;
        let mut linker = Linker::new();
        linker.func_wrap("host", "end", |mut caller: Caller<'_, u32>, how: i32| -> Result<i32, HostTrap> {
            *caller.data_mut() += 1;
            match how {
                0 => Ok(41),
                1 => Err(HostTrap::Exit(7)),
                2 => Err(TrapCode::IntegerOverflow.into()),
                3 => Err(HostTrap::new(Refused(3))),
                4 => Err(HostTrap::new("in words")),
                // The same from a guest that the host called.
                _ => {
                    let again = caller.get_export("start over").and_then(Extern::into_func).ok_or(HostTrap::new("no function"))?;
                    Ok(again.typed::<i32, i32>(&caller)?.call(&mut caller, how)?)
                }
            }
        });
        let mut store = Store::new(&api.engine, 0)?;
        let instance = linker.instantiate(&mut store, &module)?;
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
        for round in [0, 10, 20] {
            assert_eq!(run.call(&mut store, round)?, 42);
            let mut ends = |how: i32| trap(run.call(&mut store, round + how));
            assert!(matches!(ends(1)?.reason, Reason::Exit(7)));
            assert_eq!(ends(2)?.code(), Some(TrapCode::IntegerOverflow));
            let Reason::Host(error) = ends(3)?.reason else { return Err("an error of the host".into()) };
            assert_eq!(error.downcast_ref(), Some(&Refused(3)), "the error itself comes back");
            assert_eq!(ends(4)?.to_string(), "in words");
        }
        assert_eq!(*store.data(), 5 + 10 + 15);
        Ok(())
    })
}

#[test]
fn results_of_host_functions_are_checked() -> Result {
    in_every_mode(|api| {
        let module =
            api.module(r#"(module (import "host" "one" (func $one (result i64))) (func (export "run") (result i64) (call $one)))"#)?;
        let mut linker = Linker::new();
        linker.func_new("host", "one", FuncType::new([], [ValType::I64]), |_, _, results| {
            results[0] = Val::I32(1);
            Ok(())
        });
        let mut store = Store::new(&api.engine, ())?;
        let run = linker.instantiate(&mut store, &module)?.func(&mut store, "run")?;
        let wrong = trap(run.call(&mut store, &[]))?;
        assert_eq!(wrong.to_string(), "result 1 of a host function has type i32, expected i64");
        let error = run.call(&mut store, &[Val::I32(1)]).err().ok_or("too many arguments")?;
        assert_eq!(error.to_string(), "function expects 0 arguments, 1 were given");
        Ok(())
    })
}

#[test]
fn a_start_function_runs_once_and_may_fail() -> Result {
    in_every_mode(|api| {
        let module = api.module(
            r#"(module (import "host" "started" (func $started (result i32)))
                (func $start (if (i32.eqz (call $started)) (then unreachable))) (start $start))"#,
        )?;
        let mut linker = Linker::new();
        linker.func_wrap("host", "started", |mut caller: Caller<'_, i32>| {
            *caller.data_mut() += 1;
            *caller.data() % 2
        });
        let pre = linker.instantiate_pre(&module)?;
        let mut store = Store::new(&api.engine, 0)?;
        pre.instantiate(&mut store)?;
        assert_eq!(trap(pre.instantiate(&mut store))?.code(), Some(TrapCode::Unreachable));
        pre.instantiate(&mut store)?;
        assert_eq!(*store.data(), 3);
        Ok(())
    })
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
fn functions_on_demand_are_definitions_like_others() -> Result {
    let answer = |value: u64| {
        move |_: Caller<'_, ()>, slots: &mut [u64]| {
            slots[0] = value;
            Ok(())
        }
    };
    let offers = |names: &'static [&'static str], value: u64| {
        move |module: &str, name: &str| {
            let known = module == "host" && names.contains(&name);
            known.then(|| (FuncType::new([], [ValType::I32]), answer(value)))
        }
    };
    in_every_mode(|api| {
        let mut linker = Linker::new();
        linker.func_wrap("host", "a", || 1).func_wrap("host", "b", || 1);
        linker.funcs_on_demand(offers(&["b", "c", "d"], 2)).funcs_on_demand(offers(&["c"], 3)).func_wrap("host", "d", || 4);
        let module = api.module(
            r#"(module
            (import "host" "a" (func $a (result i32))) (import "host" "b" (func $b (result i32)))
            (import "host" "c" (func $c (result i32))) (import "host" "d" (func $d (result i32)))
            (func (export "all") (result i32 i32 i32 i32) call $a call $b call $c call $d))"#,
        )?;
        let mut store = Store::new(&api.engine, ())?;
        let all = linker.instantiate(&mut store, &module)?.get_typed_func::<(), (i32, i32, i32, i32)>(&mut store, "all")?;
        assert_eq!(all.call(&mut store, ())?, (1, 2, 3, 4));
        let unknown = api.module(r#"(module (import "host" "e" (func)))"#)?;
        assert!(matches!(linker.instantiate(&mut store, &unknown), Err(Error::Link(_))));
        Ok(())
    })
}
