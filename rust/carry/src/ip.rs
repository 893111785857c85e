//! What the pump must know of an IP packet: where from, where to, how long.  Nothing is changed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses and true length of one IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub target: IpAddr,
    /// Octets of the packet by its own header; what follows is padding.
    pub length: usize,
}

/// Read the header of an IPv4 (RFC 791) or IPv6 (RFC 8200) packet, or `None` if it is none.
///
/// A length field that promises more octets than there are makes it none.
pub fn parse(packet: &[u8]) -> Option<Ip> {
    let ip = match packet.first()? >> 4 {
        4 if packet.len() >= 20 => Ip {
            source: v4_at(packet, 12),
            target: v4_at(packet, 16),
            length: usize::from(u16::from_be_bytes([packet[2], packet[3]])),
        },
        6 if packet.len() >= 40 => Ip {
            source: v6_at(packet, 8),
            target: v6_at(packet, 24),
            length: 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]])),
        },
        _ => return None,
    };
    let least = if ip.source.is_ipv4() { 20 } else { 40 };
    (least..=packet.len()).contains(&ip.length).then_some(ip)
}

fn v4_at(packet: &[u8], at: usize) -> IpAddr {
    Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]).into()
}

fn v6_at(packet: &[u8], at: usize) -> IpAddr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&packet[at..at + 16]);
    Ipv6Addr::from(octets).into()
}

/// Answer to a packet that is longer than its way allows: ICMP "fragmentation needed" (RFC 792,
/// RFC 1191) or ICMPv6 "packet too big" (RFC 4443 section 3.2), from its target to its source.
///
/// Returns `None` for packets that must not be answered: ICMP errors and what is not IP.
pub fn too_big(packet: &[u8], mtu_bytes: usize) -> Option<Vec<u8>> {
    let ip = parse(packet)?;
    match (ip.source, ip.target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            if packet[9] == 1 && !matches!(packet.get(20), Some(0 | 8)) {
                return None;
            }
            Some(too_big_v4(packet, source, target, mtu_bytes))
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            if packet[6] == 58 && packet.get(40).is_none_or(|kind| *kind < 128) {
                return None;
            }
            Some(too_big_v6(packet, source, target, mtu_bytes))
        }
        _ => None,
    }
}

fn too_big_v4(packet: &[u8], source: Ipv4Addr, target: Ipv4Addr, mtu_bytes: usize) -> Vec<u8> {
    let quoted = &packet[..packet.len().min(548)];
    let mut out = vec![0; 28];
    out[0] = 0x45;
    out[2..4].copy_from_slice(&u16::try_from(28 + quoted.len()).unwrap_or(u16::MAX).to_be_bytes());
    out[8] = 64;
    out[9] = 1;
    out[12..16].copy_from_slice(&target.octets());
    out[16..20].copy_from_slice(&source.octets());
    let sum = checksum(&out[..20], 0);
    out[10..12].copy_from_slice(&sum.to_be_bytes());
    out[20] = 3;
    out[21] = 4;
    out[26..28].copy_from_slice(&u16::try_from(mtu_bytes).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(quoted);
    let sum = checksum(&out[20..], 0);
    out[22..24].copy_from_slice(&sum.to_be_bytes());
    out
}

fn too_big_v6(packet: &[u8], source: Ipv6Addr, target: Ipv6Addr, mtu_bytes: usize) -> Vec<u8> {
    let quoted = &packet[..packet.len().min(1232)];
    let length = u16::try_from(8 + quoted.len()).unwrap_or(u16::MAX);
    let mut out = vec![0; 48];
    out[0] = 0x60;
    out[4..6].copy_from_slice(&length.to_be_bytes());
    out[6] = 58;
    out[7] = 64;
    out[8..24].copy_from_slice(&target.octets());
    out[24..40].copy_from_slice(&source.octets());
    out[40] = 2;
    out[44..48].copy_from_slice(&u32::try_from(mtu_bytes).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(quoted);
    // The pseudo-header of RFC 8200 section 8.1: both addresses, length, next header.
    let pseudo = words(&out[8..40]) + u64::from(length) + 58;
    let sum = checksum(&out[40..], pseudo);
    out[42..44].copy_from_slice(&sum.to_be_bytes());
    out
}

fn words(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
}

/// The Internet checksum (RFC 1071) of `bytes`, started from `initial`.
pub fn checksum(bytes: &[u8], initial: u64) -> u16 {
    let mut sum = initial + words(bytes);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp_v4(length: usize) -> Vec<u8> {
        let mut packet = vec![0; length];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        packet[9] = 17;
        packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        packet
    }

    fn udp_v6(length: usize) -> Vec<u8> {
        let mut packet = vec![0; length];
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&u16::try_from(length - 40).unwrap().to_be_bytes());
        packet[6] = 17;
        packet[23] = 1;
        packet[39] = 2;
        packet
    }

    #[test]
    fn lengths_come_from_the_header_and_must_fit() {
        let mut packet = udp_v4(28);
        packet.extend_from_slice(&[0; 4]);
        assert_eq!(parse(&packet).unwrap().length, 28);
        assert!(parse(&packet[..27]).is_none());
        assert!(parse(&[0x45; 19]).is_none());
        assert!(parse(&[]).is_none());
        packet[3] = 19;
        assert!(parse(&packet).is_none(), "shorter than its own header");
        assert_eq!(parse(&udp_v6(60)).unwrap().length, 60);
    }

    #[test]
    fn too_big_answers_come_back_with_sums_that_add_up() {
        let answer = too_big(&udp_v4(1400), 1280).unwrap();
        let ip = parse(&answer).unwrap();
        assert_eq!((ip.source.to_string(), ip.target.to_string()), ("10.0.0.2".into(), "10.0.0.1".into()));
        assert_eq!(ip.length, answer.len());
        assert_eq!(checksum(&answer[..20], 0), 0);
        assert_eq!(checksum(&answer[20..], 0), 0);
        assert_eq!(&answer[26..28], &1280_u16.to_be_bytes());

        let answer = too_big(&udp_v6(1400), 1280).unwrap();
        assert_eq!(parse(&answer).unwrap().length, answer.len());
        let pseudo = words(&answer[8..40]) + (answer.len() as u64 - 40) + 58;
        assert_eq!(checksum(&answer[40..], pseudo), 0);
    }

    #[test]
    fn errors_are_not_answered_with_errors() {
        let mut error = udp_v4(1400);
        error[9] = 1;
        error[20] = 3;
        assert!(too_big(&error, 1280).is_none());
        error[20] = 8;
        assert!(too_big(&error, 1280).is_some(), "an echo request may be answered");
    }
}
