//! Any packets over any links: no panic, every packet accounted for, order kept.

#![no_main]

use std::time::Duration;

use carry::link::fabric::Fabric;
use carry::link::settings::Settings;
use libfuzzer_sys::fuzz_target;

fn settings(bytes: [u8; 12]) -> Settings {
    let part = |at: usize| f64::from(bytes[at]) / 255.0;
    Settings {
        delay_s: part(0),
        jitter_s: part(1) / 10.0,
        rate_bps: part(2) * 1e6,
        queue_s: part(3),
        police_bps: part(4) * 1e6,
        police_burst_bytes: u32::from(bytes[5]) * 10,
        loss: part(6),
        loss_enter: part(7),
        loss_leave: part(8),
        loss_in_burst: part(9),
        outage_every_s: part(10),
        outage_least_s: 0.0,
        outage_most_s: part(11),
        mtu_bytes: u32::from(bytes[0]) * 8,
        group: String::new(),
    }
}

fuzz_target!(|input: &[u8]| {
    let mut fabric = Fabric::new(1);
    let hosts = [("a", "10.0.0.1"), ("b", "::1")];
    for (name, address) in hosts {
        fabric.add_host(name, &[address.to_owned()]).expect("both are new");
    }
    let (mut rest, mut now, mut last, mut passages) = (input, Duration::ZERO, Duration::ZERO, 0);
    while let Some((head, tail)) = rest.split_first_chunk::<16>() {
        now += Duration::from_micros(u64::from(u16::from_le_bytes([head[0], head[1]])));
        let bytes = *head.last_chunk::<12>().expect("12 of 16");
        // Settings out of range are refused, and the link stays as it was.
        let _ = fabric.set_link("a", "b", settings(bytes), now);
        let (packet, tail) = tail.split_at(usize::from(head[2]).min(tail.len()));
        rest = tail;
        if let Some(passage) = fabric.admit(0, packet, now) {
            assert!(passage.at >= now && passage.at >= last, "neither early nor out of order");
            last = passage.at;
            passages += 1;
        }
    }
    if let Some((_, _, tally)) = fabric.tallies().next() {
        let drops = tally.queue_drops + tally.policed_drops + tally.oversized_drops;
        assert_eq!(tally.offered_packets, passages + tally.lost_packets + drops);
    }
});
