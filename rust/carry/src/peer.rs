//! One peer of a tunnel end, sans-IO: WireGuard session, frames, paths.
//!
//! Feed it packets from the TUN ([`Peer::send`]), datagrams from the network ([`Peer::receive`]) and
//! the clock ([`Peer::tick`]); what must go out is handed to an [`Outbox`].  It opens nothing and
//! waits for nothing.  WireGuard itself is `gotatun`'s.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use gotatun::noise::Tunn;
use gotatun::packet::{Packet, WgKind};

use crate::dealer::Dealer;
use crate::path::{MTU_STEPS, Path};
use crate::report::Loss;
use crate::wire::{self, Hello, Kind, SOURCE_BYTES};

mod listen;
mod talk;

/// Where a peer puts what must leave.
pub trait Outbox {
    /// Send one datagram.
    fn datagram(&mut self, to: SocketAddr, octets: &[u8]);
    /// From now on, messages with this receiver index belong to the peer.
    fn index(&mut self, local: u32);
}

/// What became of a received message.
#[derive(Debug)]
pub enum Inbound {
    /// An IP packet for the TUN: the plaintext, and where in it the packet starts.
    Packet(Packet, usize),
    /// Something for the peer itself; done.
    Done,
    /// Nothing; count it.
    Lost(Loss),
}

/// What became of a packet from the TUN.
#[derive(Debug, PartialEq, Eq)]
pub enum Outbound {
    /// On its way, or waiting for the handshake.
    Sent,
    /// Longer than the way allows: the buffer back, and how long a packet would fit.
    TooBig(BytesMut, usize),
    /// Nothing; count it.
    Lost(Loss),
}

/// Fixed facts of one running end, the same for all its peers.
#[derive(Debug, Clone, Copy)]
pub struct Local {
    /// Drawn at start; tells the far end of a restart.
    pub instance: u32,
    /// Zero of the clock in frame headers.
    pub epoch: Instant,
}

impl Local {
    /// Microseconds since the epoch, modulo 2^32 (71 minutes).
    pub fn micros(&self, now: Instant) -> u32 {
        (now.duration_since(self.epoch).as_micros() & 0xffff_ffff).try_into().unwrap_or(0)
    }
}

const HELLO_TRIES: u8 = 8;
const SHAKE_AGAIN: Duration = Duration::from_secs(5);
/// Packets that may wait for a handshake; about a second of a class.
const WAITING_MAX: usize = 64;

/// Room a caller must leave in front of the IP packet it passes to [`Peer::send`].
pub const HEADROOM: usize = SOURCE_BYTES;

/// State of one peer.  See the head of the module for the order of calls.
pub struct Peer {
    local: Local,
    tunn: Tunn,
    paths: Vec<Path>,
    learns_paths: bool,
    initiates: bool,
    dealer: Dealer,
    far: Option<Hello>,
    sequence: u32,
    waiting: VecDeque<Vec<u8>>,
    answered: Option<([u8; 16], Vec<u8>, Instant)>,
    hello_tries: u8,
    probe_every: Duration,
    next: Due,
    news: bool,
    reported: u32,
    scratch: Vec<u8>,
    slab: BytesMut,
}

#[derive(Debug, Clone, Copy)]
struct Due {
    hello: Instant,
    probe: Instant,
    big_probe: Instant,
    report: Instant,
    timers: Instant,
    shake: Instant,
}

impl Peer {
    /// A peer without a session.  Fixed `paths` are kept; without any, paths are learned from frames.
    pub fn new(local: Local, tunn: Tunn, paths: &[(u8, SocketAddr)], initiates: bool, now: Instant) -> Self {
        Self {
            local,
            tunn,
            paths: paths.iter().map(|&(id, remote)| Path::new(id, remote)).collect(),
            learns_paths: paths.is_empty(),
            initiates,
            dealer: Dealer::default(),
            far: None,
            sequence: 1,
            waiting: VecDeque::new(),
            answered: None,
            hello_tries: HELLO_TRIES,
            probe_every: Duration::from_millis(200),
            next: Due { hello: now, probe: now, big_probe: now, report: now, timers: now, shake: now },
            news: true,
            reported: 0,
            scratch: Vec::new(),
            slab: BytesMut::with_capacity(4096),
        }
    }

    /// Replace the fixed paths; those that stay keep their history.
    pub fn set_paths(&mut self, paths: &[(u8, SocketAddr)]) {
        if paths.is_empty() {
            return;
        }
        self.learns_paths = false;
        self.paths.retain(|path| paths.iter().any(|&(id, remote)| path.id == id && path.remote == remote));
        for &(id, remote) in paths {
            if !self.paths.iter().any(|path| path.id == id) {
                self.paths.push(Path::new(id, remote));
            }
        }
    }

    /// Set the pause of WireGuard's persistent keepalive.
    pub fn set_keepalive(&mut self, seconds: Option<u16>) {
        self.tunn.set_persistent_keepalive(seconds);
    }

    /// Obey a plan from the next packet on.
    pub fn obey(&mut self, dealer: Dealer, probe_every: Duration, now: Instant) {
        self.dealer = dealer;
        self.probe_every = probe_every;
        self.next.probe = self.next.probe.min(now + probe_every);
    }

    /// All paths.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Whether the far end said hello.
    pub fn speaks_frames(&self) -> bool {
        self.far.is_some()
    }

    /// Time since the last handshake, if there is a session.
    pub fn handshake_age(&self) -> Option<Duration> {
        self.tunn.time_since_last_handshake()
    }

    /// Whether anything happened since this was last asked.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// The largest IP packet that fits the paths in use.
    pub fn mtu(&self) -> usize {
        if !self.speaks_frames() {
            return MTU_STEPS[0];
        }
        let used = self.dealer.paths().filter_map(|id| self.path(id)).map(|path| path.mtu.mtu()).min();
        used.unwrap_or(MTU_STEPS[0])
    }

    fn path(&self, id: u8) -> Option<&Path> {
        self.paths.iter().find(|path| path.id == id)
    }

    /// Send one IP packet, which starts at [`HEADROOM`] in `buffer`.
    pub fn send(&mut self, mut buffer: BytesMut, now: Instant, out: &mut impl Outbox) -> Outbound {
        if buffer.len() - HEADROOM > self.mtu() {
            return Outbound::TooBig(buffer, self.mtu());
        }
        self.news = true;
        let Some(at) = self.choose() else {
            return Outbound::Lost(Loss::NoPath);
        };
        let frames = self.speaks_frames();
        if frames {
            let header = self.paths[at].header(Kind::Source, 0, self.local.micros(now));
            wire::put_source(&header, self.sequence, &mut buffer);
            self.sequence = self.sequence.wrapping_add(1);
        } else {
            buffer.advance(HEADROOM);
        }
        match self.seal(buffer, at, out) {
            Ok(()) => Outbound::Sent,
            Err(packet) => self.wait(&packet[if frames { HEADROOM } else { 0 }..], now, out),
        }
    }

    fn choose(&mut self) -> Option<usize> {
        let dealt = self.dealer.deal().and_then(|id| self.paths.iter().position(|path| path.id == id));
        dealt.or_else(|| (0..self.paths.len()).max_by_key(|&at| self.paths[at].heard))
    }

    fn wait(&mut self, packet: &[u8], now: Instant, out: &mut impl Outbox) -> Outbound {
        if self.waiting.len() >= WAITING_MAX {
            return Outbound::Lost(Loss::NoSession);
        }
        let length = crate::ip::parse(packet).map_or(packet.len(), |ip| ip.length);
        self.waiting.push_back(packet[..length].to_vec());
        if now >= self.next.shake {
            self.shake(now, out);
        }
        Outbound::Sent
    }

    /// Seal a plaintext and send it; gives it back where there is no session.
    fn seal(&mut self, mut plain: BytesMut, at: usize, out: &mut impl Outbox) -> Result<(), Packet> {
        // Padding as WireGuard's (whitepaper section 5.4.6), so that lengths say less.
        plain.resize(plain.len().next_multiple_of(16), 0);
        let sealed = self.tunn.encapsulate_with_session(Packet::from_bytes(plain))?.into_bytes();
        self.transmit(at, &sealed, out);
        Ok(())
    }

    fn transmit(&mut self, at: usize, octets: &[u8], out: &mut impl Outbox) {
        let path = &mut self.paths[at];
        path.sent_packets += 1;
        path.sent_bytes += octets.len() as u64;
        out.datagram(path.remote, octets);
    }

    /// Start a handshake now, on all paths at once.
    pub fn shake(&mut self, now: Instant, out: &mut impl Outbox) {
        if self.paths.is_empty() {
            return;
        }
        self.next.shake = now + SHAKE_AGAIN;
        if let Some(initiation) = self.tunn.format_handshake_initiation(true) {
            self.transmit_to_all(WgKind::HandshakeInit(initiation), out);
        }
    }

    fn transmit_timer(&mut self, message: WgKind, out: &mut impl Outbox) {
        match (message, self.choose()) {
            (message @ WgKind::HandshakeInit(_), _) => self.transmit_to_all(message, out),
            (message, Some(at)) => self.transmit(at, &Packet::from(message), out),
            (_, None) => {}
        }
    }

    fn transmit_to_all(&mut self, message: WgKind, out: &mut impl Outbox) {
        if let WgKind::HandshakeInit(initiation) = &message {
            out.index(initiation.sender_idx.get());
        }
        let octets = Packet::from(message);
        for at in 0..self.paths.len() {
            self.transmit(at, &octets, out);
        }
    }
}
