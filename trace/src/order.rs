//! The merged order of first use: derived from the runs whenever it is needed, never stored.
//!
//! A production run will resemble one of the training runs. So functions that more of the training (by weight) used come first, which
//! keeps the pages dense that every run touches; among equals decides the mean position of the first call over the runs that had one.
//! All in integers: the same profile gives the same order everywhere. The bench compares this rule with others (`--measures layout`).

use crate::profile::Profile;
use std::cmp::{Ordering, Reverse};
use trjit_module::FuncIndex;

/// How the orders of several runs become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MergeRule {
    /// Functions that more of the training used first, then by the mean position of the first call.
    CommonFirst,
    /// By the earliest position in any run, whatever the others did.
    EarliestFirst,
}

/// The place of one function: weights of the runs that used it, and its positions there.
#[derive(Clone, Copy)]
struct Place {
    index: u32,
    weight: u64,
    /// Sum of weight times position.
    positions: u128,
    earliest: u128,
}

impl Place {
    /// Compares mean positions. Without overflow: positions and weights have 32 bits, and runs fit into memory.
    fn compare_means(&self, other: &Place) -> Ordering {
        let (mine, theirs) = (self.positions.saturating_mul(other.weight.into()), other.positions.saturating_mul(self.weight.into()));
        mine.cmp(&theirs)
    }

    fn compare(&self, other: &Place, rule: MergeRule) -> Ordering {
        let order = match rule {
            MergeRule::CommonFirst => Reverse(self.weight).cmp(&Reverse(other.weight)).then(self.compare_means(other)),
            MergeRule::EarliestFirst => self.earliest.cmp(&other.earliest),
        };
        order.then(self.index.cmp(&other.index))
    }
}

impl Profile {
    /// All functions that were ever entered, in the predicted order of their first use. Functions whose order no run tells come last.
    pub fn first_use_order(&self) -> Vec<FuncIndex> {
        self.first_use_order_by(MergeRule::CommonFirst)
    }

    /// The same by another rule.
    pub fn first_use_order_by(&self, rule: MergeRule) -> Vec<FuncIndex> {
        let place = |index| Place { index, weight: 0, positions: 0, earliest: u128::MAX };
        let mut places: Vec<Place> = self.functions.iter().map(|function| place(function.identity.index.0)).collect();
        for run in self.runs.iter().filter(|run| run.weight != 0) {
            for (call, position) in run.order.iter().zip(0u128..) {
                if let Ok(found) = places.binary_search_by_key(&call.function, |place| place.index) {
                    places[found].weight += u64::from(run.weight);
                    places[found].positions += position * u128::from(run.weight);
                    places[found].earliest = places[found].earliest.min(position);
                }
            }
        }
        let mut used: Vec<Place> = places
            .into_iter()
            .zip(&self.functions)
            .filter(|(place, function)| place.weight != 0 || function.entries != 0)
            .map(|(place, _)| place)
            .collect();
        used.sort_by(|a, b| a.compare(b, rule));
        used.into_iter().map(|place| FuncIndex(place.index + self.module.imported_functions)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::MergeRule;
    use crate::profile::{Profile, Run};
    use crate::recorder::FirstCall;
    use crate::testing::{Random, same_module_profiles, small_profile};
    use trjit_module::FuncIndex;

    fn run(workload: &str, weight: u32, functions: &[u32]) -> Run {
        let order = functions.iter().map(|&function| FirstCall { function, micros: 0 }).collect();
        Run { workload: workload.into(), ended: String::new(), weight, micros: 0, entries: 0, order }
    }

    fn order(profile: &Profile) -> Vec<u32> {
        profile.first_use_order().into_iter().map(|FuncIndex(index)| index - profile.module.imported_functions).collect()
    }

    #[test]
    fn common_functions_come_first_then_heavier_runs() {
        let mut profile = small_profile(6);
        profile.runs = vec![run("a", 1, &[5, 0, 1]), run("b", 3, &[2, 5, 0])];
        // 5: mean (0*1 + 1*3)/4, 0: (1*1 + 2*3)/4, both in all runs; 2 in the heavy one, 1 in the light one; 3 and 4 have no order.
        assert_eq!(order(&profile), [5, 0, 2, 1, 3, 4]);
        profile.functions[3].entries = 0;
        assert_eq!(order(&profile), [5, 0, 2, 1, 4], "a function that was never entered has no use");
        profile.runs[0].weight = 0;
        assert_eq!(order(&profile), [2, 5, 0, 1, 4]);
    }

    #[test]
    fn the_earliest_position_of_any_run_is_another_rule() {
        let mut profile = small_profile(6);
        profile.runs = vec![run("a", 1, &[5, 0, 1]), run("b", 3, &[2, 5, 0])];
        let order: Vec<u32> = profile.first_use_order_by(MergeRule::EarliestFirst).into_iter().map(|FuncIndex(index)| index).collect();
        let imported = profile.module.imported_functions;
        assert_eq!(order, [2, 5, 0, 1, 3, 4].map(|index| index + imported));
    }

    #[test]
    fn the_order_does_not_depend_on_the_order_of_merging() {
        for seed in 0..50 {
            let [a, b, c] = same_module_profiles(&mut Random::new(seed));
            let one = Profile::merge([a.clone(), b.clone(), c.clone()]).unwrap();
            let other = Profile::merge([c, Profile::merge([b, a]).unwrap()]).unwrap();
            assert_eq!(one.first_use_order(), other.first_use_order());
        }
    }
}
