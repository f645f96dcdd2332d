//! Tables whose elements are filled when they are asked for: hosts, importers and guests find the same in elements that nobody wrote.

mod modes_support;

use modes_support::*;
use trjit_module::flat::TableRecord;
use trjit_runtime::{Error, Func, Global, GlobalType, Instance, Linker, Store, Table, Val};

/// The first table is filled lazily; the second is not, since it begins with a reference of the host.
const OWNER: &str = r#"(module
    (type $f (func (result i32)))
    (import "host" "two" (func $two (type $f)))
    (import "host" "data" (global $data externref))
    (table (export "table") 6 12 funcref)
    (table (export "data") 3 externref)
    (elem (table 0) (i32.const 1) func $one $two $three)
    (elem (table 0) (i32.const 3) func $two)
    (elem (table 1) (i32.const 1) externref (global.get $data))
    (func $one (export "one") (type $f) (i32.const 1))
    (func $three (type $f) (i32.const 3))
    (func (export "call") (param i32) (result i32) (call_indirect (type $f) (local.get 0))))"#;

/// Uses the owner's table, and puts a function of its own into it.
const USER: &str = r#"(module
    (type $f (func (result i32)))
    (import "owner" "table" (table 6 funcref))
    (elem (i32.const 5) func $five)
    (func $five (type $f) (i32.const 5))
    (func (export "call") (param i32) (result i32) (call_indirect (type $f) (local.get 0)))
    (func (export "move") (param i32 i32) (table.copy (local.get 1) (local.get 0) (i32.const 1))))"#;

struct World {
    store: Store<()>,
    owner: Instance,
    linker: Linker<()>,
}

fn world(api: &Api) -> Result<World> {
    let mut store = Store::new(&api.engine, ())?;
    let mut linker = Linker::new();
    linker.func_wrap("host", "two", || 2);
    let data = Global::new(&mut store, GlobalType { content: Val::ExternRef(9).ty(), mutable: false }, Val::ExternRef(9))?;
    linker.define(&store, "host", "data", data);
    let module = api.module(OWNER)?;
    let filling: Vec<u32> = module.parsed().tables().iter().map(|table| table.filling).collect();
    assert_eq!(filling, [TableRecord::LAZILY, TableRecord::AT_ONCE]);
    let owner = linker.instantiate(&mut store, &module)?;
    linker.instance("owner", owner);
    Ok(World { store, owner, linker })
}

impl World {
    fn table(&mut self, name: &str) -> Result<Table> {
        Ok(self.owner.get_table(&mut self.store, name).ok_or("exported")?)
    }

    fn call(&mut self, instance: Instance, at: i32) -> Result<i32, Error> {
        instance.get_typed_func::<i32, i32>(&mut self.store, "call")?.call(&mut self.store, at)
    }

    fn element(&mut self, table: Table, at: u64) -> Result<Option<Func>> {
        match table.get(&mut self.store, at) {
            Some(Val::FuncRef(func)) => Ok(func),
            other => Err(format!("{other:?}").into()),
        }
    }
}

#[test]
fn hosts_read_what_nobody_wrote() -> Result {
    in_every_mode(|api| {
        let mut world = world(api)?;
        let table = world.table("table")?;
        assert!(world.element(table, 0)?.is_none() && world.element(table, 4)?.is_none() && table.get(&mut world.store, 6).is_none());
        let one = world.element(table, 1)?.ok_or("a function")?;
        assert_eq!(Some(one), world.owner.get_func(&mut world.store, "one"), "a function has one reference");
        assert_eq!(one.call(&mut world.store, &[])?, [Val::I32(1)]);
        let overlaid = world.element(table, 3)?.ok_or("a function")?;
        assert_eq!(overlaid.call(&mut world.store, &[])?, [Val::I32(2)]);
        let data = world.table("data")?;
        let found = [0, 1, 2].map(|at| data.get(&mut world.store, at));
        assert_eq!(found, [0, 9, 0].map(|data| Some(Val::ExternRef(data))));
        let owner = world.owner;
        assert_eq!((world.call(owner, 2)?, world.call(owner, 3)?), (2, 2));
        Ok(())
    })
}

#[test]
fn hosts_copy_fill_and_grow_what_nobody_wrote() -> Result {
    in_every_mode(|api| {
        let mut world = world(api)?;
        let (table, owner) = (world.table("table")?, world.owner);
        Table::copy(&mut world.store, &table, 4, &table, 0, 2)?;
        assert_eq!(world.call(owner, 5)?, 1);
        assert!(trap(world.call(owner, 4))?.to_string().contains("uninitialized element"));
        table.fill(&mut world.store, 1, Val::FuncRef(None), 1)?;
        assert!(trap(world.call(owner, 1))?.to_string().contains("uninitialized element"));
        assert_eq!(table.grow(&mut world.store, 2, Val::FuncRef(None))?, 6);
        assert!(world.element(table, 7)?.is_none());
        let two = world.element(table, 2)?;
        assert_eq!(table.grow(&mut world.store, 1, Val::FuncRef(two))?, 8);
        assert_eq!(world.call(owner, 8)?, 2);
        assert!(Table::copy(&mut world.store, &table, 0, &table, 8, 2).is_err());
        Ok(())
    })
}

#[test]
fn importers_find_the_owner_s_functions() -> Result {
    in_every_mode(|api| {
        let mut world = world(api)?;
        let user = world.linker.instantiate(&mut world.store, &api.module(USER)?)?;
        assert_eq!([1, 2, 3, 5].map(|at| world.call(user, at).ok()), [Some(1), Some(2), Some(2), Some(5)]);
        let owner = world.owner;
        assert_eq!(world.call(owner, 5)?, 5);
        assert!(trap(world.call(user, 0))?.to_string().contains("uninitialized element"));
        user.get_typed_func::<(i32, i32), ()>(&mut world.store, "move")?.call(&mut world.store, (1, 4))?;
        assert_eq!(world.call(owner, 4)?, 1);
        // A second owner's table is its own.
        let module = api.module(OWNER)?;
        let other = world.linker.instantiate(&mut world.store, &module)?;
        assert!(trap(world.call(other, 5))?.to_string().contains("uninitialized element"));
        assert_eq!(world.call(other, 1)?, 1);
        Ok(())
    })
}

/// Which tables wait: none of a module in which a segment may trap.
#[test]
fn tables_wait_only_where_nothing_can_trap() -> Result {
    let engine = trjit_runtime::Engine::new(trjit_runtime::Config::new());
    let lazily = |text: &str| -> Result<Vec<bool>> {
        let module = trjit_runtime::Module::new(&engine, wat::parse_str(text)?)?;
        Ok(module.parsed().tables().iter().map(|table| table.filling == TableRecord::LAZILY).collect())
    };
    assert_eq!(lazily("(module (table 2 funcref) (func $f) (elem (i32.const 1) $f))")?, [true]);
    assert_eq!(lazily("(module (table 2 funcref) (func $f) (elem (i32.const 1) $f $f))")?, [false]);
    assert_eq!(lazily(r#"(module (import "" "" (global $g i32)) (table 2 funcref) (func $f) (elem (global.get $g) $f))"#)?, [false]);
    assert_eq!(lazily(r#"(module (import "" "" (table 2 funcref)) (table 2 funcref) (func $f) (elem (i32.const 1) $f))"#)?, [false, true]);
    assert_eq!(lazily(r#"(module (table 2 funcref) (memory 1) (data (i32.const 65536) "x"))"#)?, [false]);
    assert_eq!(lazily("(module (table 2 (ref func) (ref.func $f)) (table 2 funcref) (func $f))")?, [false, true]);
    let many = format!("(module (table 99 funcref) (func $f) {})", "(elem (i32.const 1) $f)".repeat(65));
    assert_eq!(lazily(&many)?, [false]);
    Ok(())
}
