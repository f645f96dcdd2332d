//! Which locals live, beside a plain analysis over the graph of blocks, which knows labels by the side table.

mod common;

use common::{defined, fixtures, module};
use std::collections::BTreeSet;
use trjit_code::NoCounts;
use trjit_compile::graph::{EdgeKind, Graph, graph};
use trjit_compile::liveness::Liveness;
use trjit_module::{FuncIndex, Module};

type Set = BTreeSet<u32>;

/// From what lives behind an instruction to what lives before.
fn before(text: &str, live: &mut Set) {
    let mut words = text.split_whitespace();
    let (name, local) = (words.next().unwrap_or_default(), words.next().and_then(|word| word.parse().ok()));
    match (name, local) {
        ("local.get", Some(local)) => {
            live.insert(local);
        }
        ("local.set" | "local.tee", Some(local)) => {
            live.remove(&local);
        }
        _ => {}
    }
}

/// What lives before each instruction that can be reached, without clauses.
fn plain(graph: &Graph) -> Vec<(u32, Set)> {
    let mut at_start: Vec<Set> = vec![Set::new(); graph.blocks.len()];
    let behind = |at_start: &[Set], block: usize| -> Set {
        graph.edges.iter().filter(|edge| edge.from == block).flat_map(|edge| at_start[edge.to].iter().copied()).collect()
    };
    loop {
        let old = at_start.clone();
        for (number, block) in graph.blocks.iter().enumerate() {
            let mut live = behind(&at_start, number);
            graph.instructions[block.instructions.clone()].iter().rev().for_each(|instruction| before(&instruction.text, &mut live));
            at_start[number] = live;
        }
        if at_start == old {
            break;
        }
    }
    let mut found = Vec::new();
    for (number, block) in graph.blocks.iter().enumerate() {
        let mut live = behind(&at_start, number);
        for instruction in graph.instructions[block.instructions.clone()].iter().rev() {
            before(&instruction.text, &mut live);
            found.push((instruction.position, live.clone()));
        }
    }
    found
}

#[test]
fn it_agrees_with_a_plain_analysis() {
    let (mut exact, mut dead) = (0, 0);
    for (name, module) in fixtures() {
        for function in defined(&module) {
            let graph = graph(&module, function, &NoCounts).unwrap();
            let catches = graph.edges.iter().any(|edge| edge.kind == EdgeKind::Catches);
            let liveness = Liveness::of(&module, function).unwrap();
            for (position, expected) in plain(&graph) {
                let found: Set = liveness.before(position).into_iter().collect();
                let place = format!("{name}, function {function}, position {position:#x}");
                match catches {
                    // There clauses keep more alive.
                    true => assert!(found.is_superset(&expected), "{place}: {found:?}, expected at least {expected:?}"),
                    false => assert_eq!(found, expected, "{place}"),
                }
                exact += usize::from(!catches);
                dead += module.function(function).unwrap().locals as usize - found.len();
            }
        }
    }
    assert!(exact > 10_000 && dead > 10_000, "{exact} instructions, {dead} dead locals");
}

/// The locals that live before the n-th `nop`.
fn at_nops(module: &Module) -> Vec<Vec<u32>> {
    let liveness = Liveness::of(module, FuncIndex(module.imported_functions())).unwrap();
    let mut found = Vec::new();
    common::walk(module, FuncIndex(module.imported_functions()), |operator, position, _, _| {
        if matches!(operator, trjit_module::wasmparser::Operator::Nop) {
            found.push(liveness.before(position));
        }
    });
    found
}

#[test]
fn what_a_clause_reads_lives_where_something_may_throw() {
    let module = module(
        r#"(module (import "" "f" (func $f)) (tag $t)
          (func (export "run") (param $p i32) (result i32) (local $a i32) (local $b i32)
            (local.set $a (i32.const 1))
            (local.set $b (i32.const 2))
            (block $out
              (block $inner
                (try_table (catch $t $out)
                  (try_table (catch $t $inner)
                    (nop)
                    (call $f)
                    (local.set $a (i32.const 3))
                    (local.set $b (i32.const 3))
                    (nop))
                  (return (i32.const 0))))
              (return (local.get $a)))
            (nop)
            (local.get $b)))"#,
    );
    let found = at_nops(&module);
    // The inner clause takes it, or (a clause need not match) the outer one.
    assert_eq!(found, [vec![1, 2], vec![], vec![2]]);
}

#[test]
fn what_lives_around_a_loop_is_found_within_others() {
    let text = r#"(module (func (param $n i32) (result i32) (local $far i32) (local $near i32) (local $temp i32)
      (loop $outer
        (local.set $temp (local.get $near))
        (loop $middle
          (loop $inner
            (nop)
            (local.set $temp (i32.add (local.get $temp) (i32.const 1)))
            (br_if $inner (local.get $temp)))
          (local.set $n (i32.sub (local.get $n) (local.get $far)))
          (local.set $far (i32.const 7))
          (nop)
          (br_if $middle (local.get $n)))
        (nop)
        (local.set $far (i32.const 9))
        (br_if $outer (local.get $n)))
      (i32.const 0)))"#;
    // $near is read at each start of the outer loop, $far in the middle one before it is written.
    assert_eq!(at_nops(&module(text)), [vec![0, 1, 2, 3], vec![0, 1, 2, 3], vec![0, 2]]);
}

#[test]
fn functions_that_would_take_too_much_have_no_dead_locals() {
    let blocks = "(block (br_if 0 (local.get 0)))".repeat(60_000);
    let locals = "i32 ".repeat(4_000);
    let module = module(&format!("(module (func (param i32) (local {locals}) {blocks}))"));
    let liveness = Liveness::of(&module, FuncIndex(0)).unwrap();
    assert_eq!(liveness.before(0).len(), 4_001);
}
