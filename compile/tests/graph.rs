//! Bodies as graphs: blocks, edges and counts of small functions.

mod common;

use common::*;
use trjit_code::{BranchCounts, NoCounts, SiteTargets};
use trjit_compile::graph::{Edge, EdgeKind, Graph, What, graph};
use trjit_module::{FuncIndex, Module};

/// Entries of every function, and how often each side table entry was taken.
struct Counted(u64, &'static [u64]);

impl BranchCounts for Counted {
    fn entries(&self, _function: FuncIndex) -> Option<u64> {
        Some(self.0)
    }

    fn taken(&self, _function: FuncIndex, entry: u32) -> u64 {
        self.1.get(entry as usize).copied().unwrap_or(0)
    }

    fn targets(&self, _function: FuncIndex, _site: u32) -> SiteTargets {
        SiteTargets::default()
    }
}

fn of(module: &Module, counts: &dyn BranchCounts) -> Graph {
    graph(module, FuncIndex(0), counts).expect("the body can be walked")
}

fn edges(graph: &Graph) -> Vec<(usize, usize, EdgeKind, Option<u64>)> {
    graph.edges.iter().map(|&Edge { from, to, kind, count }| (from, to, kind, count)).collect()
}

fn texts(graph: &Graph) -> Vec<Vec<&str>> {
    let text = |at: usize| graph.instructions[at].text.as_str();
    graph.blocks.iter().map(|block| block.instructions.clone().map(text).collect()).collect()
}

#[test]
fn a_loop_goes_back_and_falls_out() {
    let module = module(
        "(module (func (param i32)
           (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
           (drop (local.get 0))))",
    );
    let graph = of(&module, &Counted(3, &[12]));
    let body = vec!["local.get 0", "i32.const 1", "i32.sub", "local.tee 0", "br_if 0"];
    assert_eq!(texts(&graph), [vec!["loop"], body, vec!["end", "local.get 0", "drop", "end"]]);
    let expected = [(0, 1, EdgeKind::Falls, Some(3)), (1, 1, EdgeKind::Back, Some(12)), (1, 2, EdgeKind::Falls, Some(3))];
    assert_eq!(edges(&graph), expected);
    assert_eq!(
        graph.blocks.iter().map(|block| (block.is_loop, block.count)).collect::<Vec<_>>(),
        [(false, Some(3)), (true, Some(15)), (false, Some(3))]
    );
    assert_eq!(graph.instructions.iter().map(|instruction| instruction.depth).collect::<Vec<_>>(), [0, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
}

#[test]
fn both_arms_of_an_if_meet_again() {
    let module =
        module("(module (func (param i32) (result i32) (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 2)))))");
    let known = of(&module, &Counted(10, &[4, 6]));
    assert_eq!(
        texts(&known),
        [vec!["local.get 0", "if (result i32)"], vec!["i32.const 1", "else"], vec!["i32.const 2", "end"], vec!["end"]]
    );
    let expected = [
        (0, 1, EdgeKind::Falls, Some(6)),
        (0, 2, EdgeKind::Taken, Some(4)),
        (1, 3, EdgeKind::Taken, Some(6)),
        (2, 3, EdgeKind::Falls, Some(4)),
    ];
    assert_eq!(edges(&known), expected);
    assert_eq!(known.instructions[1].what, What::Branch { taken: Some(4) });
    let unknown = of(&module, &NoCounts);
    assert!(unknown.edges.iter().all(|edge| edge.count.is_none()) && unknown.blocks.iter().all(|block| block.count.is_none()));
    assert_eq!(unknown.instructions[1].what, What::Branch { taken: None });
}

#[test]
fn tables_have_an_edge_a_target_and_what_nothing_reaches_is_left_out() {
    let module = module(
        "(module (func (param i32)
           (block (block (br_table 0 1 0 1 (local.get 0)) (unreachable)) (return))
           (block (return) (drop (i32.const 7)))))",
    );
    let graph = of(&module, &Counted(10, &[1, 2, 3, 4]));
    assert_eq!(
        edges(&graph),
        [(0, 1, EdgeKind::Taken, Some(4)), (0, 2, EdgeKind::Taken, Some(6))],
        "entries of the same target are one edge; code behind a return is in no block"
    );
    assert_eq!(texts(&graph)[1..], [vec!["return"], vec!["block", "return"]]);
    assert!(graph.instructions.iter().any(|instruction| instruction.text == "i32.const 7"), "but among the instructions");
}

#[test]
fn exceptions_have_edges_and_sites_their_numbers() {
    let module = module(
        "(module (type $t (func)) (table 1 funcref) (tag $e)
           (func (block (try_table (catch $e 0) (call_indirect (type $t) (i32.const 0)) (call_indirect (type $t) (i32.const 0))))
             (call 0)))",
    );
    let graph = of(&module, &NoCounts);
    assert_eq!(edges(&graph), [(0, 1, EdgeKind::Falls, None), (0, 2, EdgeKind::Catches, None), (1, 2, EdgeKind::Falls, None)]);
    let what: Vec<What> = graph.instructions.iter().map(|instruction| instruction.what).filter(|&what| what != What::Plain).collect();
    assert_eq!(what, [What::Indirect(Some(0)), What::Indirect(Some(1)), What::Call(FuncIndex(0))]);
}

#[test]
fn imported_functions_have_no_graph() {
    let module = module(r#"(module (import "a" "b" (func)))"#);
    assert!(of(&module, &NoCounts).blocks.is_empty());
}
