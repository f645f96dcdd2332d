//! Code that climbs: compiled with counters first, then by what they counted, and left for it in the middle of loops.

mod depth_support;

use depth_support::Depths;
use std::sync::{Arc, Mutex};
use trjit_code::{BranchCounts, CompileError, CompileRequest, CompiledFunction, Compiler, Entry, Settings, Steered, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, TypeIndex};
use trjit_runtime::{CompilationEvent, CompilationHook, Config, Engine, Instance, Linker, Module, Purpose, Store, Task, Tunables};

/// Everything is hot at its first use, and compiled at once.
fn eager() -> Tunables {
    Tunables {
        background: false,
        call_threshold: 1,
        loop_threshold: 1,
        recheck_interval: 1,
        tiered: true,
        profile_calls: 1,
        profile_loops: 1,
        trivial_wasm: 0,
        // All begins at T3.
        light_queue: usize::MAX,
        ..Tunables::default()
    }
}

/// What is counted of one function: entries, branches, targets of its sites.
type Counted = (Option<u64>, Vec<u64>, Vec<Vec<(u32, u64)>>);

/// A compiler that refuses some requests, and notes what it is told of counts when it compiles function `dump`.
struct Watching {
    inner: CraneliftCompiler,
    wants: fn(&CompileRequest<'_>) -> bool,
    dump: FuncIndex,
    noted: Mutex<Vec<Counted>>,
}

impl Watching {
    fn new(dump: u32, wants: fn(&CompileRequest<'_>) -> bool) -> Arc<Watching> {
        Arc::new(Watching { inner: CraneliftCompiler::new(), wants, dump: FuncIndex(dump), noted: Mutex::default() })
    }

    fn all(dump: u32) -> Arc<Watching> {
        Watching::new(dump, |_| true)
    }
}

/// What counts say of every defined function.
fn counted(module: &trjit_module::Module, counts: &dyn BranchCounts) -> Vec<Counted> {
    let defined = module.imported_functions()..module.function_count();
    let one = |function| {
        let record = module.function(function).unwrap();
        let branches = (0..record.side_table_len).map(|entry| counts.taken(function, entry)).collect();
        let targets = |site| {
            let mut targets: Vec<(u32, u64)> =
                counts.targets(function, site).functions.iter().map(|target| (target.0.0, target.1)).collect();
            targets.sort_unstable();
            targets
        };
        (counts.entries(function).filter(|&entries| entries > 0), branches, (0..record.indirect_sites_len).map(targets).collect())
    };
    defined.map(FuncIndex).map(one).collect()
}

impl Compiler for Watching {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        if request.function == self.dump {
            *self.noted.lock().unwrap() = counted(request.module, request.counts);
        }
        match (self.wants)(request) {
            true => self.inner.compile(request),
            false => Err(CompileError::NotChosen { function: request.function }),
        }
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

/// What was installed, in order: "T3 run", "AP4 loop of run".
type Log = Arc<Mutex<Vec<String>>>;

fn engine(compiler: Arc<Watching>, tunables: Tunables) -> (Engine, Log) {
    let log = Log::default();
    let told = Arc::clone(&log);
    let hook: CompilationHook = Arc::new(move |module, event| {
        let CompilationEvent::Installed { task: Task { purpose, tier: Some(tier), .. }, .. } = event else { return };
        let what = |function: FuncIndex| module.func_name(function).unwrap_or("?").to_string();
        told.lock().unwrap().push(match purpose {
            Purpose::Function(function) => format!("{} {}", tier.name(), what(*function)),
            Purpose::Loop(function, _) => format!("{} loop of {}", tier.name(), what(*function)),
            other => format!("{} {other:?}", tier.name()),
        });
    });
    let config = Config { compiler: Some(compiler), tunables, compilation_hook: Some(hook), ..Config::default() };
    (Engine::new(config), log)
}

fn module(engine: &Engine, wat: &str) -> Module {
    Module::new(engine, wat::parse_str(wat).unwrap()).unwrap()
}

fn call(instance: &Instance, store: &mut Store<()>, name: &str, argument: i32) -> i32 {
    instance.get_typed_func::<i32, i32>(&mut *store, name).unwrap().call(&mut *store, argument).unwrap()
}

/// Branches of every kind, calls and indirect calls; `dump` does nothing.
const PROGRAM: &str = r#"(module
  (type $unary (func (param i32) (result i32)))
  (table funcref (elem $even $odd $third))
  (func $run (export "run") (param $n i32) (result i32) (local $sum i32)
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (local.set $sum (i32.add (local.get $sum) (call_indirect (type $unary) (local.get $n) (i32.rem_u (local.get $n) (i32.const 3)))))
        (if (i32.and (local.get $n) (i32.const 4))
          (then (local.set $sum (i32.add (local.get $sum) (call $choose (i32.shr_u (local.get $n) (i32.const 3))))))
          (else (local.set $sum (i32.xor (local.get $sum) (i32.const 5)))))
        (br $again)))
    (local.get $sum))
  (func $choose (export "choose") (param $n i32) (result i32)
    (block $b (block $a (block $z
      (br_table $z $a $b $a (i32.and (local.get $n) (i32.const 7)))) (return (i32.const 1))) (return (i32.const 2)))
    (i32.add (call $inner (i32.and (local.get $n) (i32.const 15))) (i32.const 1)))
  (func $inner (export "inner") (param $n i32) (result i32) (local $count i32)
    (loop $up (result i32)
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (local.get $count)
      (br_if $up (i32.lt_s (local.get $count) (local.get $n)))))
  (func $even (export "even") (param i32) (result i32) (if (result i32) (i32.gt_s (local.get 0) (i32.const 50)) (then (i32.const 1)) (else (i32.const 4))))
  (func $odd (export "odd") (param i32) (result i32) (i32.const 2))
  (func $third (export "third") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func $dump (export "dump") (param i32) (result i32) (i32.const 7)))"#;

const FUNCTIONS: [&str; 6] = ["run", "choose", "inner", "even", "odd", "third"];

/// The interpreter's results, by argument.
fn expected(wat: &str, name: &str, arguments: &[i32]) -> Vec<i32> {
    let engine = Engine::new(Config::new());
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module(&engine, wat)).unwrap();
    arguments.iter().map(|&argument| call(&instance, &mut store, name, argument)).collect()
}

/// What an engine records while `run` runs.
fn recorded_by(engine: &Engine, times: &[i32]) -> Vec<Counted> {
    let module = module(engine, PROGRAM);
    let mut store = Store::new(engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
    for &times in times {
        call(&instance, &mut store, "run", times);
    }
    let profile = engine.take_profile(&module, "run").unwrap();
    let of = |function: usize| {
        let record = &module.parsed().functions()[function];
        let found = profile.function(trjit_module::DefinedFuncIndex(function as u32));
        let branches = (0..record.side_table_len).map(|entry| found.map_or(0, |found| found.taken(entry))).collect();
        let targets = |site| {
            let targets =
                found.and_then(|found| found.site(site)).map(|site| site.targets.iter().map(|target| (target.function.0, target.count)));
            let mut targets: Vec<(u32, u64)> = targets.into_iter().flatten().collect();
            targets.sort_unstable();
            targets
        };
        let sites = (0..record.indirect_sites_len).map(targets).collect();
        (found.map(|found| found.entries).filter(|&entries| entries > 0), branches, sites)
    };
    (0..module.parsed().functions().len()).map(of).collect()
}

/// What code of a tier counts while `run` runs, which nothing but that code does.
fn counted_by(compiler: &Arc<Watching>, tunables: Tunables, times: &[i32]) -> Vec<Counted> {
    let (engine, _) = engine(Arc::clone(compiler), tunables);
    let module = module(&engine, PROGRAM);
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
    // The first call is interpreted, and does not count.
    for name in FUNCTIONS {
        call(&instance, &mut store, name, 0);
    }
    let before = store.counters();
    for &times in times {
        call(&instance, &mut store, "run", times);
    }
    assert_eq!(store.counters().interpreted, before.interpreted, "all of it ran in compiled code");
    call(&instance, &mut store, "dump", 0);
    compiler.noted.lock().unwrap().clone()
}

/// Nothing is asked for by counters; loops are not entered.
fn staying() -> Tunables {
    Tunables { profile_calls: u32::MAX, profile_loops: u32::MAX, loop_threshold: u32::MAX, ..eager() }
}

#[test]
fn t3_counts_what_the_interpreter_records() {
    let times = [300, 7, 0, 41];
    let counted = counted_by(&Watching::all(6), staying(), &times);
    let recorded = recorded_by(&Engine::new(Config::new().record_profile(true)), &times);
    // `dump` was not called there.
    assert_eq!(counted[..6], recorded[..6]);
    assert_eq!(recorded[0].0, Some(4));
    assert!(recorded[0].2[0].len() == 3 && recorded[2].1[0] > 50, "{recorded:?}");
}

#[test]
fn t2_counts_entries_and_branches_back_as_the_interpreter_does() {
    let times = [1, 300, 7, 41];
    // An engine that records gives its counters to whatever code its compiler makes.
    let steered = Steered::new(CraneliftCompiler::new(), |request| (request.entry == Entry::Start).then_some(Tier::T2));
    let config = Config { compiler: Some(Arc::new(steered)), tunables: staying(), record_profile: true, ..Config::default() };
    let light = recorded_by(&Engine::new(config), &times);
    let recorded = recorded_by(&Engine::new(Config::new().record_profile(true)), &times);
    // The first call of each function is interpreted, and all of it is recorded.
    for (function, ((entries, branches, _), (all_entries, all_branches, _))) in light.iter().zip(&recorded).enumerate() {
        assert_eq!(entries, all_entries, "function {function}");
        for (entry, (counted, all)) in branches.iter().zip(all_branches).enumerate() {
            match (function, entry) {
                // The loops of `run` and of `inner`.
                (0, 4) | (2, 0) => assert_eq!(counted, all, "function {function}, entry {entry}"),
                _ => assert!(*counted <= 1, "function {function}, entry {entry}: {counted}"),
            }
        }
    }
    assert!(recorded[0].1[4] == 349 && recorded[2].1[0] > 50, "{recorded:?}");
}

#[test]
fn a_loop_climbs_at_its_first_branches_back() {
    let compiler = Watching::all(u32::MAX);
    let (engine, log) = engine(Arc::clone(&compiler), eager());
    let module = module(&engine, PROGRAM);
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
    let arguments = [100, 100, 3, 0, 1000];
    let found: Vec<i32> = arguments.iter().map(|&argument| call(&instance, &mut store, "run", argument)).collect();
    assert_eq!(found, expected(PROGRAM, "run", &arguments));
    assert!(store.counters().climbs > 0, "{:?}", store.counters());
    let log = log.lock().unwrap();
    for wanted in ["T3 loop of run", "AP4 loop of run", "T3 run", "AP4 run", "T3 inner", "AP4 inner"] {
        assert!(log.iter().any(|line| line == wanted), "{wanted}: {log:?}");
    }
    let place = |what: &str| log.iter().position(|line| line == what);
    assert!(place("T3 run") < place("AP4 run") && place("T3 inner") < place("AP4 inner"), "{log:?}");
}

#[test]
fn with_speculation_the_last_rung_is_t4() {
    let (engine, log) = engine(Watching::all(u32::MAX), Tunables { speculate: true, profile_calls: 16, profile_loops: 64, ..eager() });
    let module = module(&engine, PROGRAM);
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
    // With 3 the branch on 4 is never taken, with 1000 it is.
    let arguments: Vec<i32> = std::iter::repeat_n(3, 100).chain([1000, 1000]).collect();
    let found: Vec<i32> = arguments.iter().map(|&argument| call(&instance, &mut store, "run", argument)).collect();
    assert_eq!(found, expected(PROGRAM, "run", &arguments));
    let log = log.lock().unwrap();
    assert!(store.counters().exits > 0, "{:?} {log:?}", store.counters());
    assert!(log.iter().any(|line| line == "T4 run") && log.iter().any(|line| line == "T3 run"), "{log:?}");
}

#[test]
fn what_is_trivial_is_compiled_once() {
    let (engine, log) = engine(Watching::all(u32::MAX), Tunables { trivial_wasm: 48, ..eager() });
    let module = module(&engine, PROGRAM);
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
    for _ in 0..9 {
        assert_eq!(call(&instance, &mut store, "odd", 1), 2);
    }
    assert_eq!(*log.lock().unwrap(), ["AP4 odd"]);
}

/// Each round is a call of T3 code whose loop leaves for the code above at its first branch back; that ends in a tail call of the next round.
const LEAP: &str = r#"(module
  (import "host" "look" (func $look))
  (func $leap (export "run") (param $n i32) (param $sum i32) (result i32) (local $turn i32)
    (if (i32.eqz (local.get $n)) (then (return (local.get $sum))))
    (loop $again
      (local.set $turn (i32.add (local.get $turn) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $turn) (i32.const 2))))
    (call $look)
    (return_call $leap (i32.sub (local.get $n) (i32.const 1)) (i32.add (local.get $sum) (local.get $turn)))))"#;

#[test]
fn ten_million_climbs_need_constant_stack() {
    const CYCLES: i32 = 10_000_000;
    // The function itself never climbs, so that each round does.
    let compiler = Watching::new(u32::MAX, |request| request.tier == Tier::T3 || matches!(request.entry, Entry::At(_)));
    let (engine, _) = engine(compiler, eager());
    let mut store = Store::new(&engine, ()).unwrap();
    let mut linker = Linker::new();
    let depths = Depths::defined_in(&mut linker);
    let instance = linker.instantiate(&mut store, &module(&engine, LEAP)).unwrap();
    let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, (CYCLES, 0)).unwrap(), CYCLES * 2);
    let climbs = store.counters().climbs;
    assert!(climbs >= CYCLES as u64 - 100, "{climbs} climbs");
    depths.assert_constant();
}

#[test]
fn instances_on_many_threads_climb_by_common_counts() {
    const THREADS: usize = 4;
    let tunables = Tunables { background: true, call_threshold: 3, loop_threshold: 10, profile_calls: 32, profile_loops: 64, ..eager() };
    let (engine, log) = engine(Watching::all(u32::MAX), tunables);
    let module = module(&engine, PROGRAM);
    let arguments: Vec<i32> = (0..200).collect();
    let expected = expected(PROGRAM, "run", &arguments);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                // Some instances are made while code is installed, and some after that.
                for _ in 0..20 {
                    let mut store = Store::new(&engine, ()).unwrap();
                    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
                    let found: Vec<i32> = arguments.iter().map(|&argument| call(&instance, &mut store, "run", argument)).collect();
                    assert_eq!(found, expected);
                }
            });
        }
    });
    let log = log.lock().unwrap();
    assert!(log.iter().any(|line| line.starts_with("T3")), "{log:?}");
}
