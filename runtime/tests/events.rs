//! What a hook is told of compilation: in the order in which it happens, with sizes and places that are true; and of a cache.

mod modes_support;

use modes_support::Result;
use std::sync::{Arc, Mutex};
use trjit_assemble::{Options, Silent, assemble};
use trjit_code::{Compiler, Steered, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::FuncIndex;
use trjit_runtime::{CompilationEvent, CompilationHook, Config, Engine, Linker, Module, Purpose, Store, Tunables};

/// Function 0 has a loop; it calls function 1.
const PROGRAM: &str = r#"(module
    (func $sum (export "sum") (param i32) (result i32) (local i32)
        (loop $more
            (local.set 1 (i32.add (local.get 1) (call $one)))
            (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1))
    (func $one (result i32) (i32.const 1)))"#;

/// A hook, and a line for each event that it is told.
fn hook() -> (CompilationHook, Arc<Mutex<Vec<String>>>) {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&lines);
    let hook = move |module: &trjit_module::Module, event: &CompilationEvent<'_>| {
        assert_eq!(module.func_name(FuncIndex(1)), Some("one"));
        let line = match event {
            CompilationEvent::Compiled { task, code_bytes, .. } => {
                assert!(*code_bytes > 0);
                format!("compiled {:?}", task.purpose)
            }
            CompilationEvent::Installed { task, code } => {
                assert_eq!(task.tier.is_some(), matches!(task.purpose, Purpose::Function(_) | Purpose::Loop(..)));
                assert!(code.len() > 4 && code.as_ptr().addr() % 16 == 0, "{:?}", code.as_ptr());
                format!("installed {:?}", task.purpose)
            }
            CompilationEvent::Failed { task, reason } => format!("failed {:?}: {reason}", task.purpose),
            CompilationEvent::Mapped { cache, text } => {
                assert_eq!(*text, cache.file().text());
                format!("mapped {} pieces", cache.file().functions().len())
            }
            other => format!("{other:?}"),
        };
        told.lock().unwrap().push(line);
    };
    (Arc::new(hook), lines)
}

fn sum(module: &Module, engine: &Engine, count: i32) -> Result<i32> {
    let mut store = Store::new(engine, ())?;
    let instance = Linker::new().instantiate(&mut store, module)?;
    Ok(instance.get_typed_func::<i32, i32>(&mut store, "sum")?.call(&mut store, count)?)
}

fn at_once() -> Tunables {
    Tunables { background: false, call_threshold: 20, loop_threshold: 100, recheck_interval: 10, ..Tunables::default() }
}

#[test]
fn what_is_compiled_is_told_in_its_order() -> Result {
    let (hook, lines) = hook();
    let engine = Engine::new(Config::new().compiler(Arc::new(CraneliftCompiler::new())).tunables(at_once()).compilation_hook(hook));
    let module = Module::new(&engine, wat::parse_str(PROGRAM)?)?;
    assert_eq!(sum(&module, &engine, 1000)?, 1000);
    let lines = lines.lock().unwrap();
    let position = |wanted: &str| lines.iter().position(|line| line.starts_with(wanted)).ok_or(format!("no `{wanted}` in {lines:#?}"));
    assert!(position("compiled Function(FuncIndex(1))")? < position("installed Function(FuncIndex(1))")?);
    assert!(position("installed ToNative")? < position("installed Function(FuncIndex(1))")?);
    assert!(position("compiled Loop(FuncIndex(0)")? < position("installed Loop(FuncIndex(0)")?);
    let installed = lines.iter().filter(|line| line.starts_with("installed"));
    assert_eq!(installed.count() * 2, lines.len(), "{lines:#?}");
    Ok(())
}

#[test]
fn what_is_not_compiled_is_told_with_the_reason() -> Result {
    let (hook, lines) = hook();
    let compiler: Arc<dyn Compiler> =
        Arc::new(Steered::new(CraneliftCompiler::new(), |request| (request.function.0 == 0).then_some(Tier::A1)));
    let engine = Engine::new(Config::new().compiler(compiler).tunables(at_once()).compilation_hook(hook));
    let module = Module::new(&engine, wat::parse_str(PROGRAM)?)?;
    assert_eq!(sum(&module, &engine, 1000)?, 1000);
    let lines = lines.lock().unwrap();
    let failed: Vec<&String> = lines.iter().filter(|line| line.starts_with("failed")).collect();
    assert_eq!(failed, ["failed Function(FuncIndex(1)): function 1 is left to the interpreter"]);
    Ok(())
}

#[test]
fn a_cache_is_told_at_once() -> Result {
    let parsed = trjit_module::Module::parse(wat::parse_str(PROGRAM)?)?;
    let options = Options { threads: Some(1), ..Options::default() };
    let assembled = assemble(&parsed, None, &options, &CraneliftCompiler::new(), &Silent)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("app.trjit");
    std::fs::write(&path, assembled.bytes)?;
    let (hook, lines) = hook();
    let engine = Engine::new(Config::new().compilation_hook(hook));
    let module = Module::from_cache_file(&engine, &path, None)?;
    assert_eq!(sum(&module, &engine, 10)?, 10);
    let lines = lines.lock().unwrap();
    assert!(lines.len() == 1 && lines[0].starts_with("mapped "), "{lines:#?}");
    Ok(())
}
