//! Ratcliff/Obershelp similarity of two sequences: the longest block that both have is matched, then likewise what lies before it in both, and what
//! lies behind it in both. Ties go to the block that begins first in the first sequence, then in the second.
//!
//! Invariant: [`SequenceMatcher::ratio`] is that of Python's `difflib.SequenceMatcher(None, a, b, autojunk=False)`, to the last bit.
//!
//! ```text
//! no element twice (orders of first use):  matching elements -> blocks, in order of a -> a tree over them -> longest, drop what crosses it, both sides
//! else:                                    lengths of blocks that end at each pair of places, for each window anew
//! ```
//! Without repetition the blocks are disjoint in both sequences. So no window ever cuts one, what a chosen block separates is dropped once and for
//! all, and the whole takes n log n. With repetition it is difflib's way: quadratic, more where windows are lopsided.

use crate::block_tree::{Block, BlockTree};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A first sequence, to be compared with many. Sequences have fewer than 2^32 elements.
pub struct SequenceMatcher<'a> {
    first: &'a [u32],
    /// Where an element is; `None` where it is several times.
    places: HashMap<u32, Option<u32>>,
}

impl<'a> SequenceMatcher<'a> {
    pub fn new(first: &'a [u32]) -> SequenceMatcher<'a> {
        let mut places = HashMap::with_capacity(first.len());
        for (&element, place) in first.iter().zip(0..) {
            match places.entry(element) {
                Entry::Vacant(entry) => drop(entry.insert(Some(place))),
                Entry::Occupied(mut entry) => drop(entry.insert(None)),
            }
        }
        SequenceMatcher { first, places }
    }

    /// Twice the matched elements over all elements, 0 to 1; 1 for two empty sequences.
    pub fn ratio(&self, second: &[u32]) -> f64 {
        ratio(self.matched(second), self.first.len(), second.len())
    }

    /// How many elements of the second sequence are matched.
    pub fn matched(&self, second: &[u32]) -> usize {
        match self.blocks(second) {
            Some(blocks) => matched_blocks(blocks),
            None => matched_windows(self.first, second),
        }
    }

    /// What both have, as longest blocks in order of the first sequence; `None` where something that both have is in one of them twice.
    fn blocks(&self, second: &[u32]) -> Option<Vec<Block>> {
        const ABSENT: u32 = u32::MAX;
        let mut opposite = vec![ABSENT; self.first.len()];
        for (element, place) in second.iter().zip(0..) {
            let Some(found) = self.places.get(element) else { continue };
            let opposite = &mut opposite[(*found)? as usize];
            if *opposite != ABSENT {
                return None;
            }
            *opposite = place;
        }
        let mut blocks: Vec<Block> = Vec::new();
        let mut next = ABSENT;
        for place in opposite {
            match blocks.last_mut() {
                Some(last) if place != ABSENT && place == next => last.len += 1,
                _ if place != ABSENT => blocks.push(Block { place, len: 1 }),
                _ => {}
            }
            next = place.wrapping_add(u32::from(place != ABSENT));
        }
        Some(blocks)
    }
}

/// The similarity of sequences of these lengths with so many matched elements.
pub(crate) fn ratio(matched: usize, first: usize, second: usize) -> f64 {
    if first + second == 0 { 1.0 } else { 2.0 * matched as f64 / (first + second) as f64 }
}

fn matched_blocks(blocks: Vec<Block>) -> usize {
    let mut windows = vec![(0, blocks.len())];
    let mut tree = BlockTree::new(blocks);
    let mut matched = 0;
    while let Some((start, end)) = windows.pop() {
        let Some((at, block)) = tree.longest(start..end) else { continue };
        matched += block.len as usize;
        tree.drop_above(start..at, block.place);
        tree.drop_below(at + 1..end, block.place);
        windows.extend([(start, at), (at + 1, end)]);
    }
    matched
}

fn matched_windows(first: &[u32], second: &[u32]) -> usize {
    let mut places: HashMap<u32, Vec<usize>> = HashMap::new();
    for (place, &element) in second.iter().enumerate() {
        places.entry(element).or_default().push(place);
    }
    let places: Vec<&[usize]> = first.iter().map(|element| places.get(element).map_or(&[][..], Vec::as_slice)).collect();
    // Lengths of the common blocks that end before each place of the second sequence and at the current place of the first; both are all zero between windows.
    let (mut before, mut now) = (vec![0; second.len() + 1], vec![0; second.len() + 1]);
    let mut windows = vec![(0..first.len(), 0..second.len())];
    let mut matched = 0;
    while let Some((mine, theirs)) = windows.pop() {
        let within = |at: usize| {
            let all = places[at];
            &all[all.partition_point(|&place| place < theirs.start)..all.partition_point(|&place| place < theirs.end)]
        };
        let (mut longest, mut ends) = (0, (0, 0));
        for at in mine.clone() {
            for &place in within(at) {
                now[place + 1] = before[place] + 1;
                if now[place + 1] > longest {
                    (longest, ends) = (now[place + 1], (at + 1, place + 1));
                }
            }
            let old = at.checked_sub(1).filter(|old| mine.contains(old));
            old.into_iter().flat_map(within).for_each(|&place| before[place + 1] = 0);
            std::mem::swap(&mut before, &mut now);
        }
        mine.clone().last().into_iter().flat_map(within).for_each(|&place| before[place + 1] = 0);
        if longest != 0 {
            matched += longest;
            windows.push((mine.start..ends.0 - longest, theirs.start..ends.1 - longest));
            windows.push((ends.0..mine.end, ends.1..theirs.end));
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn shuffled(random: &mut Random, len: u32) -> Vec<u32> {
        let mut elements: Vec<u32> = (0..len).collect();
        (1..elements.len()).rev().for_each(|end| elements.swap(end, random.below(end as u64 + 1) as usize));
        elements
    }

    /// Both ways give the same where both can be gone.
    #[test]
    fn without_repetition_both_ways_agree() {
        for seed in 0..2000 {
            let mut random = Random::new(seed);
            let len = 1 + random.below(40) as u32;
            let (mut a, mut b) = (shuffled(&mut random, len), shuffled(&mut random, len));
            if seed % 2 == 0 {
                // Much the same, with pieces moved and left out.
                b = a.clone();
                let len = a.len();
                b.rotate_left(random.below(a.len() as u64) as usize);
                b[random.below(len as u64) as usize..].rotate_left(1);
                b.truncate(1 + random.below(len as u64) as usize);
                a.swap(0, len - 1);
            }
            let matcher = SequenceMatcher::new(&a);
            let blocks = matcher.blocks(&b).unwrap_or_else(|| panic!("seed {seed}: nothing is repeated"));
            assert_eq!(matched_blocks(blocks), matched_windows(&a, &b), "seed {seed}: {a:?} {b:?}");
        }
    }

    #[test]
    fn what_only_one_sequence_repeats_is_no_obstacle() {
        let matcher = SequenceMatcher::new(&[1, 7, 7, 2]);
        assert_eq!(matcher.blocks(&[1, 9, 9, 2]).map(matched_blocks), Some(2));
        assert!(matcher.blocks(&[7]).is_none() && matcher.blocks(&[1, 1]).is_none());
        assert_eq!((matcher.matched(&[7]), matcher.matched(&[1, 1])), (1, 1));
    }

    /// Sequences that take quadratic time where each block costs a look at all others.
    #[test]
    fn long_sequences_take_no_time() {
        const LEN: u32 = 100_000;
        let all: Vec<u32> = (0..LEN).collect();
        let matcher = SequenceMatcher::new(&all);
        assert_eq!(matcher.ratio(&all), 1.0);
        let backward: Vec<u32> = (0..LEN).rev().collect();
        assert_eq!(matcher.matched(&backward), 1);
        let every_other: Vec<u32> = (0..LEN).map(|element| if element % 2 == 0 { element } else { LEN + element }).collect();
        assert_eq!(matcher.matched(&every_other), LEN as usize / 2);
        let shuffled = shuffled(&mut Random::new(1), LEN);
        assert!((1..100).contains(&matcher.matched(&shuffled)));
    }
}
