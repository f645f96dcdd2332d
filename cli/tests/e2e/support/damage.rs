//! Seeded damage: the same bytes are tried in every run of the tests.

/// SplitMix64: small, and good enough to pick positions.
pub struct Random(pub u64);

impl Random {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number() as u8).collect()
    }
}

/// Truncations: every length up to 64, then lengths spread over the file, then the last byte missing.
pub fn truncations(bytes: &[u8], count: usize) -> Vec<Vec<u8>> {
    let mut random = Random(bytes.len() as u64);
    let mut lengths: Vec<usize> = (0..64.min(bytes.len())).collect();
    lengths.extend((0..count).map(|_| random.below(bytes.len())));
    lengths.push(bytes.len() - 1);
    lengths.iter().map(|&len| bytes[..len].to_vec()).collect()
}

/// Copies with one byte changed each.
pub fn mutations(bytes: &[u8], count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    let mut one = || {
        let mut copy = bytes.to_vec();
        let at = random.below(copy.len());
        copy[at] ^= 1 << random.below(8);
        copy
    };
    (0..count).map(|_| one()).collect()
}
