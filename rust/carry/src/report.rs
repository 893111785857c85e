//! Counters and samples that go up.  Cheap to bump, read about ten times a second.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gotatun::noise::errors::WireGuardError;

use crate::batch::plain;
use crate::path::Path;
use crate::peer::Peer;
use crate::wire::{PathLine, WireError};

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
            WireGuardError::InvalidCounter | WireGuardError::DuplicateCounter => Self::Replayed,
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

/// One path of one peer, as it is now.
#[derive(Debug, Clone)]
pub struct PathCounts {
    /// Number of the path.
    pub path: u8,
    /// Where its datagrams go.
    pub remote: SocketAddr,
    /// Datagrams sent.
    pub sent_packets: u64,
    /// Octets sent.
    pub sent_bytes: u64,
    /// Datagrams received.
    pub received_packets: u64,
    /// Octets received.
    pub received_bytes: u64,
    /// What this end received, as it tells the far end.
    pub near: PathLine,
    /// What the far end received, as it told.
    pub far: PathLine,
    /// Time since the last completed round trip.
    pub heard_age: Option<Duration>,
    /// Smoothed round trip.
    pub rtt: Option<Duration>,
    /// Least round trip.
    pub rtt_least: Option<Duration>,
    /// Largest inner packet that is trusted to fit.
    pub mtu_bytes: usize,
}

impl PathCounts {
    fn of(path: &Path, now: Instant) -> Self {
        Self {
            path: path.id,
            remote: plain(path.remote),
            sent_packets: path.sent_packets,
            sent_bytes: path.sent_bytes,
            received_packets: path.received_packets,
            received_bytes: path.received_bytes,
            near: path.line(),
            far: path.far,
            heard_age: path.heard.map(|heard| now.duration_since(heard)),
            rtt: path.rtt.smoothed,
            rtt_least: path.rtt.least,
            mtu_bytes: path.mtu.mtu(),
        }
    }
}

/// One peer, as it is now.
#[derive(Debug, Clone)]
pub struct PeerCounts {
    /// Its public key.
    pub key: [u8; 32],
    /// Time since the last handshake, if there is a session.
    pub handshake_age: Option<Duration>,
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
            handshake_age: peer.handshake_age(),
            speaks_frames: peer.speaks_frames(),
            paths: peer.paths().iter().map(|path| PathCounts::of(path, now)).collect(),
        }
    }
}
