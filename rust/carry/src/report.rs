//! Counters and samples that go up.  Cheap to bump, read about ten times a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gotatun::noise::errors::WireGuardError;

use crate::batch::plain;
use crate::path::Path;
use crate::peer::Peer;
use crate::wire::WireError;

/// Why a packet or datagram went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Loss {
    /// Not WireGuard, or cut short.
    Malformed,
    /// WireGuard, but for no session or peer of ours.
    Stranger,
    /// Came a second time, or far too late.
    Replayed,
    /// Did not authenticate.
    Forged,
    /// Handshake refused, or answered with a cookie under load.
    Refused,
    /// Inside: neither IP nor a frame known here.
    UnknownFrame,
    /// Inside: a frame whose octets do not add up.
    MalformedFrame,
    /// Inside: a frame on a path that is not configured.
    UnknownPath,
    /// Source or target address is not the peer's (AllowedIPs).
    NotAllowed,
    /// Longer than the way allows.
    TooBig,
    /// No session yet, and the queue that waits for one is full.
    NoSession,
    /// A peer without any path.
    NoPath,
    /// The socket or the TUN would not take it.
    Full,
}

impl Loss {
    /// How many reasons there are.
    pub const COUNT: usize = Self::Full as usize + 1;

    /// Names of the reasons, in order.
    pub const NAMES: [&str; Self::COUNT] = [
        "malformed",
        "stranger",
        "replayed",
        "forged",
        "refused",
        "unknown-frame",
        "malformed-frame",
        "unknown-path",
        "not-allowed",
        "too-big",
        "no-session",
        "no-path",
        "full",
    ];

    /// The reason behind an error of the WireGuard core; `is_data` for transport messages.
    pub fn of(error: &WireGuardError, is_data: bool) -> Self {
        match error {
            // An answer to a handshake that is over came on a second path.
            WireGuardError::InvalidCounter
            | WireGuardError::DuplicateCounter
            | WireGuardError::UnexpectedPacket
            | WireGuardError::WrongTai64nTimestamp => Self::Replayed,
            WireGuardError::InvalidAeadTag | WireGuardError::InvalidMac => Self::Forged,
            WireGuardError::NoCurrentSession | WireGuardError::WrongIndex => Self::Stranger,
            WireGuardError::IncorrectPacketLength | WireGuardError::InvalidPacket => Self::Malformed,
            _ if is_data => Self::Stranger,
            _ => Self::Refused,
        }
    }
}

impl From<WireError> for Loss {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Unknown => Self::UnknownFrame,
            WireError::Malformed => Self::MalformedFrame,
        }
    }
}

/// Counters of one running end that belong to no path.
#[derive(Debug, Default)]
pub struct Counters {
    losses: [AtomicU64; Loss::COUNT],
    system_calls: AtomicU64,
    packets: AtomicU64,
}

impl Counters {
    /// Count one loss.
    pub fn lose(&self, loss: Loss) {
        self.losses[loss as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Count system calls and the packets they moved.
    pub fn work(&self, system_calls: u64, packets: u64) {
        self.system_calls.fetch_add(system_calls, Ordering::Relaxed);
        self.packets.fetch_add(packets, Ordering::Relaxed);
    }

    /// All counters by name.
    pub fn all(&self) -> Vec<(&'static str, u64)> {
        let losses = Loss::NAMES.iter().zip(&self.losses).map(|(name, count)| (*name, count));
        losses
            .chain([("system-calls", &self.system_calls), ("packets", &self.packets)])
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
            .collect()
    }
}

/// One path of one peer, as it is now: `near` is what this end received, `far` what the far end says it did.
#[expect(missing_docs, reason = "each field says itself; times are seconds, infinite if unknown")]
#[derive(Debug, Clone)]
pub struct PathCounts {
    pub path: u8,
    pub remote: String,
    pub sent_packets: u64,
    pub sent_bytes: u64,
    pub received_packets: u64,
    pub received_bytes: u64,
    pub near_received: u32,
    pub near_lost: u32,
    pub near_bursts: u32,
    pub near_longest_burst: u16,
    pub near_jitter_s: f64,
    pub near_queue_s: f64,
    pub far_received: u32,
    pub far_lost: u32,
    pub far_bursts: u32,
    pub far_longest_burst: u16,
    pub far_jitter_s: f64,
    pub far_queue_s: f64,
    pub heard_age_s: f64,
    pub rtt_s: f64,
    pub rtt_least_s: f64,
    pub mtu_bytes: usize,
}

impl PathCounts {
    fn of(path: &Path, now: Instant) -> Self {
        let (near, far) = (path.line(), path.far);
        Self {
            path: path.id,
            remote: plain(path.remote).to_string(),
            sent_packets: path.sent_packets,
            sent_bytes: path.sent_bytes,
            received_packets: path.received_packets,
            received_bytes: path.received_bytes,
            near_received: near.received,
            near_lost: near.lost,
            near_bursts: near.bursts,
            near_longest_burst: near.longest_burst,
            near_jitter_s: from_micros(near.jitter_us),
            near_queue_s: from_micros(near.queue_us),
            far_received: far.received,
            far_lost: far.lost,
            far_bursts: far.bursts,
            far_longest_burst: far.longest_burst,
            far_jitter_s: from_micros(far.jitter_us),
            far_queue_s: from_micros(far.queue_us),
            heard_age_s: seconds(path.heard.map(|heard| now.duration_since(heard))),
            rtt_s: seconds(path.rtt.smoothed),
            rtt_least_s: seconds(path.rtt.least),
            mtu_bytes: path.mtu.mtu(),
        }
    }
}

fn seconds(duration: Option<Duration>) -> f64 {
    duration.map_or(f64::INFINITY, |duration| duration.as_secs_f64())
}

fn from_micros(micros: u32) -> f64 {
    f64::from(micros) / 1e6
}

/// One peer, as it is now.
#[derive(Debug, Clone)]
pub struct PeerCounts {
    /// Its public key.
    pub key: [u8; 32],
    /// Time since the last handshake, infinite if there is no session.
    pub handshake_age_s: f64,
    /// Whether it said hello.
    pub speaks_frames: bool,
    /// Its paths.
    pub paths: Vec<PathCounts>,
}

impl PeerCounts {
    /// Read off a peer.
    pub fn of(key: [u8; 32], peer: &Peer, now: Instant) -> Self {
        Self {
            key,
            handshake_age_s: seconds(peer.handshake_age()),
            speaks_frames: peer.speaks_frames(),
            paths: peer.paths().iter().map(|path| PathCounts::of(path, now)).collect(),
        }
    }
}
