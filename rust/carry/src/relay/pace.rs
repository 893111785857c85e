//! When it pays to let datagrams gather.  Time is an argument.

use std::time::Duration;

/// How long datagrams gather: two orders below what the path itself takes, and a fifth of the work.
pub const GATHER: Duration = Duration::from_micros(200);
/// Short trains per second above which they do.
const BUSY_PER_S: f64 = 20_000.0;
/// How long arrivals are counted before it is decided anew.
const WINDOW: Duration = Duration::from_millis(2);
/// A train longer than this is worth a waking of its own, and the sooner it is read, the more of it
/// is in the processor's cache.
const SHORT_BYTES: usize = 8_192;

/// Tells whether short trains come so fast that the relay should let some gather.
///
/// Woken for each, it would spend its time on waking; a network card's driver does the same.
/// Call `arrived` for each train, and `is_busy` before each wait.
#[derive(Debug, Default)]
pub struct Pace {
    arrived: u32,
    since: Duration,
    busy: bool,
}

impl Pace {
    /// Count one train of `length` octets.
    pub fn arrived(&mut self, length: usize) {
        self.arrived += u32::from(length <= SHORT_BYTES);
    }

    /// Whether to wait for `GATHER` now.
    pub fn is_busy(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.since);
        if passed >= WINDOW {
            self.busy = f64::from(self.arrived) >= BUSY_PER_S * passed.as_secs_f64();
            (self.arrived, self.since) = (0, now);
        }
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy_after(trains: u32, length: usize, over: Duration) -> bool {
        let mut pace = Pace::default();
        for _ in 0..trains {
            pace.arrived(length);
        }
        pace.is_busy(over)
    }

    #[test]
    fn many_short_trains_gather_and_few_or_long_ones_do_not() {
        let window = Duration::from_millis(10);
        assert!(busy_after(200, 1_408, window));
        assert!(!busy_after(199, 1_408, window));
        assert!(!busy_after(1_000, 63_360, window));
    }

    #[test]
    fn a_lull_ends_the_gathering() {
        let mut pace = Pace::default();
        (0..1_000).for_each(|_| pace.arrived(100));
        assert!(pace.is_busy(Duration::from_millis(2)));
        assert!(pace.is_busy(Duration::from_millis(3)), "not decided anew yet");
        assert!(!pace.is_busy(Duration::from_millis(4)));
    }
}
