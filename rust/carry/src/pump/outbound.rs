//! TUN to network.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use tun_rs::VIRTIO_NET_HDR_LEN;

use super::{Post, Shared};
use crate::batch::Sender;
use crate::ip;
use crate::os::{self, For};
use crate::peer::{HEADROOM, Outbound};
use crate::registry::Registry;
use crate::report::Loss;
use crate::slots::Slots;

/// Octets of one slot: an inner packet, the room in front, the padding behind, and some to spare.
const SLOT_BYTES: usize = 2048;
/// A 64 KiB segmentation batch of 256-octet segments; smaller ones are refused by the splitter.
const SLOTS: usize = 256;
/// Reads from the TUN before what was gathered is sent.
const READS: usize = 64;

pub(super) fn run(shared: &Shared) {
    let mut slots = Slots::new(SLOTS, SLOT_BYTES);
    let mut sizes = vec![0; SLOTS];
    let mut raw = vec![0; VIRTIO_NET_HDR_LEN + 65_535];
    let mut sender = shared.sender();
    while os::wait(shared.tun.as_raw_fd(), For::Read, &shared.stop, None) {
        shared.counters.work(1, 0);
        for _ in 0..READS {
            shared.counters.work(1, 0);
            match shared.tun.recv_multiple(&mut raw, &mut slots.buffers, &mut sizes, HEADROOM) {
                Ok(count) => carry(shared, &mut slots, &sizes[..count], &mut sender),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The interface is gone: there is nothing left to carry.
                Err(error) if error.raw_os_error() == Some(libc::EBADFD) => return,
                Err(_) => shared.counters.lose(Loss::Malformed),
            }
        }
        sender.flush();
    }
}

fn carry(shared: &Shared, slots: &mut Slots, sizes: &[usize], sender: &mut Sender<'_>) {
    let now = Instant::now();
    let registry = shared.registry();
    for (at, size) in sizes.iter().enumerate() {
        carry_one(shared, &registry, slots, (at, *size), now, sender);
        slots.refill(at);
    }
}

fn carry_one(
    shared: &Shared,
    registry: &Registry,
    slots: &mut Slots,
    (at, size): (usize, usize),
    now: Instant,
    sender: &mut Sender<'_>,
) {
    let packet = &slots.buffers[at][HEADROOM..HEADROOM + size];
    let Some(ip) = ip::parse(packet) else {
        return shared.counters.lose(Loss::Malformed);
    };
    let Some(entry) = registry.by_address(ip.target) else {
        return shared.counters.lose(Loss::NotAllowed);
    };
    let mut post = Post { entry, indices: &shared.indices, sender };
    let buffer = slots.take(at, HEADROOM + ip.length);
    let mut peer = entry.lock();
    match peer.send(buffer, now, &mut post) {
        Outbound::Sent => {}
        Outbound::Lost(loss) => shared.counters.lose(loss),
        Outbound::TooBig(packet, mtu_bytes) => {
            drop(peer);
            shared.counters.lose(Loss::TooBig);
            if let Some(answer) = ip::too_big(&packet[HEADROOM..], mtu_bytes) {
                tell(shared, &answer);
            }
        }
    }
}

/// Write one packet of our own to the TUN.
fn tell(shared: &Shared, packet: &[u8]) {
    let mut table = tun_rs::GROTable::new();
    let mut octets = vec![0; VIRTIO_NET_HDR_LEN];
    octets.extend_from_slice(packet);
    if shared.tun.send_multiple(&mut table, &mut [octets], VIRTIO_NET_HDR_LEN).is_err() {
        shared.counters.lose(Loss::Full);
    }
}
