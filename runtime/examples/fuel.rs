//! Fuel: guests execute as much as they are given, and the same amount ends at the same point in every tier.
//!
//! `cargo run -p trjit-runtime --example fuel`

use trjit_module::TrapCode;
use trjit_runtime::{Caller, Config, Engine, Error, HostTrap, Linker, Module, Store};

/// `work(n)` goes n times around, and reports every thousandth.
const GUEST: &str = r#"(module
    (import "host" "progress" (func $progress (param i32)))
    (func (export "work") (param $rounds i32) (local $done i32)
        (loop $next
            (local.set $done (i32.add (local.get $done) (i32.const 1)))
            (if (i32.eqz (i32.rem_u (local.get $done) (i32.const 1000))) (then (call $progress (local.get $done))))
            (br_if $next (i32.lt_u (local.get $done) (local.get $rounds))))))"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::new(Config::new().consume_fuel(true));
    let module = Module::new(&engine, wat::parse_str(GUEST)?)?;
    let mut linker = Linker::new();
    linker.func_wrap("host", "progress", |mut caller: Caller<'_, u32>, done: i32| -> Result<(), HostTrap> {
        *caller.data_mut() = done as u32;
        Ok(())
    });
    let mut store = Store::new(&engine, 0)?;
    let instance = linker.instantiate(&mut store, &module)?;
    let work = instance.get_typed_func::<u32, ()>(&mut store, "work")?;

    for rounds in [100, 200] {
        store.set_fuel(1_000_000)?;
        work.call(&mut store, rounds)?;
        println!("{rounds} rounds consumed {}", 1_000_000 - store.get_fuel()?);
    }

    // Not enough for the work: it stops, and tells how far it came.
    store.set_fuel(30_000)?;
    match work.call(&mut store, 1_000_000) {
        Err(Error::Trap(trap)) if trap.code() == Some(TrapCode::OutOfFuel) => println!("{trap}, after {} rounds", store.data()),
        other => other?,
    }
    println!("left: {}", store.get_fuel()?);
    Ok(())
}
