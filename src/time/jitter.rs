use std::fmt;
use std::time::Duration;

/// A random part of `most`: the same each time it is asked for with the same two numbers.
pub(super) fn part_of(most: Duration, seed: u64, number: u64) -> Duration {
    // SplitMix64: one well-mixed value for each number, without a state that has to be kept.
    let mut bits = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    // 53 bits are what a float holds: from nought to less than one.
    let part = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    Duration::try_from_secs_f64(most.as_secs_f64() * part)
        .unwrap_or(most)
        .min(most)
}

/// A jitter longer than the period: ticks would pass each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidJitter {
    pub(super) most: Duration,
    pub(super) period: Duration,
}

impl fmt::Display for InvalidJitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { most, period } = self;
        write!(
            f,
            "a jitter of {most:?} is longer than the period of {period:?}: ticks would pass each other"
        )
    }
}

impl std::error::Error for InvalidJitter {}
