//! Two ends of a tunnel in one process, joined by a network that the test plays itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use carry::dealer::Dealer;
use carry::peer::{HEADROOM, Inbound, Local, Outbound, Outbox, Peer};
use carry::report::Loss;
use gotatun::noise::index_table::IndexTable;
use gotatun::noise::rate_limiter::RateLimiter;
use gotatun::noise::{Tunn, TunnResult};
use gotatun::packet::Packet;
use gotatun::x25519::{PublicKey, StaticSecret};

/// What one end wants to send.
#[derive(Default)]
pub struct Mail(pub Vec<(SocketAddr, Vec<u8>)>);

impl Outbox for Mail {
    fn datagram(&mut self, to: SocketAddr, octets: &[u8]) {
        self.0.push((to, octets.to_vec()));
    }
    fn index(&mut self, _local: u32) {}
}

/// One end.
pub struct End {
    pub peer: Peer,
    pub mail: Mail,
    pub packets: Vec<Vec<u8>>,
    pub losses: Vec<Loss>,
    local: Local,
    limiter: Arc<RateLimiter>,
}

pub fn path_address(path: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, path], 51820))
}

impl End {
    pub fn new(seed: u8, far_seed: u8, paths: &[u8], initiates: bool, now: Instant) -> Self {
        let secret = StaticSecret::from([seed; 32]);
        let far = PublicKey::from(&StaticSecret::from([far_seed; 32]));
        let limiter = Arc::new(RateLimiter::new(&PublicKey::from(&secret), 1000));
        let local = Local { instance: u32::from(seed), epoch: now };
        let tunn = Tunn::new(secret, far, None, Some(25), IndexTable::from_os_rng(), Arc::clone(&limiter));
        let paths: Vec<_> = paths.iter().map(|&path| (path, path_address(path))).collect();
        let peer = Peer::new(local, tunn, &paths, initiates, now);
        Self { peer, mail: Mail::default(), packets: Vec::new(), losses: Vec::new(), local, limiter }
    }

    /// Ask for a cookie after this many handshakes in a second.
    pub fn set_patience(&mut self, seed: u8, handshakes: u64) {
        let public = PublicKey::from(&StaticSecret::from([seed; 32]));
        self.limiter = Arc::new(RateLimiter::new(&public, handshakes));
    }

    pub fn obey(&mut self, path: u8, probe: Duration, now: Instant) {
        self.peer.obey(Dealer::new(&[(path, 1.0)]).unwrap(), probe, now);
    }

    pub fn send(&mut self, packet: &[u8], now: Instant) -> Outbound {
        let mut buffer = BytesMut::zeroed(HEADROOM);
        buffer.extend_from_slice(packet);
        self.peer.send(buffer, now, &mut self.mail)
    }

    pub fn deliver(&mut self, from: SocketAddr, octets: &[u8], now: Instant) {
        if carry::relay::datagram::classify(octets).is_none() {
            return self.losses.push(Loss::Malformed);
        }
        let packet = Packet::from_bytes(BytesMut::from(octets));
        let message = match self.limiter.verify_packet(from, packet) {
            Ok(message) => message,
            Err(TunnResult::WriteToNetwork(cookie)) => {
                self.mail.datagram(from, &Packet::from(cookie));
                return self.losses.push(Loss::Refused);
            }
            Err(_) => return self.losses.push(Loss::Malformed),
        };
        let arrived = self.local.micros(now);
        match self.peer.receive(message, from, arrived, now, &mut self.mail) {
            Inbound::Packet(plain, skip) => self.packets.push(plain[skip..].to_vec()),
            Inbound::Done => {}
            Inbound::Lost(loss) => self.losses.push(loss),
        }
    }
}

/// Student and campus, and what the network does to a datagram on each path.
pub struct Pair {
    pub student: End,
    pub campus: End,
    pub now: Instant,
    /// Paths that carry nothing at present.
    pub dead: Vec<u8>,
    /// Largest datagram that gets through, by path.
    pub fits: Vec<(u8, usize)>,
}

impl Pair {
    pub fn new(paths: &[u8], now: Instant) -> Self {
        Self {
            student: End::new(1, 2, paths, true, now),
            campus: End::new(2, 1, &[], false, now),
            now,
            dead: Vec::new(),
            fits: Vec::new(),
        }
    }

    /// Carry everything under way until nothing is.  A path's address is the same at both ends.
    pub fn settle(&mut self) {
        loop {
            let up = std::mem::take(&mut self.student.mail.0);
            let down = std::mem::take(&mut self.campus.mail.0);
            if up.is_empty() && down.is_empty() {
                return;
            }
            for (address, octets) in up {
                if self.passes(address, &octets) {
                    self.campus.deliver(address, &octets, self.now);
                }
            }
            for (address, octets) in down {
                if self.passes(address, &octets) {
                    self.student.deliver(address, &octets, self.now);
                }
            }
        }
    }

    fn passes(&self, address: SocketAddr, octets: &[u8]) -> bool {
        let on = |path: u8| path_address(path) == address;
        !self.dead.iter().any(|&path| on(path))
            && !self.fits.iter().any(|&(path, most)| on(path) && octets.len() > most)
    }

    /// Let `time` pass in steps, both clocks ticking.
    pub fn run(&mut self, time: Duration, step: Duration, mut advance: impl FnMut(Duration)) {
        let end = self.now + time;
        while self.now < end {
            self.now += step;
            advance(step);
            self.student.peer.tick(self.now, &mut self.student.mail);
            self.campus.peer.tick(self.now, &mut self.campus.mail);
            self.settle();
        }
    }
}

/// A UDP packet of `length` octets from 10.78.0.1 to 10.78.0.2.
pub fn packet(length: u16, fill: u8) -> Vec<u8> {
    let mut packet = vec![fill; usize::from(length)];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet[9] = 17;
    packet[12..20].copy_from_slice(&[10, 78, 0, 1, 10, 78, 0, 2]);
    packet
}
