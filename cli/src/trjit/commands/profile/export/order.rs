//! Who is above whom: an order of functions, in which calls that go upwards are what is recursive in the program.
//!
//! Greedy: of the functions that are left, one that calls none of them goes to the end; else that goes to the front of which the largest part of the calls comes from functions that are there
//! already. So a function has callers above it, unless nobody is known to have called it first; what a recursion begins with is above what it goes through; and a helper that the start
//! of the program used now and then is below those who use it most. Where nothing is recursive no call goes upwards. Calls of a function by itself do not matter.

use super::stacks::Node;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The position of each function, by its number.
pub fn positions(nodes: &[Node]) -> Vec<usize> {
    let mut left = Left::new(nodes);
    let mut positions = vec![0; nodes.len()];
    let (mut front, mut end) = (0, nodes.len());
    while let Some((function, calls_none)) = left.take() {
        if calls_none {
            end -= 1;
            positions[function] = end;
        } else {
            positions[function] = front;
            front += 1;
        }
    }
    positions
}

/// Whether it calls any that is left; the part of its calls that comes from the front, as the bits of a number that is not negative, which are in the order of such numbers; its
/// calls of those that are left, less theirs of it; its number.
type Key = (bool, Reverse<u64>, Reverse<i128>, usize);

/// The functions that have no position yet, and the calls between them.
struct Left<'a> {
    nodes: &'a [Node],
    /// Callers of each function, with their calls.
    callers: Vec<Vec<(usize, u64)>>,
    /// Calls of others that are left, and by others that are left.
    calls: Vec<u128>,
    called: Vec<u128>,
    /// Calls by those at the front.
    above: Vec<u128>,
    /// The next one first.
    queue: BTreeSet<Key>,
}

impl<'a> Left<'a> {
    fn new(nodes: &'a [Node]) -> Left<'a> {
        let zeros = || vec![0u128; nodes.len()];
        let mut left =
            Left { nodes, callers: vec![Vec::new(); nodes.len()], calls: zeros(), called: zeros(), above: zeros(), queue: BTreeSet::new() };
        for (caller, node) in nodes.iter().enumerate() {
            for &(callee, count) in node.calls.iter().filter(|(callee, _)| *callee != caller) {
                left.callers[callee].push((caller, count));
                left.calls[caller] += u128::from(count);
                left.called[callee] += u128::from(count);
            }
        }
        left.queue = (0..nodes.len()).map(|function| left.key(function)).collect();
        left
    }

    fn key(&self, function: usize) -> Key {
        let (calls, called, above) = (self.calls[function], self.called[function], self.above[function]);
        let part = if called == 0 { 1.0 } else { above as f64 / (above + called) as f64 };
        (calls != 0, Reverse(part.to_bits()), Reverse(calls as i128 - called as i128), function)
    }

    /// Takes the next function away, with its calls, and tells whether it calls none that is left.
    fn take(&mut self) -> Option<(usize, bool)> {
        let (calls_some, _, _, function) = self.queue.pop_first()?;
        let others = |all: &[(usize, u64)]| all.iter().copied().filter(|(other, _)| *other != function).collect::<Vec<_>>();
        for (callee, count) in others(&self.nodes[function].calls) {
            self.change(callee, |left| {
                left.called[callee] -= u128::from(count);
                left.above[callee] += u128::from(count);
            });
        }
        for (caller, count) in others(&self.callers[function]) {
            self.change(caller, |left| left.calls[caller] -= u128::from(count));
        }
        Some((function, !calls_some))
    }

    /// Changes the sums of a function, and its place in the queue, where it is still in.
    fn change(&mut self, function: usize, change: impl FnOnce(&mut Self)) {
        let waits = self.queue.remove(&self.key(function));
        change(self);
        if waits {
            self.queue.insert(self.key(function));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(calls: &[&[(usize, u64)]]) -> Vec<Node> {
        calls.iter().map(|calls| Node { values: [1, 1], calls: calls.to_vec(), exported: false }).collect()
    }

    #[test]
    fn without_recursion_every_call_goes_downwards() {
        let nodes = nodes(&[&[(3, 1), (3, 0)], &[(0, 5), (2, 1)], &[(0, 9)], &[(3, 70)]]);
        let positions = positions(&nodes);
        let mut sorted = positions.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3]);
        for (caller, node) in nodes.iter().enumerate() {
            for &(callee, _) in node.calls.iter().filter(|(callee, _)| *callee != caller) {
                assert!(positions[caller] < positions[callee], "{caller} calls {callee}: {positions:?}");
            }
        }
    }

    /// The start calls a helper, too, and the helper calls the loop back now and then.
    #[test]
    fn of_a_cycle_the_rare_calls_go_upwards() {
        let positions = positions(&nodes(&[&[(1, 1), (2, 1)], &[(2, 10)], &[(1, 1000)]]));
        assert_eq!(positions, [0, 2, 1]);
    }

    /// The start calls an entry once, that calls the loop once; the loop calls the entry again, and a helper that the start used.
    #[test]
    fn what_begins_a_recursion_is_above_it() {
        let positions = positions(&nodes(&[&[(1, 1), (3, 3)], &[(2, 1)], &[(1, 50), (3, 1000)], &[(2, 5)]]));
        assert_eq!(positions, [0, 1, 2, 3]);
    }
}
