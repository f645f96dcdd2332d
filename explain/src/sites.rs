//! The sites of a function with what a profile says of them, and its graph as data.

use crate::model::{self, Site, SiteKind, Target};
use crate::names;
use trjit_compile::graph::{EdgeKind, Graph, Instruction, What};
use trjit_module::{FuncIndex, Module};
use trjit_trace::FunctionProfile;

/// All sites, in the order of the body.
pub fn sites(module: &Module, function: FuncIndex, graph: &Graph, profile: Option<&FunctionProfile>) -> Vec<Site> {
    let entry = graph.instructions.first().map(|first| Site {
        wasm: module.wasm_offset(first.position),
        kind: SiteKind::Entry,
        text: names::label(module, function),
        count: profile.map(|profile| profile.entries),
        taken: None,
        targets: Vec::new(),
        other: 0,
    });
    let others = graph.instructions.iter().filter_map(|instruction| site(module, graph, instruction, profile));
    entry.into_iter().chain(others).collect()
}

fn site(module: &Module, graph: &Graph, instruction: &Instruction, profile: Option<&FunctionProfile>) -> Option<Site> {
    let mut site = Site {
        wasm: module.wasm_offset(instruction.position),
        kind: SiteKind::Branch,
        text: instruction.text.clone(),
        count: instruction.count,
        taken: None,
        targets: Vec::new(),
        other: 0,
    };
    match instruction.what {
        What::Plain => return None,
        What::Branch { taken } => site.taken = taken,
        What::Loop => {
            site.kind = SiteKind::Loop;
            site.taken = profile.and_then(|_| back_edges(graph, instruction));
        }
        What::Call(callee) => {
            site.kind = SiteKind::Call;
            site.text = format!("{} {}", word(&instruction.text), names::label(module, callee));
        }
        What::Indirect(number) => {
            site.kind = SiteKind::IndirectCall;
            if let Some(counted) = number.and_then(|number| profile?.site(number)) {
                site.other = counted.other;
                let target = |target: &trjit_trace::TargetCount| Target {
                    function: target.function.0,
                    name: names::label(module, target.function),
                    count: target.count,
                };
                site.targets = counted.targets.iter().map(target).collect();
                site.targets.sort_by_key(|target| (std::cmp::Reverse(target.count), target.function));
            }
        }
    }
    Some(site)
}

fn word(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// How often the loop of this instruction, whose header is the next one, went back. `None` for a loop that nothing goes back to.
fn back_edges(graph: &Graph, instruction: &Instruction) -> Option<u64> {
    let header = graph.instructions.partition_point(|other| other.position <= instruction.position);
    let block = graph.blocks.iter().position(|block| block.instructions.start == header)?;
    let back = graph.edges.iter().filter(|edge| edge.to == block && edge.kind == EdgeKind::Back);
    back.map(|edge| edge.count).reduce(|sum, count| Some(sum?.saturating_add(count?)))?
}

/// The graph with offsets in the wasm file, and names for those who are called.
pub fn graph(module: &Module, graph: &Graph) -> model::Graph {
    let instruction = |instruction: &Instruction| model::Instruction {
        wasm: module.wasm_offset(instruction.position),
        depth: instruction.depth,
        text: match instruction.what {
            What::Call(callee) => format!("{} {}", word(&instruction.text), names::label(module, callee)),
            _ => instruction.text.clone(),
        },
    };
    let blocks = graph.blocks.iter().map(|block| {
        let instructions = graph.instructions.get(block.instructions.clone()).unwrap_or(&[]);
        model::Block {
            wasm: instructions.first().map_or(0, |first| module.wasm_offset(first.position)),
            count: block.count,
            is_loop: block.is_loop,
            instructions: instructions.iter().map(instruction).collect(),
        }
    });
    let kind = |kind: EdgeKind| match kind {
        EdgeKind::Falls => "falls",
        EdgeKind::Taken => "taken",
        EdgeKind::Back => "back",
        EdgeKind::Catches => "catches",
    };
    let edges = graph.edges.iter().map(|edge| model::Edge { from: edge.from, to: edge.to, kind: kind(edge.kind), count: edge.count });
    model::Graph { blocks: blocks.collect(), edges: edges.collect() }
}
