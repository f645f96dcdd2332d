//! What differs between two profiles, function by function.
//!
//! Functions of one module are paired by their index. Those of two builds are paired by match digest and rank, and what is left by name, so that a function
//! whose body changed is compared with what it was.
//! Invariant: each recorded function of both profiles occurs once.

use crate::keys::Keys;
use crate::profile::{FunctionProfile, Profile};
use crate::sequence_match::SequenceMatcher;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

/// A function in one of the profiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side {
    /// Index in the module's function space, imported functions first.
    pub function: u32,
    /// Invocations.
    pub calls: u64,
    /// Invocations and taken back-edges.
    pub hotness: u64,
    /// Its part of the hotness of all functions, 0 to 1.
    pub share: f64,
    /// Its place by hotness, from 1 on.
    pub rank: usize,
    /// Its place in the merged order of first use, from 1 on; `None` where it was never entered.
    pub first_use: Option<usize>,
}

/// A function in both profiles, or in one.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its name, the newer one where both profiles have one.
    pub name: Option<String>,
    pub before: Option<Side>,
    pub after: Option<Side>,
}

impl Change {
    fn hotness(&self) -> (u64, u64) {
        (self.before.map_or(0, |side| side.hotness), self.after.map_or(0, |side| side.hotness))
    }

    /// Hotness after less before.
    pub fn delta(&self) -> i128 {
        let (before, after) = self.hotness();
        i128::from(after) - i128::from(before)
    }

    /// Hotness after by hotness before; infinite where there was none before, 1 where there is none at all.
    pub fn factor(&self) -> f64 {
        match self.hotness() {
            (0, 0) => 1.0,
            (before, after) => after as f64 / before as f64,
        }
    }

    /// The larger of its shares.
    pub fn share(&self) -> f64 {
        let share = |side: Option<Side>| side.map_or(0.0, |side| side.share);
        share(self.before).max(share(self.after))
    }
}

/// Two profiles, compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Both are of the same wasm bytes.
    pub same_module: bool,
    /// Invocations and back-edges of all functions.
    pub hotness: (u128, u128),
    /// What both spend in the same functions: the sum of the smaller shares, 0 to 1.
    pub overlap: f64,
    /// How alike the merged orders of first use are, 0 to 1, as [`SequenceMatcher`] measures it.
    pub first_use: f64,
    /// In the order of the first profile, then what only the second one has.
    pub functions: Vec<Change>,
}

impl Difference {
    pub fn of(before: &Profile, after: &Profile) -> Difference {
        let (mine, theirs) = (sides(before), sides(after));
        let opposite = opposites(before, after);
        let paired: HashSet<usize> = opposite.iter().flatten().copied().collect();
        let name = |function: &FunctionProfile| function.identity.name.clone();
        let both = before.functions.iter().zip(&mine).zip(&opposite).map(|((function, &side), &other)| Change {
            name: other.and_then(|other| name(&after.functions[other])).or_else(|| name(function)),
            before: Some(side),
            after: other.map(|other| theirs[other]),
        });
        let added = (0..after.functions.len()).filter(|other| !paired.contains(other)).map(|other| Change {
            name: name(&after.functions[other]),
            before: None,
            after: Some(theirs[other]),
        });
        let functions: Vec<Change> = both.chain(added).collect();
        let common = functions.iter().filter_map(|change| Some(change.before?.share.min(change.after?.share)));
        Difference {
            same_module: before.module.digest == after.module.digest,
            hotness: (total(before), total(after)),
            overlap: common.sum(),
            first_use: SequenceMatcher::new(&uses(&functions, |change| change.before)).ratio(&uses(&functions, |change| change.after)),
            functions,
        }
    }

    /// Those whose hotness differs most in numbers.
    pub fn by_delta(&self) -> Vec<&Change> {
        let mut found: Vec<&Change> = self.functions.iter().filter(|change| change.delta() != 0).collect();
        found.sort_by_key(|change| Reverse(change.delta().unsigned_abs()));
        found
    }

    /// Those in both profiles that moved most in the order of hotness, of those that are among the first `top` of one of them.
    pub fn by_rank(&self, top: usize) -> Vec<&Change> {
        let moved = |change: &Change| Some(change.before?.rank.abs_diff(change.after?.rank)).filter(|&moved| moved != 0);
        let hot = |change: &&Change| [change.before, change.after].iter().flatten().any(|side| side.rank <= top);
        let mut found: Vec<&Change> = self.functions.iter().filter(hot).filter(|change| moved(change).is_some()).collect();
        found.sort_by_key(|change| Reverse(moved(change)));
        found
    }

    /// Those in both profiles whose hotness differs most by its factor, of those that have at least this share in one of them.
    pub fn by_factor(&self, share: f64) -> Vec<&Change> {
        let both = |change: &&Change| change.before.is_some() && change.after.is_some() && change.delta() != 0;
        let mut found: Vec<&Change> = self.functions.iter().filter(both).filter(|change| change.share() >= share).collect();
        found.sort_by(|a, b| b.factor().ln().abs().total_cmp(&a.factor().ln().abs()));
        found
    }
}

/// The merged order of first use on one side, each function as its number among the changes.
fn uses(changes: &[Change], side: impl Fn(&Change) -> Option<Side>) -> Vec<u32> {
    let mut used: Vec<(usize, u32)> =
        changes.iter().zip(0..).filter_map(|(change, number)| Some((side(change)?.first_use?, number))).collect();
    used.sort_unstable();
    used.into_iter().map(|(_, number)| number).collect()
}

fn total(profile: &Profile) -> u128 {
    profile.functions.iter().map(|function| u128::from(function.hotness())).sum()
}

/// The functions of a profile, in its order.
fn sides(profile: &Profile) -> Vec<Side> {
    let mut hottest: Vec<usize> = (0..profile.functions.len()).collect();
    hottest.sort_by_key(|&at| Reverse(profile.functions[at].hotness()));
    let mut ranks = vec![0; hottest.len()];
    hottest.iter().zip(1..).for_each(|(&at, rank)| ranks[at] = rank);
    let uses: HashMap<u32, usize> = profile.first_use_order().iter().map(|function| function.0).zip(1..).collect();
    let total = total(profile);
    let side = |(function, rank): (&FunctionProfile, usize)| {
        let index = profile.module.func_index(function.identity.index).0;
        let hotness = function.hotness();
        let share = if total == 0 { 0.0 } else { hotness as f64 / total as f64 };
        Side { function: index, calls: function.entries, hotness, share, rank, first_use: uses.get(&index).copied() }
    };
    profile.functions.iter().zip(ranks).map(side).collect()
}

/// Which function of `after` each function of `before` is, by their places in the profiles.
fn opposites(before: &Profile, after: &Profile) -> Vec<Option<usize>> {
    if before.module.digest == after.module.digest {
        let find =
            |function: &FunctionProfile| after.functions.binary_search_by_key(&function.identity.index, |other| other.identity.index);
        return before.functions.iter().map(|function| find(function).ok()).collect();
    }
    let mut keys = Keys::default();
    let mut left: HashMap<u32, usize> = keys.of(after).into_iter().zip(0..).collect();
    let mut found: Vec<Option<usize>> = keys.of(before).iter().map(|key| left.remove(key)).collect();
    let name = |function: &FunctionProfile| function.identity.name.clone();
    let mut places: Vec<usize> = left.into_values().collect();
    places.sort_unstable_by_key(|&place| Reverse(place));
    // Of several with one name the first stays.
    let mut named: HashMap<String, usize> = places.into_iter().filter_map(|place| Some((name(&after.functions[place])?, place))).collect();
    for (function, found) in before.functions.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
        *found = function.identity.name.as_ref().and_then(|name| named.remove(name));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, same_module_profiles, small_profile};
    use trjit_module::Digest;

    fn of<'a>(difference: &'a Difference, name: &str) -> &'a Change {
        difference.functions.iter().find(|change| change.name.as_deref() == Some(name)).unwrap()
    }

    #[test]
    fn changes_are_told_in_numbers_and_factors() {
        let (mut before, mut after) = (small_profile(6), small_profile(5));
        let entries = |profile: &mut Profile, counts: &[u64]| {
            profile.functions.iter_mut().zip(counts).for_each(|(function, &count)| function.entries = count);
        };
        entries(&mut before, &[0, 1000, 10, 0, 40, 50]);
        entries(&mut after, &[0, 1500, 80, 0, 20]);
        let difference = Difference::of(&before, &after);
        assert_eq!((difference.same_module, difference.hotness, difference.functions.len()), (true, (1100, 1600), 6));
        let name = |change: &&Change| change.name.clone().unwrap_or_else(|| "unnamed".to_string());
        let names = |changes: Vec<&Change>| changes.iter().map(name).collect::<Vec<_>>();
        assert_eq!(names(difference.by_delta()), ["function 1", "function 2", "function 5", "function 4"]);
        assert_eq!(names(difference.by_factor(0.0)), ["function 2", "function 4", "function 1"]);
        assert_eq!(names(difference.by_factor(0.03)), ["function 2", "function 4", "function 1"]);
        assert_eq!(names(difference.by_factor(0.06)), ["function 1"]);
        // By hotness 1 5 4 2 0 3 before and 1 2 4 0 3 after.
        assert_eq!(names(difference.by_rank(3)), ["function 2"]);
        assert_eq!(names(difference.by_rank(5)), ["function 2", "unnamed", "unnamed"]);
        let two = of(&difference, "function 2");
        assert_eq!((two.delta(), two.factor(), two.before.unwrap().rank, two.after.unwrap().rank), (70, 8.0, 4, 2));
        assert_eq!(of(&difference, "function 5").after, None);
        let same = Difference::of(&before, &before);
        assert!((same.overlap - 1.0).abs() < 1e-12 && same.by_delta().is_empty() && same.by_factor(0.0).is_empty());
    }

    #[test]
    fn functions_of_another_build_are_paired_by_body_then_by_name() {
        let (before, mut after) = (small_profile(6), small_profile(6));
        after.module.digest = Digest::of(b"another build");
        after.functions.remove(4);
        after.functions[1].identity.match_digest = Digest::of(b"another body");
        for function in &mut after.functions {
            function.identity.index.0 += 3;
        }
        let difference = Difference::of(&before, &after);
        assert!(!difference.same_module);
        assert_eq!(difference.functions.len(), 6);
        let changed = of(&difference, "function 1");
        assert_eq!((changed.before.unwrap().function + 3, changed.after.is_some()), (changed.after.unwrap().function, true));
        assert_eq!(difference.functions.iter().filter(|change| change.after.is_none()).count(), 1);
        assert_eq!(of(&difference, "function 4").after, None);
    }

    #[test]
    fn every_function_occurs_once() {
        for seed in 0..100 {
            let [a, mut b, _] = same_module_profiles(&mut Random::new(seed));
            if seed % 2 == 0 {
                b.module.digest = Digest::of(b"another build");
            }
            let difference = Difference::of(&a, &b);
            let count =
                |side: fn(&Change) -> Option<Side>| difference.functions.iter().filter_map(side).map(|side| side.function).collect();
            let (before, after): (HashSet<u32>, HashSet<u32>) = (count(|change| change.before), count(|change| change.after));
            assert_eq!((before.len(), after.len()), (a.functions.len(), b.functions.len()), "seed {seed}");
            assert!(difference.functions.iter().all(|change| change.before.is_some() || change.after.is_some()));
            assert!((0.0..1.0 + 1e-9).contains(&difference.overlap), "seed {seed}: {}", difference.overlap);
        }
    }
}
