//! One path of one peer: what was sent, what came, how long it took, how big it may be.
//!
//! Pure accounting; `now` is the caller's clock and must not go back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::wire::{Header, Kind, PathLine, SOURCE_BYTES};

/// Sizes of an inner packet that are tried out, largest first.  1376 fits an outer 1500 over IPv6
/// with 28 octets to spare (PPPoE and the like); 1184 fits an outer 1280, the least of IPv6.
pub const MTU_STEPS: [usize; 3] = [1376, 1280, 1184];

/// Big probes without an answer, while small ones are answered, before a size is given up.
const BIG_PROBES_LOST: u32 = 4;

/// Pause before a size that was given up is tried again.
const MTU_RETRY: Duration = Duration::from_secs(30);

/// Time over which the least delay is remembered; routes change, clocks drift.
const BASE_WINDOW: Duration = Duration::from_secs(30);

/// Octets of a plaintext that carries an inner packet of `mtu` octets.
pub fn plaintext_bytes(mtu: usize) -> usize {
    (SOURCE_BYTES + mtu).next_multiple_of(16)
}

/// State of one path.
#[derive(Debug)]
pub struct Path {
    /// Number of the path, the same at both ends.
    pub id: u8,
    /// Where datagrams of this path go.
    pub remote: SocketAddr,
    /// Datagrams sent.
    pub sent_packets: u64,
    /// Octets of UDP payload sent.
    pub sent_bytes: u64,
    /// Datagrams received and authenticated.
    pub received_packets: u64,
    /// Octets of UDP payload received and authenticated.
    pub received_bytes: u64,
    /// What the frames' sequence tells.
    pub meter: LossMeter,
    /// What the frames' times tell.
    pub delay: DelayMeter,
    /// The far end's last word on this path.
    pub far: PathLine,
    /// When a round trip was last completed; for stock peers, when anything came.
    pub heard: Option<Instant>,
    /// Smoothed and least round trip.
    pub rtt: Rtt,
    /// The search for the size that fits.
    pub mtu: MtuSearch,
    next_sequence: u32,
    next_probe: u32,
}

impl Path {
    /// A path nothing is known of.
    pub fn new(id: u8, remote: SocketAddr) -> Self {
        Self {
            id,
            remote,
            sent_packets: 0,
            sent_bytes: 0,
            received_packets: 0,
            received_bytes: 0,
            meter: LossMeter::default(),
            delay: DelayMeter::default(),
            far: PathLine::default(),
            heard: None,
            rtt: Rtt::default(),
            mtu: MtuSearch::default(),
            next_sequence: 1,
            next_probe: 1,
        }
    }

    /// The header of the next frame on this path.
    pub fn header(&mut self, kind: Kind, class: u8, time_us: u32) -> Header {
        let path_sequence = self.next_sequence;
        self.next_sequence = path_sequence.wrapping_add(1);
        Header { kind, path: self.id, class, path_sequence, time_us }
    }

    /// The number of the next probe.
    pub fn probe_id(&mut self) -> u32 {
        let id = self.next_probe;
        self.next_probe = id.wrapping_add(1);
        id
    }

    /// Account for one authenticated frame that came on this path.
    pub fn on_frame(&mut self, header: &Header, arrived_us: u32, now: Instant) {
        self.meter.on_arrival(header.path_sequence);
        self.delay.on_arrival(header.time_us, arrived_us, now);
    }

    /// Account for the echo of a probe; returns false for an echo no probe of ours can have asked for.
    pub fn on_echo(&mut self, id: u32, probe_us: u32, held_us: u32, arrived_us: u32, now: Instant) -> bool {
        let outstanding = self.next_probe.wrapping_sub(id);
        let trip = arrived_us.wrapping_sub(probe_us).wrapping_sub(held_us);
        if outstanding == 0 || outstanding > 1 << 16 || trip > 60_000_000 {
            return false;
        }
        self.heard = Some(now);
        self.rtt.on_sample(Duration::from_micros(u64::from(trip)));
        self.mtu.on_echo(id, now);
        true
    }

    /// Forget the other end's sequence and clock: it has started anew.
    pub fn restart(&mut self) {
        self.meter.anchor = None;
        self.delay = DelayMeter::default();
    }

    /// This path's line in a report.
    pub fn line(&self) -> PathLine {
        PathLine {
            path: self.id,
            received: self.meter.received,
            lost: self.meter.lost(),
            bursts: self.meter.bursts,
            longest_burst: u16::try_from(self.meter.longest).unwrap_or(u16::MAX),
            jitter_us: micros(self.delay.jitter_us),
            queue_us: micros(self.delay.queue_us()),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just before")]
fn micros(value: f64) -> u32 {
    value.clamp(0.0, f64::from(u32::MAX)) as u32
}

/// Counts what is missing from a sequence.  A packet that comes late was not lost after all.
#[derive(Debug, Default)]
pub struct LossMeter {
    /// Frames received.
    pub received: u32,
    /// Gaps seen.
    pub bursts: u32,
    /// Longest gap.
    pub longest: u32,
    anchor: Option<(u32, u32)>,
    settled: u32,
}

impl LossMeter {
    /// A jump this far back or ahead is another sequence, not loss.
    const JUMP: u32 = 1 << 14;

    /// Account for the arrival of `sequence`.
    pub fn on_arrival(&mut self, sequence: u32) {
        self.received = self.received.wrapping_add(1);
        let Some((top, missing)) = self.anchor else {
            self.anchor = Some((sequence, 0));
            return;
        };
        let ahead = sequence.wrapping_sub(top);
        let behind = top.wrapping_sub(sequence);
        self.anchor = Some(if ahead == 1 {
            (sequence, missing)
        } else if (2..Self::JUMP).contains(&ahead) {
            let gap = ahead - 1;
            self.bursts = self.bursts.wrapping_add(1);
            self.longest = self.longest.max(gap);
            (sequence, missing + gap)
        } else if behind < Self::JUMP {
            (top, missing.saturating_sub(1))
        } else {
            self.settled = self.settled.wrapping_add(missing);
            (sequence, 0)
        });
    }

    /// Frames missing so far.
    pub fn lost(&self) -> u32 {
        self.settled.wrapping_add(self.anchor.map_or(0, |(_, missing)| missing))
    }
}

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
    fn on_sample(&mut self, sample: Duration) {
        self.smoothed = Some(self.smoothed.map_or(sample, |old| (old * 7 + sample) / 8));
        self.least = Some(self.least.map_or(sample, |old| old.min(sample)));
    }
}

/// Finds the largest step of [`MTU_STEPS`] that gets through, by probes padded to that size.
///
/// It starts from the top, since most paths carry it, and goes down only on proof: big probes
/// unanswered while small ones are answered (RFC 8899 section 4.3, black hole detection).
#[derive(Debug, Default)]
pub struct MtuSearch {
    step: usize,
    asked: Option<(u32, usize)>,
    unanswered: u32,
    small_echoes: u32,
    raise_at: Option<Instant>,
    confirmed: bool,
}

impl MtuSearch {
    /// The inner packet size that is trusted now.
    pub fn mtu(&self) -> usize {
        MTU_STEPS[self.step]
    }

    /// The size the next big probe should try out.
    pub fn wanted(&self, now: Instant) -> usize {
        let raise = self.step > 0 && self.raise_at.is_some_and(|at| now >= at);
        MTU_STEPS[self.step - usize::from(raise)]
    }

    /// Whether the trusted size was confirmed by an echo and is the largest.
    pub fn is_settled(&self) -> bool {
        self.confirmed && self.unanswered == 0
    }

    /// A big probe for `mtu` was sent as probe `id`.
    pub fn on_asked(&mut self, id: u32, mtu: usize, now: Instant) {
        if self.asked.is_some() && self.small_echoes > 0 {
            self.on_unanswered(now);
        }
        self.small_echoes = 0;
        self.asked = MTU_STEPS.iter().position(|step| *step == mtu).map(|step| (id, step));
    }

    fn on_unanswered(&mut self, now: Instant) {
        let tried = self.asked.map_or(self.step, |(_, step)| step);
        if tried < self.step {
            self.raise_at = Some(now + MTU_RETRY);
            return;
        }
        self.unanswered += 1;
        self.confirmed = false;
        if self.unanswered >= BIG_PROBES_LOST && self.step + 1 < MTU_STEPS.len() {
            self.step += 1;
            self.unanswered = 0;
            self.raise_at = Some(now + MTU_RETRY);
        }
    }

    fn on_echo(&mut self, id: u32, now: Instant) {
        match self.asked {
            Some((asked, step)) if asked == id => {
                self.asked = None;
                self.unanswered = 0;
                self.confirmed = true;
                if step < self.step {
                    self.step = step;
                    self.raise_at = Some(now + MTU_RETRY);
                }
            }
            _ => self.small_echoes += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_bursts_and_late_packets_mend_them() {
        let mut meter = LossMeter::default();
        for sequence in [10, 11, 15, 16, 13, 18] {
            meter.on_arrival(sequence);
        }
        assert_eq!((meter.received, meter.lost(), meter.bursts, meter.longest), (6, 3, 2, 3));
    }

    #[test]
    fn a_restarted_sender_is_not_a_billion_losses() {
        let mut meter = LossMeter::default();
        for sequence in [100_000, 100_002, 1, 2, 3] {
            meter.on_arrival(sequence);
        }
        assert_eq!(meter.lost(), 1);
        let mut wrapping = LossMeter::default();
        for sequence in [u32::MAX - 1, u32::MAX, 0, 2] {
            wrapping.on_arrival(sequence);
        }
        assert_eq!(wrapping.lost(), 1);
    }

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

    fn big_and_small(path: &mut Path, fits: usize, rounds: u64, start: Instant) -> Instant {
        let mut now = start;
        for _ in 0..rounds {
            let wanted = path.mtu.wanted(now);
            let big = path.probe_id();
            path.mtu.on_asked(big, wanted, now);
            let small = path.probe_id();
            if wanted <= fits {
                assert!(path.on_echo(big, 0, 0, 250_000, now));
            }
            assert!(path.on_echo(small, 0, 0, 250_000, now));
            now += Duration::from_secs(1);
        }
        now
    }

    #[test]
    fn a_black_hole_is_found_and_left_again_when_it_heals() {
        let mut path = Path::new(0, "192.0.2.1:1".parse().unwrap());
        let now = big_and_small(&mut path, 1300, 20, Instant::now());
        assert_eq!(path.mtu.mtu(), 1280);
        let now = big_and_small(&mut path, 1200, 20, now);
        assert_eq!(path.mtu.mtu(), 1184);
        big_and_small(&mut path, 1500, 100, now);
        assert_eq!(path.mtu.mtu(), 1376);
    }

    #[test]
    fn a_dead_path_is_not_a_small_one() {
        let mut path = Path::new(0, "192.0.2.1:1".parse().unwrap());
        for _ in 0..50 {
            let id = path.probe_id();
            path.mtu.on_asked(id, 1376, Instant::now());
        }
        assert_eq!(path.mtu.mtu(), 1376);
    }

    #[test]
    fn an_echo_of_a_probe_never_sent_is_refused() {
        let mut path = Path::new(0, "192.0.2.1:1".parse().unwrap());
        let now = Instant::now();
        assert!(!path.on_echo(1, 0, 0, 1, now));
        let id = path.probe_id();
        assert!(path.on_echo(id, 100, 50, 1100, now));
        assert_eq!(path.rtt.least, Some(Duration::from_micros(950)));
        assert!(!path.on_echo(id, 100, 0, 50, now), "an echo cannot come before its probe");
    }
}
