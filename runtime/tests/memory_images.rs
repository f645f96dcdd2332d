//! What memories begin with, from segments and from the images of caches: guests and hosts see the same, each instance has its own, limits hold as before.

mod modes_support;

use modes_support::*;
use trjit_runtime::{Error, HostError, Linker, Module, ResourceLimiter, Store};

/// Three extents: two in the first memory, one (mapped with 64-bit indices) in the second.
const PROGRAM: &str = r#"(module
    (memory (export "memory") 4 8) (memory $wide (export "wide") i64 2)
    (data $a (i32.const 4090) "across two pages") (data (i32.const 200000) "far") (data $p "passive")
    (data (memory $wide) (i64.const 70000) "wide")
    (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0)))
    (func (export "wide byte") (param i64) (result i32) (i32.load8_u $wide (local.get 0)))
    (func (export "set") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
    (func (export "init") (param i32) (memory.init $a (i32.const 0) (i32.const 0) (local.get 0)))
    (func (export "init passive") (param i32) (memory.init $p (i32.const 1) (i32.const 2) (local.get 0)))
    (func (export "drop") (data.drop $a) (data.drop $p)))"#;

#[test]
fn guests_and_hosts_find_the_segments() -> Result {
    in_every_mode(|api| {
        let module = api.module(PROGRAM)?;
        let mut store = Store::new(&api.engine, ())?;
        let instance = Linker::new().instantiate(&mut store, &module)?;
        let byte = instance.get_typed_func::<i32, i32>(&mut store, "byte")?;
        let mut read = |at: i32| byte.call(&mut store, at);
        let text: Result<Vec<u8>, Error> = (4088..4108).map(|at| read(at).map(|byte| byte as u8)).collect();
        assert_eq!(text?, b"\0\0across two pages\0\0");
        assert_eq!([199_999, 200_000, 200_002, 200_003].map(|at| read(at).ok()), [Some(0), Some(102), Some(114), Some(0)]);
        let wide = instance.get_typed_func::<i64, i32>(&mut store, "wide byte")?;
        assert_eq!((wide.call(&mut store, 70_003)?, wide.call(&mut store, 70_004)?), (101, 0));

        let memory = instance.get_memory(&mut store, "memory").ok_or("exported")?;
        assert_eq!(&memory.data(&store)[4090..4096], b"across");
        memory.data_mut(&mut store)[4090] = b'A';
        assert_eq!(byte.call(&mut store, 4090)?, 65);
        memory.grow(&mut store, 4)?;
        assert_eq!((&memory.data(&store)[200_000..200_004], memory.data(&store).len()), (&b"far\0"[..], 8 << 16));
        Ok(())
    })
}

#[test]
fn each_instance_writes_its_own_pages() -> Result {
    in_every_mode(|api| {
        let module = api.module(PROGRAM)?;
        let mut store = Store::new(&api.engine, ())?;
        let instances = [(); 3].map(|()| Linker::new().instantiate(&mut store, &module));
        let mut found = Vec::new();
        for (number, instance) in instances.into_iter().enumerate() {
            let instance = instance?;
            let byte = instance.get_typed_func::<i32, i32>(&mut store, "byte")?;
            found.push(byte.call(&mut store, 200_000)?);
            instance.get_typed_func::<(i32, i32), ()>(&mut store, "set")?.call(&mut store, (200_000, number as i32))?;
            assert_eq!(byte.call(&mut store, 200_000)?, number as i32);
        }
        assert_eq!(found, [102; 3]);
        // Nor does a fresh store see what was written.
        let mut fresh = Store::new(&api.engine, ())?;
        let instance = Linker::new().instantiate(&mut fresh, &module)?;
        assert_eq!(instance.get_typed_func::<i32, i32>(&mut fresh, "byte")?.call(&mut fresh, 200_000)?, 102);
        Ok(())
    })
}

#[test]
fn segments_of_the_image_are_dropped_and_others_are_not() -> Result {
    in_every_mode(|api| {
        let mut store = Store::new(&api.engine, ())?;
        let instance = Linker::new().instantiate(&mut store, &api.module(PROGRAM)?)?;
        let init = instance.get_typed_func::<i32, ()>(&mut store, "init")?;
        let init_passive = instance.get_typed_func::<i32, ()>(&mut store, "init passive")?;
        init.call(&mut store, 0)?;
        assert!(trap(init.call(&mut store, 1))?.to_string().contains("out of bounds memory access"));
        init_passive.call(&mut store, 5)?;
        let memory = instance.get_memory(&mut store, "memory").ok_or("exported")?;
        assert_eq!(&memory.data(&store)[..7], b"\0ssive\0");
        instance.get_typed_func::<(), ()>(&mut store, "drop")?.call(&mut store, ())?;
        assert!(trap(init_passive.call(&mut store, 1))?.to_string().contains("out of bounds memory access"));
        Ok(())
    })
}

/// A segment that traps leaves those before it in a memory that others have.
#[test]
fn effects_before_a_trap_stay() -> Result {
    in_every_mode(|api| {
        let mut store = Store::new(&api.engine, ())?;
        let mut linker = Linker::new();
        let text = r#"(module (memory (export "memory") 1) (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;
        let owner = linker.instantiate(&mut store, &api.module(text)?)?;
        linker.instance("owner", owner);
        let text = r#"(module (import "owner" "memory" (memory 1)) (memory 1)
            (data (i32.const 5) "before") (data (memory 1) (i32.const 0) "own") (data (memory 1) (i32.const 65535) "xx") (data (i32.const 9) "behind"))"#;
        let failed = linker.instantiate(&mut store, &api.module(text)?).map(|_| ());
        assert!(trap(failed)?.to_string().contains("out of bounds memory access"));
        let memory = owner.get_memory(&mut store, "memory").ok_or("exported")?;
        assert_eq!(&memory.data(&store)[4..16], b"\0before\0\0\0\0\0");
        assert_eq!(owner.get_typed_func::<i32, i32>(&mut store, "byte")?.call(&mut store, 5)?, 98);
        Ok(())
    })
}

struct AtMost(usize);

impl ResourceLimiter for AtMost {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, HostError> {
        Ok(desired <= self.0)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool, HostError> {
        Ok(true)
    }
}

#[test]
fn limits_refuse_a_memory_whatever_it_begins_with() -> Result {
    in_every_mode(|api| {
        let module: Module = api.module(PROGRAM)?;
        let mut store = Store::new(&api.engine, AtMost(3 << 16))?;
        store.limiter(|most| most);
        let refused = Linker::new().instantiate(&mut store, &module).err().ok_or("refused")?;
        assert!(refused.to_string().contains("refuses a memory of 4 pages"), "{refused}");
        store.data_mut().0 = 4 << 16;
        let instance = Linker::new().instantiate(&mut store, &module)?;
        assert_eq!(instance.get_typed_func::<i32, i32>(&mut store, "byte")?.call(&mut store, 200_001)?, 97);
        Ok(())
    })
}

#[test]
fn a_module_that_lost_its_cache_is_refused() -> Result {
    let api = Api::new(Mode::Cached)?;
    let module = api.module(PROGRAM)?;
    let refused = Module::from_parsed(&api.engine, module.parsed().clone()).err().ok_or("refused")?;
    assert!(refused.to_string().contains("use Module::from_cache"), "{refused}");
    Ok(())
}
