//! Guests that do not end by themselves: a handle for another thread, deadlines, and epochs. The guest's code is the same with and without.
//!
//! `cargo run -p trjit-runtime --example interrupt`

use std::time::{Duration, Instant};
use trjit_runtime::{Config, Engine, Error, Instance, Linker, Module, Store};

const GUEST: &str = r#"(module
    (global $rounds (mut i64) (i64.const 0))
    (func (export "spin") (loop (global.set $rounds (i64.add (global.get $rounds) (i64.const 1))) (br 0)))
    (func (export "rounds") (result i64) (global.get $rounds)))"#;

fn spin(store: &mut Store<()>, instance: &Instance) -> Result<(), Error> {
    instance.get_typed_func::<(), ()>(store, "spin")?.call(store, ())
}

/// What the guest was stopped by, in words.
fn tell(what: &str, result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Trap(trap)) => println!("{what}: {trap}"),
        other => return other,
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::new(Config::new());
    let module = Module::new(&engine, wat::parse_str(GUEST)?)?;
    let mut store = Store::new(&engine, ())?;
    let instance = Linker::new().instantiate(&mut store, &module)?;

    // From another thread. `interrupt` waits until the guest is left.
    let handle = store.interrupt_handle();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        handle.interrupt()
    });
    tell("interrupted", spin(&mut store, &instance))?;
    println!("the guest was left: {}", thread.join().map_err(|_| "the thread panicked")?);

    // At a time.
    store.set_deadline(Some(Instant::now() + Duration::from_millis(20)));
    tell("deadline", spin(&mut store, &instance))?;
    tell("not before the deadline is moved", spin(&mut store, &instance))?;
    store.set_deadline(None);

    // When the engine's epoch has moved on: one call of a timer thread stops the guests of many stores.
    store.set_epoch_deadline(1);
    let ticker = engine.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        ticker.increment_epoch();
    });
    tell("epoch", spin(&mut store, &instance))?;
    thread.join().map_err(|_| "the thread panicked")?;

    // A stopped guest has lost its frames, not its state.
    store.set_epoch_deadline(1);
    let rounds = instance.get_typed_func::<(), i64>(&mut store, "rounds")?.call(&mut store, ())?;
    println!("it went around: {}", rounds > 0);
    Ok(())
}
