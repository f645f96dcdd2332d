//! Limits for what guests take: memories and tables by a limiter in the store's data, the native stack by the configuration.
//!
//! `cargo run -p trjit-runtime --example limits`

use trjit_runtime::{Config, Engine, HostError, Linker, Module, ResourceLimiter, Store, StoreLimitsBuilder};

const GUEST: &str = r#"(module
    (memory 1 20)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func $dive (export "dive") (param i32) (result i32) (i32.add (call $dive (local.get 0)) (i32.const 1))))"#;

/// A limiter of the embedder's own: it counts pages over all memories of its store.
struct Account {
    pages: usize,
    refused: Option<usize>,
}

impl ResourceLimiter for Account {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool, HostError> {
        let pages = self.pages + (desired - current) / 65536;
        match pages <= 8 {
            true => self.pages = pages,
            false => self.refused = Some(pages),
        }
        Ok(pages <= 8)
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> Result<bool, HostError> {
        Ok(true)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::new(Config::new().max_wasm_stack(256 << 10));
    let module = Module::new(&engine, wat::parse_str(GUEST)?)?;
    let linker = Linker::new();

    let mut store = Store::new(&engine, Account { pages: 0, refused: None })?;
    store.limiter(|account| account);
    let instance = linker.instantiate(&mut store, &module)?;
    println!("an instance with {} page", store.data().pages);
    let grow = instance.get_typed_func::<u32, i32>(&mut store, "grow")?;
    for pages in [10, 3] {
        println!("the guest asked for {pages} more and got {}", grow.call(&mut store, pages)?);
    }

    // Limits that are numbers need no limiter of one's own.
    let mut small = Store::new(&engine, StoreLimitsBuilder::new().memory_size(40_000).build())?;
    small.limiter(|limits| limits);
    if let Err(error) = Linker::new().instantiate(&mut small, &module) {
        println!("error: {error}");
    }
    // A limit can also end a guest that runs into it.
    let mut strict = Store::new(&engine, StoreLimitsBuilder::new().memory_size(200_000).trap_on_grow_failure(true).build())?;
    strict.limiter(|limits| limits);
    let instance_of_strict = Linker::new().instantiate(&mut strict, &module)?;
    if let Err(error) = instance_of_strict.get_typed_func::<u32, i32>(&mut strict, "grow")?.call(&mut strict, 3) {
        println!("error: {error}");
    }
    println!("refused: {} pages", store.data().refused.ok_or("something was refused")?);
    println!("counted: {} pages", store.data().pages);

    // Recursion ends in a trap, whatever runs it.
    let dive = instance.get_typed_func::<u32, u32>(&mut store, "dive")?;
    if let Err(error) = dive.call(&mut store, 0) {
        println!("error: {error}");
    }
    Ok(())
}
