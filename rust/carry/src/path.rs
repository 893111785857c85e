//! One path of one peer: what was sent, what came, how long it took, how big it may be.
//!
//! Pure accounting; `now` is the caller's clock and must not go back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::wire::{Header, Kind, PathLine};

mod delay;
mod loss;
mod mtu;

pub use delay::{DelayMeter, Rtt};
pub use loss::LossMeter;
pub use mtu::{MTU_STEPS, MtuSearch, plaintext_bytes};

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
        self.meter.restart();
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

#[cfg(test)]
mod tests {
    use super::*;

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
