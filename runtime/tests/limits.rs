//! Limiters that fail: their errors end guests, instantiations and calls of the API, in every mode.

mod modes_support;

use modes_support::*;
use trjit_runtime::{
    Error, HostError, Linker, Memory, MemoryType, Reason, ResourceLimiter, Store, StoreLimits, StoreLimitsBuilder, Table, TableType, Val,
};

const PAGE: usize = 1 << 16;

/// `before` counts the calls; what stands behind the growth never runs where it fails.
const GROWS: &str = r#"(module (memory (export "m") 1 4) (table (export "t") 2 6 funcref)
    (global $before (export "before") (mut i32) (i32.const 0))
    (func $grow_memory (export "memory") (param i32) (result i32)
        (global.set $before (i32.add (global.get $before) (i32.const 1)))
        (i32.store (i32.const 0) (memory.grow (local.get 0)))
        (i32.load (i32.const 0)))
    (func $grow_table (export "table") (param i32) (result i32)
        (global.set $before (i32.add (global.get $before) (i32.const 1)))
        (table.grow (ref.null func) (local.get 0)))
    (func (export "deep") (param i32) (result i32) (call $grow_memory (local.get 0)))
    (func (export "size") (result i32) (i32.add (memory.size) (i32.mul (table.size) (i32.const 100)))))"#;

/// What a limiter refuses with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {0} of {1}")]
struct Refused(&'static str, usize);

/// Allows two pages and three elements; more is an error.
struct Strict;

impl ResourceLimiter for Strict {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, HostError> {
        if desired > 2 * PAGE { Err(Refused("memory", desired).into()) } else { Ok(true) }
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, HostError> {
        if desired > 3 { Err(Refused("table", desired).into()) } else { Ok(true) }
    }
}

fn refused(error: &HostError) -> &Refused {
    error.downcast_ref().expect("the limiter's own error")
}

#[test]
fn an_error_of_the_limiter_ends_the_guest() -> Result {
    in_every_mode(|api| {
        let module = api.module(GROWS)?;
        let mut store = Store::new(&api.engine, Strict)?;
        store.limiter(|limiter| limiter);
        let instance = Linker::new().instantiate(&mut store, &module)?;
        let size = instance.get_typed_func::<(), i32>(&mut store, "size")?;
        for (name, function, allowed, too_much, expected) in [
            ("memory", 0, 1, 1, Refused("memory", 3 * PAGE)),
            ("table", 1, 1, 2, Refused("table", 5)),
            ("deep", 0, 0, 2, Refused("memory", 4 * PAGE)),
        ] {
            let grow = instance.get_typed_func::<i32, i32>(&mut store, name)?;
            assert!(grow.call(&mut store, allowed)? > 0, "{name}");
            let before = size.call(&mut store, ())?;
            let trap = trap(grow.call(&mut store, too_much))?;
            let Reason::Host(error) = &trap.reason else { panic!("{name}: {trap}") };
            assert_eq!(refused(error), &expected, "{name}");
            assert_eq!(trap.backtrace.frames[0].function.0, function, "{name}");
            assert_eq!(trap.backtrace.frames.len(), if name == "deep" { 2 } else { 1 });
            assert_eq!(size.call(&mut store, ())?, before, "{name}");
        }
        // All calls began.
        let global = instance.get_global(&mut store, "before").ok_or("it is exported")?;
        assert_eq!(global.get(&store), Val::I32(6));
        Ok(())
    })
}

#[test]
fn the_position_of_such_a_trap_is_that_of_the_instruction() -> Result {
    let mut positions = Vec::new();
    for mode in MODES {
        let api = Api::new(mode)?;
        let module = api.module(GROWS)?;
        let mut store = Store::new(&api.engine, Strict)?;
        store.limiter(|limiter| limiter);
        let instance = Linker::new().instantiate(&mut store, &module)?;
        let position = |store: &mut Store<Strict>, name| -> Result<_> {
            let grow = instance.get_typed_func::<i32, i32>(store, name)?;
            Ok(trap(grow.call(store, 3))?.backtrace.frames[0].wasm_offset)
        };
        positions.push([position(&mut store, "memory")?, position(&mut store, "table")?]);
    }
    assert!(positions[0].iter().all(Option::is_some), "{positions:?}");
    assert!(positions.iter().all(|found| *found == positions[0]), "{positions:?}");
    Ok(())
}

#[test]
fn an_error_of_the_limiter_is_that_of_the_api() -> Result {
    in_every_mode(|api| {
        let module = api.module(GROWS)?;
        let mut store = Store::new(&api.engine, Strict)?;
        store.limiter(|limiter| limiter);
        let instance = Linker::new().instantiate(&mut store, &module)?;
        let (memory, table) = (instance.get_memory(&mut store, "m"), instance.get_table(&mut store, "t"));
        let (memory, table) = (memory.ok_or("a memory")?, table.ok_or("a table")?);
        let null = Val::default_of(trjit_module::ValType::FUNCREF);
        let element = table.ty(&store).element;
        let errors = [
            memory.grow(&mut store, 2).err(),
            table.grow(&mut store, 2, null).err(),
            Memory::new(&mut store, MemoryType::new(3, None)).err(),
            Table::new(&mut store, TableType::new(element, 4, None), null).err(),
            Linker::new().instantiate(&mut store, &api.module("(module (memory 7))")?).err(),
        ];
        let expected = [
            Refused("memory", 3 * PAGE),
            Refused("table", 4),
            Refused("memory", 3 * PAGE),
            Refused("table", 4),
            Refused("memory", 7 * PAGE),
        ];
        for (error, expected) in errors.into_iter().zip(expected) {
            let Some(Error::Limiter(error)) = error else { panic!("{expected}: {error:?}") };
            assert_eq!(refused(&error), &expected);
        }
        assert_eq!((memory.size(&store), table.size(&store)), (1, 2));
        // So that something ran.
        assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "size")?.call(&mut store, ())?, 201);
        Ok(())
    })
}

#[test]
fn fixed_limits_trap_where_they_shall() -> Result {
    in_every_mode(|api| {
        let module = api.module(GROWS)?;
        // Three pages and elements by the limit, four and six by the declaration.
        let limits = StoreLimitsBuilder::new().memory_size(3 * PAGE).table_elements(3);
        let wide = StoreLimitsBuilder::new().instances(5).memories(5).tables(5);
        for (limits, at_limit) in [(limits, true), (wide, false)] {
            for traps in [false, true] {
                let mut store = Store::new(&api.engine, limits.trap_on_grow_failure(traps).build())?;
                store.limiter(|limits| limits);
                let instance = Linker::new().instantiate(&mut store, &module)?;
                for name in ["memory", "table"] {
                    let grow = instance.get_typed_func::<i32, i32>(&mut store, name)?;
                    let ended = grow.call(&mut store, 20);
                    if !traps {
                        assert_eq!(ended?, -1, "{name}");
                        continue;
                    }
                    let text = trap(ended)?.to_string();
                    assert!(text.contains(name) && text.contains("can not grow") && text.contains("the limit is") == at_limit, "{text}");
                }
                // It goes on after that.
                assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "size")?.call(&mut store, ())?, 201);
            }
        }
        Ok(())
    })
}

#[test]
fn the_builder_builds_what_it_is_told() {
    let expected =
        StoreLimits { memory_size: Some(1), table_elements: Some(2), instances: 3, memories: 4, tables: 5, trap_on_grow_failure: true };
    let builder = StoreLimitsBuilder::new().memory_size(1).table_elements(2).instances(3).memories(4).tables(5);
    assert_eq!(builder.trap_on_grow_failure(true).build(), expected);
    assert_eq!(StoreLimitsBuilder::new().build(), StoreLimits::default());
}
