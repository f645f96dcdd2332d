//! `BlockTree`: blocks in order of where they are in a first sequence, and by a tree over them the longest, the lowest and the highest (by where they are
//! in a second one) of any part. Blocks can be dropped. Each question and each drop takes logarithmic time.

use std::cmp::Reverse;
use std::ops::Range;

/// A run of elements that two sequences have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it begins in the second sequence.
    pub place: u32,
    /// More than 0.
    pub len: u32,
}

/// What is known of some blocks, each with its number.
#[derive(Clone, Copy)]
struct Node {
    longest: Option<(u32, Reverse<usize>)>,
    lowest: Option<Reverse<(u32, usize)>>,
    highest: Option<(u32, usize)>,
}

impl Node {
    const EMPTY: Node = Node { longest: None, lowest: None, highest: None };

    fn of(at: usize, block: Block) -> Node {
        Node { longest: Some((block.len, Reverse(at))), lowest: Some(Reverse((block.place, at))), highest: Some((block.place, at)) }
    }

    fn and(self, other: Node) -> Node {
        Node { longest: self.longest.max(other.longest), lowest: self.lowest.max(other.lowest), highest: self.highest.max(other.highest) }
    }
}

pub(crate) struct BlockTree {
    blocks: Vec<Block>,
    /// The leaves are the second half; node N is of what its children 2 N and 2 N + 1 are.
    nodes: Vec<Node>,
}

impl BlockTree {
    pub fn new(blocks: Vec<Block>) -> BlockTree {
        let leaves = blocks.len();
        let mut nodes = vec![Node::EMPTY; leaves];
        nodes.extend(blocks.iter().enumerate().map(|(at, &block)| Node::of(at, block)));
        for node in (1..leaves).rev() {
            nodes[node] = nodes[2 * node].and(nodes[2 * node + 1]);
        }
        BlockTree { blocks, nodes }
    }

    fn within(&self, range: Range<usize>) -> Node {
        let (mut start, mut end) = (range.start + self.blocks.len(), range.end + self.blocks.len());
        let mut found = Node::EMPTY;
        while start < end {
            if start % 2 == 1 {
                found = found.and(self.nodes[start]);
                start += 1;
            }
            if end % 2 == 1 {
                end -= 1;
                found = found.and(self.nodes[end]);
            }
            (start, end) = (start / 2, end / 2);
        }
        found
    }

    /// The longest block of a part, the first of them, with its number; `None` where none is left.
    pub fn longest(&self, range: Range<usize>) -> Option<(usize, Block)> {
        self.within(range).longest.map(|(_, Reverse(at))| (at, self.blocks[at]))
    }

    /// Drops the blocks of a part that lie behind `place` in the second sequence.
    pub fn drop_above(&mut self, range: Range<usize>, place: u32) {
        while let Some((_, at)) = self.within(range.clone()).highest.filter(|&(highest, _)| highest > place) {
            self.drop(at);
        }
    }

    /// Drops the blocks of a part that lie before `place` in the second sequence.
    pub fn drop_below(&mut self, range: Range<usize>, place: u32) {
        while let Some(Reverse((_, at))) = self.within(range.clone()).lowest.filter(|Reverse((lowest, _))| *lowest < place) {
            self.drop(at);
        }
    }

    fn drop(&mut self, at: usize) {
        let mut node = at + self.blocks.len();
        self.nodes[node] = Node::EMPTY;
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node].and(self.nodes[2 * node + 1]);
        }
    }
}
