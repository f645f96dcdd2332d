//! How alike runs are: the Ratcliff/Obershelp similarity of their orders of first use, in pairs, and the clusters that follow from it.
//!
//! Each pair of *different* orders is compared once, that which came first as the first sequence (the measure is not quite symmetric), so that runs which do the same
//! cost nothing. Time and memory (four bytes a pair) are quadratic in the number of different orders.

use crate::keys::Keys;
use crate::profile::{Profile, Run};
use crate::sequence_match::{SequenceMatcher, ratio};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs to be compared, numbered from 0 in the order in which they come.
#[derive(Debug, Default)]
pub struct Sequences {
    keys: Keys,
    /// Different orders of first use, and the number of each.
    orders: Vec<Vec<u32>>,
    numbers: HashMap<Vec<u32>, usize>,
    /// The order of each run.
    runs: Vec<usize>,
}

impl Sequences {
    /// Adds the runs of a profile, in its order. Profiles may be of different builds.
    pub fn add(&mut self, profile: &Profile) {
        let keys = self.keys.of(profile);
        for run in &profile.runs {
            let order = sequence(profile, &keys, run);
            let next = self.orders.len();
            let number = *self.numbers.entry(order).or_insert_with_key(|order| {
                self.orders.push(order.clone());
                next
            });
            self.runs.push(number);
        }
    }

    /// Compares all pairs, on so many threads.
    pub fn compare(&self, threads: NonZeroUsize) -> Similarity {
        let count = self.orders.len();
        let (next, rows) = (AtomicUsize::new(0), Mutex::new(vec![Vec::new(); count]));
        let work = || {
            while let Some(first) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&first| first < count) {
                let matcher = SequenceMatcher::new(&self.orders[first]);
                let row: Vec<u32> = self.orders[first + 1..].iter().map(|second| matcher.matched(second) as u32).collect();
                rows.lock().expect("no thread panics while it holds the lock")[first] = row;
            }
        };
        std::thread::scope(|scope| {
            (1..threads.get().min(count)).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        let matched = rows.into_inner().expect("no thread panics while it holds the lock");
        Similarity { runs: self.runs.clone(), lens: self.orders.iter().map(Vec::len).collect(), matched }
    }
}

/// The functions of a run that its profile knows, as numbers.
fn sequence(profile: &Profile, keys: &[u32], run: &Run) -> Vec<u32> {
    let place = |function: u32| profile.functions.binary_search_by_key(&function, |known| known.identity.index.0).ok();
    run.order.iter().filter_map(|call| keys.get(place(call.function)?).copied()).collect()
}

/// Two runs, by their numbers, and how alike they are: 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub first: usize,
    pub second: usize,
    pub ratio: f64,
}

/// The extremes of all pairs of runs (the first pairs that have them), and the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub min: Pair,
    pub max: Pair,
    pub average: f64,
}

/// All pairs of some runs.
#[derive(Clone, Debug)]
pub struct Similarity {
    /// The order of each run.
    runs: Vec<usize>,
    /// The length of each order.
    lens: Vec<usize>,
    /// Matched elements of each order with those behind it.
    matched: Vec<Vec<u32>>,
}

impl Similarity {
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Different orders of first use.
    pub fn orders(&self) -> usize {
        self.lens.len()
    }

    /// How alike two runs are; a run is like itself.
    pub fn ratio(&self, one: usize, other: usize) -> f64 {
        let (one, other) = (self.runs[one], self.runs[other]);
        let (first, second) = (one.min(other), one.max(other));
        if first == second {
            return 1.0;
        }
        ratio(self.matched[first][second - first - 1] as usize, self.lens[first], self.lens[second])
    }

    /// All pairs, in order.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> + '_ {
        let pair = |first, second| Pair { first, second, ratio: self.ratio(first, second) };
        (0..self.runs()).flat_map(move |first| (first + 1..self.runs()).map(move |second| pair(first, second)))
    }

    /// `None` where there is no pair.
    pub fn spread(&self) -> Option<Spread> {
        let mut pairs = self.pairs();
        let first = pairs.next()?;
        let (mut spread, mut sum, mut count) = (Spread { min: first, max: first, average: 0.0 }, first.ratio, 1u64);
        for pair in pairs {
            if pair.ratio < spread.min.ratio {
                spread.min = pair;
            }
            if pair.ratio > spread.max.ratio {
                spread.max = pair;
            }
            (sum, count) = (sum + pair.ratio, count + 1);
        }
        spread.average = sum / count as f64;
        Some(spread)
    }

    /// Single linkage: runs are in one cluster when a chain of pairs joins them that are all at least so much alike. The largest first, and each
    /// in order.
    pub fn clusters(&self, threshold: f64) -> Vec<Vec<usize>> {
        let mut cluster: Vec<usize> = (0..self.orders()).collect();
        for (first, row) in self.matched.iter().enumerate() {
            for (second, &matched) in (first + 1..).zip(row) {
                if ratio(matched as usize, self.lens[first], self.lens[second]) >= threshold {
                    join(&mut cluster, first, second);
                }
            }
        }
        let mut found: HashMap<usize, Vec<usize>> = HashMap::new();
        for (run, &order) in self.runs.iter().enumerate() {
            found.entry(root(&mut cluster, order)).or_default().push(run);
        }
        let mut found: Vec<Vec<usize>> = found.into_values().collect();
        found.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        found
    }
}

/// Who stands for the cluster of a member; shortens the way there.
fn root(cluster: &mut [usize], member: usize) -> usize {
    let mut at = member;
    while cluster[at] != at {
        cluster[at] = cluster[cluster[at]];
        at = cluster[at];
    }
    at
}

fn join(cluster: &mut [usize], one: usize, other: usize) {
    let (one, other) = (root(cluster, one), root(cluster, other));
    cluster[one.max(other)] = one.min(other);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::FirstCall;
    use crate::testing::small_profile;

    fn sequences(orders: &[&[u32]]) -> Sequences {
        let mut sequences = Sequences::default();
        for order in orders {
            let mut profile = small_profile(12);
            let order = order.iter().map(|&function| FirstCall { function, micros: 0 }).collect();
            profile.runs = vec![Run { workload: String::new(), ended: String::new(), weight: 1, micros: 0, entries: 0, order }];
            sequences.add(&profile);
        }
        sequences
    }

    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    #[test]
    fn pairs_extremes_and_the_mean_are_of_all_runs() {
        let runs = sequences(&[&[0, 1, 2, 3], &[0, 1, 2, 5], &[0, 1, 2, 3], &[7, 6]]);
        let similarity = runs.compare(TWO);
        assert_eq!((similarity.runs(), similarity.orders()), (4, 3));
        let ratios: Vec<f64> = similarity.pairs().map(|pair| pair.ratio).collect();
        assert_eq!(ratios, [0.75, 1.0, 0.0, 0.75, 0.0, 0.0]);
        let spread = similarity.spread().unwrap();
        assert_eq!(spread.min, Pair { first: 0, second: 3, ratio: 0.0 });
        assert_eq!(spread.max, Pair { first: 0, second: 2, ratio: 1.0 });
        assert_eq!(spread.average, 2.5 / 6.0);
        assert_eq!(sequences(&[&[1]]).compare(TWO).spread(), None);
        assert_eq!(sequences(&[]).compare(TWO).clusters(0.5), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn clusters_are_chains() {
        // Neighbours share half; the ends share nothing.
        let runs = sequences(&[&[9, 10], &[0, 1, 2, 3], &[2, 3, 4, 5], &[4, 5, 6, 7], &[9, 10]]);
        let similarity = runs.compare(TWO);
        assert_eq!(similarity.clusters(0.5), [vec![1, 2, 3], vec![0, 4]]);
        assert_eq!(similarity.clusters(0.6), [vec![0, 4], vec![1], vec![2], vec![3]]);
        assert_eq!(similarity.clusters(0.0), [vec![0, 1, 2, 3, 4]]);
    }
}
