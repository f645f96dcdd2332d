//! What was inlined, as a tree: bodies by the calls that they stand for.

use crate::guards;
use crate::heat::Heat;
use crate::model::Inlined;
use crate::names;
use std::collections::BTreeMap;
use trjit_code::InlinedPlace;
use trjit_code::place;
use trjit_module::{FuncIndex, Module};

/// The positions of a place, from the innermost to that of the function itself.
pub fn chain(place: u32, table: &[InlinedPlace]) -> Vec<u32> {
    place::positions(place, |number| table.get(number as usize).copied()).collect()
}

/// A body, found by the calls on the way to it, the outermost first.
#[derive(Default)]
struct Node {
    /// Bytes of machine code.
    bytes: u32,
    /// By the call and the function: an indirect call may have several.
    inside: BTreeMap<(u32, Option<FuncIndex>), Node>,
    /// A position in the body: it tells whose it is.
    position: u32,
}

/// The tree. `places` are places of code with its bytes; `knows_bytes`: all of them.
pub fn tree(
    module: &Module,
    heat: &Heat<'_>,
    places: impl Iterator<Item = (u32, u32)>,
    table: &[InlinedPlace],
    knows_bytes: bool,
) -> Vec<Inlined> {
    let mut root = Node::default();
    for (place, bytes) in places {
        let chain = chain(place, table);
        let mut node = &mut root;
        for pair in chain.windows(2).rev() {
            let [inner, call] = *pair else { continue };
            node = node.inside.entry((call, module.function_at(inner))).or_default();
            node.position = inner;
        }
        node.bytes += bytes;
    }
    list(module, heat, &root, &mut Vec::new(), knows_bytes)
}

fn list(module: &Module, heat: &Heat<'_>, node: &Node, outer: &mut Vec<u32>, knows_bytes: bool) -> Vec<Inlined> {
    let mut found = Vec::new();
    for (&(call, _), node) in &node.inside {
        let Some(function) = module.function_at(node.position) else { continue };
        outer.insert(0, call);
        found.push(Inlined {
            function: function.0,
            name: names::label(module, function),
            wasm: module.wasm_offset(call),
            calls: heat.calls(outer, function),
            is_guarded: guards::is_indirect(module, call),
            wasm_bytes: module.function(function).map_or(0, |record| record.body.len),
            bytes: knows_bytes.then_some(node.bytes),
            inlined: list(module, heat, node, outer, knows_bytes),
        });
        outer.remove(0);
    }
    found
}
