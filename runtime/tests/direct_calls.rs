//! Code that is compiled in the process calls what has code already without the jump table, and results stay the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use trjit_code::{CompileError, CompileRequest, CompiledFunction, Compiler, Entry, Settings};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, TypeIndex};
use trjit_runtime::{Config, Engine, Linker, Module, Store, Tunables};

/// A compiler that refuses some functions, and notes whom the others call directly. Whoever asks while it is closed waits.
#[derive(Default)]
struct Noting {
    closed: AtomicBool,
    begun: AtomicUsize,
    refused: Vec<u32>,
    calls: Mutex<HashMap<(u32, bool), Vec<u32>>>,
}

impl Noting {
    /// Whom the last code of a function calls directly: that from its start, or that from a loop.
    fn calls(&self, function: u32, from_loop: bool) -> Option<Vec<u32>> {
        self.calls.lock().unwrap().get(&(function, from_loop)).cloned()
    }
}

impl Compiler for Noting {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        let function = request.function;
        self.begun.fetch_add(1, Ordering::SeqCst);
        while self.closed.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        if self.refused.contains(&function.0) {
            return Err(CompileError::NotChosen { function });
        }
        let code = CraneliftCompiler::new().compile(request)?;
        let mut callees: Vec<u32> = code.relocations.iter().map(|relocation| relocation.target.0).collect();
        callees.dedup();
        self.calls.lock().unwrap().insert((function.0, request.entry != Entry::Start), callees);
        Ok(code)
    }

    fn to_native(&self, module: &trjit_module::Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        CraneliftCompiler::new().to_native(module, ty, settings)
    }

    fn to_interpreter(&self, module: &trjit_module::Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        CraneliftCompiler::new().to_interpreter(module, ty, settings)
    }

    fn tail_to_native(&self, module: &trjit_module::Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        CraneliftCompiler::new().tail_to_native(module, ty, settings)
    }

    fn version(&self) -> String {
        "noting".to_string()
    }
}

/// 0 `leaf`, 1 `middle` calls it, 2 `fib` calls itself, 3 `spin` has a loop that calls 1 and 2.
/// `LONG` stands for so much code that a body is not inlined where nothing is known of the call.
const PROGRAM: &str = r#"(module
    (func $leaf (export "leaf") (param i32) (result i32) LONG (i32.add (local.get 0) (i32.const 1)))
    (func $middle (export "middle") (param i32) (result i32) (i32.mul (call $leaf (local.get 0)) (i32.const 2)))
    (func $fib (export "fib") (param i32) (result i32)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func $spin (export "spin") (param i32) (result i32) (local i32)
        (loop $more
            (local.set 1 (i32.add (local.get 1) (i32.add (call $middle (local.get 0)) (call $fib (i32.const 5)))))
            (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1)))"#;

fn wasm() -> Vec<u8> {
    wat::parse_str(PROGRAM.replace("LONG", &"nop ".repeat(90))).unwrap()
}

/// Calls each export so many times with an argument; the last results.
fn run(compiler: &Arc<Noting>, tunables: Tunables, calls: &[(&str, usize, i32)]) -> (Vec<i32>, Module) {
    let engine = Engine::new(Config::new().compiler(Arc::clone(compiler) as Arc<dyn Compiler>).tunables(tunables));
    let module = Module::new(&engine, wasm()).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
    let mut results = Vec::new();
    for &(name, times, argument) in calls {
        let function = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
        let all = (0..times).map(|_| function.call(&mut store, argument).unwrap());
        results.extend(all.last());
    }
    (results, module)
}

fn at_once() -> Tunables {
    Tunables { background: false, call_threshold: 10, loop_threshold: 50, recheck_interval: 10, ..Tunables::default() }
}

#[test]
fn callees_that_have_code_are_called_directly() {
    let compiler = Arc::new(Noting::default());
    let (results, _) = run(&compiler, at_once(), &[("leaf", 20, 1), ("middle", 20, 2), ("fib", 20, 10), ("spin", 1, 100)]);
    assert_eq!(results, [2, 6, 55, 10_800]);
    assert_eq!(compiler.calls(1, false), Some(vec![0]));
    assert_eq!(compiler.calls(2, false), Some(vec![2]), "a function may call itself");
    assert_eq!(compiler.calls(3, true), Some(vec![1, 2]));
}

#[test]
fn callees_without_code_are_called_by_the_table() {
    let compiler = Arc::new(Noting { refused: vec![0], ..Noting::default() });
    let (results, module) = run(&compiler, at_once(), &[("leaf", 20, 1), ("middle", 20, 2), ("fib", 20, 10), ("spin", 1, 100)]);
    assert_eq!(results, [2, 6, 55, 10_800]);
    assert_eq!(compiler.calls(1, false), Some(vec![]));
    assert!(module.compiled_functions() >= 2);
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// `middle` has become hot before `leaf`, and both wait while `fib` is compiled: what `middle` calls at last, and how many functions have code.
fn caller_before_callee(refused: Vec<u32>, claimed_wasm: usize) -> (Option<Vec<u32>>, usize) {
    let compiler = Arc::new(Noting { refused, closed: true.into(), ..Noting::default() });
    let tunables = Tunables {
        background: true,
        compile_threads: 1,
        call_threshold: 10,
        loop_threshold: u32::MAX,
        recheck_interval: 10,
        claimed_wasm,
        ..Tunables::default()
    };
    let engine = Engine::new(Config::new().compiler(Arc::clone(&compiler) as Arc<dyn Compiler>).tunables(tunables));
    let module = Module::new(&engine, wasm()).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
    let mut call = |name: &str, times: usize| {
        let function = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
        (0..times).map(|_| function.call(&mut store, 3).unwrap()).last()
    };
    call("fib", 10);
    wait_until("fib is taken", || compiler.begun.load(Ordering::SeqCst) == 1);
    assert_eq!(call("middle", 15), Some(8));
    compiler.closed.store(false, Ordering::SeqCst);
    let expected = 3 - compiler.refused.len();
    wait_until("all have code", || module.compiled_functions() == expected);
    assert_eq!((call("middle", 5), call("fib", 5)), (Some(8), Some(2)));
    (compiler.calls(1, false), module.compiled_functions())
}

#[test]
fn callees_that_wait_are_compiled_with_their_caller() {
    assert_eq!(caller_before_callee(vec![], 1000), (Some(vec![0]), 3));
    // Not more than may be.
    assert_eq!(caller_before_callee(vec![], 0), (Some(vec![]), 3));
}

#[test]
fn callers_of_what_was_claimed_in_vain_are_compiled_again() {
    assert_eq!(caller_before_callee(vec![0], 1000), (Some(vec![]), 2));
}

#[test]
fn whole_modules_call_each_other_directly_where_the_callee_came_first() {
    let compiler = Arc::new(Noting { refused: vec![1], ..Noting::default() });
    let engine = Engine::new(Config::new().compiler(Arc::clone(&compiler) as Arc<dyn Compiler>));
    let module = Module::new(&engine, wasm()).unwrap();
    assert_eq!(module.compile_all(), 3);
    assert_eq!(compiler.calls(3, false), Some(vec![2]));
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
    assert_eq!(instance.get_typed_func::<i32, i32>(&mut store, "spin").unwrap().call(&mut store, 100).unwrap(), 10_800);
    assert_eq!(module.parsed().func_name(FuncIndex(3)), Some("spin"));
}
