//! The smallest embedding: a module, a host function that it calls, and a call of what it exports.
//!
//! `cargo run -p trjit-runtime --example hello`

use trjit_runtime::{Caller, Config, Engine, Linker, Module, Store};

const GUEST: &str = r#"(module
    (import "host" "double" (func $double (param i32) (result i32)))
    (func (export "run") (param i32) (result i32)
        (i32.add (call $double (local.get 0)) (i32.const 1))))"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::new(Config::new());
    let module = Module::new(&engine, wat::parse_str(GUEST)?)?;

    // The store's data is the embedder's own; host functions reach it through their caller.
    let mut linker = Linker::new();
    linker.func_wrap("host", "double", |mut caller: Caller<'_, Vec<i32>>, value: i32| {
        caller.data_mut().push(value);
        2 * value
    });

    let mut store = Store::new(&engine, Vec::new())?;
    let instance = linker.instantiate(&mut store, &module)?;
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
    println!("run(20) = {}", run.call(&mut store, 20)?);
    println!("run(-1) = {}", run.call(&mut store, -1)?);
    println!("the host was asked for {:?}", store.data());
    Ok(())
}
