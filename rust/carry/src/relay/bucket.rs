//! How often one source address may ring.  Time is an argument.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Handshakes per second and source: the class of a whole hall behind one NAT gets in.
pub const RATE_PER_S: f64 = 20.0;
/// Handshakes at once per source, before the rate holds.
pub const BURST: f64 = 100.0;

/// What counts as one source: an IPv4 address, or the /64 an IPv6 subscriber owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An IPv4 address, also when it arrives mapped into IPv6.
    V4(u32),
    /// The first 64 bits of an IPv6 address.
    V6(u64),
}

impl Source {
    /// The source that `address` belongs to.
    #[must_use]
    pub fn of(address: &SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

/// A token bucket that starts full.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    tokens: f64,
    filled_at: Duration,
}

impl Bucket {
    /// A full bucket, as a source unseen until `now` has.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self { tokens: BURST, filled_at: now }
    }

    /// Take one token if there is one.
    pub fn take(&mut self, now: Duration) -> bool {
        self.fill(now);
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }

    /// Tell whether forgetting this bucket changes nothing.
    pub fn is_full(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.tokens >= BURST
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled_at);
        self.tokens = (self.tokens + passed.as_secs_f64() * RATE_PER_S).min(BURST);
        self.filled_at = self.filled_at.max(now);
    }
}
