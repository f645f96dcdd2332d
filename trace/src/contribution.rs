//! What each of several profiles or runs adds to the others: the facts that it knows are that a function was entered, that a branch was taken, and that a call
//! site called a function. How often does not matter here.
//!
//! Which few know all that all know is found greedily: next comes who adds most to those taken before, then who took least time, then who came first. The rest adds nothing.

use crate::keys::Keys;
use crate::profile::Profile;
use std::cmp::Reverse;
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fact {
    Entered(u32),
    Taken(u32, u32),
    Called(u32, u32, u32),
}

/// Who is to be compared, numbered from 0 in the order in which they come.
#[derive(Debug, Default)]
pub struct Contributions {
    keys: Keys,
    facts: HashMap<Fact, usize>,
    members: Vec<Member>,
}

#[derive(Debug, Default)]
struct Member {
    facts: Facts,
    micros: u64,
}

/// A set of facts, a bit each.
#[derive(Clone, Debug, Default)]
struct Facts(Vec<u64>);

impl Facts {
    fn insert(&mut self, fact: usize) {
        let word = fact / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (fact % 64);
    }

    fn add(&mut self, other: &Facts) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }

    fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many of these `known` lacks.
    fn beyond(&self, known: &Facts) -> u64 {
        let theirs = known.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(theirs).map(|(mine, theirs)| u64::from((mine & !theirs).count_ones())).sum()
    }
}

/// Who is needed, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    pub member: usize,
    /// Facts that those before it lack.
    pub adds: u64,
}

/// Who of several knows all that they know together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Facts in all.
    pub facts: u64,
    /// In the order in which they were taken.
    pub needed: Vec<Needed>,
    /// Whose facts those know, in order.
    pub redundant: Vec<usize>,
}

impl Contributions {
    /// Adds a profile with all its facts.
    pub fn add_profile(&mut self, profile: &Profile) {
        let micros = profile.runs.iter().fold(0, |sum: u64, run| sum.saturating_add(run.micros));
        let keys = self.keys.of(profile);
        let mut facts = Facts::default();
        for (function, &key) in profile.functions.iter().zip(&keys) {
            if function.entries != 0 {
                facts.insert(self.fact(Fact::Entered(key)));
            }
            for branch in &function.branches {
                facts.insert(self.fact(Fact::Taken(key, branch.position)));
            }
            for site in &function.sites {
                for target in &site.targets {
                    let Some(target) = self.keys.target(profile, &keys, target.function) else { continue };
                    facts.insert(self.fact(Fact::Called(key, site.site, target)));
                }
            }
        }
        self.members.push(Member { facts, micros });
    }

    /// Adds each run of a profile, in its order, with the functions that it entered: counters are not kept by run.
    pub fn add_runs(&mut self, profile: &Profile) {
        let keys = self.keys.of(profile);
        for run in &profile.runs {
            let mut facts = Facts::default();
            for call in &run.order {
                let place = profile.functions.binary_search_by_key(&call.function, |known| known.identity.index.0);
                if let Some(&key) = place.ok().and_then(|place| keys.get(place)) {
                    facts.insert(self.fact(Fact::Entered(key)));
                }
            }
            self.members.push(Member { facts, micros: run.micros });
        }
    }

    fn fact(&mut self, fact: Fact) -> usize {
        let next = self.facts.len();
        *self.facts.entry(fact).or_insert(next)
    }

    pub fn select(&self) -> Selection {
        let mut known = Facts::default();
        let (mut needed, mut left): (Vec<Needed>, Vec<usize>) = (Vec::new(), (0..self.members.len()).collect());
        loop {
            let adds = |&member: &usize| self.members[member].facts.beyond(&known);
            left.retain(|member| adds(member) != 0);
            let best = left.iter().max_by_key(|&member| (adds(member), Reverse(self.members[*member].micros), Reverse(*member)));
            let Some(&member) = best else { break };
            needed.push(Needed { member, adds: adds(&member) });
            known.add(&self.members[member].facts);
        }
        let redundant = (0..self.members.len()).filter(|member| needed.iter().all(|needed| needed.member != *member)).collect();
        Selection { facts: known.len(), needed, redundant }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{BranchCount, Run, SiteProfile, TargetCount};
    use crate::recorder::FirstCall;
    use crate::testing::small_profile;
    use trjit_module::FuncIndex;

    /// Of twelve functions those that were entered.
    fn entered(functions: &[u32], micros: u64) -> Profile {
        let mut profile = small_profile(12);
        for function in &mut profile.functions {
            function.entries = u64::from(functions.contains(&function.identity.index.0));
        }
        let order = functions.iter().map(|&function| FirstCall { function, micros: 0 }).collect();
        profile.runs = vec![Run { workload: String::new(), ended: String::new(), weight: 1, micros, entries: 0, order }];
        profile
    }

    fn select(profiles: &[Profile]) -> (u64, Vec<(usize, u64)>, Vec<usize>) {
        let mut contributions = Contributions::default();
        profiles.iter().for_each(|profile| contributions.add_profile(profile));
        let Selection { facts, needed, redundant } = contributions.select();
        (facts, needed.iter().map(|needed| (needed.member, needed.adds)).collect(), redundant)
    }

    #[test]
    fn the_largest_then_the_quickest_then_the_first_is_taken() {
        let profiles = [entered(&[1, 2], 1), entered(&[0, 1, 2, 3], 9), entered(&[3, 4], 5), entered(&[4], 5), entered(&[4, 2], 7)];
        assert_eq!(select(&profiles), (5, vec![(1, 4), (2, 1)], vec![0, 3, 4]));
        assert_eq!(select(&[entered(&[], 1)]), (0, vec![], vec![0]));
    }

    #[test]
    fn branches_and_targets_are_facts() {
        let (one, mut two, mut three) = (entered(&[1], 1), entered(&[1], 1), entered(&[1], 1));
        two.functions[1].branches = vec![BranchCount { position: 2, back_edge: false, taken: 7 }];
        let targets = vec![TargetCount { function: FuncIndex(3 + 5), count: 1 }];
        three.functions[1].sites = vec![SiteProfile { site: 0, targets, other: 3 }];
        assert_eq!(select(&[one, two, three]), (3, vec![(1, 2), (2, 1)], vec![0]));
    }

    /// A run of several in one profile has functions only.
    #[test]
    fn runs_of_one_profile_are_judged_by_their_functions() {
        let merged = Profile::merge([entered(&[1, 2], 3), entered(&[2], 1), entered(&[5], 2)]).unwrap();
        let mut contributions = Contributions::default();
        contributions.add_runs(&merged);
        let selection = contributions.select();
        let order = |member: usize| merged.runs()[member].order.len();
        assert_eq!((selection.facts, selection.needed.len(), selection.redundant.len()), (3, 2, 1));
        assert_eq!(order(selection.needed[0].member), 2);
        assert_eq!(merged.runs()[selection.redundant[0]].micros, 1);
    }
}
