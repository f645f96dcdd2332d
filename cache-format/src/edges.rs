//! `.trjit.edges`: direct calls, which reach their callee without the jump table. Refusing a function's code means refusing its direct callers, too.
//!
//! ```text
//! callees, ascending:   callee LEB128 less the one before | number of callers LEB128, not 0 | its callers, ascending
//! callers:              caller LEB128 less the one before of the same callee
//! ```
//! Function indices; what is "less the one before" counts from 0 for the first. Each pair stands there once.

use crate::text::Edge;
use trjit_module::FuncIndex;
use trjit_trace::varint;

/// Writes the section from edges in any order.
pub fn encode(edges: &[Edge]) -> Vec<u8> {
    let mut rows: Vec<(u32, u32)> = edges.iter().map(|edge| (edge.callee.0, edge.caller.0)).collect();
    rows.sort_unstable();
    rows.dedup();
    let mut out = Vec::new();
    let mut last = 0;
    for group in rows.chunk_by(|one, next| one.0 == next.0) {
        let callee = group[0].0;
        varint::push(&mut out, u64::from(callee - last));
        varint::push(&mut out, group.len() as u64);
        last = callee;
        let mut before = 0;
        for &(_, caller) in group {
            varint::push(&mut out, u64::from(caller - before));
            before = caller;
        }
    }
    out
}

/// The section, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edges<'a> {
    bytes: &'a [u8],
}

impl<'a> Edges<'a> {
    pub fn view(bytes: &'a [u8]) -> Edges<'a> {
        Edges { bytes }
    }

    /// Checks that all of the section is edges, in their order, among `functions` functions.
    pub fn check(&self, functions: u32) -> Result<(), String> {
        let mut walk = self.iter();
        let mut last = None;
        for Edge { caller, callee } in walk.by_ref() {
            if callee.0.max(caller.0) >= functions {
                return Err(format!("an edge from function {caller} to {callee}, but the module has {functions}"));
            }
            if last.is_some_and(|last| last >= (callee, caller)) {
                return Err(format!("the edge from function {caller} to {callee} is not behind the one before it"));
            }
            last = Some((callee, caller));
        }
        if walk.is_whole { Ok(()) } else { Err(format!("what follows the edge to function {} is none", walk.callee)) }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Functions whose code calls `callee` directly, ascending. Reads the section up to there.
    pub fn direct_callers(&self, callee: FuncIndex) -> impl Iterator<Item = FuncIndex> + 'a {
        let from = self.iter().skip_while(move |edge| edge.callee < callee);
        from.take_while(move |edge| edge.callee == callee).map(|edge| edge.caller)
    }

    pub fn iter(&self) -> EdgeIter<'a> {
        EdgeIter { rest: self.bytes, callee: 0, caller: 0, left: 0, is_whole: false }
    }
}

/// Edges by callee, then caller. Ends where the bytes are none.
#[derive(Clone, Debug)]
pub struct EdgeIter<'a> {
    rest: &'a [u8],
    callee: u32,
    caller: u32,
    /// Callers of `callee` that are to come.
    left: u64,
    /// Whether the end was met where one may be.
    is_whole: bool,
}

impl EdgeIter<'_> {
    fn number(&mut self) -> Option<u64> {
        let (value, len) = varint::parse(self.rest)?;
        self.rest = self.rest.get(len..)?;
        Some(value)
    }

    fn index_behind(&mut self, before: u32) -> Option<u32> {
        before.checked_add(u32::try_from(self.number()?).ok()?)
    }
}

impl Iterator for EdgeIter<'_> {
    type Item = Edge;

    fn next(&mut self) -> Option<Edge> {
        if self.left == 0 {
            self.is_whole = self.rest.is_empty();
            self.callee = self.index_behind(self.callee)?;
            // Nobody is told of who is called by nobody.
            self.left = self.number().filter(|&callers| callers > 0)?;
            self.caller = 0;
        }
        self.caller = self.index_behind(self.caller)?;
        self.left -= 1;
        Some(Edge { caller: FuncIndex(self.caller), callee: FuncIndex(self.callee) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(caller: u32, callee: u32) -> Edge {
        Edge { caller: FuncIndex(caller), callee: FuncIndex(callee) }
    }

    #[test]
    fn edges_come_back_by_callee() {
        let bytes = encode(&[edge(900, 7), edge(0, 0), edge(3, 7), edge(3, 300), edge(3, 7)]);
        let edges = Edges::view(&bytes);
        assert_eq!(edges.iter().collect::<Vec<_>>(), [edge(0, 0), edge(3, 7), edge(900, 7), edge(3, 300)]);
        assert_eq!(edges.check(901), Ok(()));
        assert_eq!(edges.check(900), Err("an edge from function 900 to 7, but the module has 900".into()));
        assert_eq!(edges.direct_callers(FuncIndex(7)).collect::<Vec<_>>(), [FuncIndex(3), FuncIndex(900)]);
        assert_eq!(edges.direct_callers(FuncIndex(8)).count(), 0);
        assert!(encode(&[]).is_empty());
    }

    #[test]
    fn what_is_no_edges_is_found() {
        let whole = encode(&[edge(1, 2), edge(1, 4), edge(9, 4)]);
        for len in 1..whole.len() {
            // Cut behind a group, it is a table of fewer edges; the section's digest tells.
            let is_whole = len == 3;
            assert_eq!(Edges::view(&whole[..len]).check(10).is_ok(), is_whole, "{len}");
        }
        assert!(Edges::view(&[1, 0]).check(10).is_err(), "a callee of nobody");
        assert!(Edges::view(&[1, 2, 5, 0]).check(10).is_err(), "a caller twice");
        assert!(Edges::view(&[1, 1, 5, 0, 1, 5]).check(10).is_err(), "a pair twice");
        assert!(Edges::view(&[0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1]).check(u32::MAX).is_err(), "an index of more than 32 bits");
    }
}
