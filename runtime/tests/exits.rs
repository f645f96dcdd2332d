//! Side exits: speculative code leaves for the interpreter, as often as it must, and nothing is left behind of its frames.

mod depth_support;

use depth_support::Depths;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use trjit_code::{BranchCounts, Compiler, Entry, SiteTargets, Steered, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, TrapCode};
use trjit_runtime::{
    CompilationEvent, CompilationHook, Config, Engine, Error, Instance, Linker, Module, Purpose, Reason, Store, Task, Trap, Tunables,
};

/// Every function was entered so often, and these branches (function, side table entry, times) were taken.
#[derive(Clone, Copy)]
struct Counts(u64, &'static [(u32, u32, u64)]);

impl BranchCounts for Counts {
    fn entries(&self, _function: FuncIndex) -> Option<u64> {
        Some(self.0)
    }

    fn taken(&self, function: FuncIndex, entry: u32) -> u64 {
        self.1.iter().find(|known| (known.0, known.1) == (function.0, entry)).map_or(0, |known| known.2)
    }

    fn targets(&self, _function: FuncIndex, _site: u32) -> SiteTargets {
        SiteTargets::default()
    }
}

/// At the first use of everything, and at once; nothing follows from exits.
fn eager() -> Tunables {
    Tunables {
        background: false,
        call_threshold: 1,
        loop_threshold: 1,
        recheck_interval: 1,
        bridge_threshold: u32::MAX,
        renewal_threshold: u32::MAX,
        ..Tunables::default()
    }
}

/// An engine that compiles all functions, or loops only, speculatively by these counts, at their first use and at once.
fn engine(loops_only: bool, counts: impl BranchCounts + Send + 'static, tunables: Tunables) -> (Engine, Arc<Steered<CraneliftCompiler>>) {
    let wanted = move |entry| !loops_only || matches!(entry, Entry::At(_));
    let steered = Steered::new(CraneliftCompiler::new(), move |request| wanted(request.entry).then_some(Tier::T4));
    let compiler = Arc::new(steered.counting(counts));
    let engine = Engine::new(Config { compiler: Some(compiler.clone() as Arc<dyn Compiler>), tunables, ..Config::default() });
    (engine, compiler)
}

fn instance(engine: &Engine, store: &mut Store<()>, linker: &Linker<()>, wat: &str) -> Instance {
    let module = Module::new(engine, wat::parse_str(wat).unwrap()).unwrap();
    module.compile_all();
    linker.instantiate(store, &module).unwrap()
}

fn trap<T>(result: Result<T, Error>) -> Trap {
    match result {
        Err(Error::Trap(trap)) => *trap,
        Err(other) => panic!("expected a trap, found {other}"),
        Ok(_) => panic!("expected a trap, but the call returned"),
    }
}

/// A loop around a block; the counts say that the block's branch is always taken, so that what it jumps over is an exit.
const LOOP: &str = r#"(module
  (import "host" "look" (func $look))
  (func (export "run") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (block $over
        (br_if $over (i32.eqz (local.get $n)))
        (local.set $sum (i32.add (local.get $sum) (i32.const 3)))
        (call $look))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get $n) (i32.const 0))))
    (local.get $sum)))"#;
const LOOP_COUNTS: Counts = Counts(1000, &[(1, 0, 2000), (1, 1, 1000)]);

#[test]
fn ten_million_cycles_between_a_loop_and_its_exit_need_constant_stack() {
    const CYCLES: i32 = 10_000_000;
    let (engine, compiler) = engine(true, LOOP_COUNTS, eager());
    let mut store = Store::new(&engine, ()).unwrap();
    let mut linker = Linker::new();
    let depths = Depths::defined_in(&mut linker);
    let instance = instance(&engine, &mut store, &linker, LOOP);
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, CYCLES).unwrap(), CYCLES * 3);
    // The first round is interpreted.
    assert_eq!(store.counters().exits, CYCLES as u64 - 1);
    depths.assert_constant();
    assert_eq!(compiler.take_failures(), []);
}

/// A recursion; the counts say that it ends at once.
const DOWN: &str = r#"(module
  (func $down (export "run") (param $n i32) (result i32)
    (block $end
      (br_if $end (i32.eqz (local.get $n)))
      (return (i32.add (i32.const 1) (call $down (i32.sub (local.get $n) (i32.const 1))))))
    (i32.const 0)))"#;

#[test]
fn recursion_through_exits_ends_at_the_stack_and_leaves_the_store_usable() {
    // The call is an exit.
    let (engine, compiler) = engine(false, Counts(1000, &[(0, 0, 1000)]), eager());
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = instance(&engine, &mut store, &Linker::new(), DOWN);
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, 500).unwrap(), 500);
    assert_eq!(store.counters().exits, 500);
    for _ in 0..3 {
        let trap = trap(run.call(&mut store, 1_000_000));
        assert!(matches!(trap.reason, Reason::Trap(TrapCode::StackOverflow)), "{trap}");
        assert!(trap.backtrace.frames.iter().all(|frame| frame.function == FuncIndex(0)), "{:?}", trap.backtrace.frames);
        assert_eq!(run.call(&mut store, 500).unwrap(), 500, "after a trap");
    }
    assert_eq!(compiler.take_failures(), []);
}

#[test]
fn an_exit_of_an_inlined_body_shows_both_functions() {
    // $divide is called often enough to be inlined; the division there seems never to be executed.
    let (engine, compiler) = engine(false, Counts(1 << 40, &[(0, 0, 1 << 40)]), eager());
    let mut store = Store::new(&engine, ()).unwrap();
    let wat = r#"(module
      (func $divide (param i32 i32) (result i32)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 5))
          (then (i32.div_s (local.get 0) (local.get 1)))
          (else (i32.const 7))))
      (func (export "run") (param i32 i32) (result i32)
        (i32.add (i32.const 100) (call $divide (local.get 0) (local.get 1)))))"#;
    let instance = instance(&engine, &mut store, &Linker::new(), wat);
    let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, (9, 0)).unwrap(), 107);
    assert_eq!(store.counters().exits, 0);
    assert_eq!(run.call(&mut store, (4, 2)).unwrap(), 102);
    assert_eq!(store.counters().exits, 1);
    let trap = trap(run.call(&mut store, (4, 0)));
    assert!(matches!(trap.reason, Reason::Trap(TrapCode::IntegerDivisionByZero)), "{trap}");
    let frames: Vec<u32> = trap.backtrace.frames.iter().map(|frame| frame.function.0).collect();
    assert_eq!(frames, [0, 1]);
    assert_eq!(compiler.take_failures(), []);
}

#[test]
fn an_exit_that_is_taken_often_gets_its_bridge() {
    let (engine, compiler) = engine(true, LOOP_COUNTS, Tunables { bridge_threshold: 10, ..eager() });
    let mut store = Store::new(&engine, ()).unwrap();
    let mut linker = Linker::new();
    let looks = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&looks);
    linker.func_wrap("host", "look", move || {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    let instance = instance(&engine, &mut store, &linker, LOOP);
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, 1000).unwrap(), 3000);
    // Where the bridge is entered it does not leave again.
    assert_eq!(store.counters().exits, 11);
    assert_eq!(looks.load(Ordering::Relaxed), 1000);
    // The loop has it from the first exit on.
    assert_eq!(run.call(&mut store, 1000).unwrap(), 3000);
    assert_eq!(store.counters().exits, 12);
    assert_eq!(compiler.take_failures(), []);
}

/// A recursion by tail calls; the counts say that it ends at once.
const LEAP: &str = r#"(module
  (import "host" "look" (func $look))
  (func $leap (export "run") (param $n i32) (param $sum i32) (result i32)
    (block $end
      (br_if $end (i32.eqz (local.get $n)))
      (call $look)
      (return_call $leap (i32.sub (local.get $n) (i32.const 1)) (i32.add (local.get $sum) (i32.const 3))))
    (local.get $sum)))"#;

#[test]
fn ten_million_cycles_of_exit_bridge_and_tail_call_need_constant_stack() {
    const CYCLES: i32 = 10_000_000;
    let (engine, compiler) = engine(false, Counts(1000, &[(1, 0, 1000)]), Tunables { bridge_threshold: 0, ..eager() });
    let mut store = Store::new(&engine, ()).unwrap();
    let mut linker = Linker::new();
    let depths = Depths::defined_in(&mut linker);
    let instance = instance(&engine, &mut store, &linker, LEAP);
    let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, (CYCLES, 0)).unwrap(), CYCLES * 3);
    assert_eq!(store.counters().exits, CYCLES as u64);
    depths.assert_constant();
    assert_eq!(compiler.take_failures(), []);
}

#[test]
fn recursion_through_bridges_ends_at_the_stack() {
    let (engine, compiler) = engine(false, Counts(1000, &[(0, 0, 1000)]), Tunables { bridge_threshold: 0, ..eager() });
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = instance(&engine, &mut store, &Linker::new(), DOWN);
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, 400).unwrap(), 400);
    assert_eq!(store.counters().exits, 400);
    for _ in 0..3 {
        let trap = trap(run.call(&mut store, 1_000_000));
        assert!(matches!(trap.reason, Reason::Trap(TrapCode::StackOverflow)), "{trap}");
        assert_eq!(run.call(&mut store, 400).unwrap(), 400, "after a trap");
    }
    assert_eq!(compiler.take_failures(), []);
}

#[test]
fn code_whose_exits_are_taken_too_often_is_made_anew_and_at_last_without_any() {
    // By the argument one of three blocks that the counts say are never executed.
    let wat = r#"(module (func (export "run") (param i32) (result i32)
      (if (i32.eq (local.get 0) (i32.const 1)) (then (return (i32.const 10))))
      (if (i32.eq (local.get 0) (i32.const 2)) (then (return (i32.const 20))))
      (if (i32.eq (local.get 0) (i32.const 3)) (then (return (i32.const 30))))
      (i32.const 0)))"#;
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let hook: CompilationHook = {
        let told = Arc::clone(&told);
        Arc::new(move |_, event| match event {
            CompilationEvent::Installed { task: Task { purpose: Purpose::Function(_), tier: Some(tier), .. }, .. } => {
                told.lock().unwrap().push(format!("installed {}", tier.name()));
            }
            CompilationEvent::SideExit { count, .. } => told.lock().unwrap().push(format!("exit {count}")),
            CompilationEvent::Withdrawn { tier, .. } => told.lock().unwrap().push(format!("withdrawn {}", tier.name())),
            _ => {}
        })
    };
    let tunables = Tunables { speculate: true, renewal_threshold: 20, renewals: 1, ..eager() };
    let compiler: Option<Arc<dyn Compiler>> = Some(Arc::new(CraneliftCompiler::new()));
    let engine = Engine::new(Config { compiler, tunables, compilation_hook: Some(hook), ..Config::default() });
    let module = Module::new(&engine, wat::parse_str(wat).unwrap()).unwrap();
    assert!(module.compile_by(Arc::new(Counts(100, &[(0, 0, 100), (0, 1, 100), (0, 2, 100)]))));
    assert!(!module.compile_by(Arc::new(Counts(1, &[]))), "counts are given once");
    assert_eq!(module.compile_all(), 1);
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new().instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    for (argument, exits) in [(0, 0), (1, 20), (2, 40), (3, 40), (1, 40)] {
        for _ in 0..50 {
            assert_eq!(run.call(&mut store, argument).unwrap(), argument * 10);
        }
        assert_eq!(store.counters().exits, exits, "with {argument}");
    }
    let expected = ["installed T4", "exit 1", "withdrawn T4", "installed T4", "exit 1", "withdrawn T4", "installed AP4"];
    assert_eq!(*told.lock().unwrap(), expected);
    assert_eq!(module.compiled_functions(), 1);
}
