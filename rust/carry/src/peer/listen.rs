//! What comes from the far end: handshakes, packets, frames; and from where.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use gotatun::noise::TunnResult;
use gotatun::packet::{Packet, WgHandshakeInit, WgKind};

use super::{HEADROOM, Inbound, Outbox, Peer};
use crate::path::Path;
use crate::report::Loss;
use crate::wire::{self, MAX_PATHS, Plain, SOURCE_BYTES};

/// A repeated initiation is answered with the same response for this long (several paths bring it).
const SAME_INITIATION: Duration = Duration::from_secs(3);

impl Peer {
    /// Take one message that the pump has addressed to this peer.
    ///
    /// `arrived_us` is its arrival on the clock of [`Local`].
    pub fn receive(
        &mut self,
        message: WgKind,
        from: SocketAddr,
        arrived_us: u32,
        now: Instant,
        out: &mut impl Outbox,
    ) -> Inbound {
        self.news = true;
        let length = octets_of(&message);
        let is_data = matches!(message, WgKind::Data(_));
        let mac1 = match &message {
            WgKind::HandshakeInit(initiation) => {
                if let Some(octets) = self.same_answer(initiation, now) {
                    out.datagram(from, &octets);
                    return Inbound::Done;
                }
                Some(initiation.mac1)
            }
            _ => None,
        };
        let answers_us = matches!(message, WgKind::HandshakeResp(_));
        match self.tunn.handle_incoming_packet(message) {
            TunnResult::WriteToTunnel(plain) => self.open(plain, length, from, arrived_us, now, out),
            TunnResult::WriteToNetwork(WgKind::HandshakeResp(response)) => {
                out.index(response.sender_idx.get());
                self.meet(from, length, now);
                let octets = response.into_bytes().to_vec();
                out.datagram(from, &octets);
                self.answered = mac1.map(|mac1| (mac1, octets, now));
                Inbound::Done
            }
            TunnResult::WriteToNetwork(reply) => {
                self.meet(from, length, now);
                out.datagram(from, &Packet::from(reply));
                if answers_us {
                    self.on_session(now, out);
                }
                Inbound::Done
            }
            TunnResult::Done => Inbound::Done,
            TunnResult::Err(error) => Inbound::Lost(Loss::of(&error, is_data)),
        }
    }

    fn same_answer(&self, initiation: &WgHandshakeInit, now: Instant) -> Option<Vec<u8>> {
        let (mac1, octets, at) = self.answered.as_ref()?;
        let same = *mac1 == initiation.mac1 && now.duration_since(*at) < SAME_INITIATION;
        same.then(|| octets.clone())
    }

    fn on_session(&mut self, now: Instant, out: &mut impl Outbox) {
        if self.initiates {
            self.hello_tries = 0;
            self.next.hello = now;
        }
        for packet in std::mem::take(&mut self.waiting) {
            let mut buffer = BytesMut::zeroed(HEADROOM);
            buffer.extend_from_slice(&packet);
            self.send(buffer, now, out);
        }
    }

    /// Account for an authenticated message of no stated path: a stock peer's, or a handshake.
    fn meet(&mut self, from: SocketAddr, length: usize, now: Instant) {
        if self.learns_paths && !self.speaks_frames() {
            match self.paths.first_mut() {
                Some(path) => path.remote = from,
                None => self.paths.push(Path::new(0, from)),
            }
        }
        let stock = !self.speaks_frames();
        if let Some(path) = self.paths.iter_mut().find(|path| path.remote == from) {
            path.received_packets += 1;
            path.received_bytes += length as u64;
            if stock {
                path.heard = Some(now);
            }
        }
    }

    fn open(
        &mut self,
        plain: Packet,
        length: usize,
        from: SocketAddr,
        arrived_us: u32,
        now: Instant,
        out: &mut impl Outbox,
    ) -> Inbound {
        if !self.waiting.is_empty() {
            self.on_session(now, out);
        }
        match wire::decode(&plain) {
            Err(error) => Inbound::Lost(error.into()),
            Ok(Plain::Keepalive) => {
                self.meet(from, length, now);
                Inbound::Done
            }
            Ok(Plain::Packet(_)) => {
                self.meet(from, length, now);
                Inbound::Packet(plain, 0)
            }
            Ok(frame) => {
                let Some(at) = self.learn(frame.path(), from) else {
                    return Inbound::Lost(Loss::UnknownPath);
                };
                let path = &mut self.paths[at];
                path.received_packets += 1;
                path.received_bytes += length as u64;
                if let Plain::Source(header, ..) = frame {
                    path.on_frame(&header, arrived_us, now);
                    return Inbound::Packet(plain, SOURCE_BYTES);
                }
                self.hear(frame, at, arrived_us, now, out);
                Inbound::Done
            }
        }
    }

    /// The path a frame names; learned, or moved to where the frame came from, where that is allowed.
    fn learn(&mut self, id: u8, from: SocketAddr) -> Option<usize> {
        if let Some(at) = self.paths.iter().position(|path| path.id == id) {
            if self.learns_paths {
                self.paths[at].remote = from;
            }
            return Some(at);
        }
        if !self.learns_paths {
            return None;
        }
        if self.paths.len() >= MAX_PATHS {
            let stalest = (0..self.paths.len()).min_by_key(|&at| self.paths[at].heard)?;
            self.paths.swap_remove(stalest);
        }
        self.paths.push(Path::new(id, from));
        Some(self.paths.len() - 1)
    }
}

fn octets_of(message: &WgKind) -> usize {
    match message {
        WgKind::HandshakeInit(_) => 148,
        WgKind::HandshakeResp(_) => 92,
        WgKind::CookieReply(_) => 64,
        WgKind::Data(data) => data.encrypted_encapsulated_packet().len() + 32,
    }
}
