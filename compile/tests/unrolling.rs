//! Which loops are translated several times.

mod common;

use common::*;
use trjit_code::{BranchCounts, CompileRequest, Compiler, Entry, NoAssumptions, NoCounts, SiteTargets, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, TrapCode};

/// Each function was entered so often, and each branch taken.
struct Counts {
    entered: u64,
    taken: u64,
}

impl BranchCounts for Counts {
    fn entries(&self, _function: FuncIndex) -> Option<u64> {
        Some(self.entered)
    }

    fn taken(&self, _function: FuncIndex, _entry: u32) -> u64 {
        self.taken
    }

    fn targets(&self, _function: FuncIndex, _site: u32) -> SiteTargets {
        SiteTargets::default()
    }
}

const HOT: Counts = Counts { entered: 100, taken: 100_000 };

/// Copies of the loop in the first function: it has one load.
fn copies(text: &str, tier: Tier, entry: Entry, fuel: bool, counts: &dyn BranchCounts) -> usize {
    let module = module(text);
    let mut settings = Way::plain(tier).settings;
    settings.fuel = fuel;
    let request = CompileRequest {
        module: &module,
        function: FuncIndex(0),
        tier,
        entry,
        settings,
        direct_calls: &AllDirect,
        counts,
        assumptions: &NoAssumptions,
    };
    let made = CraneliftCompiler::new().compile(&request).expect("it compiles");
    made.traps.iter().filter(|trap| trap.code == TrapCode::MemoryOutOfBounds).count()
}

fn sum(body: &str) -> String {
    format!(
        "(module (memory 1)
          (func (param i32) (result i32) (local i32)
            (loop
              {body}
              (local.set 1 (i32.add (local.get 1) (i32.load (local.get 0))))
              (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 4)))))
            (local.get 1))
          (func $other))"
    )
}

#[test]
fn a_hot_loop_has_four_copies() {
    assert_eq!(copies(&sum(""), Tier::Ap4, Entry::Start, false, &HOT), 4);
    assert_eq!(copies(&sum("(br_if 0 (i32.and (local.get 0) (i32.const 1)))"), Tier::Ap4, Entry::Start, false, &HOT), 4);
    // It ends within a copy, by a branch over the rest of it.
    let text = "(module (memory 1) (func (param i32) (result i32)
        (block (loop (br_if 1 (i32.load (local.get 0))) (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br 0)))
        (local.get 0)))";
    assert_eq!(copies(text, Tier::Ap4, Entry::Start, false, &HOT), 4);
    // Its parameter goes from copy to copy.
    let text = "(module (memory 1) (func (param i32) (result i32)
        (local.get 0) (loop (param i32) (result i32) (i32.load) (local.tee 0) (br_if 0 (local.get 0)))))";
    assert_eq!(copies(text, Tier::Ap4, Entry::Start, false, &HOT), 4);
}

#[test]
fn other_loops_have_one() {
    let cases = [
        ("nothing is known", Tier::Ap4, Entry::Start, false, &NoCounts as &dyn BranchCounts),
        ("it hardly turns", Tier::Ap4, Entry::Start, false, &Counts { entered: 100, taken: 9_000 }),
        ("it ends soon", Tier::Ap4, Entry::Start, false, &Counts { entered: 20_000, taken: 100_000 }),
        ("the cheap tier", Tier::A1, Entry::Start, false, &HOT),
        ("fuel is counted", Tier::Ap4, Entry::Start, true, &HOT),
    ];
    for (why, tier, entry, fuel, counts) in cases {
        assert_eq!(copies(&sum(""), tier, entry, fuel, counts), 1, "{why}");
    }
    assert_eq!(copies(&sum("(call $other)"), Tier::Ap4, Entry::Start, false, &HOT), 1, "it calls");
    let long = "(local.set 1 (i32.add (local.get 1) (i32.const 1)))".repeat(25);
    assert_eq!(copies(&sum(&long), Tier::Ap4, Entry::Start, false, &HOT), 1, "it is long");
    let outer = sum("(loop (br_if 0 (local.get 1)))");
    assert_eq!(copies(&outer, Tier::Ap4, Entry::Start, false, &HOT), 1, "there is another one within");
}
