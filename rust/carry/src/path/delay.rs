//! What the times of one path tell: queueing, jitter, round trip.

use std::time::{Duration, Instant};

/// Time over which the least delay is remembered; routes change, clocks drift.
const BASE_WINDOW: Duration = Duration::from_secs(30);

/// Tells queueing and jitter from send and arrival times of two clocks that need not agree.
#[derive(Debug, Default)]
pub struct DelayMeter {
    /// Mean deviation of the transit time (RFC 3550 section 6.4.1), microseconds.
    pub jitter_us: f64,
    smoothed: f64,
    last: f64,
    least: Option<[f64; 2]>,
    turned: Option<Instant>,
    origin: u32,
}

impl DelayMeter {
    /// Account for a frame sent and arrived at these times, each on its own clock.
    pub fn on_arrival(&mut self, sent_us: u32, arrived_us: u32, now: Instant) {
        let offset = arrived_us.wrapping_sub(sent_us);
        if self.least.is_none() {
            self.origin = offset;
        }
        let transit = f64::from(offset.wrapping_sub(self.origin).cast_signed());
        let Some(least) = &mut self.least else {
            (self.smoothed, self.last) = (transit, transit);
            self.least = Some([transit; 2]);
            self.turned = Some(now);
            return;
        };
        if self.turned.is_some_and(|turned| now.duration_since(turned) > BASE_WINDOW) {
            *least = [transit, least[0]];
            self.turned = Some(now);
        }
        least[0] = least[0].min(transit);
        self.jitter_us += ((transit - self.last).abs() - self.jitter_us) / 16.0;
        self.smoothed += (transit - self.smoothed) / 8.0;
        self.last = transit;
    }

    /// Smoothed delay above the least of the last half minute, microseconds.
    pub fn queue_us(&self) -> f64 {
        self.least.map_or(0.0, |least| (self.smoothed - least[0].min(least[1])).max(0.0))
    }
}

/// Round-trip time, smoothed as RFC 6298 does.
#[derive(Debug, Default)]
pub struct Rtt {
    /// Smoothed.
    pub smoothed: Option<Duration>,
    /// Least seen.
    pub least: Option<Duration>,
}

impl Rtt {
    pub(super) fn on_sample(&mut self, sample: Duration) {
        self.smoothed = Some(self.smoothed.map_or(sample, |old| (old * 7 + sample) / 8));
        self.least = Some(self.least.map_or(sample, |old| old.min(sample)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_queue_shows_above_the_least_delay_whatever_the_clocks_say() {
        let start = Instant::now();
        let mut meter = DelayMeter::default();
        let far_clock = 4_000_000_000_u32;
        for step in 0..200_u32 {
            let queue = if step < 100 { 0 } else { 40_000 };
            let sent = far_clock.wrapping_add(step * 20_000);
            let now = start + Duration::from_millis(u64::from(step) * 20);
            meter.on_arrival(sent, step * 20_000 + 125_000 + queue, now);
        }
        assert!((meter.queue_us() - 40_000.0).abs() < 100.0, "{}", meter.queue_us());
        assert!(meter.jitter_us < 100.0);
    }

    #[test]
    fn a_new_route_is_the_new_normal_after_a_minute() {
        let start = Instant::now();
        let mut meter = DelayMeter::default();
        for second in 0..120_u32 {
            let delay = if second < 30 { 50_000 } else { 90_000 };
            let now = start + Duration::from_secs(u64::from(second));
            meter.on_arrival(second * 1_000_000, second * 1_000_000 + delay, now);
        }
        assert!(meter.queue_us() < 100.0);
    }
}
