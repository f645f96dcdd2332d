//! The queue of background compilation: its order, what it tells, and its end, under load.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use trjit_code::{CompileError, CompileRequest, CompiledFunction, Compiler, Settings};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, TypeIndex};
use trjit_runtime::{CompilationEvent, Config, Engine, Instance, Linker, Module, Purpose, Store, Task, Tunables};

/// A compiler whose functions wait until it is opened, and take a while.
struct Slow {
    inner: CraneliftCompiler,
    open: AtomicBool,
    pause: Duration,
    begun: AtomicUsize,
}

impl Slow {
    fn new(open: bool, pause: Duration) -> Arc<Slow> {
        Arc::new(Slow { inner: CraneliftCompiler::new(), open: AtomicBool::new(open), pause, begun: AtomicUsize::new(0) })
    }
}

impl Compiler for Slow {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        while !self.open.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        std::thread::sleep(self.pause);
        self.inner.compile(request)
    }

    fn to_native(&self, module: &trjit_module::Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.inner.to_native(module, ty, settings)
    }

    fn to_interpreter(&self, module: &trjit_module::Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.inner.to_interpreter(module, ty, settings)
    }

    fn tail_to_native(&self, module: &trjit_module::Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.inner.tail_to_native(module, ty, settings)
    }

    fn version(&self) -> String {
        self.inner.version()
    }
}

/// What was told, without what is borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Requested,
    Compiled,
    Installed,
    Failed,
}

type Log = Arc<Mutex<Vec<(Told, Task)>>>;

/// An engine on a compiler, and what its hook is told.
fn engine(compiler: &Arc<Slow>, tunables: Tunables) -> (Engine, Log) {
    let log = Log::default();
    let told = Arc::clone(&log);
    let mut config = Config::new();
    config.compiler(Arc::clone(compiler) as Arc<dyn Compiler>).tunables(tunables).compilation_hook(Arc::new(move |_, event| {
        let entry = match event {
            CompilationEvent::Requested { task, .. } => (Told::Requested, *task),
            CompilationEvent::Compiled { task, .. } => (Told::Compiled, *task),
            CompilationEvent::Installed { task, .. } => (Told::Installed, *task),
            CompilationEvent::Failed { task, .. } => (Told::Failed, *task),
            other => panic!("{other:?}"),
        };
        told.lock().unwrap().push(entry);
    }));
    (Engine::new(config), log)
}

/// A module with `functions` functions `f0`, `f1`, .. that add their number to their argument, and `sum`, which calls one of them by its number so many times.
fn module(engine: &Engine, functions: usize) -> Module {
    let mut text = "(module (type $f (func (param i32) (result i32)))".to_string();
    for at in 0..functions {
        text += &format!("(func (export \"f{at}\") (type $f) (i32.add (local.get 0) (i32.const {at})))");
    }
    let names: Vec<String> = (0..functions).map(|at| at.to_string()).collect();
    text += &format!("(table funcref (elem {})))", names.join(" "));
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

/// Calls `f{at}` so many times.
fn call(instance: &Instance, store: &mut Store<()>, at: usize, times: usize) {
    let function = instance.get_typed_func::<i32, i32>(&mut *store, &format!("f{at}")).unwrap();
    for time in 0..times as i32 {
        assert_eq!(function.call(&mut *store, time).unwrap(), time + at as i32);
    }
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_is_hottest_now_is_compiled_next() {
    let compiler = Slow::new(false, Duration::ZERO);
    let tunables = Tunables { call_threshold: 10, recheck_interval: 5, compile_threads: 1, publish_batch: 1, ..Tunables::default() };
    let (engine, log) = engine(&compiler, tunables);
    let module = module(&engine, 5);
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
    call(&instance, &mut store, 0, 10);
    wait_until("the first job is taken", || compiler.begun.load(Ordering::SeqCst) == 1);
    // Asked for in this order; then the third goes on, and the last goes on most.
    for at in 1..5 {
        call(&instance, &mut store, at, 10);
    }
    call(&instance, &mut store, 3, 20);
    call(&instance, &mut store, 4, 100);
    compiler.open.store(true, Ordering::SeqCst);
    wait_until("all are compiled", || module.compiled_functions() == 5);
    let is_function = |task: &Task| matches!(task.purpose, Purpose::Function(_));
    let order = |told: Told| {
        let log = log.lock().unwrap();
        let tasks = log.iter().filter(|(what, task)| *what == told && is_function(task));
        tasks.map(|(_, task)| task.purpose).collect::<Vec<_>>()
    };
    let functions = |numbers: [u32; 5]| numbers.map(|number| Purpose::Function(FuncIndex(number)));
    assert_eq!(order(Told::Requested), functions([0, 1, 2, 3, 4]));
    assert_eq!(order(Told::Compiled), functions([0, 4, 3, 1, 2]));
    assert!(order(Told::Failed).is_empty());
    wait_until("all are told to be installed", || order(Told::Installed) == functions([0, 4, 3, 1, 2]));
}

/// Names of this process's threads.
fn compiling_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| task.ok());
    tasks.filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "trjit-compile")).count()
}

#[test]
fn engines_end_while_jobs_wait() {
    const ENGINES: usize = 6;
    const MODULES: usize = 4;
    const FUNCTIONS: usize = 30;
    let compiler = Slow::new(true, Duration::from_millis(20));
    let tunables = Tunables { call_threshold: 2, recheck_interval: 1, compile_threads: 3, ..Tunables::default() };
    std::thread::scope(|scope| {
        for _ in 0..ENGINES {
            scope.spawn(|| {
                let (engine, _) = engine(&compiler, tunables);
                let modules: Vec<Module> = (0..MODULES).map(|_| module(&engine, FUNCTIONS)).collect();
                for module in &modules {
                    let mut store = Store::new(&engine, ()).unwrap();
                    let instance = Linker::new().instantiate(&mut store, module).unwrap();
                    (0..FUNCTIONS).for_each(|at| call(&instance, &mut store, at, 5));
                }
                wait_until("compilation has begun", || modules.iter().any(|module| module.compiled_functions() > 0));
            });
        }
    });
    // Whoever holds the engine holds its compiler.
    wait_until("the engines are gone", || Arc::strong_count(&compiler) == 1);
    let begun = compiler.begun.load(Ordering::SeqCst);
    assert!(begun < ENGINES * MODULES * FUNCTIONS, "{begun} functions were compiled, of modules that were gone");
    // The threads of the tests beside this one end, too.
    wait_until("the threads have ended", || compiling_threads() == 0);
}

#[test]
fn many_threads_and_modules_compile_each_function_once() {
    const MODULES: usize = 8;
    const FUNCTIONS: usize = 60;
    let compiler = Slow::new(true, Duration::ZERO);
    let tunables = Tunables { call_threshold: 3, recheck_interval: 1, compile_threads: 4, publish_batch: 3, ..Tunables::default() };
    let (engine, log) = engine(&compiler, tunables);
    let modules: Vec<Module> = (0..MODULES).map(|_| module(&engine, FUNCTIONS)).collect();
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (engine, modules) = (&engine, &modules);
            scope.spawn(move || {
                for step in 0..MODULES * 2 {
                    let mut store = Store::new(engine, ()).unwrap();
                    let instance = Linker::new().instantiate(&mut store, &modules[(start + step) % MODULES]).unwrap();
                    (0..FUNCTIONS).for_each(|at| call(&instance, &mut store, at, 6));
                }
            });
        }
    });
    wait_until("all are compiled", || modules.iter().all(|module| module.compiled_functions() == FUNCTIONS));
    let installed = || log.lock().unwrap().iter().filter(|(told, _)| *told == Told::Installed).count();
    let compiled = || log.lock().unwrap().iter().filter(|(told, _)| *told == Told::Compiled).count();
    wait_until("all are told to be installed", || installed() == compiled());
    let log = log.lock().unwrap();
    let ids: HashSet<u32> = log.iter().map(|(_, task)| task.id).collect();
    assert_eq!(ids.len(), compiled_tasks(&log), "each task is compiled once, and each number given once");
    for id in ids {
        let story: Vec<Told> = log.iter().filter(|(_, task)| task.id == id).map(|(told, _)| *told).collect();
        // Crossings are made without having been asked for.
        assert!(matches!(story[..], [Told::Requested, Told::Compiled, Told::Installed] | [Told::Compiled, Told::Installed]), "{story:?}");
    }
    let functions = log.iter().filter(|(told, task)| *told == Told::Compiled && matches!(task.purpose, Purpose::Function(_)));
    assert_eq!(functions.count(), MODULES * FUNCTIONS);
}

fn compiled_tasks(log: &[(Told, Task)]) -> usize {
    log.iter().filter(|(told, _)| *told == Told::Compiled).count()
}
