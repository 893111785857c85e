//! Small seeded randomness: the same seed and the same question give the same answer.
//!
//! Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014
//! (the SplitMix64 step and its finaliser); FNV-1a for names.  Not for secrets.

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of random numbers, one for each purpose.
#[derive(Clone, Copy, Debug)]
pub struct Stream(u64);

impl Stream {
    /// The stream of `purpose` among all that come from `seed`.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        let start = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(mix(start ^ mix(seed)))
    }

    /// The next number, uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(STEP);
        unit(mix(self.0))
    }

    /// The number at `position` of the stream, uniform in [0, 1), without moving it.
    #[must_use]
    pub fn uniform_at(&self, position: u64) -> f64 {
        unit(mix(self.0.wrapping_add(STEP.wrapping_mul(position.wrapping_add(1)))))
    }
}

/// Map a uniform number in [0, 1) to an exponential one of mean 1.
#[must_use]
pub fn exponential(uniform: f64) -> f64 {
    -(-uniform).ln_1p()
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn unit(number: u64) -> f64 {
    // 53 bits are what a double holds.
    (number >> 11) as f64 / (1_u64 << 53) as f64
}
