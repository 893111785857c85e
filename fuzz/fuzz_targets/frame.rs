//! Any octets as a plaintext and as an IP packet: no panic, and what is decoded lies inside the input.

#![no_main]

use carry::ip;
use carry::wire::{self, Plain};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    match wire::decode(octets) {
        Ok(Plain::Packet(packet)) => assert_eq!(packet, octets),
        Ok(Plain::Source(_, _, packet)) => assert_eq!(packet, &octets[wire::SOURCE_BYTES..]),
        Ok(Plain::Report(_, lines)) => assert!(wire::path_lines(lines).count() <= wire::MAX_PATHS),
        Ok(Plain::Keepalive) => assert!(octets.is_empty()),
        Ok(_) | Err(_) => {}
    }
    if let Some(ip) = ip::parse(octets) {
        assert!(ip.length <= octets.len());
    }
    if let Some(answer) = ip::too_big(octets, 1280) {
        let parsed = ip::parse(&answer).expect("an answer is a packet");
        assert_eq!(parsed.length, answer.len());
    }
});
