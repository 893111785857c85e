//! A day passes in virtual time; `cargo test --features virtual-time --test idle_day`.

#![cfg(feature = "virtual-time")]

mod pair;

use std::time::{Duration, Instant};

use carry::report::Loss;
use mock_instant::thread_local::MockClock;
use pair::{Pair, packet};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn pass(pair: &mut Pair, time: Duration, step: Duration) {
    pair.run(time, step, MockClock::advance);
}

#[test]
fn a_student_who_idles_for_a_day_can_speak_at_once() {
    let mut pair = Pair::new(&[0, 1], Instant::now());
    pass(&mut pair, Duration::from_secs(2), Duration::from_millis(50));
    let slow = Duration::from_secs(10);
    pair.student.obey(0, slow, pair.now);
    pair.campus.obey(0, slow, pair.now);
    let mut oldest = Duration::ZERO;
    for hour in 0..24_u8 {
        pass(&mut pair, DAY / 24, Duration::from_millis(500));
        oldest = oldest.max(pair.student.peer.handshake_age().expect("a session all day"));
        pair.student.send(&packet(60, hour), pair.now);
        pair.settle();
        assert_eq!(pair.campus.packets.len(), usize::from(hour) + 1, "hour {hour}");
        pair.campus.send(&packet(60, hour), pair.now);
        pair.settle();
        assert_eq!(pair.student.packets.len(), usize::from(hour) + 1, "hour {hour}");
    }
    // Keys are renewed after two minutes in use (whitepaper section 6.2) and never used past three.
    assert!(oldest < Duration::from_secs(180), "a session of {oldest:?}");
    // Each handshake goes out on both paths, and so does its answer; the second copy is dropped.
    assert!(pair.student.losses.iter().chain(&pair.campus.losses).all(|loss| *loss == Loss::Replayed));
}

#[test]
fn a_class_of_a_day_crosses_every_renewal_without_losing_a_packet() {
    let mut pair = Pair::new(&[0], Instant::now());
    pass(&mut pair, Duration::from_secs(2), Duration::from_millis(50));
    pair.student.obey(0, Duration::from_millis(200), pair.now);
    pair.campus.obey(0, Duration::from_millis(200), pair.now);
    let mut sent = 0;
    for _ in 0..DAY.as_secs() {
        pass(&mut pair, Duration::from_secs(1), Duration::from_millis(250));
        pair.student.send(&packet(60, 0), pair.now);
        pair.campus.send(&packet(60, 0), pair.now);
        sent += 1;
    }
    pair.settle();
    assert_eq!((pair.campus.packets.len(), pair.student.packets.len()), (sent, sent));
}

#[test]
fn a_laptop_that_slept_for_hours_comes_back() {
    let mut pair = Pair::new(&[0], Instant::now());
    pass(&mut pair, Duration::from_secs(2), Duration::from_millis(50));
    let asleep = Duration::from_secs(5 * 3600);
    MockClock::advance(asleep);
    pair.now += asleep;
    pass(&mut pair, Duration::from_secs(10), Duration::from_millis(50));
    pair.student.send(&packet(60, 1), pair.now);
    pair.settle();
    assert_eq!(pair.campus.packets.len(), 1);
}

#[test]
fn a_campus_that_is_away_for_hours_is_found_again() {
    let mut pair = Pair::new(&[0], Instant::now());
    pass(&mut pair, Duration::from_secs(2), Duration::from_millis(50));
    pair.dead = vec![0];
    pass(&mut pair, Duration::from_secs(2 * 3600), Duration::from_millis(500));
    pair.dead.clear();
    pass(&mut pair, Duration::from_secs(15), Duration::from_millis(50));
    pair.student.send(&packet(60, 1), pair.now);
    pair.settle();
    assert_eq!(pair.campus.packets.len(), 1);
}
