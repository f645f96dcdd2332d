//! References that the host passes: only what a type promises reaches guests, which use references without another look.

use trjit_module::{RefType, ValType};
use trjit_runtime::*;

type Tried<T> = Result<T, Box<dyn std::error::Error>>;
type Outcome = Tried<()>;

fn module(engine: &Engine, text: &str) -> Tried<Module> {
    Ok(Module::new(engine, wat::parse_str(text)?)?)
}

const CALLER: &str = r#"(module
    (type $ii (func (param i32) (result i32)))
    (import "host" "raw" (func $raw (param i64) (result funcref)))
    (table $t 1 funcref)
    (global $typed (export "typed") (mut (ref null $ii)) (ref.null $ii))
    (table (export "typed table") 2 (ref null $ii))
    (table (export "data") 1 externref)
    (func $twice (export "twice") (type $ii) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "long") (param i64) (result i64) (local.get 0))
    (func (export "through raw") (param i64) (result i32)
      (table.set $t (i32.const 0) (call $raw (local.get 0)))
      (call_indirect $t (type $ii) (i32.const 21) (i32.const 0)))
    (func (export "call") (param (ref $ii)) (result i32) (call_ref $ii (i32.const 4) (local.get 0)))
    (func (export "call null") (param (ref null $ii)) (result i32) (call_ref $ii (i32.const 4) (local.get 0)))
    (func (export "same") (param externref) (result externref)
      (table.set 2 (i32.const 0) (local.get 0)) (table.get 2 (i32.const 0))))"#;

fn world() -> Tried<(Store<Option<Func>>, Instance)> {
    let engine = Engine::new(Config::new());
    let module = module(&engine, CALLER)?;
    let mut linker = Linker::new();
    let ty = FuncType::new([ValType::I64], [ValType::FUNCREF]);
    // 0 asks for the function of the store's data, other numbers are passed on as they are.
    linker.func_raw("host", "raw", ty, |mut caller: Caller<'_, Option<Func>>, slots| {
        if slots[0] == 0 {
            let func = *caller.data();
            slots[0] = Val::FuncRef(func).to_raw(&mut caller)[0];
        }
        Ok(())
    });
    let mut store = Store::new(&engine, None)?;
    let instance = linker.instantiate(&mut store, &module)?;
    *store.data_mut() = instance.get_func(&mut store, "twice");
    Ok((store, instance))
}

fn message<T>(result: Result<T, Error>) -> String {
    result.err().map_or_else(String::new, |error| error.to_string())
}

#[test]
fn words_of_host_functions_are_references_or_errors() -> Outcome {
    let (mut store, instance) = world()?;
    let through = instance.func(&mut store, "through raw")?;
    assert_eq!(through.call(&mut store, &[Val::I64(0)])?, [Val::I32(42)]);
    for bogus in [1 << 20, i64::MAX, -1] {
        let error = message(through.call(&mut store, &[Val::I64(bogus)]));
        assert!(error.contains("result 1 of a host function is a reference to no function of this store, expected funcref"), "{error}");
    }
    assert_eq!(through.call(&mut store, &[Val::I64(0)])?, [Val::I32(42)]);
    Ok(())
}

#[test]
fn functions_of_another_type_are_refused_where_a_type_is_asked_for() -> Outcome {
    let (mut store, instance) = world()?;
    let (twice, long) = (instance.func(&mut store, "twice")?, instance.func(&mut store, "long")?);
    let (call, call_null) = (instance.func(&mut store, "call")?, instance.func(&mut store, "call null")?);
    let host = Func::wrap(&mut store, |value: i32| value + 100);
    assert_eq!(call.call(&mut store, &[twice.into()])?, [Val::I32(8)]);
    assert_eq!(call_null.call(&mut store, &[host.into()])?, [Val::I32(104)]);
    assert!(message(call.call(&mut store, &[long.into()])).contains("a reference to a function of another type"));
    assert!(message(call.call(&mut store, &[Val::FuncRef(None)])).contains("a null reference"));
    let trap = message(call_null.call(&mut store, &[Val::FuncRef(None)]));
    assert!(trap.contains("null"), "{trap}");

    let global = instance.get_global(&mut store, "typed").ok_or("a global")?;
    assert!(message(global.set(&mut store, long.into())).contains("another type"));
    global.set(&mut store, twice.into())?;
    assert_eq!(global.get(&store), Val::from(twice));
    let table = instance.get_table(&mut store, "typed table").ok_or("a table")?;
    assert!(message(table.set(&mut store, 0, long.into())).contains("another type"));
    assert!(message(table.fill(&mut store, 0, long.into(), 2)).contains("another type"));
    table.set(&mut store, 1, host.into())?;
    assert_eq!(table.get(&mut store, 1), Some(Val::from(host)));
    assert_eq!(table.get(&mut store, 0), Some(Val::FuncRef(None)));
    Ok(())
}

#[test]
fn a_function_is_the_same_under_all_its_names() -> Outcome {
    let (mut store, instance) = world()?;
    let engine = store.engine().clone();
    let twice = instance.func(&mut store, "twice")?;
    let again = module(&engine, r#"(module (import "a" "twice" (func $f (param i32) (result i32))) (export "other" (func $f)))"#)?;
    let again = Instance::new(&mut store, &again, &[twice.into()])?;
    assert_eq!(again.func(&mut store, "other")?, twice);
    assert_ne!(instance.func(&mut store, "long")?, twice);
    Ok(())
}

#[test]
fn data_of_the_host_keeps_its_63_bits() -> Outcome {
    let (mut store, instance) = world()?;
    let same = instance.func(&mut store, "same")?;
    let most = Val::ExternRef((1 << 63) - 1);
    assert_eq!(same.call(&mut store, &[most])?, [most]);
    assert!(message(same.call(&mut store, &[Val::ExternRef(1 << 63)])).contains("more than 63 bits"));
    let table = Table::new(&mut store, TableType::new(RefType::EXTERNREF, 1, None), most)?;
    assert_eq!(table.get(&mut store, 0), Some(most));
    assert!(message(table.grow(&mut store, 1, Val::ExternRef(u64::MAX))).contains("more than 63 bits"));
    assert!(message(same.call(&mut store, &[Val::ExnRef(0)])).contains("exnref"));
    Ok(())
}

#[test]
#[should_panic(expected = "not of")]
fn a_function_of_another_store_is_a_mistake() {
    let (mut store, instance) = world().expect("a store");
    let (mut other, elsewhere) = world().expect("another store");
    let theirs = elsewhere.func(&mut other, "twice").expect("an export");
    let call = instance.func(&mut store, "call").expect("an export");
    let _ = call.call(&mut store, &[theirs.into()]);
}

#[test]
fn modules_of_another_engine_are_refused() -> Outcome {
    let (mut store, _) = world()?;
    let other = module(&Engine::new(Config::new()), "(module)")?;
    assert!(message(Instance::new(&mut store, &other, &[])).contains("another engine"));
    assert!(message(Linker::new().instantiate(&mut store, &other)).contains("another engine"));
    Ok(())
}

#[test]
#[should_panic(expected = "a tag was used with a store that it is not of")]
fn a_tag_of_another_store_is_a_mistake() {
    let engine = Engine::new(Config::new());
    let tags = module(&engine, r#"(module (tag (export "e") (param funcref)))"#).expect("a module");
    let user = module(&engine, r#"(module (import "a" "e" (tag (param funcref))))"#).expect("a module");
    let (mut store, mut other) = (Store::new(&engine, ()).expect("a store"), Store::new(&engine, ()).expect("another store"));
    let exporter = Instance::new(&mut store, &tags, &[]).expect("an instance");
    let tag = exporter.get_export(&mut store, "e").expect("an export");
    let _ = Instance::new(&mut other, &user, &[tag]);
}

#[test]
fn references_to_no_exception_are_null() -> Outcome {
    let engine = Engine::new(Config::new());
    let text = r#"(module
        (type $t (func (param nullexnref) (result exnref)))
        (global $g (export "g") (mut nullexnref) (ref.null noexn))
        (func (export "widen") (type $t) (global.set $g (local.get 0)) (local.get 0))
        (func (export "is null") (result i32) (ref.is_null (global.get $g)))
        (func (export "throw") (param nullexnref) (throw_ref (local.get 0))))"#;
    let module = module(&engine, text)?;
    let mut store = Store::new(&engine, ())?;
    let instance = Instance::new(&mut store, &module, &[])?;
    let mut call = |name: &str, arguments: &[Val]| instance.func(&mut store, name)?.call(&mut store, arguments);
    assert_eq!(call("widen", &[Val::ExnRef(0)])?, [Val::ExnRef(0)]);
    assert_eq!(call("is null", &[])?, [Val::I32(1)]);
    assert!(message(call("widen", &[Val::ExnRef(7)])).contains("is a reference to an exception, expected nullexnref"));
    assert!(message(call("throw", &[Val::ExnRef(0)])).contains("null"));
    Ok(())
}
