//! The relay's loop: sockets on one side, the table on the other.  Judges nothing itself.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use super::counts::Refusal;
use super::flow::FlowId;
use super::pace::{GATHER, Pace};
use super::port::{Batch, Bundle, Port, Train, Way, send_train};
use super::table::{Campus, Limits, Order, Table};
use crate::desk::Inbox;
use crate::os::{self, Epoll};

const LISTEN: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;
/// Sockets served after one wait; the others come in the next.
const READY_MOST: usize = 64;
/// Batches taken from one socket before the others have their turn.
const ROUNDS: usize = 4;
/// Times the same sockets are asked again before all are looked at: others wait a millisecond at most.
const BLIND: u32 = 4;
/// How often silence is looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// The socket of one flow, towards its campus.
struct Outlet {
    id: FlowId,
    port: Port,
    endpoint: SocketAddr,
    /// Our address that the client knows: answers must come from it.
    origin: Option<IpAddr>,
}

/// Everything the relay's thread owns.
pub struct State {
    table: Table,
    listen: Port,
    outlets: Vec<Option<Outlet>>,
    epoll: Epoll,
    bundle: Bundle,
    born: Instant,
    now: Duration,
    pace: Pace,
    /// A socket was left before it was empty.
    behind: bool,
    /// How often sockets were asked without looking at all.
    blind: u32,
    calls: u64,
}

impl State {
    /// A relay on `listen` that works for nobody yet.
    ///
    /// # Errors
    /// The system's.
    pub fn new(listen: Port, limits: Limits) -> io::Result<Self> {
        let epoll = Epoll::new(READY_MOST)?;
        epoll.add(listen.as_raw_fd(), LISTEN)?;
        Ok(Self {
            table: Table::new(limits),
            listen,
            outlets: Vec::new(),
            epoll,
            bundle: Bundle::default(),
            born: Instant::now(),
            now: Duration::ZERO,
            pace: Pace::default(),
            behind: false,
            blind: 0,
            calls: 0,
        })
    }

    /// Work for these campuses from now on.
    pub fn set_campuses(&mut self, campuses: &[Campus]) {
        self.table.set_campuses(campuses);
        self.carry_out();
    }

    /// Every counter under its name.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut named: Vec<_> = self.table.counts().named().collect();
        named.push(("flows", self.table.flows() as u64));
        named.push(("system_calls", self.calls));
        named
    }

    /// Carry datagrams until nobody is at the desk any more.
    pub fn run(mut self, desk: &Inbox<Self>) {
        if self.epoll.add(desk.bell().as_raw_fd(), BELL).is_err() {
            return;
        }
        // The kernel's own forwarding runs before any process, too.
        os::be_preferred();
        os::wake_exactly();
        let mut batch = Batch::new();
        let mut ready: Vec<u64> = Vec::with_capacity(READY_MOST);
        let mut sweep_at = SWEEP;
        loop {
            let pause = sweep_at.saturating_sub(self.now);
            if self.wait(&mut ready, pause).is_err() {
                return;
            }
            self.now = self.born.elapsed();
            for &token in &ready {
                match token {
                    BELL if !desk.answer(&mut self) => return,
                    BELL => {}
                    LISTEN => self.serve_clients(&mut batch),
                    flow => self.serve_campus(unpack(flow), &mut batch),
                }
            }
            if self.now >= sweep_at {
                sweep_at = self.now + SWEEP;
                self.table.expire(self.now);
                self.carry_out();
            }
        }
    }

    /// Wait until sockets have something, for `pause` at most; leave their tokens in `ready`.
    ///
    /// When it is busy, the sockets that had something are likely to have it again: they are asked
    /// without a wait, and every `BLIND` times all are looked at.
    fn wait(&mut self, ready: &mut Vec<u64>, pause: Duration) -> io::Result<()> {
        let gathers = self.pace.is_busy(self.now) && !std::mem::take(&mut self.behind);
        if gathers {
            self.calls += 1;
            thread::sleep(GATHER);
        }
        if gathers && self.blind < BLIND && !ready.is_empty() {
            self.blind += 1;
            return Ok(());
        }
        self.blind = 0;
        self.calls += 1;
        ready.clear();
        ready.extend(self.epoll.wait(Some(pause))?);
        Ok(())
    }

    fn serve_clients(&mut self, batch: &mut Batch) {
        for _ in 0..ROUNDS {
            self.calls += 1;
            let more = batch.fill(&self.listen);
            for train in batch.trains() {
                self.pace.arrived(train.bytes.len());
                self.train_up(&train);
            }
            self.flush();
            if !more.unwrap_or(false) {
                return;
            }
        }
        self.behind = true;
    }

    fn serve_campus(&mut self, id: FlowId, batch: &mut Batch) {
        for _ in 0..ROUNDS {
            let Some(outlet) = self.outlet(id) else {
                return;
            };
            let more = batch.fill(&outlet.port);
            let origin = outlet.origin;
            self.calls += 1;
            for train in batch.trains() {
                self.pace.arrived(train.bytes.len());
                self.train_down(id, origin, &train);
            }
            self.flush();
            if !more.unwrap_or(false) {
                return;
            }
        }
        self.behind = true;
    }

    /// Judge each datagram of a client's train; pass on runs of those that may.
    fn train_up(&mut self, train: &Train<'_>) {
        let mut flow = self.table.find(&train.source);
        let mut run = Run::default();
        for (at, datagram) in datagrams(train) {
            let passed = match flow {
                Some(id) => self.table.up(id, datagram, self.now).is_ok(),
                None => {
                    flow = self.open(train, datagram);
                    flow.is_some()
                }
            };
            if !run.extend(passed, at, datagram) {
                self.pass_up(flow, train, run.take());
            }
        }
        self.pass_up(flow, train, run.take());
    }

    fn train_down(&mut self, id: FlowId, origin: Option<IpAddr>, train: &Train<'_>) {
        let mut client = None;
        let mut run = Run::default();
        for (at, datagram) in datagrams(train) {
            let judged = self.table.down(id, datagram);
            client = judged.ok().or(client);
            if !run.extend(judged.is_ok(), at, datagram) {
                self.pass_down(client, origin, train, run.take());
            }
        }
        self.pass_down(client, origin, train, run.take());
    }

    fn open(&mut self, train: &Train<'_>, datagram: &[u8]) -> Option<FlowId> {
        let admitted = self.table.admit(train.source, datagram, self.now);
        self.carry_out();
        let (id, endpoint) = admitted.ok()?;
        let Ok(port) = Port::connect(endpoint) else {
            return self.close(id);
        };
        if self.epoll.add(port.as_raw_fd(), pack(id)).is_err() {
            return self.close(id);
        }
        let slot = id.slot as usize;
        if self.outlets.len() <= slot {
            self.outlets.resize_with(slot + 1, || None);
        }
        self.outlets[slot] = Some(Outlet { id, port, endpoint, origin: train.target });
        Some(id)
    }

    fn close(&mut self, id: FlowId) -> Option<FlowId> {
        self.table.close(id);
        self.table.refuse_many(Refusal::NoSocket, 1);
        self.carry_out();
        None
    }

    fn pass_up(&mut self, flow: Option<FlowId>, train: &Train<'_>, run: std::ops::Range<usize>) {
        if let Some(outlet) = flow.and_then(|id| self.outlet(id)) {
            let way = Way {
                slot: Some(outlet.id.slot),
                destination: outlet.endpoint,
                origin: None,
                ecn: train.ecn,
            };
            self.send(way, train.size, &train.bytes[run]);
        }
    }

    fn pass_down(
        &mut self,
        client: Option<SocketAddr>,
        origin: Option<IpAddr>,
        train: &Train<'_>,
        run: std::ops::Range<usize>,
    ) {
        if let Some(destination) = client {
            let way = Way { slot: None, destination, origin, ecn: train.ecn };
            self.send(way, train.size, &train.bytes[run]);
        }
    }

    /// Send a run now if it is a train of its own, else gather it with what goes the same way.
    fn send(&mut self, way: Way, size: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        // A lone datagram is as long as it is: its own length is the size of a train to come.
        let size = size.min(bytes.len());
        let Some(port) = self.port(way.slot) else {
            return;
        };
        if self.bundle.takes(&way, size, bytes, port.segments()) {
            self.bundle.gather(way, size, bytes);
            return;
        }
        let whole = bytes.len() > size;
        self.flush();
        if !whole {
            self.bundle.gather(way, size, bytes);
        } else if let Some(port) = self.port(way.slot) {
            let sent = send_train(port, &way, size, bytes);
            self.calls += sent.calls;
            self.table.refuse_many(Refusal::Unsent, sent.failed);
        }
    }

    fn flush(&mut self) {
        let Some(way) = self.bundle.way() else {
            return;
        };
        let mut bundle = std::mem::take(&mut self.bundle);
        if let Some(port) = self.port(way.slot) {
            let sent = bundle.leave(port);
            self.calls += sent.calls;
            self.table.refuse_many(Refusal::Unsent, sent.failed);
        }
        self.bundle = bundle;
    }

    fn port(&self, slot: Option<u32>) -> Option<&Port> {
        let Some(slot) = slot else {
            return Some(&self.listen);
        };
        let outlet = self.outlets.get(slot as usize)?.as_ref();
        outlet.map(|outlet| &outlet.port)
    }

    fn outlet(&self, id: FlowId) -> Option<&Outlet> {
        let outlet = self.outlets.get(id.slot as usize)?.as_ref();
        outlet.filter(|outlet| outlet.id == id)
    }

    /// Do to the sockets what the table ordered, until it orders nothing more.
    fn carry_out(&mut self) {
        loop {
            let orders: Vec<Order> = self.table.orders().collect();
            if orders.is_empty() {
                return;
            }
            for order in orders {
                self.carry_out_one(order);
            }
        }
    }

    fn carry_out_one(&mut self, order: Order) {
        let (Order::Close(id) | Order::Aim(id, _)) = order;
        let Some(place) = self.outlets.get_mut(id.slot as usize) else {
            return;
        };
        match (order, place.as_mut()) {
            (Order::Aim(_, endpoint), Some(outlet)) => {
                outlet.endpoint = endpoint;
                // Of another address family: the student's next handshake opens a fitting flow.
                if outlet.port.aim(endpoint).is_err() {
                    self.table.close(id);
                }
            }
            // Closing the socket takes it out of the epoll set.
            _ => *place = None,
        }
    }
}

/// Consecutive datagrams of a train that may pass.
#[derive(Default)]
struct Run(std::ops::Range<usize>);

impl Run {
    /// Add the datagram at `at` if it may pass; false when the run must be sent first.
    fn extend(&mut self, passes: bool, at: usize, datagram: &[u8]) -> bool {
        if !passes {
            return self.0.is_empty();
        }
        if self.0.is_empty() {
            self.0.start = at;
        }
        self.0.end = at + datagram.len();
        true
    }

    fn take(&mut self) -> std::ops::Range<usize> {
        std::mem::take(&mut self.0)
    }
}

fn datagrams<'a>(train: &Train<'a>) -> impl Iterator<Item = (usize, &'a [u8])> {
    let size = train.size;
    train.bytes.chunks(size).enumerate().map(move |(n, datagram)| (n * size, datagram))
}

fn pack(id: FlowId) -> u64 {
    u64::from(id.generation) << 32 | u64::from(id.slot)
}

fn unpack(token: u64) -> FlowId {
    FlowId { slot: token as u32, generation: (token >> 32) as u32 }
}
