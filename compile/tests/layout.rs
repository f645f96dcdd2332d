//! Where a function's blocks lie: what training never executed stands behind everything else.

mod common;

use common::*;
use trjit_code::{BranchCounts, CompileRequest, Compiler, Entry, NoAssumptions, NoCounts, NoDirectCalls, SiteTargets, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_compile::heat::{Executed, executed};
use trjit_module::{FuncIndex, TrapCode};

/// Each arm may trap.
const PROGRAM: &str = r#"(module
  (memory 1)
  (func (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.load (local.get 0)))
      (else (i32.load8_u offset=9 (i32.const 3))))))"#;

/// So many entries, and so often the branch of the `if` to its `else`.
struct Counts {
    entries: u64,
    to_else: u64,
}

impl BranchCounts for Counts {
    fn entries(&self, _function: FuncIndex) -> Option<u64> {
        Some(self.entries)
    }

    fn taken(&self, _function: FuncIndex, entry: u32) -> u64 {
        // The second entry is the jump of the first arm over the second.
        if entry == 0 { self.to_else } else { self.entries - self.to_else }
    }

    fn targets(&self, _function: FuncIndex, _site: u32) -> SiteTargets {
        SiteTargets::default()
    }
}

#[test]
fn what_was_never_executed_stands_last() {
    let module = module(PROGRAM);
    let compiler = CraneliftCompiler::new();
    let settings = Way::plain(Tier::Ap4).settings;
    // Whether the code of the first arm stands before that of the second.
    let is_in_order = |counts: &dyn BranchCounts| {
        let request = CompileRequest {
            module: &module,
            function: FuncIndex(0),
            tier: Tier::Ap4,
            entry: Entry::Start,
            settings,
            direct_calls: &NoDirectCalls,
            counts,
            assumptions: &NoAssumptions,
        };
        let made = compiler.compile(&request).expect("it compiles");
        let loads: Vec<u32> = made.traps.iter().filter(|trap| trap.code == TrapCode::MemoryOutOfBounds).map(|trap| trap.wasm).collect();
        assert_eq!(loads.len(), 2, "{:?}", made.traps);
        loads.is_sorted()
    };
    assert!(is_in_order(&Counts { entries: 9, to_else: 0 }));
    assert!(!is_in_order(&Counts { entries: 9, to_else: 9 }));
    let unknown = is_in_order(&NoCounts);
    assert_eq!(is_in_order(&Counts { entries: 9, to_else: 4 }), unknown, "both arms are used");
    assert_eq!(is_in_order(&Counts { entries: 0, to_else: 0 }), unknown, "a function that was never entered is not all cold");
}

#[test]
fn counts_follow_the_control_flow() {
    let module = module(PROGRAM);
    let counted = |entries, to_else| {
        let steps = executed(&module, FuncIndex(0), &Counts { entries, to_else }).expect("the body can be walked")?;
        Some(steps.iter().map(|&Executed { count, .. }| count).collect::<Vec<_>>())
    };
    // local.get, if, local.get, i32.load, else (which jumps behind the `end`), i32.const, i32.load8_u, end, end.
    assert_eq!(counted(9, 4).as_deref(), Some([9, 9, 5, 5, 5, 4, 4, 4, 9].as_slice()));
    assert_eq!(counted(0, 0), None);
    assert!(
        executed(&module, FuncIndex(7), &Counts { entries: 1, to_else: 0 }).expect("nothing is read").is_none(),
        "there is no such function"
    );
}
