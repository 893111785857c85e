//! Any sequence of datagrams at the relay's table: it never panics, and never sends a client of
//! unproven address more than that client sent.

#![no_main]

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use carry::relay::FlowId;
use carry::relay::datagram::{INITIATION_BYTES, Kind, Mac1Key, classify};
use carry::relay::table::{Campus, Limits, Order, Table};
use libfuzzer_sys::fuzz_target;

const KEY: [u8; 32] = [7; 32];

#[derive(Default)]
struct Seen {
    from_client: usize,
    to_client: usize,
    told: HashSet<u32>,
    claimed: Option<u32>,
    proven: bool,
}

impl Seen {
    fn up(&mut self, datagram: &[u8]) {
        self.from_client += datagram.len();
        if let Some(Kind::Data { receiver } | Kind::Response { receiver, .. }) = classify(datagram) {
            self.proven |= self.told.contains(&receiver);
        }
    }

    fn down(&mut self, datagram: &[u8]) {
        self.to_client += datagram.len();
        match classify(datagram) {
            Some(Kind::Initiation { sender } | Kind::Response { sender, .. }) => {
                self.told.insert(sender);
            }
            Some(Kind::Data { .. }) => self.told.extend(self.claimed.take()),
            _ => {}
        }
        assert!(self.proven || self.to_client <= self.from_client, "amplified");
    }
}

/// One step: what to do, from which address, with a datagram of this length cut from the rest.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u8, u8, &'a [u8])> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    let length = usize::from(u16::from_le_bytes([head[2], head[3]])) % 1_600;
    let (datagram, tail) = tail.split_at(length.min(tail.len()));
    *rest = tail;
    Some((head[0], head[1], datagram))
}

/// The datagram as it is; or made into a right initiation, or into one of a right length.
fn shaped(shape: u8, datagram: &[u8]) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    if shape % 4 == 1 {
        let mut initiation = [0; INITIATION_BYTES];
        let length = bytes.len().min(INITIATION_BYTES);
        initiation[..length].copy_from_slice(&bytes[..length]);
        initiation[..4].copy_from_slice(&[1, 0, 0, 0]);
        Mac1Key::new(&KEY).stamp(&mut initiation);
        return initiation.to_vec();
    }
    if shape % 4 >= 2 {
        let response = shape % 4 == 2;
        let length = if response { 92 } else { (bytes.len() / 16).max(2) * 16 };
        bytes.resize(length, 0);
        bytes[..4].copy_from_slice(&[if response { 2 } else { 4 }, 0, 0, 0]);
    }
    bytes
}

fuzz_target!(|input: &[u8]| {
    let mut table = Table::new(Limits {
        flows: 20,
        flows_per_source: 4,
    });
    table.set_campuses(&[Campus {
        public_key: KEY,
        endpoint: SocketAddr::from(([192, 0, 2, 1], 1)),
    }]);
    let mut seen: HashMap<FlowId, Seen> = HashMap::new();
    let (mut rest, mut now) = (input, Duration::ZERO);
    while let Some((deed, host, raw)) = next(&mut rest) {
        now += Duration::from_millis(u64::from(deed) * 10);
        let source = SocketAddr::from(([10, 0, 0, host / 8], u16::from(host)));
        let datagram = shaped(deed >> 6, raw);
        match (deed % 8, table.find(&source)) {
            (0, _) => table.expire(now),
            (1, Some(id)) => table.close(id),
            (2..5, Some(id)) => {
                if table.down(id, &datagram) == Ok(source) {
                    seen.entry(id).or_default().down(&datagram);
                }
            }
            (_, Some(id)) => {
                if table.up(id, &datagram, now).is_ok() {
                    seen.entry(id).or_default().up(&datagram);
                }
            }
            (_, None) => {
                if let Ok((id, _)) = table.admit(source, &datagram, now) {
                    let claimed = match classify(&datagram) {
                        Some(Kind::Data { receiver }) => Some(receiver),
                        _ => None,
                    };
                    let fresh = Seen {
                        from_client: datagram.len(),
                        claimed,
                        ..Seen::default()
                    };
                    seen.insert(id, fresh);
                }
            }
        }
        for order in table.orders() {
            if let Order::Close(id) = order {
                assert!(seen.remove(&id).is_some(), "only a flow that lived is closed");
            }
        }
        assert_eq!(table.flows(), seen.len());
    }
});
