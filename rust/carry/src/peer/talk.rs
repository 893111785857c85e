//! What two ends say to each other beside the packets they carry: hello, probes, echoes, reports;
//! and the clock that makes them say it.

use std::time::{Duration, Instant};

use super::{Due, HELLO_TRIES, Outbox, Peer};
use crate::path::plaintext_bytes;
use crate::wire::{self, Header, Hello, Kind, Plain};

const HELLO_RETRY: Duration = Duration::from_millis(300);
const TIMERS_EVERY: Duration = Duration::from_millis(250);
const REPORT_EVERY: Duration = Duration::from_millis(200);
/// A big probe costs as much as a picture packet, so it is rare where the size is settled.
const BIG_PROBE_EVERY: Duration = Duration::from_secs(10);
const BIG_PROBE_HASTE: Duration = Duration::from_secs(1);

impl Due {
    fn earliest(&self, frames: bool) -> Instant {
        let quiet = self.timers;
        if frames { quiet.min(self.hello).min(self.probe).min(self.report) } else { quiet.min(self.hello) }
    }
}

impl Peer {
    /// Take a frame that is no source, on the path at position `at`.
    pub(super) fn hear(
        &mut self,
        frame: Plain<'_>,
        at: usize,
        arrived_us: u32,
        now: Instant,
        out: &mut impl Outbox,
    ) {
        match frame {
            Plain::Hello(_, hello) => self.on_hello(hello, at, now, out),
            Plain::Probe(header, id) => {
                self.paths[at].on_frame(&header, arrived_us, now);
                let held_us = self.local.micros(now).wrapping_sub(arrived_us);
                self.emit(at, Kind::Echo, now, out, |echo, octets| {
                    wire::put_echo(echo, id, header.time_us, held_us, octets);
                });
            }
            Plain::Echo(header, id, probe_us, held_us) => {
                let path = &mut self.paths[at];
                path.on_frame(&header, arrived_us, now);
                path.on_echo(id, probe_us, held_us, arrived_us, now);
            }
            Plain::Report(header, lines) => {
                self.paths[at].on_frame(&header, arrived_us, now);
                for line in wire::path_lines(lines) {
                    if let Some(path) = self.paths.iter_mut().find(|path| path.id == line.path) {
                        path.far = line;
                    }
                }
            }
            Plain::Keepalive | Plain::Packet(_) | Plain::Source(..) => {}
        }
    }

    fn on_hello(&mut self, hello: Hello, at: usize, now: Instant, out: &mut impl Outbox) {
        if hello.version != wire::VERSION {
            return;
        }
        if self.far.is_none_or(|known| known.instance != hello.instance) {
            self.paths.iter_mut().for_each(crate::path::Path::restart);
            self.far = Some(hello);
            self.next.probe = now;
        }
        self.hello_tries = HELLO_TRIES;
        if hello.wants_answer {
            self.say_hello(at, false, now, out);
        }
    }

    fn say_hello(&mut self, at: usize, wants_answer: bool, now: Instant, out: &mut impl Outbox) {
        let hello =
            Hello { version: wire::VERSION, capabilities: 0, instance: self.local.instance, wants_answer };
        self.emit(at, Kind::Hello, now, out, |header, octets| wire::put_hello(header, &hello, octets));
    }

    /// Seal one frame that `put` writes, and send it on the path at position `at`.
    fn emit(
        &mut self,
        at: usize,
        kind: Kind,
        now: Instant,
        out: &mut impl Outbox,
        put: impl FnOnce(&Header, &mut Vec<u8>),
    ) {
        let header = self.paths[at].header(kind, 0, self.local.micros(now));
        self.scratch.clear();
        put(&header, &mut self.scratch);
        let mut plain = std::mem::take(&mut self.slab);
        plain.reserve(self.scratch.len().next_multiple_of(16));
        plain.extend_from_slice(&self.scratch);
        let frame = plain.split();
        // Without a session there is nobody to talk to; the clock comes back to it.
        let _ = self.seal(frame, at, out);
        self.slab = plain;
    }

    /// Do what is due at `now`; returns when to call again at the latest.
    pub fn tick(&mut self, now: Instant, out: &mut impl Outbox) -> Instant {
        if now >= self.next.timers {
            self.next.timers = now + TIMERS_EVERY;
            self.tick_session(now, out);
        }
        if now >= self.next.hello {
            self.tick_hello(now, out);
        }
        if self.speaks_frames() && now >= self.next.probe {
            self.tick_probes(now, out);
        }
        if self.speaks_frames() && now >= self.next.report {
            self.next.report = now + REPORT_EVERY.max(self.probe_every);
            self.tick_report(now, out);
        }
        self.next.earliest(self.speaks_frames())
    }

    fn tick_session(&mut self, now: Instant, out: &mut impl Outbox) {
        match self.tunn.update_timers() {
            Ok(Some(message)) => self.transmit_timer(message, out),
            Ok(None) if self.initiates && self.handshake_age().is_none() && now >= self.next.shake => {
                self.shake(now, out);
            }
            // WireGuard gives up after 90 s; a student who waits for the campus does not.
            Err(_) if self.initiates && now >= self.next.shake => self.shake(now, out),
            Ok(None) | Err(_) => {}
        }
    }

    fn tick_hello(&mut self, now: Instant, out: &mut impl Outbox) {
        self.next.hello = now + HELLO_RETRY;
        if self.hello_tries >= HELLO_TRIES {
            self.next.hello = now + Duration::from_secs(3600);
            return;
        }
        self.hello_tries += 1;
        for at in 0..self.paths.len() {
            self.say_hello(at, true, now, out);
        }
    }

    fn tick_probes(&mut self, now: Instant, out: &mut impl Outbox) {
        self.next.probe = now + self.probe_every;
        let big = now >= self.next.big_probe;
        if big {
            let settled = self.paths.iter().all(|path| path.mtu.is_settled());
            self.next.big_probe = now + if settled { BIG_PROBE_EVERY } else { BIG_PROBE_HASTE };
        }
        for at in 0..self.paths.len() {
            if big {
                let wanted = self.paths[at].mtu.wanted(now);
                let id = self.probe(at, plaintext_bytes(wanted), now, out);
                self.paths[at].mtu.on_asked(id, wanted, now);
            }
            self.probe(at, wire::PROBE_BYTES, now, out);
        }
    }

    fn probe(&mut self, at: usize, length: usize, now: Instant, out: &mut impl Outbox) -> u32 {
        let id = self.paths[at].probe_id();
        self.emit(at, Kind::Probe, now, out, |header, octets| wire::put_probe(header, id, length, octets));
        id
    }

    fn tick_report(&mut self, now: Instant, out: &mut impl Outbox) {
        if self.paths.iter().map(|path| path.meter.received).sum::<u32>() == self.reported {
            return;
        }
        let Some(at) = self.choose() else { return };
        let lines: Vec<_> = self.paths.iter().map(crate::path::Path::line).collect();
        self.reported = self.paths.iter().map(|path| path.meter.received).sum();
        self.emit(at, Kind::Report, now, out, |header, octets| {
            wire::put_report(header, lines.into_iter(), octets);
        });
    }
}
