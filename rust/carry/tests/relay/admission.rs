//! Who may pass through the relay: dialogues, caps, and what ends a flow.

use std::net::SocketAddr;

use carry::relay::Refusal;
use carry::relay::datagram::COOKIE_BYTES;
use carry::relay::table::{Campus, IDLE, Order};

use crate::datagrams::*;

#[test]
fn mac1_agrees_with_another_implementation() {
    // Made with Python's hashlib: blake2s(m, key=blake2s(b"mac1----" + key).digest(), digest_size=16).
    let made =
        [0x9d, 0x93, 0xa8, 0xd9, 0x59, 0xde, 0x6d, 0xc3, 0x73, 0x5d, 0xd2, 0x65, 0xfb, 0x02, 0xd5, 0x35];
    assert_eq!(initiation(CAMPUS)[116..132], made);
}

#[test]
fn a_right_initiation_opens_a_flow_to_its_campus() {
    let mut table = table();
    for (port, key) in [(1, CAMPUS), (2, OTHER)] {
        let source = SocketAddr::from(([10, 0, 0, 1], port));
        let (id, to) = table.admit(source, &initiation(key), at(0.0)).expect("mac1 is right");
        assert_eq!(to, endpoint(key));
        assert_eq!(table.find(&source), Some(id));
    }
    assert_eq!(table.flows(), 2);
}

#[test]
fn nothing_else_opens_one() {
    let mut table = table();
    let source = address("10.0.0.1:1");
    let wrong = [
        (initiation([9; 32]), Refusal::WrongMac),
        (initiation(CAMPUS)[..147].to_vec(), Refusal::Malformed),
        (response(5), Refusal::Stranger),
        (head(3, 5, 0, COOKIE_BYTES), Refusal::Stranger),
        (data(5, 48), Refusal::Stranger),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Refusal::Malformed),
        (Vec::new(), Refusal::Malformed),
    ];
    for (datagram, refusal) in wrong {
        assert_eq!(table.admit(source, &datagram, at(0.0)), Err(refusal));
        assert_eq!(table.counts().refused(refusal) > 0, table.flows() == 0);
    }
    let mut reserved = initiation(CAMPUS);
    reserved[2] = 1;
    assert_eq!(table.admit(source, &reserved, at(0.0)), Err(Refusal::Malformed));
    let mut cookie = initiation(CAMPUS);
    cookie[147] = 1;
    table.admit(source, &cookie, at(0.0)).expect("mac1 does not cover mac2");
}

#[test]
fn only_wireguard_passes_on_a_flow_either_way() {
    let mut table = table();
    let id = proven(&mut table, address("10.0.0.1:1"), 5, at(0.0));
    for length in [0, 1, 11, 12, 31] {
        let foreign = data(5, length.max(12))[..length].to_vec();
        assert_eq!(table.up(id, &foreign, at(0.0)), Err(Refusal::Malformed));
        assert_eq!(table.down(id, &foreign), Err(Refusal::Malformed));
    }
    for length in [32, 48, 1_424, 1_452] {
        table.up(id, &data(5, length), at(0.0)).expect("a transport message");
        table.down(id, &data(1, length)).expect("a transport message");
    }
}

#[test]
fn an_unproven_client_gets_no_more_than_it_sent() {
    let mut table = table();
    let source = address("10.0.0.1:1");
    let (id, _) = table.admit(source, &initiation(CAMPUS), at(0.0)).expect("mac1 is right");
    table.down(id, &response(5)).expect("92 of 148");
    assert_eq!(table.down(id, &response(6)), Err(Refusal::Unearned));
    table.up(id, &data(77, 32), at(0.0)).expect("well-formed");
    assert_eq!(table.down(id, &data(1, 1_424)), Err(Refusal::Unearned), "77 proves nothing");
    table.up(id, &data(5, 32), at(0.0)).expect("well-formed");
    for _ in 0..100 {
        assert_eq!(table.down(id, &data(1, 1_424)), Ok(source), "it has read the answer");
    }
}

#[test]
fn a_roaming_student_is_followed_once_the_campus_answers() {
    let mut table = table();
    let (home, phone) = (address("10.0.0.1:1"), address("[2001:db8::9]:4500"));
    proven(&mut table, home, 5, at(0.0));
    assert_eq!(table.admit(phone, &data(6, 128), at(1.0)), Err(Refusal::Stranger));
    let (roamed, to) = table.admit(phone, &data(5, 128), at(1.0)).expect("a session of a campus");
    assert_eq!(to, endpoint(CAMPUS));
    table.up(roamed, &data(5, 128), at(1.0)).expect("well-formed");
    assert_eq!(table.down(roamed, &data(1, 1_424)), Err(Refusal::Unearned), "a copied datagram");
    table.down(roamed, &data(1, 128)).expect("no more than it sent");
    table.up(roamed, &data(5, 32), at(1.1)).expect("well-formed");
    table.down(roamed, &data(1, 1_424)).expect("the campus took it, and it went on");
    // The session is the new flow's now: it outlives the old one.
    table.up(roamed, &data(5, 32), at(100.0)).expect("well-formed");
    table.expire(at(IDLE.as_secs_f64()));
    assert_eq!(table.find(&home), None);
    table.admit(address("10.0.0.3:1"), &data(5, 128), at(181.0)).expect("it roams again");
}

#[test]
fn a_copied_datagram_does_not_take_the_session_from_its_flow() {
    let mut table = table();
    let home = address("10.0.0.1:1");
    let id = proven(&mut table, home, 5, at(0.0));
    table.admit(address("10.0.0.66:1"), &data(5, 128), at(1.0)).expect("it looks like roaming");
    for minute in 1..5 {
        table.up(id, &data(5, 32), at(60.0 * f64::from(minute))).expect("alive");
        table.expire(at(60.0 * f64::from(minute)));
    }
    assert_eq!(table.flows(), 1, "the thief's flow has expired");
    table.admit(address("10.0.0.2:1"), &data(5, 32), at(241.0)).expect("the student still roams");
}

#[test]
fn a_source_rings_twenty_times_a_second_after_its_burst() {
    let mut table = table();
    let mut admitted = |port: u16, now: f64| {
        let source = SocketAddr::from(([10, 0, 0, 1], port));
        match table.find(&source) {
            Some(id) => table.up(id, &initiation(CAMPUS), at(now)).is_ok(),
            None => table.admit(source, &initiation(CAMPUS), at(now)).is_ok(),
        }
    };
    assert_eq!((0..200).filter(|n| admitted(n % 10, 0.0)).count(), 100);
    assert_eq!((0..200).filter(|n| admitted(n % 10, 1.0)).count(), 20);
    let neighbour = address("10.0.0.2:1");
    table.admit(neighbour, &initiation(CAMPUS), at(1.0)).expect("another source");
}

#[test]
fn an_ipv6_subscriber_is_one_source_and_a_mapped_address_is_ipv4() {
    let mut table = table();
    for n in 0..10 {
        let source = SocketAddr::from(([0x2001, 0xdb8, 0, 1, 0, 0, 0, n], 1));
        table.admit(source, &initiation(CAMPUS), at(0.0)).expect("below the cap");
    }
    let eleventh = address("[2001:db8:0:1:ffff::]:1");
    assert_eq!(table.admit(eleventh, &initiation(CAMPUS), at(0.0)), Err(Refusal::SourceFull));
    let beside = address("[2001:db8:0:2::1]:1");
    table.admit(beside, &initiation(CAMPUS), at(0.0)).expect("another /64");
    for host in [1, 2] {
        for port in 0..10 {
            let source = SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x0a00, host], port));
            table.admit(source, &initiation(CAMPUS), at(0.0)).expect("each IPv4 has its own cap");
        }
    }
}

#[test]
fn a_full_table_makes_room_by_unproven_flows_only() {
    let mut table = table();
    let source = |n: u8| SocketAddr::from(([10, 0, n, 1], 1));
    for n in 0..50 {
        proven(&mut table, source(n), u32::from(n), at(0.0));
    }
    for n in 50..100 {
        table.admit(source(n), &initiation(CAMPUS), at(0.0)).expect("below the cap");
    }
    let full = table.admit(source(100), &initiation(CAMPUS), at(0.5));
    assert_eq!(full, Err(Refusal::Full), "they may still be about to answer");
    table.admit(source(101), &initiation(CAMPUS), at(4.0)).expect("room was made");
    assert_eq!(closed(&mut table).len(), 50);
    assert!((0..50).all(|n| table.find(&source(n)).is_some()), "who talks, stays");
}

#[test]
fn silence_ends_a_flow_and_the_campus_alone_does_not_keep_it() {
    let mut table = table();
    let source = address("10.0.0.1:1");
    let id = proven(&mut table, source, 5, at(0.0));
    table.up(id, &data(5, 32), at(100.0)).expect("alive");
    table.expire(at(279.9));
    assert_eq!(table.find(&source), Some(id));
    table.down(id, &data(1, 32)).expect("the campus still talks");
    table.expire(at(280.0));
    assert_eq!((table.find(&source), closed(&mut table)), (None, vec![id]));
    assert_eq!(table.up(id, &data(5, 32), at(280.0)), Err(Refusal::Stranger));
    assert_eq!(table.down(id, &data(1, 32)), Err(Refusal::Stranger), "a late answer finds nobody");
    assert_eq!(table.admit(source, &data(5, 32), at(281.0)), Err(Refusal::Stranger));
}

#[test]
fn campuses_leave_move_and_come_at_once() {
    let mut table = table();
    let (one, two) = (address("10.0.0.1:1"), address("10.0.0.1:2"));
    let stays = proven(&mut table, one, 5, at(0.0));
    let (leaves, _) = table.admit(two, &initiation(OTHER), at(0.0)).expect("mac1 is right");
    let moved = Campus { endpoint: address("198.51.100.1:1"), ..campus(CAMPUS) };
    table.set_campuses(&[moved, campus([9; 32])]);
    let orders: Vec<Order> = table.orders().collect();
    assert_eq!(orders, [Order::Aim(stays, moved.endpoint), Order::Close(leaves)]);
    assert_eq!(table.admit(two, &initiation(OTHER), at(0.0)), Err(Refusal::WrongMac));
    table.admit(two, &initiation([9; 32]), at(0.0)).expect("a new campus");
    table.set_campuses(&[]);
    assert_eq!(table.flows(), 0);
}

#[test]
fn an_initiation_for_another_campus_does_not_pass_on_a_flow() {
    let mut table = table();
    let id = proven(&mut table, address("10.0.0.1:1"), 5, at(0.0));
    for key in [OTHER, [9; 32]] {
        assert_eq!(table.up(id, &initiation(key), at(1.0)), Err(Refusal::WrongMac));
    }
    table.up(id, &initiation(CAMPUS), at(1.0)).expect("a new handshake of the session");
}
