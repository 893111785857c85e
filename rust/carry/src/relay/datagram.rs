//! What a blind forwarder can tell about one WireGuard datagram: its kind, its
//! indices, and whether its mac1 is right for a campus.
//!
//! Bytes in, values out; holds no secret and opens nothing.
//! Source: Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", s5.4.

use blake2::digest::consts::U16;
use blake2::digest::{Digest, KeyInit, Mac};
use blake2::{Blake2s256, Blake2sMac};

/// Octets of a handshake initiation (s5.4.2).
pub const INITIATION_BYTES: usize = 148;
/// Octets of a handshake response (s5.4.3).
pub const RESPONSE_BYTES: usize = 92;
/// Octets of a cookie reply (s5.4.7).
pub const COOKIE_BYTES: usize = 64;
/// Octets of the shortest transport message, a keepalive (s5.4.6).
pub const DATA_LEAST_BYTES: usize = 32;

/// Where mac1 begins in an initiation: it covers all octets before it (s5.4.4).
const MAC1_AT: usize = 116;
const MAC1_BYTES: usize = 16;

/// A well-formed WireGuard datagram, by its first octet and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Type 1, chosen index of the sender.
    Initiation {
        /// Index the sender wants to be addressed by.
        sender: u32,
    },
    /// Type 2, both indices.
    Response {
        /// Index the sender wants to be addressed by.
        sender: u32,
        /// Index of the one it answers.
        receiver: u32,
    },
    /// Type 3, index of the one who must send the cookie.
    Cookie {
        /// Index of the one it answers.
        receiver: u32,
    },
    /// Type 4, index of the session at the receiver.
    Data {
        /// Index of the session at the receiver.
        receiver: u32,
    },
}

/// Tell the kind of a datagram, or `None` when WireGuard would not have sent it.
///
/// A transport message may have any length from that of a keepalive on: it is padded to 16 octets, but
/// never beyond the MTU (s5.4.6), so that the full packets of a stock peer with MTU 1420 have 1452.
#[inline]
#[must_use]
pub fn classify(datagram: &[u8]) -> Option<Kind> {
    let head: &[u8; 12] = datagram.first_chunk()?;
    if head[1] | head[2] | head[3] != 0 {
        return None;
    }
    let first = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let second = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    let length = datagram.len();
    match head[0] {
        1 if length == INITIATION_BYTES => Some(Kind::Initiation { sender: first }),
        2 if length == RESPONSE_BYTES => Some(Kind::Response { sender: first, receiver: second }),
        3 if length == COOKIE_BYTES => Some(Kind::Cookie { receiver: first }),
        4 if length >= DATA_LEAST_BYTES => Some(Kind::Data { receiver: first }),
        _ => None,
    }
}

/// The key under which initiations to one campus carry their mac1 (s5.4.4).
///
/// It follows from the campus' public key alone: whoever knows whom to call may ring.
#[derive(Clone)]
pub struct Mac1Key([u8; 32]);

impl Mac1Key {
    /// Derive the key from the 32 octets of a public key.
    #[must_use]
    pub fn new(public_key: &[u8; 32]) -> Self {
        let mut hash = Blake2s256::new();
        Digest::update(&mut hash, b"mac1----");
        Digest::update(&mut hash, public_key);
        Self(hash.finalize().into())
    }

    /// Tell whether `initiation` (of `INITIATION_BYTES`) was made for this campus.
    #[must_use]
    pub fn fits(&self, initiation: &[u8]) -> bool {
        if initiation.len() != INITIATION_BYTES {
            return false;
        }
        let (covered, rest) = initiation.split_at(MAC1_AT);
        self.mac(covered).verify_slice(&rest[..MAC1_BYTES]).is_ok()
    }

    /// Write the right mac1 into `initiation`; load generators and tests need it.
    pub fn stamp(&self, initiation: &mut [u8; INITIATION_BYTES]) {
        let mac1 = self.mac(&initiation[..MAC1_AT]).finalize().into_bytes();
        initiation[MAC1_AT..MAC1_AT + MAC1_BYTES].copy_from_slice(&mac1);
    }

    fn mac(&self, covered: &[u8]) -> Blake2sMac<U16> {
        let mut mac = <Blake2sMac<U16> as KeyInit>::new(&self.0.into());
        Mac::update(&mut mac, covered);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(length: usize) -> Vec<u8> {
        let mut datagram = vec![0; length];
        datagram[0] = 4;
        datagram
    }

    #[test]
    fn the_full_packet_of_a_stock_peer_is_no_stranger() {
        for length in [32, 1452, 1453, 1468] {
            assert_eq!(classify(&data(length)), Some(Kind::Data { receiver: 0 }), "{length}");
        }
        assert_eq!(classify(&data(31)), None);
    }
}
