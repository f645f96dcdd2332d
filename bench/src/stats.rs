//! Medians, spread, and ratios with an interval. Nothing here is random: the bootstrap has a fixed seed.

use serde::{Deserialize, Serialize};

/// Of one series, in its own unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub min: f64,
    pub p25: f64,
    pub median: f64,
    pub p75: f64,
}

/// How two series compare that ran in turns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The median of the ratios of each round.
    pub median: f64,
    /// A 95 % interval of that median.
    pub low: f64,
    pub high: f64,
}

/// `None` for an empty series.
pub fn spread(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let min = *sorted.first()?;
    Some(Spread { min, p25: quantile(&sorted, 0.25), median: quantile(&sorted, 0.5), p75: quantile(&sorted, 0.75) })
}

/// Of sorted values, which are not none; between two of them it is interpolated.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() - 1) as f64 * share;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

const RESAMPLES: usize = 1000;

/// Round by round; rounds that only one series has do not count. `None` without a common round.
pub fn ratio(numerator: &[f64], denominator: &[f64]) -> Option<Ratio> {
    let pairs: Vec<f64> =
        numerator.iter().zip(denominator).filter(|(_, below)| **below > 0.0).map(|(above, below)| above / below).collect();
    let median = spread(&pairs)?.median;
    let mut random = Random::seeded();
    let mut medians: Vec<f64> = Vec::with_capacity(RESAMPLES);
    let mut drawn = vec![0.0; pairs.len()];
    for _ in 0..RESAMPLES {
        drawn.fill_with(|| pairs[random.below(pairs.len())]);
        drawn.sort_by(f64::total_cmp);
        medians.push(quantile(&drawn, 0.5));
    }
    medians.sort_by(f64::total_cmp);
    Some(Ratio { median, low: quantile(&medians, 0.025), high: quantile(&medians, 0.975) })
}

/// `None` for an empty list.
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().map(|value| value.ln()).sum();
    (!values.is_empty()).then(|| (sum / values.len() as f64).exp())
}

/// Xorshift, 64 bits.
pub struct Random(u64);

impl Random {
    /// The same numbers in each run of the bench.
    pub fn seeded() -> Random {
        Random(0x9e37_79b9_7f4a_7c15)
    }

    /// Puts items into an order that may be any.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gets_every_turn() {
        let mut random = Random::seeded();
        let mut seen = [[false; 4]; 4];
        for _ in 0..100 {
            let mut items = [0, 1, 2, 3];
            random.shuffle(&mut items);
            items.iter().enumerate().for_each(|(turn, &item)| seen[turn][item] = true);
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        assert_eq!(seen, [[true; 4]; 4]);
    }

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        let found = spread(&[4.0, 1.0, 3.0, 2.0]).expect("not empty");
        assert_eq!(found, Spread { min: 1.0, p25: 1.75, median: 2.5, p75: 3.25 });
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // Both are slow in the last round: the ratio does not see that.
        let found = ratio(&[2.0, 2.0, 20.0], &[1.0, 1.0, 10.0]).expect("three rounds");
        assert_eq!((found.median, found.low, found.high), (2.0, 2.0, 2.0));
        let noisy: Vec<f64> = (0..21).map(|round| 1.0 + f64::from(round % 5) / 10.0).collect();
        let found = ratio(&noisy, &[1.0; 21]).expect("rounds");
        assert!(found.low <= found.median && found.median <= found.high && found.low < found.high, "{found:?}");
        assert_eq!(ratio(&[1.0], &[]), None);
    }

    #[test]
    fn the_geometric_mean_is_of_ratios() {
        let mean = geometric_mean(&[0.5, 2.0]).expect("not empty");
        assert!((mean - 1.0).abs() < 1e-12, "{mean}");
    }
}
