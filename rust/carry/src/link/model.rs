//! The fate of a packet on one direction of a link.  No clock, no packets: `now` and a
//! length go in, a fate comes out.
//!
//! The order is that of a real path: MTU, policer, queue and line, then loss on the way.
//! Sources: Gilbert, "Capacity of a burst-noise channel", BSTJ 1960, and Elliott 1963 (loss);
//! RFC 2697 s3 (token bucket).

use std::time::Duration;

use super::random::{Stream, exponential};
use super::settings::Settings;

/// Pause between the points that the extra delay wanders through: a packet of speech is as long.
const JITTER_STEP_S: f64 = 0.020;

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives then, on the clock of `now`; never before one that was sent earlier.
    DeliverAt(Duration),
    /// It is lost on the way: at random, in a burst, or in an outage.
    Lost,
    /// The queue before the line is full.
    QueueDrop,
    /// The policer drops it.
    Policed,
    /// It is longer than the MTU of the link.
    TooBig,
}

/// What the links of a group share: one line with its queue, its bursts and its outages.
#[derive(Debug)]
pub struct Bottleneck {
    busy_until: Duration,
    in_burst: bool,
    losses: Stream,
    outage: Outage,
}

impl Bottleneck {
    /// An idle line; `name` and `seed` give it its own luck.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        Self {
            busy_until: Duration::ZERO,
            in_burst: false,
            losses: Stream::new(seed, &format!("loss of {name}")),
            outage: Outage {
                luck: Stream::new(seed, &format!("outages of {name}")),
                pattern: Pattern::default(),
                down: false,
                until: Duration::ZERO,
            },
        }
    }

    /// Take over the outages of a member's new settings; they begin anew when they differ.
    pub fn follow(&mut self, settings: &Settings, now: Duration) {
        self.outage.follow(settings, now);
    }

    /// Queue a packet of `bits`; return when its last bit has left, or `None` when it may not wait so long.
    fn occupy(&mut self, settings: &Settings, bits: f64, now: Duration) -> Option<Duration> {
        if settings.rate_bps <= 0.0 {
            return Some(now);
        }
        let starts = self.busy_until.max(now);
        if (starts - now).as_secs_f64() > settings.queue_s {
            return None;
        }
        self.busy_until = starts + Duration::from_secs_f64(bits / settings.rate_bps);
        Some(self.busy_until)
    }

    fn loses(&mut self, settings: &Settings, now: Duration) -> bool {
        let turns = if self.in_burst { settings.loss_leave } else { settings.loss_enter };
        self.in_burst ^= self.losses.uniform() < turns;
        let chance = if self.in_burst { settings.loss_in_burst } else { settings.loss };
        // Both are asked always, so that neither changes the luck of the other.
        let unlucky = self.losses.uniform() < chance;
        let down = settings.outage_every_s > 0.0 && self.outage.is_down(now);
        down || unlucky
    }
}

/// Mean gap, least and most length, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pattern {
    every_s: f64,
    least_s: f64,
    most_s: f64,
}

/// A line that is up and down by turns, whether or not anybody sends.
#[derive(Debug)]
struct Outage {
    luck: Stream,
    pattern: Pattern,
    down: bool,
    /// When the present turn ends.
    until: Duration,
}

impl Outage {
    fn follow(&mut self, settings: &Settings, now: Duration) {
        let pattern = Pattern {
            every_s: settings.outage_every_s,
            least_s: settings.outage_least_s,
            most_s: settings.outage_most_s,
        };
        if pattern.every_s > 0.0 && pattern != self.pattern {
            self.pattern = pattern;
            self.down = false;
            self.until = now + self.turn();
        }
    }

    fn is_down(&mut self, now: Duration) -> bool {
        while self.until <= now {
            self.down = !self.down;
            let turn = self.turn();
            self.until += turn;
        }
        self.down
    }

    /// Draw how long the present turn lasts.
    fn turn(&mut self) -> Duration {
        let Pattern { every_s, least_s, most_s } = self.pattern;
        let length_s = if self.down {
            least_s + (most_s - least_s) * self.luck.uniform()
        } else {
            exponential(self.luck.uniform()) * every_s
        };
        Duration::from_secs_f64(length_s)
    }
}

/// One direction between two hosts, apart from what it shares with its group.
///
/// Call `admit` for each packet, with `now` that never goes back.
#[derive(Debug)]
pub struct LinkModel {
    settings: Settings,
    tokens: f64,
    filled_at: Duration,
    jitter: Stream,
    last_delivery: Duration,
}

impl LinkModel {
    /// A link that has carried nothing; `name` and `seed` give it its own luck.
    #[must_use]
    pub fn new(settings: Settings, seed: u64, name: &str) -> Self {
        Self {
            tokens: f64::from(settings.police_burst_bytes),
            filled_at: Duration::ZERO,
            jitter: Stream::new(seed, &format!("jitter of {name}")),
            last_delivery: Duration::ZERO,
            settings,
        }
    }

    /// Change the settings; packets on the way keep their fate and the queue its length.
    pub fn set(&mut self, settings: Settings) {
        if settings.police_burst_bytes != self.settings.police_burst_bytes {
            self.tokens = f64::from(settings.police_burst_bytes);
        }
        self.settings = settings;
    }

    /// Decide over a packet of `length` octets (IP header included) that is sent at `now`.
    pub fn admit(&mut self, shared: &mut Bottleneck, now: Duration, length: usize) -> Fate {
        let mtu = self.settings.mtu_bytes as usize;
        if mtu > 0 && length > mtu {
            return Fate::TooBig;
        }
        if !self.conforms(now, length as f64) {
            return Fate::Policed;
        }
        let bits = length as f64 * 8.0;
        let Some(left_at) = shared.occupy(&self.settings, bits, now) else {
            return Fate::QueueDrop;
        };
        if shared.loses(&self.settings, now) {
            return Fate::Lost;
        }
        let delay_s = self.settings.delay_s + self.extra_delay_s(left_at);
        let arrival = left_at + Duration::from_secs_f64(delay_s);
        self.last_delivery = self.last_delivery.max(arrival);
        Fate::DeliverAt(self.last_delivery)
    }

    fn conforms(&mut self, now: Duration, octets: f64) -> bool {
        if self.settings.police_bps <= 0.0 {
            return true;
        }
        let burst = f64::from(self.settings.police_burst_bytes);
        let passed_s = now.saturating_sub(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed_s * self.settings.police_bps / 8.0).min(burst);
        self.filled_at = self.filled_at.max(now);
        let conforms = self.tokens >= octets;
        if conforms {
            self.tokens -= octets;
        }
        conforms
    }

    /// Extra delay of a packet that leaves at `at`, seconds.
    ///
    /// It runs straight from point to point, one every `JITTER_STEP_S`, each exponential with
    /// mean `jitter_s`.  It depends on the time alone, not on the traffic: two streams over one
    /// link suffer the same.
    fn extra_delay_s(&self, at: Duration) -> f64 {
        if self.settings.jitter_s <= 0.0 {
            return 0.0;
        }
        let steps = at.as_secs_f64() / JITTER_STEP_S;
        let point = |n: u64| exponential(self.jitter.uniform_at(n));
        let (before, part) = (steps.floor() as u64, steps.fract());
        let here = point(before) * (1.0 - part) + point(before + 1) * part;
        here * self.settings.jitter_s
    }
}
