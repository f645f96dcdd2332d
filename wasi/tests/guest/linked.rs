//! Calls through the runtime: a module that imports every WASI function and exports a function of the same type that passes the call on.
//!
//! ```text
//! test -> export: enter (test's bytes -> memory), WASI import, leave (memory -> test's bytes) -> errno
//! ```

use std::fmt::Write;

use trjit_runtime::{Config, Engine, Error, Instance, Linker, Module, OwnedFuncType, Reason, Store, Val};
use trjit_wasi::{ValType, WasiCtx, WasiError, add_to_linker, functions};

const PAGE: usize = 1 << 16;

struct Data {
    ctx: WasiCtx,
    /// The test's view of the guest's memory.
    bytes: Vec<u8>,
}

pub struct Linked {
    store: Store<Data>,
    instance: Instance,
}

impl Linked {
    /// An instance with a memory of `size` bytes, a multiple of the page size.
    pub fn new(ctx: WasiCtx, size: usize) -> Linked {
        let engine = Engine::new(Config::default());
        let wasm = wat::parse_str(text(size / PAGE)).expect("the module is well-formed");
        let module = Module::new(&engine, wasm).expect("the module is valid");
        let mut store = Store::new(&engine, Data { ctx, bytes: Vec::new() }).expect("a store");
        let mut linker = Linker::new();
        add_to_linker(&mut linker, |data: &mut Data| &mut data.ctx);
        linker.func_raw("test", "enter", OwnedFuncType::new([], []), |mut caller, _| {
            let (memory, data) = caller.memory_and_data();
            memory.copy_from_slice(&data.bytes);
            Ok(())
        });
        linker.func_raw("test", "leave", OwnedFuncType::new([], []), |mut caller, _| {
            let (memory, data) = caller.memory_and_data();
            data.bytes.copy_from_slice(memory);
            Ok(())
        });
        let instance = linker.instantiate(&mut store, &module).expect("every import is defined with the type that the table has");
        Linked { store, instance }
    }

    pub fn call(&mut self, module: &str, name: &str, bytes: &mut Vec<u8>, args: &[u64]) -> Result<u64, WasiError> {
        let func = self.instance.func(&mut self.store, &format!("{module}.{name}")).expect("every function is exported");
        let values: Vec<Val> = super::function(module, name).params.iter().zip(args).map(value).collect();
        std::mem::swap(&mut self.store.data_mut().bytes, bytes);
        let result = func.call(&mut self.store, &values);
        std::mem::swap(&mut self.store.data_mut().bytes, bytes);
        match result {
            Ok(results) => Ok(results.first().map_or(0, |errno| errno.i32().map_or(u64::MAX, |errno| u64::from(errno as u32)))),
            Err(Error::Trap(trap)) => Err(match &trap.reason {
                Reason::Exit(status) => WasiError::Exit(*status),
                other => WasiError::Trap(format!("{other:?}")),
            }),
            Err(other) => panic!("{name}: {other}"),
        }
    }
}

fn value((ty, arg): (&ValType, &u64)) -> Val {
    match ty {
        ValType::I32 => Val::I32(*arg as i32),
        ValType::I64 => Val::I64(*arg as i64),
    }
}

fn types(types: &[ValType]) -> String {
    types.iter().map(|ty| if *ty == ValType::I32 { " i32" } else { " i64" }).collect()
}

/// The module, in text form.
fn text(pages: usize) -> String {
    let mut imports = String::new();
    let mut bodies = String::new();
    for (at, function) in functions().iter().enumerate() {
        let (module, name) = (function.module, function.name);
        let ty = format!("(param{}) (result{})", types(function.params), types(function.results));
        let args: String = (0..function.params.len()).map(|i| format!(" (local.get {i})")).collect();
        writeln!(imports, "(import \"{module}\" \"{name}\" (func $f{at} {ty}))").expect("a string grows");
        writeln!(bodies, "(func (export \"{module}.{name}\") {ty} (call $enter) (call $f{at}{args}) (call $leave))")
            .expect("a string grows");
    }
    format!(
        "(module (import \"test\" \"enter\" (func $enter)) (import \"test\" \"leave\" (func $leave))
        {imports} (memory (export \"memory\") {pages}) {bodies})"
    )
}
