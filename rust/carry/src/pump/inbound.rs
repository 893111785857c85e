//! Network to TUN.

use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use gotatun::noise::TunnResult;
use gotatun::noise::handshake::parse_handshake_anon;
use gotatun::packet::{Packet, WgKind};
use quinn_udp::RecvMeta;
use tun_rs::{GROTable, VIRTIO_NET_HDR_LEN};

use super::{Post, Shared};
use crate::batch::{Sender, plain};
use crate::ip;
use crate::os::{self, For};
use crate::peer::Inbound;
use crate::registry::{Entry, Registry};
use crate::relay::datagram::classify;
use crate::report::Loss;
use crate::slots::Slots;

/// Receive buffers; each takes one batch that the kernel has coalesced.
const BUFFERS: usize = 32;
const BUFFER_BYTES: usize = 65_536;
/// Packets gathered before they are written to the TUN.
const WRITES: usize = 128;
/// Reads of the socket before everything gathered is passed on.
const READS: usize = 8;

struct Inlet<'s> {
    shared: &'s Shared,
    sender: Sender<'s>,
    packets: Vec<BytesMut>,
    count: usize,
    table: GROTable,
    last: Option<(u32, Arc<Entry>)>,
}

pub(super) fn run(shared: &Shared) {
    let mut slots = Slots::new(BUFFERS, BUFFER_BYTES);
    let mut metas = [RecvMeta::default(); BUFFERS];
    let packets = (0..WRITES).map(|_| BytesMut::with_capacity(VIRTIO_NET_HDR_LEN + 65_535)).collect();
    let mut inlet =
        Inlet { shared, sender: shared.sender(), packets, count: 0, table: GROTable::new(), last: None };
    while os::wait(shared.socket.as_raw_fd(), For::Read, &shared.stop, None) {
        shared.counters.work(1, 0);
        for _ in 0..READS {
            let count = receive(shared, &mut slots, &mut metas);
            for (at, meta) in metas[..count].iter().enumerate() {
                inlet.take(slots.take(at, meta.len), meta);
                slots.refill(at);
            }
            if count < BUFFERS {
                break;
            }
        }
        inlet.write();
        inlet.sender.flush();
        inlet.last = None;
    }
}

fn receive(shared: &Shared, slots: &mut Slots, metas: &mut [RecvMeta; BUFFERS]) -> usize {
    let mut buffers = slots.buffers.iter_mut();
    let mut slices: [IoSliceMut<'_>; BUFFERS] =
        std::array::from_fn(|_| IoSliceMut::new(buffers.next().map_or(&mut [], |buffer| &mut buffer[..])));
    shared.counters.work(1, 0);
    // Errors are passing ones (an ICMP for something sent earlier, or nothing there any more).
    shared.udp.recv((&shared.socket).into(), &mut slices, metas).unwrap_or(0)
}

impl Inlet<'_> {
    /// Take one batch of datagrams from the same source, all but the last `stride` octets long.
    fn take(&mut self, mut batch: BytesMut, meta: &RecvMeta) {
        let now = Instant::now();
        let lag = meta.timestamp.map_or(Duration::ZERO, lag_of);
        let arrived_us = self.shared.local.micros(now).wrapping_sub(micros(lag));
        let registry = self.shared.registry();
        // A path to an IPv4 address must know its own datagrams again on a socket for both families.
        let from = plain(meta.addr);
        while !batch.is_empty() {
            let datagram = batch.split_to(meta.stride.clamp(1, batch.len()));
            if let Err(loss) = self.take_one(&registry, datagram, from, arrived_us, now) {
                self.shared.counters.lose(loss);
            }
        }
    }

    fn take_one(
        &mut self,
        registry: &Registry,
        datagram: BytesMut,
        from: SocketAddr,
        arrived_us: u32,
        now: Instant,
    ) -> Result<(), Loss> {
        self.shared.counters.work(0, 1);
        classify(&datagram).ok_or(Loss::Malformed)?;
        let message = match self.shared.limiter.verify_packet(from, Packet::from_bytes(datagram)) {
            Ok(message) => message,
            Err(TunnResult::WriteToNetwork(cookie)) => {
                self.sender.push(from, &Packet::from(cookie));
                return Err(Loss::Refused);
            }
            Err(TunnResult::Err(error)) => return Err(Loss::of(&error, false)),
            Err(_) => return Err(Loss::Malformed),
        };
        let entry = self.addressee(registry, &message)?;
        let mut post = Post { entry: &entry, indices: &self.shared.indices, sender: &mut self.sender };
        let inbound = entry.lock().receive(message, from, arrived_us, now, &mut post);
        match inbound {
            Inbound::Packet(plain, skip) => self.pass(registry, &entry, &plain[skip..]),
            Inbound::Done => Ok(()),
            Inbound::Lost(loss) => Err(loss),
        }
    }

    fn addressee(&mut self, registry: &Registry, message: &WgKind) -> Result<Arc<Entry>, Loss> {
        let index = match message {
            WgKind::HandshakeInit(initiation) => {
                let half = parse_handshake_anon(&self.shared.secret, &self.shared.public, initiation)
                    .map_err(|error| Loss::of(&error, false))?;
                return registry.by_key(&half.peer_static_public).cloned().ok_or(Loss::Stranger);
            }
            WgKind::HandshakeResp(response) => response.receiver_idx.get(),
            WgKind::CookieReply(cookie) => cookie.receiver_idx.get(),
            WgKind::Data(data) => data.header.receiver_idx.get(),
        };
        if let Some((last, entry)) = &self.last
            && *last == index
        {
            return Ok(Arc::clone(entry));
        }
        let entry = self.shared.indices.get(index).ok_or(Loss::Stranger)?;
        self.last = Some((index, Arc::clone(&entry)));
        Ok(entry)
    }

    fn pass(&mut self, registry: &Registry, entry: &Arc<Entry>, packet: &[u8]) -> Result<(), Loss> {
        let ip = ip::parse(packet).ok_or(Loss::MalformedFrame)?;
        if !registry.by_address(ip.source).is_some_and(|owner| Arc::ptr_eq(owner, entry)) {
            return Err(Loss::NotAllowed);
        }
        let buffer = &mut self.packets[self.count];
        buffer.clear();
        buffer.resize(VIRTIO_NET_HDR_LEN, 0);
        buffer.extend_from_slice(&packet[..ip.length]);
        self.count += 1;
        if self.count == WRITES {
            self.write();
        }
        Ok(())
    }

    /// Write what was gathered to the TUN, neighbours of one flow as one.
    fn write(&mut self) {
        if self.count == 0 {
            return;
        }
        let packets = &mut self.packets[..self.count];
        self.count = 0;
        // Its system calls are the process' own count of writes (/proc/self/io): one for each run of a flow.
        let sent = self.shared.tun.send_multiple(&mut self.table, packets, VIRTIO_NET_HDR_LEN);
        if sent.is_err() {
            self.shared.counters.lose(Loss::Full);
        }
    }
}

/// How long ago the kernel took a datagram in; a wall clock that was set meanwhile counts as "just now".
fn lag_of(timestamp: Duration) -> Duration {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let lag = wall.saturating_sub(timestamp);
    if lag < Duration::from_secs(1) { lag } else { Duration::ZERO }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(0)
}
