//! Datagrams, addresses and a table for the tests beside it.

use std::net::SocketAddr;
use std::time::Duration;

use carry::relay::FlowId;
use carry::relay::datagram::{INITIATION_BYTES, Mac1Key, RESPONSE_BYTES};
use carry::relay::table::{Campus, Limits, Order, Table};

pub const CAMPUS: [u8; 32] = [7; 32];
pub const OTHER: [u8; 32] = [8; 32];
pub const LIMITS: Limits = Limits { flows: 100, flows_per_source: 10 };

pub fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address of the test")
}

pub fn endpoint(public_key: [u8; 32]) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, public_key[0]], 51_820))
}

pub fn campus(public_key: [u8; 32]) -> Campus {
    Campus { public_key, endpoint: endpoint(public_key) }
}

pub fn table() -> Table {
    let mut table = Table::new(LIMITS);
    table.set_campuses(&[campus(CAMPUS), campus(OTHER)]);
    table
}

pub fn head(kind: u8, first: u32, second: u32, length: usize) -> Vec<u8> {
    let mut datagram = vec![0; length];
    datagram[0] = kind;
    datagram[4..8].copy_from_slice(&first.to_le_bytes());
    datagram[8..12].copy_from_slice(&second.to_le_bytes());
    datagram
}

pub fn initiation(public_key: [u8; 32]) -> Vec<u8> {
    let bytes = head(1, 1, 0, INITIATION_BYTES);
    let mut datagram: [u8; INITIATION_BYTES] = bytes.try_into().expect("its length");
    Mac1Key::new(&public_key).stamp(&mut datagram);
    datagram.to_vec()
}

pub fn response(sender: u32) -> Vec<u8> {
    head(2, sender, 1, RESPONSE_BYTES)
}

pub fn data(receiver: u32, length: usize) -> Vec<u8> {
    head(4, receiver, 0, length)
}

/// A flow whose campus has answered under `index`, and whose client has used it.
pub fn proven(table: &mut Table, source: SocketAddr, index: u32, now: Duration) -> FlowId {
    let (id, _) = table.admit(source, &initiation(CAMPUS), now).expect("a right initiation");
    table.down(id, &response(index)).expect("less than the initiation");
    table.up(id, &data(index, 32), now).expect("a keepalive");
    id
}

pub fn closed(table: &mut Table) -> Vec<FlowId> {
    let ends = |order| match order {
        Order::Close(id) => Some(id),
        Order::Aim(..) => None,
    };
    table.orders().filter_map(ends).collect()
}
