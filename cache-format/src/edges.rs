//! `.trjit.edges`: direct calls, which reach their callee without the jump table. Refusing a function's code means refusing its direct callers, too.
//!
//! ```text
//! EdgeRecord x n   callee u32 | caller u32   function indices; sorted by callee, then caller, each pair once
//! ```

use crate::table::{ascending, records};
use crate::text::Edge;
use trjit_module::FuncIndex;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct EdgeRecord {
    callee: u32,
    caller: u32,
}

/// Writes the section from edges in any order.
pub fn encode(edges: &[Edge]) -> Vec<u8> {
    let mut rows: Vec<EdgeRecord> = edges.iter().map(|edge| EdgeRecord { callee: edge.callee.0, caller: edge.caller.0 }).collect();
    rows.sort_unstable();
    rows.dedup();
    rows.as_bytes().to_vec()
}

/// The section, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edges<'a> {
    rows: &'a [EdgeRecord],
}

impl<'a> Edges<'a> {
    /// A view of the section; the error tells what is wrong with its shape.
    pub fn view(bytes: &'a [u8]) -> Result<Edges<'a>, String> {
        records(bytes).map(|rows| Edges { rows })
    }

    /// Checks order and indices.
    pub fn check(&self, functions: u32) -> Result<(), String> {
        ascending(self.rows)?;
        match self.rows.iter().find(|row| row.callee.max(row.caller) >= functions) {
            Some(row) => Err(format!("an edge from function {} to {}, but the module has {functions}", row.caller, row.callee)),
            None => Ok(()),
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Functions whose code calls `callee` directly, ascending.
    pub fn direct_callers(&self, callee: FuncIndex) -> impl Iterator<Item = FuncIndex> + 'a {
        let start = self.rows.partition_point(|row| row.callee < callee.0);
        self.rows[start..].iter().take_while(move |row| row.callee == callee.0).map(|row| FuncIndex(row.caller))
    }

    pub fn iter(&self) -> impl Iterator<Item = Edge> + 'a {
        self.rows.iter().map(|row| Edge { caller: FuncIndex(row.caller), callee: FuncIndex(row.callee) })
    }
}
