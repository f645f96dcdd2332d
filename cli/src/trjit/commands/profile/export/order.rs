//! Who is above whom: an order of functions in which as few calls as possible go upwards. Those that do are what is recursive in the program.
//!
//! Greedy, after Eades, Lin and Smyth: of the functions that are left, one that calls no other goes to the end, one that no other calls goes to the front, else the one that calls most beyond
//! what it is called. Where nothing is recursive no call goes upwards. Calls of a function by itself do not matter.

use super::stacks::Node;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The position of each function, by its number.
pub fn positions(nodes: &[Node]) -> Vec<usize> {
    let mut left = Left::new(nodes);
    let mut positions = vec![0; nodes.len()];
    let (mut front, mut end) = (0, nodes.len());
    while let Some((class, function)) = left.take() {
        if class == Class::CallsNone {
            end -= 1;
            positions[function] = end;
        } else {
            positions[function] = front;
            front += 1;
        }
    }
    positions
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    CallsNone,
    NoneCalls,
    Between,
}

/// The functions that have no position yet, and the calls between them.
struct Left<'a> {
    nodes: &'a [Node],
    /// Callers of each function, with their calls.
    callers: Vec<Vec<(usize, u64)>>,
    /// Calls of others, and by others.
    calls: Vec<u128>,
    called: Vec<u128>,
    /// The next one first: by class, calls beyond being called, number.
    queue: BTreeSet<(Class, Reverse<i128>, usize)>,
}

impl<'a> Left<'a> {
    fn new(nodes: &'a [Node]) -> Left<'a> {
        let zeros = || vec![0u128; nodes.len()];
        let mut left = Left { nodes, callers: vec![Vec::new(); nodes.len()], calls: zeros(), called: zeros(), queue: BTreeSet::new() };
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

    fn key(&self, function: usize) -> (Class, Reverse<i128>, usize) {
        let class = match (self.calls[function], self.called[function]) {
            (0, _) => Class::CallsNone,
            (_, 0) => Class::NoneCalls,
            _ => Class::Between,
        };
        (class, Reverse(self.calls[function] as i128 - self.called[function] as i128), function)
    }

    /// Takes the next function away, with its calls.
    fn take(&mut self) -> Option<(Class, usize)> {
        let (class, _, function) = self.queue.pop_first()?;
        let others = |all: &[(usize, u64)]| all.iter().copied().filter(|(other, _)| *other != function).collect::<Vec<_>>();
        for (callee, count) in others(&self.nodes[function].calls) {
            self.change(callee, |left| left.called[callee] -= u128::from(count));
        }
        for (caller, count) in others(&self.callers[function]) {
            self.change(caller, |left| left.calls[caller] -= u128::from(count));
        }
        Some((class, function))
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
        calls.iter().map(|calls| Node { values: [1, 1], calls: calls.to_vec() }).collect()
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

    /// The start calls a helper before the loop does; the helper calls the loop back now and then.
    #[test]
    fn of_a_cycle_the_rare_calls_go_upwards() {
        let positions = positions(&nodes(&[&[(1, 1), (2, 1)], &[(2, 10)], &[(1, 1000)]]));
        assert_eq!(positions, [0, 2, 1]);
    }
}
