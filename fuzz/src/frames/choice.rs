//! Where code of a long program leaves: at so few of the places that the run comes to that all their frames can be logged, and wherever the run never comes to.
//!
//! ```text
//! interpreter -> how often the run comes to each place -> one in so many of those that it comes to, none too often, while there is room for their frames
//! ```
//! So what is compared is whole: each frame at each chosen place, to the end of the run. Nobody should leave where the run does not come to; code without these places is small.

use super::log::MOST_WORDS;
use super::places::Places;
use crate::rng::mix;
use trjit_runtime::ShownFrame;

/// Most frames at one place.
const MOST_FRAMES: u64 = 500;

/// Times that a run comes to each place, by its number.
pub struct Counts(Vec<u64>);

impl Counts {
    pub fn new(places: &Places) -> Counts {
        Counts(vec![0; places.all().len()])
    }

    /// Before an instruction.
    pub fn see(&mut self, places: &Places, frame: &ShownFrame<'_>) {
        if let Some(number) = places.number(frame.function, frame.position) {
            self.0[number as usize] += 1;
        }
    }

    /// By function: whether it runs.
    pub fn functions(&self, places: &Places) -> Vec<bool> {
        let mut runs = Vec::new();
        for (place, &count) in places.all().iter().zip(&self.0) {
            let function = place.function.0 as usize;
            runs.resize(runs.len().max(function + 1), false);
            runs[function] |= count != 0;
        }
        runs
    }

    /// Chooses about one in so many of the places, and has code leave nowhere else.
    pub fn choose(&self, places: &mut Places, slot_words: usize, seed: u64, one_in: u64) {
        let is_candidate = |number: &usize| {
            let fits = places.all()[*number].may_leave && (1..=MOST_FRAMES).contains(&self.0[*number]);
            fits && draw(seed, *number).is_multiple_of(one_in)
        };
        let mut candidates: Vec<usize> = (0..self.0.len()).filter(is_candidate).collect();
        // Where there is no room for all, the end of the code has as good a chance as its start.
        candidates.sort_by_key(|&number| draw(!seed, number));
        let mut chosen: Vec<bool> = self.0.iter().map(|&count| count == 0).collect();
        let mut words = 0;
        for number in candidates {
            let place = &places.all()[number];
            let slots = places.locals(place.function).len() + place.operands.len();
            let more = self.0[number] as usize * slots * slot_words;
            if words + more < MOST_WORDS {
                words += more;
                chosen[number] = true;
            }
        }
        places.leave_only(&chosen);
    }
}

fn draw(seed: u64, number: usize) -> u64 {
    mix(mix(seed) ^ number as u64)
}
