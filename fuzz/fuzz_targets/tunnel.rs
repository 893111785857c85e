//! Two ends and an adversary on the wire who drops, copies, reorders, cuts and forges: no panic, no
//! packet out that did not go in, none twice; and the honest packet still passes afterwards.

#![no_main]

#[path = "../../rust/carry/tests/pair/mod.rs"]
#[allow(dead_code)]
mod pair;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use pair::{Pair, packet, path_address};

fuzz_target!(|moves: &[u8]| {
    let mut pair = Pair::new(&[0, 1], Instant::now());
    let mut wire: Vec<(std::net::SocketAddr, Vec<u8>)> = Vec::new();
    let mut fill = 0_u8;
    for step in moves.chunks_exact(3).take(200) {
        let (what, which, value) = (step[0] % 8, usize::from(step[1]), step[2]);
        let at = if wire.is_empty() { None } else { Some(which % wire.len()) };
        match (what, at) {
            (0, _) => {
                pair.student.send(&packet(60, fill), pair.now);
                fill = fill.wrapping_add(1);
            }
            (1, _) => pair.run(Duration::from_millis(u64::from(value) + 1), Duration::from_millis(10), |_| {}),
            (2, _) => wire.append(&mut pair.student.mail.0),
            (3, Some(at)) => {
                let (address, octets) = wire[at].clone();
                pair.campus.deliver(address, &octets, pair.now);
            }
            (4, Some(at)) => {
                let spot = usize::from(value) % wire[at].1.len().max(1);
                if let Some(octet) = wire[at].1.get_mut(spot) {
                    *octet ^= 1 << (value % 8);
                }
            }
            (5, Some(at)) => wire[at].1.truncate(usize::from(value)),
            (6, Some(at)) => wire[at].0 = path_address(value),
            (7, _) => pair.campus.deliver(path_address(value), &moves[which % moves.len()..], pair.now),
            _ => {}
        }
    }
    let came: Vec<_> = pair.campus.packets.drain(..).collect();
    let distinct: HashSet<_> = came.iter().collect();
    assert!(fill == u8::MAX || distinct.len() == came.len(), "a packet came twice");
    assert!(came.iter().all(|one| one[..60] == packet(60, one[59])[..]), "a packet nobody sent");

    pair.run(Duration::from_secs(6), Duration::from_millis(50), |_| {});
    pair.student.peer.shake(pair.now, &mut pair.student.mail);
    pair.run(Duration::from_secs(1), Duration::from_millis(50), |_| {});
    pair.campus.packets.clear();
    pair.student.send(&packet(60, 1), pair.now);
    pair.settle();
    assert_eq!(pair.campus.packets.len(), 1, "the honest packet no longer passes");
});
