//! The engine: reads packets from the hosts' TUNs, keeps them until they are due, writes them.
//!
//! One thread owns everything; buffers are used again, so a packet costs no allocation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::Error;
use super::fabric::{Fabric, Passage};
use crate::desk::Inbox;
use crate::os::{self, Epoll};

const BELL: u64 = u64::MAX;
/// Hosts served after one wait.
const READY_MOST: usize = 64;
/// Packets read from one host before those that are due go out: about 100 us of work.
const READ_MOST: usize = 32;
/// Packets on the way at once: 1 Gbit/s of 1,400-octet packets for 2.9 s.
const FLIGHT_MOST: usize = 1 << 18;
/// The longest IP packet.
const PACKET_BYTES: usize = 65_535;

/// When a packet is due; of two at the same time the earlier one goes first.
type Due = Reverse<(Duration, u64, u32)>;

struct Packet {
    bytes: Vec<u8>,
    passage: Passage,
}

/// Everything the engine's thread owns.
pub struct Engine {
    fabric: Fabric,
    tuns: Vec<OwnedFd>,
    epoll: Epoll,
    due: BinaryHeap<Due>,
    flight: Vec<Packet>,
    free: Vec<u32>,
    order: u64,
    /// None until it runs: before, it is time zero.
    born: Option<Instant>,
    scratch: Box<[u8]>,
}

impl Engine {
    /// An engine without hosts.
    ///
    /// # Errors
    /// The system's, when descriptors run out.
    pub fn new(seed: u64) -> io::Result<Self> {
        Ok(Self {
            fabric: Fabric::new(seed),
            tuns: Vec::new(),
            epoll: Epoll::new(READY_MOST)?,
            due: BinaryHeap::new(),
            flight: Vec::new(),
            free: Vec::new(),
            order: 0,
            born: None,
            scratch: vec![0; PACKET_BYTES].into_boxed_slice(),
        })
    }

    /// Add a host whose packets come and go by the TUN `descriptor`; a copy of it is kept.
    ///
    /// # Errors
    /// See `Fabric::add_host`, or `System`; nothing changed.
    pub fn add_host(&mut self, name: &str, descriptor: RawFd, addresses: &[String]) -> Result<(), Error> {
        let tun = os::adopt(descriptor).map_err(Error::System)?;
        let watched = tun.as_raw_fd();
        self.epoll.add(watched, self.tuns.len() as u64).map_err(Error::System)?;
        if let Err(error) = self.fabric.add_host(name, addresses) {
            // The caller still holds the TUN open, so closing our copy would leave it watched.
            self.epoll.remove(watched).map_err(Error::System)?;
            return Err(error);
        }
        self.tuns.push(tun);
        Ok(())
    }

    /// The hosts and links, with the time it is for them.
    pub fn fabric(&mut self) -> (&mut Fabric, Duration) {
        let now = self.now();
        (&mut self.fabric, now)
    }

    fn now(&self) -> Duration {
        self.born.map_or(Duration::ZERO, |born| born.elapsed())
    }

    /// Start the clock, and move packets until nobody is at the desk any more.
    pub fn run(mut self, desk: &Inbox<Self>) {
        if self.epoll.add(desk.bell().as_raw_fd(), BELL).is_err() {
            return;
        }
        os::be_prompt();
        self.born = Some(Instant::now());
        let mut ready: Vec<u64> = Vec::with_capacity(READY_MOST);
        loop {
            self.deliver();
            let pause = self.pause();
            ready.clear();
            match self.epoll.wait(pause) {
                Ok(tokens) => ready.extend(tokens),
                Err(_) => return,
            }
            for &token in &ready {
                if token != BELL {
                    self.read(token as usize);
                    self.deliver();
                } else if !desk.answer(&mut self) {
                    return;
                }
            }
        }
    }

    fn pause(&self) -> Option<Duration> {
        let Reverse((at, _, _)) = self.due.peek()?;
        Some(at.saturating_sub(self.now()))
    }

    fn read(&mut self, host: usize) {
        for _ in 0..READ_MOST {
            let Some(tun) = self.tuns.get(host) else {
                return;
            };
            let length = match os::read(tun.as_fd(), &mut self.scratch) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    // The interface is gone for good; watched on, it would wake us without end.
                    let _ = self.epoll.remove(tun.as_raw_fd());
                    return;
                }
            };
            let now = self.now();
            let admitted = self.fabric.admit(host, &self.scratch[..length], now);
            if let Some(passage) = admitted {
                self.keep(passage, length);
            }
        }
    }

    /// Keep the packet in `scratch` until it is due.
    fn keep(&mut self, passage: Passage, length: usize) {
        let packet = &self.scratch[..length];
        let slot = match self.free.pop() {
            Some(slot) => {
                let kept = &mut self.flight[slot as usize];
                kept.passage = passage;
                kept.bytes.clear();
                kept.bytes.extend_from_slice(packet);
                slot
            }
            None if self.flight.len() >= FLIGHT_MOST => {
                self.fabric.overflowed(passage.link);
                return;
            }
            None => {
                let bytes = packet.to_vec();
                self.flight.push(Packet { bytes, passage });
                (self.flight.len() - 1) as u32
            }
        };
        self.due.push(Reverse((passage.at, self.order, slot)));
        self.order += 1;
    }

    /// Write every packet that is due.
    fn deliver(&mut self) {
        while let Some(&Reverse((at, _, slot))) = self.due.peek() {
            if at > self.now() {
                return;
            }
            self.due.pop();
            self.free.push(slot);
            let Packet { bytes, passage } = &self.flight[slot as usize];
            match os::write(self.tuns[passage.target].as_fd(), bytes) {
                Ok(()) => self.fabric.delivered(passage.link, bytes.len()),
                Err(_) => self.fabric.undelivered(passage.link),
            }
        }
    }
}
