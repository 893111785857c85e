//! Which packet meets which link: addresses, roaming, missing links, and what is counted.

use std::net::IpAddr;
use std::time::Duration;

use carry::link::Error;
use carry::link::fabric::{Fabric, destination};
use carry::link::random::Stream;
use carry::link::settings::Settings;

const NOW: Duration = Duration::ZERO;

fn packet(to: &str, length: usize) -> Vec<u8> {
    let mut packet = vec![0; length];
    match to.parse().expect("an address of the test") {
        IpAddr::V4(v4) => {
            packet[0] = 0x45;
            packet[16..20].copy_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            packet[0] = 0x60;
            packet[24..40].copy_from_slice(&v6.octets());
        }
    }
    packet
}

fn addresses(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn fabric() -> Fabric {
    let mut fabric = Fabric::new(1);
    let near = addresses(&["10.0.0.1", "fd00::1"]);
    let far = addresses(&["10.0.0.2", "fd00::2"]);
    assert_eq!(fabric.add_host("near", &near).expect("a new host"), 0);
    assert_eq!(fabric.add_host("far", &far).expect("a new host"), 1);
    fabric
}

fn clean() -> Settings {
    Settings::default()
}

#[test]
fn a_packet_finds_its_host_by_either_family() {
    let mut fabric = fabric();
    fabric.set_link("near", "far", clean(), NOW).expect("both hosts exist");
    for to in ["10.0.0.2", "fd00::2"] {
        let passage = fabric.admit(0, &packet(to, 100), NOW).expect("a clean line");
        assert_eq!((passage.target, passage.at), (1, NOW));
        fabric.delivered(passage.link, 100);
    }
    let (source, target, tally) = fabric.tallies().next().expect("one link");
    assert_eq!((source, target), ("near", "far"));
    assert_eq!((tally.offered_packets, tally.offered_bytes), (2, 200));
    assert_eq!((tally.delivered_packets, tally.delivered_bytes), (2, 200));
}

#[test]
fn what_has_no_way_is_dropped_and_counted() {
    let mut fabric = fabric();
    fabric.set_link("near", "far", clean(), NOW).expect("both hosts exist");
    let back = fabric.admit(1, &packet("10.0.0.1", 100), NOW);
    let unknown = fabric.admit(0, &packet("10.0.0.3", 100), NOW);
    assert_eq!((back, unknown), (None, None));
    assert_eq!(fabric.admit(0, &[], NOW), None);
    assert_eq!(fabric.unrouted(), 3);
}

#[test]
fn a_host_that_roams_keeps_its_links() {
    let mut fabric = fabric();
    fabric.set_link("near", "far", clean(), NOW).expect("both hosts exist");
    fabric.set_addresses("far", &addresses(&["10.9.9.9"])).expect("a free address");
    assert!(fabric.admit(0, &packet("10.9.9.9", 100), NOW).is_some());
    assert!(fabric.admit(0, &packet("10.0.0.2", 100), NOW).is_none());
    fabric.set_addresses("near", &addresses(&["10.0.0.2"])).expect("free since far left it");
}

#[test]
fn a_refused_change_changes_nothing() {
    let mut fabric = fabric();
    fabric.set_link("near", "far", clean(), NOW).expect("both hosts exist");
    let taken = fabric.set_addresses("near", &addresses(&["10.0.0.7", "10.0.0.2"]));
    assert!(matches!(taken, Err(Error::AddressTaken(_))));
    let unreadable = fabric.set_addresses("far", &addresses(&["10.0.0.0/8"]));
    assert!(matches!(unreadable, Err(Error::Address(_))));
    assert!(matches!(fabric.add_host("far", &[]), Err(Error::HostTaken(_))));
    let beside = addresses(&["fd00::1"]);
    assert!(matches!(fabric.add_host("new", &beside), Err(Error::AddressTaken(_))));
    assert!(matches!(fabric.set_link("near", "new", clean(), NOW), Err(Error::Host(_))));
    let wild = Settings { loss: 7.0, ..clean() };
    assert!(matches!(fabric.set_link("near", "far", wild, NOW), Err(Error::Setting(_))));
    assert!(fabric.admit(0, &packet("10.0.0.2", 100), NOW).is_some());
    assert!(fabric.admit(1, &packet("10.0.0.7", 100), NOW).is_none());
}

#[test]
fn a_link_joins_a_group_and_leaves_it() {
    let mut fabric = fabric();
    fabric.add_host("third", &addresses(&["10.0.0.3"])).expect("a new host");
    let narrow = |group: &str| Settings { rate_bps: 1e5, group: group.to_owned(), ..clean() };
    fabric.set_link("near", "far", narrow("strait"), NOW).expect("both hosts exist");
    fabric.set_link("near", "third", narrow("strait"), NOW).expect("both hosts exist");
    assert!(fabric.admit(0, &packet("10.0.0.2", 1_000), NOW).is_some());
    assert!(fabric.admit(0, &packet("10.0.0.3", 1_000), NOW).is_none(), "the line is busy");
    fabric.set_link("near", "third", narrow(""), NOW).expect("both hosts exist");
    assert!(fabric.admit(0, &packet("10.0.0.3", 1_000), NOW).is_some(), "a line of its own");
}

#[test]
fn every_packet_is_accounted_for_once() {
    let mut fabric = fabric();
    let rough = Settings {
        rate_bps: 1e6,
        queue_s: 0.02,
        police_bps: 2e6,
        police_burst_bytes: 3_000,
        loss: 0.1,
        mtu_bytes: 1_200,
        ..clean()
    };
    fabric.set_link("near", "far", rough, NOW).expect("both hosts exist");
    let mut luck = Stream::new(2, "lengths");
    let mut now = NOW;
    let mut passages = 0;
    for _ in 0..20_000 {
        now += Duration::from_secs_f64(luck.uniform() * 0.008);
        let length = 40 + (luck.uniform() * 1_300.0) as usize;
        passages += u64::from(fabric.admit(0, &packet("10.0.0.2", length), now).is_some());
    }
    let (_, _, tally) = fabric.tallies().next().expect("one link");
    let dropped = [tally.lost_packets, tally.queue_drops, tally.policed_drops, tally.oversized_drops];
    assert!(dropped.iter().all(|&drops| drops > 0), "each kind occurs: {dropped:?}");
    assert_eq!(passages + dropped.iter().sum::<u64>(), 20_000);
    assert_eq!(tally.offered_packets, 20_000);
}

#[test]
fn arbitrary_bytes_have_a_destination_or_none() {
    let mut luck = Stream::new(3, "bytes");
    for _ in 0..100_000 {
        let length = (luck.uniform() * 64.0) as usize;
        let bytes: Vec<u8> = (0..length).map(|_| (luck.uniform() * 256.0) as u8).collect();
        let version = bytes.first().map_or(0, |first| first >> 4);
        let long_enough = (version == 4 && length >= 20) || (version == 6 && length >= 40);
        assert_eq!(destination(&bytes).is_some(), long_enough);
    }
}
