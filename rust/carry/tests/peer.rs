//! Dialogues of two ends over a network the test plays: no socket, no sleep.

mod pair;

use std::time::{Duration, Instant};

use carry::peer::Outbound;
use carry::report::Loss;
use pair::{Pair, packet, path_address};

const STEP: Duration = Duration::from_millis(50);

fn met(paths: &[u8]) -> Pair {
    let mut pair = Pair::new(paths, Instant::now());
    pair.run(Duration::from_secs(1), STEP, |_| {});
    pair.student.obey(paths[0], Duration::from_millis(200), pair.now);
    pair.campus.obey(paths[0], Duration::from_millis(200), pair.now);
    pair
}

#[test]
fn a_handshake_brings_all_paths_up_in_both_directions() {
    let mut pair = met(&[0, 1, 2]);
    assert!(pair.student.peer.speaks_frames() && pair.campus.peer.speaks_frames());
    for end in [&pair.student, &pair.campus] {
        assert_eq!(end.peer.paths().len(), 3);
        for path in end.peer.paths() {
            assert!(path.heard.is_some(), "path {} was not heard", path.id);
        }
    }
    assert_eq!(pair.student.send(&packet(200, 7), pair.now), Outbound::Sent);
    pair.settle();
    assert_eq!(pair.campus.packets.len(), 1);
    assert_eq!(pair.campus.packets[0][..200], packet(200, 7)[..]);
}

#[test]
fn packets_that_wait_for_the_handshake_are_not_lost() {
    let mut pair = Pair::new(&[0], Instant::now());
    for fill in 0..10 {
        assert_eq!(pair.student.send(&packet(100, fill), pair.now), Outbound::Sent);
    }
    pair.settle();
    let fills: Vec<u8> = pair.campus.packets.iter().map(|packet| packet[99]).collect();
    assert_eq!(fills, (0..10).collect::<Vec<_>>());
    let mut waiting = Pair::new(&[0], Instant::now());
    waiting.dead = vec![0];
    let outcomes: Vec<_> = (0..80).map(|_| waiting.student.send(&packet(100, 0), waiting.now)).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outbound::Lost(Loss::NoSession)).count(), 16);
}

#[test]
fn a_handshake_succeeds_while_only_one_path_lives() {
    let mut pair = Pair::new(&[0, 1, 2], Instant::now());
    pair.dead = vec![0, 1];
    pair.run(Duration::from_secs(1), STEP, |_| {});
    let heard: Vec<u8> =
        pair.student.peer.paths().iter().filter(|path| path.heard.is_some()).map(|path| path.id).collect();
    assert_eq!(heard, [2]);
}

#[test]
fn a_replayed_datagram_is_counted_and_delivers_nothing() {
    let mut pair = met(&[0]);
    pair.student.send(&packet(100, 1), pair.now);
    let datagrams = std::mem::take(&mut pair.student.mail.0);
    for _ in 0..3 {
        for (address, octets) in &datagrams {
            pair.campus.deliver(*address, octets, pair.now);
        }
    }
    assert_eq!(pair.campus.packets.len(), 1);
    assert_eq!(pair.campus.losses, [Loss::Replayed, Loss::Replayed]);
}

#[test]
fn every_flipped_bit_is_refused() {
    let mut pair = met(&[0]);
    pair.student.send(&packet(40, 1), pair.now);
    let (address, octets) = pair.student.mail.0.pop().unwrap();
    for bit in 0..octets.len() * 8 {
        let mut forged = octets.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        pair.campus.deliver(address, &forged, pair.now);
    }
    assert!(pair.campus.packets.is_empty());
    assert_eq!(pair.campus.losses.len(), octets.len() * 8);
    pair.campus.deliver(address, &octets, pair.now);
    assert_eq!(pair.campus.packets.len(), 1, "the control: the true datagram is taken");
}

#[test]
fn reordered_datagrams_arrive_and_are_no_loss() {
    let mut pair = met(&[0]);
    for fill in 0..50 {
        pair.student.send(&packet(100, fill), pair.now);
    }
    pair.student.mail.0.reverse();
    let lost_before = pair.campus.peer.paths()[0].meter.lost();
    pair.settle();
    assert_eq!(pair.campus.packets.len(), 50);
    assert_eq!(pair.campus.peer.paths()[0].meter.lost(), lost_before);
}

#[test]
fn a_black_hole_shrinks_the_packets_that_are_accepted() {
    let mut pair = met(&[0]);
    assert_eq!(pair.student.send(&packet(1376, 0), pair.now), Outbound::Sent);
    pair.fits = vec![(0, 1400)];
    pair.run(Duration::from_secs(60), STEP, |_| {});
    let Outbound::TooBig(_, most) = pair.student.send(&packet(1376, 0), pair.now) else {
        panic!("the black hole was not found");
    };
    pair.settle();
    pair.campus.packets.clear();
    let most = u16::try_from(most).unwrap();
    assert_eq!(pair.student.send(&packet(most, 9), pair.now), Outbound::Sent);
    pair.settle();
    assert_eq!(pair.campus.packets.len(), 1);
}

#[test]
fn the_campus_follows_a_student_who_moves() {
    let mut pair = met(&[0]);
    pair.student.send(&packet(100, 1), pair.now);
    let (_, octets) = pair.student.mail.0.pop().unwrap();
    let elsewhere = path_address(200);
    pair.campus.deliver(elsewhere, &octets, pair.now);
    pair.campus.send(&packet(100, 2), pair.now);
    assert_eq!(pair.campus.mail.0.last().unwrap().0, elsewhere);
}

#[test]
fn a_forged_datagram_moves_nobody() {
    let mut pair = met(&[0]);
    pair.student.send(&packet(100, 1), pair.now);
    let (_, mut octets) = pair.student.mail.0.pop().unwrap();
    *octets.last_mut().unwrap() ^= 1;
    pair.campus.deliver(path_address(200), &octets, pair.now);
    pair.campus.send(&packet(100, 2), pair.now);
    assert_eq!(pair.campus.mail.0.last().unwrap().0, path_address(0));
}

#[test]
fn a_campus_that_restarts_is_found_again() {
    let mut pair = met(&[0, 1]);
    pair.campus = pair::End::new(2, 1, &[], false, pair.now);
    pair.student.peer.shake(pair.now, &mut pair.student.mail);
    pair.run(Duration::from_secs(2), STEP, |_| {});
    pair.student.send(&packet(100, 3), pair.now);
    pair.settle();
    assert_eq!(pair.campus.packets.len(), 1);
    assert!(pair.campus.peer.speaks_frames());
}

#[test]
fn loss_is_measured_per_path_and_told_to_the_other_end() {
    let mut pair = met(&[0, 1]);
    for sent in 0..100 {
        pair.dead = if sent % 10 == 3 { vec![0] } else { vec![] };
        pair.student.send(&packet(100, 0), pair.now);
        pair.settle();
    }
    pair.dead.clear();
    pair.run(Duration::from_secs(1), STEP, |_| {});
    let near = &pair.campus.peer.paths().iter().find(|path| path.id == 0).unwrap().meter;
    assert_eq!(near.lost(), 10);
    let far = &pair.student.peer.paths().iter().find(|path| path.id == 0).unwrap().far;
    assert_eq!(far.lost, 10);
}

#[test]
fn under_load_a_campus_asks_for_a_cookie_and_lets_in_who_brings_it() {
    let mut pair = Pair::new(&[0], Instant::now());
    pair.campus.set_patience(2, 2);
    for _ in 0..3 {
        pair.student.peer.shake(pair.now, &mut pair.student.mail);
    }
    let initiations = std::mem::take(&mut pair.student.mail.0);
    for (address, octets) in &initiations {
        pair.campus.deliver(*address, octets, pair.now);
    }
    assert_eq!(pair.campus.losses, [Loss::Refused], "the third in a second");
    let answers = std::mem::take(&mut pair.campus.mail.0);
    let cookie = answers.last().expect("a cookie");
    assert_eq!((cookie.1[0], cookie.1.len()), (3, 64));
    pair.student.deliver(cookie.0, &cookie.1, pair.now);
    pair.student.peer.shake(pair.now, &mut pair.student.mail);
    pair.settle();
    assert_eq!(pair.campus.losses, [Loss::Refused], "who shows the cookie is not refused again");
    pair.student.send(&packet(60, 1), pair.now);
    pair.settle();
    assert_eq!(pair.campus.packets.len(), 1);
}
