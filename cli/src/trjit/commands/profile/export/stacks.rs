//! `Stacks`: what call stacks may have been. A profile has counts of functions and of calls between them, no stacks, so these are spread:
//!
//! ```text
//! functions are put in an order in which few calls go upwards (order.rs)               -> only the others count: no cycles, recursion stays within its frame
//! a function's work is divided among its callers by how often each called it, theirs likewise -> each path has a share of its last function's work
//! paths whose work (callees included) is too little for a picture are not followed     -> their work is put on the path of the most frequent callers
//! ```
//! Invariant: over all stacks that end in a function, each value adds up to what was counted of it. So all that a viewer says about functions themselves, without callees, is exact, and what
//! it says about callers and callees is what gprof would say: as if each call of a function cost the same.

use super::order::positions;
use std::cmp::Reverse;
use std::collections::HashMap;

/// A function.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What was counted of it, callees apart: calls, instructions.
    pub values: [u64; 2],
    /// Calls to other functions, by their number.
    pub calls: Vec<(usize, u64)>,
    /// The host can call it, so that calls of it that no function made are the host's.
    pub exported: bool,
}

/// Functions by their numbers, the outermost first, and what of the last one's values happened there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub frames: Vec<usize>,
    pub values: [u64; 2],
}

/// Paths with less than this part of all instructions are not followed.
const FOLLOWED: f64 = 1.0 / 5000.0;

/// A place in the tree of paths.
#[derive(Clone, Copy)]
struct Place {
    function: usize,
    above: Option<usize>,
    /// Which part of the function's work happens here, 0 to 1.
    share: f64,
}

/// Spreads the functions' values over stacks, in order of the stacks.
pub fn stacks(nodes: &[Node]) -> Vec<Stack> {
    let callers = Callers::new(nodes);
    let work = callers.inclusive(nodes);
    let least = FOLLOWED * nodes.iter().map(weight).sum::<f64>();
    let mut left: Vec<[u64; 2]> = nodes.iter().map(|node| node.values).collect();
    let mut found: HashMap<Vec<usize>, [u64; 2]> = HashMap::new();
    let mut places: Vec<Place> = Vec::new();
    let mut open: Vec<Place> = (0..nodes.len())
        .filter(|&function| callers.outside(function) > 0.0)
        .map(|function| Place { function, above: None, share: callers.outside(function) })
        .collect();
    while let Some(place) = open.pop() {
        if place.share * work[place.function] < least {
            continue;
        }
        let at = places.len();
        places.push(place);
        let part = taken(&mut left[place.function], nodes[place.function].values, place.share);
        add(&mut found, path(&places, at), part);
        let callees = nodes[place.function].calls.iter().filter(|(callee, _)| callers.is_below(*callee, place.function));
        open.extend(callees.map(|&(callee, count)| Place {
            function: callee,
            above: Some(at),
            share: place.share * callers.share(callee, count),
        }));
    }
    for (function, rest) in left.into_iter().enumerate() {
        add(&mut found, callers.usual(function), rest);
    }
    let mut found: Vec<Stack> = found.into_iter().map(|(frames, values)| Stack { frames, values }).collect();
    found.sort_by(|a, b| a.frames.cmp(&b.frames));
    found
}

fn weight(node: &Node) -> f64 {
    node.values[0] as f64 + node.values[1] as f64
}

/// Takes a share of all values from what is left of them.
fn taken(left: &mut [u64; 2], all: [u64; 2], share: f64) -> [u64; 2] {
    std::array::from_fn(|at| {
        // A cast of a float saturates.
        let part = ((all[at] as f64 * share) as u64).min(left[at]);
        left[at] -= part;
        part
    })
}

fn add(found: &mut HashMap<Vec<usize>, [u64; 2]>, frames: Vec<usize>, values: [u64; 2]) {
    if values != [0, 0] {
        let sum = found.entry(frames).or_default();
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum = sum.saturating_add(value));
    }
}

/// The functions from the outermost to a place.
fn path(places: &[Place], at: usize) -> Vec<usize> {
    let mut frames: Vec<usize> = std::iter::successors(Some(at), |&at| places[at].above).map(|at| places[at].function).collect();
    frames.reverse();
    frames
}

/// Who called each function.
struct Callers {
    /// Those above it, with their calls.
    above: Vec<Vec<(usize, u64)>>,
    /// Calls by the host, and where nobody is above it at least one. Calls that nobody made of a function that is not exported came from sites with more callees than are told
    /// apart: they are taken to have come as the others did.
    others: Vec<u64>,
    /// The sum of both.
    all: Vec<f64>,
    /// Where each function is, the uppermost first.
    positions: Vec<usize>,
}

impl Callers {
    fn new(nodes: &[Node]) -> Callers {
        let positions = positions(nodes);
        let mut above: Vec<Vec<(usize, u64)>> = vec![Vec::new(); nodes.len()];
        let mut others: Vec<u64> = nodes.iter().map(|node| if node.exported { node.values[0] } else { 0 }).collect();
        for (caller, node) in nodes.iter().enumerate() {
            for &(callee, count) in &node.calls {
                others[callee] = others[callee].saturating_sub(count);
                if positions[callee] > positions[caller] && count != 0 {
                    above[callee].push((caller, count));
                }
            }
        }
        // Those who call these, if any, are below them.
        for (others, _) in others.iter_mut().zip(&above).filter(|(_, above)| above.is_empty()) {
            *others = (*others).max(1);
        }
        let sum = |(others, above): (&u64, &Vec<(usize, u64)>)| *others as f64 + above.iter().map(|&(_, count)| count as f64).sum::<f64>();
        let all = others.iter().zip(&above).map(sum).collect();
        Callers { above, others, all, positions }
    }

    fn is_below(&self, function: usize, other: usize) -> bool {
        self.positions[function] > self.positions[other]
    }

    /// Which part of a function's calls these are.
    fn share(&self, callee: usize, count: u64) -> f64 {
        count as f64 / self.all[callee]
    }

    fn outside(&self, function: usize) -> f64 {
        self.share(function, self.others[function])
    }

    /// The work of each function with that of its callees, as far as it is theirs.
    fn inclusive(&self, nodes: &[Node]) -> Vec<f64> {
        let mut work: Vec<f64> = nodes.iter().map(weight).collect();
        let mut upwards: Vec<usize> = (0..nodes.len()).collect();
        upwards.sort_unstable_by_key(|&function| Reverse(self.positions[function]));
        for callee in upwards {
            for &(caller, count) in &self.above[callee] {
                work[caller] += self.share(callee, count) * work[callee];
            }
        }
        work
    }

    /// The stack of the most frequent callers.
    fn usual(&self, function: usize) -> Vec<usize> {
        let most = |function: usize| {
            let caller = self.above[function].iter().max_by_key(|(caller, count)| (*count, Reverse(*caller)));
            caller.filter(|(_, count)| *count >= self.others[function]).map(|&(caller, _)| caller)
        };
        let mut frames: Vec<usize> = std::iter::successors(Some(function), |&function| most(function)).collect();
        frames.reverse();
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(calls: u64, instructions: u64, callees: &[(usize, u64)]) -> Node {
        Node { values: [calls, instructions], calls: callees.to_vec(), exported: false }
    }

    fn told(nodes: &[Node]) -> Vec<(Vec<usize>, [u64; 2])> {
        stacks(nodes).into_iter().map(|stack| (stack.frames, stack.values)).collect()
    }

    #[test]
    fn work_is_divided_by_calls() {
        let nodes = [node(1, 10, &[(1, 3), (2, 1)]), node(3, 30, &[(2, 3)]), node(4, 400, &[])];
        let expected = [(vec![0], [1, 10]), (vec![0, 1], [3, 30]), (vec![0, 1, 2], [3, 300]), (vec![0, 2], [1, 100])];
        assert_eq!(told(&nodes), expected);
    }

    #[test]
    fn recursion_stays_within_its_frame() {
        // Directly, and by way of another function.
        let nodes = [node(1, 5, &[(1, 1)]), node(100, 1000, &[(1, 50), (2, 49)]), node(49, 490, &[(1, 49)])];
        assert_eq!(told(&nodes), [(vec![0], [1, 5]), (vec![0, 1], [100, 1000]), (vec![0, 1, 2], [49, 490])]);
    }

    #[test]
    fn calls_from_outside_are_stacks_of_their_own() {
        let mut nodes = [node(1, 10, &[(1, 1)]), node(4, 40, &[])];
        // Somebody made three calls more, of whom nothing is known, or the host.
        assert_eq!(told(&nodes), [(vec![0], [1, 10]), (vec![0, 1], [4, 40])]);
        nodes[1].exported = true;
        assert_eq!(told(&nodes), [(vec![0], [1, 10]), (vec![0, 1], [1, 10]), (vec![1], [3, 30])]);
        assert_eq!(told(&[node(2, 7, &[]), node(1, 1, &[(0, 2)])]), [(vec![1], [1, 1]), (vec![1, 0], [2, 7])]);
        // Nobody is known to have begun a cycle: the first of it is at the top.
        assert_eq!(told(&[node(1, 7, &[(1, 1)]), node(1, 1, &[(0, 1)])]), [(vec![0], [1, 7]), (vec![0, 1], [1, 1])]);
    }

    /// Functions that all call two of the next layer: more paths than anybody can follow.
    #[test]
    fn nothing_is_lost_where_paths_are_too_many() {
        const LAYERS: usize = 60;
        let callees = |layer: usize| [2 * layer + 2, 2 * layer + 3].map(|callee| (callee, 1u64 << layer)).to_vec();
        let nodes: Vec<Node> = (0..2 * LAYERS)
            .map(|at| Node {
                values: [1 << (at / 2), 1000 + at as u64],
                calls: if at / 2 + 1 < LAYERS { callees(at / 2) } else { vec![] },
                exported: false,
            })
            .collect();
        let found = stacks(&nodes);
        assert!(found.len() < 100_000, "{}", found.len());
        for (function, node) in nodes.iter().enumerate() {
            let ends = found.iter().filter(|stack| stack.frames.last() == Some(&function));
            let sum = ends.fold([0, 0], |sum: [u64; 2], stack| [sum[0] + stack.values[0], sum[1] + stack.values[1]]);
            assert_eq!(sum, node.values, "function {function}");
        }
    }
}
