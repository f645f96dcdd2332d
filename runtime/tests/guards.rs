//! Indirect calls that are compared with expected callees: a function of another instance, also of the same module, is another function, however alike it is; so is the host's.

mod modes_support;

use modes_support::*;
use trjit_module::{HeapType, RefType};
use trjit_runtime::{Error, Func, Instance, Linker, Store, Table, TableType, Val};

/// Every instance puts its own functions where the host tells it, and all share a table. What functions answer tells the instance.
const MODULE: &str = r#"(module
    (type $f (func (param i32) (result i32)))
    (type $g (func (param i64) (result i32)))
    (import "host" "table" (table $t 8 funcref))
    (import "host" "f" (func $imported (type $f)))
    (global $name (mut i32) (i32.const 0))
    (tag $thrown (param i32))
    (elem declare func $imported)
    (func $one (export "one") (type $f) (i32.add (global.get $name) (local.get 0)))
    (func $two (export "two") (type $f) (i32.sub (global.get $name) (local.get 0)))
    (func $other (export "other") (type $g) (i32.const 3))
    (func $throws (export "throws") (type $f) (throw $thrown (local.get 0)))
    (func $fails (export "fails") (type $f) (i32.div_u (local.get 0) (i32.const 0)))
    (func (export "name") (param i32) (global.set $name (local.get 0)))
    (func (export "import") (param $at i32) (table.set $t (local.get $at) (ref.func $imported)))
    (func (export "call") (param $at i32) (result i32) (call_indirect $t (type $f) (i32.const 5) (local.get $at)))
    (func (export "tail") (param $at i32) (result i32) (return_call_indirect $t (type $f) (i32.const 5) (local.get $at)))
    (func (export "reference") (param $r funcref) (result i32)
      (table.set $t (i32.const 7) (local.get $r))
      (i32.add (i32.const 1000) (call_indirect $t (type $f) (i32.const 5) (i32.const 7))))
    (func (export "typed") (param $r (ref null $f)) (result i32) (i32.add (i32.const 1000) (call_ref $f (i32.const 5) (local.get $r))))
    (func (export "typed tail") (param $r (ref null $f)) (result i32) (return_call_ref $f (i32.const 5) (local.get $r)))
    (func (export "catch") (param $at i32) (result i32)
      (block $caught (result i32)
        (try_table (result i32) (catch $thrown $caught)
          (return (i32.add (i32.const 2000) (call_indirect $t (type $f) (i32.const 5) (local.get $at))))))
      (i32.add (i32.const 3000))))"#;

struct World {
    store: Store<()>,
    table: Table,
    /// Two of one module; their names are 100 and 200.
    instances: [Instance; 2],
}

fn world(api: &Api) -> Result<World> {
    let mut store = Store::new(&api.engine, ())?;
    let ty = TableType { element: RefType::new(true, HeapType::Func), minimum: 8, maximum: None, is_64: false };
    let table = Table::new(&mut store, ty, Val::FuncRef(None))?;
    let mut linker = Linker::new();
    linker.define(&store, "host", "table", table);
    linker.func_wrap("host", "f", |x: i32| x * 10);
    let module = api.module(MODULE)?;
    let mut instance = |name: i32| -> Result<Instance> {
        let instance = linker.instantiate(&mut store, &module)?;
        instance.get_typed_func::<i32, ()>(&mut store, "name")?.call(&mut store, name)?;
        Ok(instance)
    };
    let instances = [instance(100)?, instance(200)?];
    Ok(World { store, table, instances })
}

impl World {
    fn function(&mut self, of: usize, name: &str) -> Result<Func> {
        Ok(self.instances[of].get_func(&mut self.store, name).ok_or("exported")?)
    }

    /// Puts a function of an instance into the table.
    fn put(&mut self, at: u64, of: usize, name: &str) -> Result {
        let function = self.function(of, name)?;
        Ok(self.table.set(&mut self.store, at, Val::FuncRef(Some(function)))?)
    }

    fn call(&mut self, by: usize, export: &str, at: i32) -> Result<i32, Error> {
        self.instances[by].get_typed_func::<i32, i32>(&mut self.store, export)?.call(&mut self.store, at)
    }

    /// Calls an export that takes a function.
    fn give(&mut self, by: usize, export: &str, function: Option<Func>) -> Result<i32, Error> {
        let results = self.instances[by].func(&mut self.store, export)?.call(&mut self.store, &[Val::FuncRef(function)])?;
        Ok(match results[..] {
            [Val::I32(result)] => result,
            ref other => panic!("expected an i32, found {other:?}"),
        })
    }
}

#[test]
fn each_caller_reaches_the_function_that_the_table_holds() -> Result {
    in_every_mode_and_by_many_counts(|api| {
        let mut world = world(api)?;
        for (at, of, name) in [(0, 0, "one"), (1, 1, "one"), (2, 0, "two"), (3, 1, "two")] {
            world.put(at, of, name)?;
        }
        world.instances[1].get_typed_func::<i32, ()>(&mut world.store, "import")?.call(&mut world.store, 4)?;
        let expected = [105, 205, 95, 195, 50];
        for by in [0, 1] {
            for export in ["call", "tail"] {
                let found = [0, 1, 2, 3, 4].map(|at| world.call(by, export, at).ok());
                assert_eq!(found, expected.map(Some), "{export} of {by}");
            }
        }
        // The same place changes under the same code.
        for (of, name, expected) in [(0, "two", 95), (1, "two", 195), (1, "one", 205), (0, "one", 105)] {
            world.put(0, of, name)?;
            assert_eq!([world.call(0, "call", 0)?, world.call(1, "call", 0)?, world.call(0, "tail", 0)?], [expected; 3]);
        }
        Ok(())
    })
}

#[test]
fn references_reach_their_function() -> Result {
    in_every_mode_and_by_many_counts(|api| {
        let mut world = world(api)?;
        let host = Func::wrap(&mut world.store, |x: i32| x * 7);
        for by in [0, 1] {
            for (of, name, expected) in [(0, "one", 105), (1, "one", 205), (0, "two", 95), (1, "two", 195)] {
                let function = Some(world.function(of, name)?);
                assert_eq!(world.give(by, "reference", function)?, 1000 + expected);
                assert_eq!(world.give(by, "typed", function)?, 1000 + expected);
                assert_eq!(world.give(by, "typed tail", function)?, expected);
            }
            assert_eq!([world.give(by, "reference", Some(host))?, world.give(by, "typed", Some(host))?], [1035, 1035]);
            assert!(trap(world.give(by, "reference", None))?.to_string().contains("uninitialized element"));
            for export in ["typed", "typed tail"] {
                assert!(trap(world.give(by, export, None))?.to_string().contains("null reference"), "{export}");
            }
            let other = Some(world.function(by, "other")?);
            assert!(trap(world.give(by, "reference", other))?.to_string().contains("indirect call type mismatch"));
        }
        Ok(())
    })
}

#[test]
fn what_fails_is_told_alike() -> Result {
    // What the interpreter tells, which runs first.
    let told = std::cell::RefCell::new(None);
    in_every_mode_and_by_many_counts(|api| {
        let mut world = world(api)?;
        for (at, of, name) in [(0, 0, "fails"), (1, 1, "fails"), (2, 0, "other"), (3, 0, "throws"), (4, 1, "throws")] {
            world.put(at, of, name)?;
        }
        let mut found = Vec::new();
        for by in [0, 1] {
            for (export, at) in (0..10).flat_map(|at| ["call", "tail", "catch"].map(|export| (export, at))) {
                found.push(match world.call(by, export, at) {
                    Ok(result) => format!("{export} {at}: {result}"),
                    error => {
                        let trap = trap(error)?;
                        let functions: Vec<u32> = trap.backtrace.frames.iter().map(|frame| frame.function.0).collect();
                        format!("{export} {at}: {trap} {functions:?}")
                    }
                });
            }
        }
        assert!(found.iter().any(|line| line.ends_with("catch 3: 3005")), "{found:?}");
        let first = told.borrow_mut().get_or_insert_with(|| found.clone()).clone();
        assert_eq!(found, first);
        Ok(())
    })
}
