//! Modules linked to each other, and to a memory that the host made: a string goes from one module through another to the host.
//!
//! `cargo run -p trjit-runtime --example linking`

use trjit_runtime::{Caller, Config, Engine, Error, Extern, HostTrap, Linker, Memory, MemoryType, Module, Store};

/// Turns letters in the host's memory into capitals.
const CAPITALS: &str = r#"(module
    (import "host" "memory" (memory 1))
    (func (export "capitalize") (param $at i32) (param $len i32) (local $byte i32)
        (loop $next
            (if (local.get $len) (then
                (local.set $byte (i32.load8_u (local.get $at)))
                (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 97)) (i32.const 26))
                    (then (i32.store8 (local.get $at) (i32.sub (local.get $byte) (i32.const 32)))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                (br $next))))))"#;

/// Has a text, uses the other module on it, and prints it by the host.
const GREETER: &str = r#"(module
    (import "host" "memory" (memory 1))
    (import "capitals" "capitalize" (func $capitalize (param i32 i32)))
    (import "host" "print" (func $print (param i32 i32)))
    (data (i32.const 100) "hello from two modules")
    (func (export "greet") (param $len i32)
        (call $capitalize (i32.const 100) (local.get $len))
        (call $print (i32.const 100) (i32.const 22))))"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::new(Config::new());
    let (capitals, greeter) = (Module::new(&engine, wat::parse_str(CAPITALS)?)?, Module::new(&engine, wat::parse_str(GREETER)?)?);
    let mut store = Store::new(&engine, ())?;
    let mut linker = Linker::new();

    let memory = Memory::new(&mut store, MemoryType::new(1, Some(1)))?;
    linker.define(&store, "host", "memory", memory);
    linker.func_wrap("host", "print", move |caller: Caller<'_, ()>, at: u32, len: u32| -> Result<(), HostTrap> {
        let range = at as usize..at as usize + len as usize;
        let bytes = memory.data(&caller).get(range).ok_or_else(|| HostTrap::new("the text is not in the memory"))?;
        println!("{}", String::from_utf8_lossy(bytes));
        Ok(())
    });

    // Without the other module, linking says what is missing.
    if let Err(Error::Link(error)) = linker.instantiate(&mut store, &greeter) {
        println!("error: {error}");
    }
    linker.module(&mut store, "capitals", &capitals)?;
    let instance = linker.instantiate(&mut store, &greeter)?;
    let greet = instance.get_typed_func::<u32, ()>(&mut store, "greet")?;
    greet.call(&mut store, 5)?;
    greet.call(&mut store, 22)?;

    // The linker has what the modules export, too.
    let capitalize = linker.get(&mut store, "capitals", "capitalize").and_then(Extern::into_func).ok_or("it is linked")?;
    memory.write(&mut store, 0, b"the end")?;
    capitalize.typed::<(u32, u32), ()>(&store)?.call(&mut store, (0, 1))?;
    println!("{}", String::from_utf8_lossy(&memory.data(&store)[..7]));
    Ok(())
}
