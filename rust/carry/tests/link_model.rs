//! The link's fate of packets, in virtual time: bounds that hold for every packet, and statistics.

use std::time::Duration;

use carry::link::model::{Bottleneck, Fate, LinkModel};
use carry::link::random::Stream;
use carry::link::settings::Settings;

struct Line {
    model: LinkModel,
    shared: Bottleneck,
}

impl Line {
    fn new(settings: Settings, seed: u64) -> Self {
        let settings = settings.checked().expect("the test's settings are in range");
        let mut shared = Bottleneck::new(seed, "a to b");
        shared.follow(&settings, Duration::ZERO);
        Self { model: LinkModel::new(settings, seed, "a to b"), shared }
    }

    fn admit(&mut self, now: Duration, length: usize) -> Fate {
        self.model.admit(&mut self.shared, now, length)
    }

    /// Fates of `count` packets sent `every` apart.
    fn stream(&mut self, count: u32, every: Duration, length: usize) -> Vec<Fate> {
        (0..count).map(|n| self.admit(every * n, length)).collect()
    }
}

fn share(fates: &[Fate], fate: Fate) -> f64 {
    fates.iter().filter(|&&each| each == fate).count() as f64 / fates.len() as f64
}

/// Lengths of the runs of `Lost`.
fn bursts(fates: &[Fate]) -> Vec<usize> {
    fates.split(|&fate| fate != Fate::Lost).map(<[Fate]>::len).filter(|&length| length > 0).collect()
}

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_clean_line_delays_and_nothing_else() {
    let settings = Settings { delay_s: 0.05, ..Settings::default() };
    let mut line = Line::new(settings, 1);
    for (n, fate) in line.stream(1_000, MILLISECOND, 1_400).iter().enumerate() {
        let expected = MILLISECOND * n as u32 + Duration::from_millis(50);
        assert_eq!(*fate, Fate::DeliverAt(expected));
    }
}

#[test]
fn random_loss_is_within_binomial_bounds() {
    let (count, loss) = (200_000, 0.03);
    let settings = Settings { loss, ..Settings::default() };
    let fates = Line::new(settings, 2).stream(count, MILLISECOND, 200);
    let spread = (loss * (1.0 - loss) / f64::from(count)).sqrt();
    assert!((share(&fates, Fate::Lost) - loss).abs() < 4.0 * spread);
}

#[test]
fn bursts_are_as_frequent_and_as_long_as_asked() {
    let (count, enter, leave) = (400_000, 0.01, 0.2);
    let settings =
        Settings { loss_enter: enter, loss_leave: leave, loss_in_burst: 1.0, ..Settings::default() };
    let fates = Line::new(settings, 3).stream(count, MILLISECOND, 200);
    let expected = enter / (enter + leave);
    // Neighbours of a two-state chain correlate by 1 - enter - leave.
    let widening = (2.0 - enter - leave) / (enter + leave);
    let spread = (expected * (1.0 - expected) * widening / f64::from(count)).sqrt();
    assert!((share(&fates, Fate::Lost) - expected).abs() < 4.0 * spread);
    let lengths = bursts(&fates);
    let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
    let mean_spread = ((1.0 - leave) / (leave * leave) / lengths.len() as f64).sqrt();
    assert!((mean - 1.0 / leave).abs() < 4.0 * mean_spread, "mean burst {mean}");
}

#[test]
fn outages_come_in_time_whether_or_not_anybody_sends() {
    let settings =
        Settings { outage_every_s: 2.0, outage_least_s: 0.08, outage_most_s: 0.30, ..Settings::default() };
    let often = Line::new(settings.clone(), 4).stream(2_000_000, MILLISECOND, 200);
    let seldom = Line::new(settings, 4).stream(20_000, MILLISECOND * 100, 200);
    let same = seldom.iter().enumerate().filter(|(n, fate)| {
        let beside = often[n * 100];
        (**fate == Fate::Lost) == (beside == Fate::Lost)
    });
    assert_eq!(same.count(), seldom.len(), "the outages are those of the seed, not of the traffic");
    let lengths = bursts(&often);
    assert!(lengths.iter().all(|length| (79..=301).contains(length)), "0.08 to 0.30 s each");
    // About 2,000 s in turns of 2.19 s on average.
    assert!((800..1_020).contains(&lengths.len()), "{} outages", lengths.len());
    let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
    assert!((mean - 190.0).abs() < 10.0, "mean outage {mean} ms");
}

#[test]
fn rate_and_queue_hold_for_every_packet() {
    let (rate_bps, queue_s, delay_s) = (2e6, 0.1, 0.03);
    let settings = Settings { delay_s, rate_bps, queue_s, ..Settings::default() };
    let mut luck = Stream::new(5, "arrivals");
    let mut line = Line::new(settings, 5);
    let (mut now, mut delivered_bits, mut last) = (Duration::ZERO, 0.0, Duration::ZERO);
    for _ in 0..100_000 {
        now += Duration::from_secs_f64(luck.uniform() * 0.004);
        let length = 60 + (luck.uniform() * 1_340.0) as usize;
        if let Fate::DeliverAt(at) = line.admit(now, length) {
            let own_s = length as f64 * 8.0 / rate_bps;
            let waited_s = (at - now).as_secs_f64() - delay_s - own_s;
            assert!((-1e-6..=queue_s + 1e-6).contains(&waited_s), "waited {waited_s} s");
            assert!(at >= last, "in order");
            delivered_bits += length as f64 * 8.0;
            last = at;
        }
    }
    let measured = delivered_bits / (last.as_secs_f64() - delay_s);
    assert!((measured / rate_bps - 1.0).abs() < 0.01, "{measured} bit/s");
}

#[test]
fn a_policer_passes_its_burst_and_then_its_rate() {
    let settings = Settings { police_bps: 8e6, police_burst_bytes: 10_000, ..Settings::default() };
    let mut line = Line::new(settings, 6);
    let passes = |line: &mut Line, now| matches!(line.admit(now, 1_000), Fate::DeliverAt(_));
    let first = (0..50).filter(|_| passes(&mut line, Duration::ZERO)).count();
    assert_eq!(first, 10, "the burst is ten packets");
    let every = Duration::from_micros(500);
    let later = (1..=20_000).filter(|&n| passes(&mut line, every * n)).count();
    assert_eq!(later, 10_000, "1,000 octets a millisecond for ten seconds");
}

#[test]
fn jitter_has_its_mean_and_never_reorders() {
    let (delay_s, jitter_s) = (0.05, 0.008);
    let settings = Settings { delay_s, jitter_s, ..Settings::default() };
    let every = Duration::from_micros(200);
    let fates = Line::new(settings, 7).stream(1_000_000, every, 200);
    let (mut sum_s, mut last) = (0.0, Duration::ZERO);
    for (n, fate) in fates.iter().enumerate() {
        let Fate::DeliverAt(at) = *fate else {
            panic!("a line without loss lost packet {n}: {fate:?}");
        };
        assert!(at >= last);
        last = at;
        let delay = (at - every * n as u32).as_secs_f64();
        assert!(delay >= delay_s - 1e-9, "never faster than the line");
        sum_s += delay - delay_s;
    }
    let mean = sum_s / fates.len() as f64;
    // Keeping order lifts the mean a little above the wanderer's own.
    assert!((jitter_s * 0.95..jitter_s * 1.15).contains(&mean), "mean extra delay {mean} s");
}

#[test]
fn the_same_seed_gives_the_same_fate_and_another_another() {
    let settings = Settings {
        delay_s: 0.02,
        jitter_s: 0.003,
        loss: 0.02,
        loss_enter: 0.01,
        loss_leave: 0.3,
        loss_in_burst: 0.8,
        outage_every_s: 3.0,
        outage_least_s: 0.1,
        outage_most_s: 0.2,
        rate_bps: 3e6,
        queue_s: 0.05,
        ..Settings::default()
    };
    let fates = |seed| Line::new(settings.clone(), seed).stream(20_000, MILLISECOND * 2, 700);
    assert_eq!(fates(8), fates(8));
    assert_ne!(fates(8), fates(9));
}

#[test]
fn changed_settings_keep_the_queue_and_the_order() {
    let slow = Settings { delay_s: 0.2, rate_bps: 1e6, queue_s: 1.0, ..Settings::default() };
    let mut line = Line::new(slow.clone(), 10);
    let fates = line.stream(20, Duration::ZERO, 1_250);
    assert_eq!(fates[19], Fate::DeliverAt(Duration::from_millis(400)));
    line.model.set(Settings { delay_s: 0.01, ..slow });
    let next = line.admit(MILLISECOND, 1_250);
    assert_eq!(next, Fate::DeliverAt(Duration::from_millis(400)), "210 ms of line, but in order");
}

#[test]
fn links_of_a_group_share_line_bursts_and_outages() {
    let settings =
        Settings { rate_bps: 1e6, queue_s: 0.015, group: "strait".to_owned(), ..Settings::default() };
    let mut shared = Bottleneck::new(11, "group strait");
    let mut one = LinkModel::new(settings.clone(), 11, "a to b");
    let mut two = LinkModel::new(settings, 11, "a to c");
    let ten = Duration::from_millis(10);
    assert_eq!(one.admit(&mut shared, Duration::ZERO, 1_250), Fate::DeliverAt(ten));
    assert_eq!(two.admit(&mut shared, Duration::ZERO, 1_250), Fate::DeliverAt(ten * 2));
    assert_eq!(one.admit(&mut shared, Duration::ZERO, 1_250), Fate::QueueDrop);
    assert_eq!(two.admit(&mut shared, Duration::ZERO, 1_250), Fate::QueueDrop);

    let storm = Settings {
        outage_every_s: 1.0,
        outage_least_s: 0.1,
        outage_most_s: 0.3,
        loss_enter: 0.02,
        loss_leave: 0.2,
        loss_in_burst: 1.0,
        ..Settings::default()
    };
    let mut shared = Bottleneck::new(12, "group strait");
    shared.follow(&storm, Duration::ZERO);
    let mut one = LinkModel::new(storm.clone(), 12, "a to b");
    let mut two = LinkModel::new(storm, 12, "a to c");
    let (mut both, mut first, count) = (0, 0, 100_000_u32);
    for n in 0..count {
        let lost = |fate| fate == Fate::Lost;
        let now = MILLISECOND * n;
        let (a, b) = (lost(one.admit(&mut shared, now, 200)), lost(two.admit(&mut shared, now, 200)));
        both += u32::from(a && b);
        first += u32::from(a);
    }
    let given = f64::from(both) / f64::from(first);
    assert!(given > 0.8, "{given} of the losses of one hit the other too");
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let bad = [
        ("delay_s", Settings { delay_s: -1.0, ..Settings::default() }),
        ("delay_s", Settings { delay_s: f64::NAN, ..Settings::default() }),
        ("jitter_s", Settings { jitter_s: f64::INFINITY, ..Settings::default() }),
        ("loss", Settings { loss: 1.1, ..Settings::default() }),
        ("rate_bps", Settings { rate_bps: 1.0, ..Settings::default() }),
        ("loss_leave", Settings { loss_enter: 0.1, loss_leave: 0.0, ..Settings::default() }),
        ("outage_least_s", Settings { outage_least_s: 2.0, outage_most_s: 1.0, ..Settings::default() }),
        ("outage_every_s", Settings { outage_every_s: 1e-6, ..Settings::default() }),
        ("police_burst_bytes", Settings { police_bps: 1e6, ..Settings::default() }),
    ];
    for (name, settings) in bad {
        assert_eq!(settings.checked().expect_err("out of range").name, name);
    }
}
