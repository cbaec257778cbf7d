//! Schedules drawn by chance.

/// So many seeds, times `UNTETHERED_SEEDS` where more time is to be spent.
pub(crate) fn seeds(usual: u64) -> std::ops::Range<u64> {
    let times = std::env::var("UNTETHERED_SEEDS").map_or(1, |times| {
        times.parse().expect("UNTETHERED_SEEDS is a number")
    });
    0..usual.saturating_mul(times)
}

/// Numbers that look random and repeat with their seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring numbers.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// One of `0..below`.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % below as u64).unwrap()
    }

    /// One of `choices`, each as often as its weight says.
    pub(crate) fn weighted<T: Copy>(&mut self, choices: &[(usize, T)]) -> T {
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for &(weight, choice) in choices {
            if left < weight {
                return choice;
            }
            left -= weight;
        }
        unreachable!("less than the sum of all weights")
    }
}
