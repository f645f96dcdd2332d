//! Limits and stopping in every mode: limiters, interruption, deadlines, epochs.

mod modes_support;

use modes_support::*;
use std::time::{Duration, Instant};
use trjit_module::TrapCode;
use trjit_runtime::{Caller, Error, HostError, HostTrap, Linker, ResourceLimiter, Store, StoreLimits};

#[test]
fn a_limiter_is_asked_before_anything_grows() -> Result {
    in_every_mode(|api| {
        struct Asked(Vec<(usize, usize, Option<usize>)>);
        impl ResourceLimiter for Asked {
            fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool, HostError> {
                self.0.push((current, desired, maximum));
                Ok(desired <= 3 << 16)
            }
            fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, HostError> {
                Ok(desired <= 4)
            }
        }
        let engine = &api.engine;
        let module = api.module(
            r#"(module (memory 1 9) (table 2 funcref)
            (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "table") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))"#,
        )?;
        let mut store = Store::new(engine, Asked(Vec::new()))?;
        store.limiter(|asked| asked);
        let instance = Linker::new().instantiate(&mut store, &module)?;
        let memory = instance.get_typed_func::<i32, i32>(&mut store, "memory")?;
        assert_eq!([memory.call(&mut store, 2)?, memory.call(&mut store, 1)?, memory.call(&mut store, 0)?], [1, -1, 3]);
        let page = 1 << 16;
        assert_eq!(store.data().0, [(0, page, Some(9 * page)), (page, 3 * page, Some(9 * page)), (3 * page, 4 * page, Some(9 * page))]);
        let table = instance.get_typed_func::<i32, i32>(&mut store, "table")?;
        assert_eq!([table.call(&mut store, 3)?, table.call(&mut store, 2)?], [-1, 2]);
        let mut small = Store::new(engine, StoreLimits { memory_size: Some(100), ..StoreLimits::default() })?;
        small.limiter(|limits| limits);
        let error = Linker::new().instantiate(&mut small, &module).err().ok_or("the memory is too large")?;
        assert!(error.to_string().contains("limiter refuses a memory"), "{error}");
        Ok(())
    })
}

const ENDLESS: &str = r#"(module (func (export "run") (loop br 0)) (func (export "short") (result i32) (i32.const 1)))"#;

fn is_interrupt(result: Result<(), Error>) -> bool {
    matches!(result, Err(Error::Trap(trap)) if trap.code() == Some(TrapCode::Interrupt))
}

#[test]
fn guests_stop_at_deadlines_and_run_again_after_them() -> Result {
    in_every_mode(|api| {
        let engine = &api.engine;
        let module = api.module(ENDLESS)?;
        let mut store = Store::new(engine, ())?;
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
    })
}

#[test]
fn another_thread_stops_a_guest() -> Result {
    in_every_mode(|api| {
        let engine = &api.engine;
        let module = api.module(ENDLESS)?;
        let mut store = Store::new(engine, ())?;
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
    })
}

/// `run(n)`: n calls of guest and host into each other, then an endless loop or an endless recursion.
const NESTED: &str = r#"(module (import "host" "call" (func $call (param i32)))
    (func $recurse (param i32) (result i32) (if (result i32) (local.get 0) (then (return_call $recurse (local.get 0))) (else (i32.const 0))))
    (func (export "run") (param i32)
        (if (i32.eqz (local.get 0)) (then (loop (br 0))))
        (if (i32.eq (local.get 0) (i32.const -1)) (then (drop (call $recurse (i32.const 1)))))
        (call $call (i32.sub (local.get 0) (i32.const 1)))))"#;

fn nested() -> Linker<u32> {
    let mut linker = Linker::new();
    linker.func_wrap("host", "call", |mut caller: Caller<'_, u32>, depth: i32| -> Result<(), HostTrap> {
        *caller.data_mut() += 1;
        let run = caller.get_export("run").and_then(trjit_runtime::Extern::into_func).ok_or(HostTrap::new("no function"))?;
        let result = run.typed::<i32, ()>(&caller)?.call(&mut caller, depth);
        *caller.data_mut() += 100;
        Ok(result?)
    });
    linker
}

#[test]
fn a_stop_leaves_all_frames_of_guests_and_hosts() -> Result {
    in_every_mode(|api| {
        let module = api.module(NESTED)?;
        let mut store = Store::new(&api.engine, 0)?;
        let run = nested().instantiate(&mut store, &module)?.get_typed_func::<i32, ()>(&mut store, "run")?;
        store.set_deadline(Some(Instant::now() + Duration::from_millis(20)));
        assert!(is_interrupt(run.call(&mut store, 3)));
        assert_eq!(*store.data(), 303, "three host functions were entered and left");
        store.set_deadline(None);
        store.set_epoch_deadline(1);
        let engine = api.engine.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            engine.increment_epoch();
        });
        assert!(is_interrupt(run.call(&mut store, -1)));
        thread.join().map_err(|_| "the ticker panicked")?;
        assert_eq!(*store.data(), 303);
        Ok(())
    })
}

#[test]
fn host_functions_see_that_they_shall_stop() -> Result {
    in_every_mode(|api| {
        let module = api.module(r#"(module (import "host" "wait" (func $wait)) (func (export "run") (call $wait)))"#)?;
        let mut linker = Linker::new();
        linker.func_wrap("host", "wait", |caller: Caller<'_, ()>| -> Result<(), HostTrap> {
            while !caller.interrupt_requested() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(TrapCode::Interrupt.into())
        });
        let mut store = Store::new(&api.engine, ())?;
        let run = linker.instantiate(&mut store, &module)?.get_typed_func::<(), ()>(&mut store, "run")?;
        let handle = store.interrupt_handle();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            handle.interrupt()
        });
        assert!(is_interrupt(run.call(&mut store, ())));
        assert!(thread.join().map_err(|_| "the thread panicked")?);
        Ok(())
    })
}

#[test]
fn a_limiter_counts_instances_memories_and_tables() -> Result {
    in_every_mode(|api| {
        let module = api.module(r#"(module (memory 1) (table 1 funcref) (func (export "run")))"#)?;
        for (limits, what) in [
            (StoreLimits { instances: 2, ..StoreLimits::default() }, "instance"),
            (StoreLimits { memories: 2, ..StoreLimits::default() }, "memory"),
            (StoreLimits { tables: 2, ..StoreLimits::default() }, "table"),
            (StoreLimits { table_elements: Some(0), ..StoreLimits::default() }, "table"),
        ] {
            let mut store = Store::new(&api.engine, limits)?;
            store.limiter(|limits| limits);
            let mut made = 0;
            let error = loop {
                match Linker::new().instantiate(&mut store, &module) {
                    Ok(instance) => instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?,
                    Err(error) => break error,
                }
                made += 1;
            };
            assert_eq!(made, if limits.table_elements.is_some() { 0 } else { 2 }, "{what}");
            assert!(matches!(&error, Error::Resource { what: found, .. } if *found == what), "{error}");
        }
        Ok(())
    })
}
