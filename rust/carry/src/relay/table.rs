//! Who may pass through the relay: admission, roaming, amplification, expiry.
//!
//! No sockets and no clock; a datagram, its source and `now` go in, a verdict comes
//! out.  Holds public keys, addresses of living flows and counts, all in memory.
//! Source: WireGuard whitepaper s5.3 (denial of service), s5.4.4 (mac1), s6.5 (roaming).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::bucket::{Bucket, Source};
use super::counts::{Counts, Refusal};
use super::datagram::{Kind, Mac1Key, classify};
use super::flow::{Flow, FlowId, Slots};

/// A client silent for so long has gone; WireGuard itself gives a session up after 180 s (s6.1).
pub const IDLE: Duration = Duration::from_secs(180);
/// A flow that never proved its address may be evicted after this silence when the table is full.
pub const UNPROVEN_IDLE: Duration = Duration::from_secs(3);

/// How much the relay remembers at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Flows altogether; each costs one socket.
    pub flows: usize,
    /// Flows of one source: an IPv4 address or an IPv6 /64.
    pub flows_per_source: u32,
}

/// A campus the relay works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Campus {
    /// WireGuard public key, the only thing mac1 needs.
    pub public_key: [u8; 32],
    /// Where its datagrams go: the campus itself, or the next relay of a chain.
    pub endpoint: SocketAddr,
}

/// What the table wants done to the sockets of its flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The flow has ended: close its socket.
    Close(FlowId),
    /// The campus has moved: connect the flow's socket to its new endpoint.
    Aim(FlowId, SocketAddr),
}

struct Admitter {
    campus: Campus,
    mac1: Mac1Key,
}

#[derive(Debug)]
struct Holder {
    bucket: Bucket,
    flows: u32,
}

/// The flows of one relay.
///
/// For a datagram of a client call `find`, then `up` when it has a flow, else `admit`.
/// For a datagram of a campus call `down`.  Call `expire` about once a second, and carry out
/// `orders` after any of `admit`, `expire`, `close` and `set_campuses`.  `now` is one
/// monotonic clock throughout.
pub struct Table {
    limits: Limits,
    campuses: Vec<Admitter>,
    flows: Slots,
    by_source: HashMap<SocketAddr, FlowId>,
    by_index: HashMap<u32, FlowId>,
    holders: HashMap<Source, Holder>,
    orders: Vec<Order>,
    room_made_at: Option<Duration>,
    counts: Counts,
}

impl Table {
    /// An empty table that admits nobody until `set_campuses`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            campuses: Vec::new(),
            flows: Slots::default(),
            by_source: HashMap::new(),
            by_index: HashMap::new(),
            holders: HashMap::new(),
            orders: Vec::new(),
            room_made_at: None,
            counts: Counts::default(),
        }
    }

    /// Replace the campuses at once; flows of those that left end, flows of those that moved follow.
    ///
    /// Of several entries with one public key the first counts.
    pub fn set_campuses(&mut self, campuses: &[Campus]) {
        self.campuses.clear();
        for campus in campuses {
            if self.campus(&campus.public_key).is_none() {
                self.campuses.push(Admitter { campus: *campus, mac1: Mac1Key::new(&campus.public_key) });
            }
        }
        let ids: Vec<FlowId> = self.flows.ids().collect();
        for id in ids {
            let Some(flow) = self.flows.get(id) else {
                continue;
            };
            match self.campus(&flow.campus.public_key) {
                None => self.close(id),
                Some(new) if new != flow.campus => {
                    self.orders.push(Order::Aim(id, new.endpoint));
                    if let Some(flow) = self.flows.get_mut(id) {
                        flow.campus = new;
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// The flow of a client's address, if it has one.
    #[inline]
    #[must_use]
    pub fn find(&self, source: &SocketAddr) -> Option<FlowId> {
        self.by_source.get(source).copied()
    }

    /// Judge a datagram of a client that has no flow; open one, or say why not.
    ///
    /// An initiation whose mac1 is right for a campus opens a flow to it.  So does a transport
    /// message to a session that a campus opened through this relay: its student has roamed.
    ///
    /// # Errors
    /// The reason why the datagram must be dropped, already counted.
    pub fn admit(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        now: Duration,
    ) -> Result<(FlowId, SocketAddr), Refusal> {
        let opened = self.try_admit(source, datagram, now);
        match &opened {
            Ok(_) => {
                self.counts.admitted += 1;
                self.counts.pass_up(datagram.len());
            }
            Err(refusal) => self.counts.refuse(*refusal),
        }
        opened
    }

    fn try_admit(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        now: Duration,
    ) -> Result<(FlowId, SocketAddr), Refusal> {
        let (campus, claimed) = match classify(datagram).ok_or(Refusal::Malformed)? {
            Kind::Initiation { .. } => (self.called_by(datagram)?, None),
            Kind::Data { receiver } => (self.owner_of(receiver)?, Some(receiver)),
            Kind::Response { .. } | Kind::Cookie { .. } => return Err(Refusal::Stranger),
        };
        self.take_token(source, now)?;
        self.make_room(now);
        if self.flows.len() >= self.limits.flows {
            return Err(Refusal::Full);
        }
        let limit = self.limits.flows_per_source;
        let holder = self.holder(source, now);
        if holder.flows >= limit {
            return Err(Refusal::SourceFull);
        }
        holder.flows += 1;
        let flow = Flow::new(source, campus, claimed, datagram.len(), now);
        let id = self.flows.insert(flow);
        self.by_source.insert(source, id);
        Ok((id, campus.endpoint))
    }

    /// Judge a datagram of a client that has a flow.
    ///
    /// # Errors
    /// The reason why the datagram must be dropped, already counted.
    #[inline]
    pub fn up(&mut self, id: FlowId, datagram: &[u8], now: Duration) -> Result<(), Refusal> {
        let judged = self.try_up(id, datagram, now);
        match judged {
            Ok(()) => self.counts.pass_up(datagram.len()),
            Err(refusal) => self.counts.refuse(refusal),
        }
        judged
    }

    #[inline]
    fn try_up(&mut self, id: FlowId, datagram: &[u8], now: Duration) -> Result<(), Refusal> {
        let kind = classify(datagram).ok_or(Refusal::Malformed)?;
        if let Kind::Initiation { .. } = kind {
            let source = self.check_call(id, datagram)?;
            self.take_token(source, now)?;
        }
        let flow = self.flows.get_mut(id).ok_or(Refusal::Stranger)?;
        flow.heard(kind, datagram.len(), now);
        Ok(())
    }

    /// Judge a datagram that a campus sent to the socket of a flow.
    ///
    /// # Errors
    /// The reason why the datagram must be dropped, already counted.
    #[inline]
    pub fn down(&mut self, id: FlowId, datagram: &[u8]) -> Result<SocketAddr, Refusal> {
        let judged = self.try_down(id, datagram);
        match judged {
            Ok(_) => self.counts.pass_down(datagram.len()),
            Err(refusal) => self.counts.refuse(refusal),
        }
        judged
    }

    #[inline]
    fn try_down(&mut self, id: FlowId, datagram: &[u8]) -> Result<SocketAddr, Refusal> {
        let kind = classify(datagram).ok_or(Refusal::Malformed)?;
        let flow = self.flows.get_mut(id).ok_or(Refusal::Stranger)?;
        let learned = flow.answer(kind, datagram.len())?;
        let source = flow.source;
        if let Some(index) = learned {
            self.learn(id, index);
        }
        Ok(source)
    }

    /// End flows whose client has been silent for `IDLE`, and forget sources that owe nothing.
    pub fn expire(&mut self, now: Duration) {
        let stale = |flow: &Flow| now.saturating_sub(flow.heard_at) >= IDLE;
        self.counts.expired += self.close_where(stale);
        self.holders.retain(|_, holder| holder.flows > 0 || !holder.bucket.is_full(now));
    }

    /// End one flow, because its socket failed.
    pub fn close(&mut self, id: FlowId) {
        let Some(flow) = self.flows.remove(id) else {
            return;
        };
        self.by_source.remove(&flow.source);
        for index in flow.indices() {
            if self.by_index.get(&index) == Some(&id) {
                self.by_index.remove(&index);
            }
        }
        if let Some(holder) = self.holders.get_mut(&Source::of(&flow.source)) {
            holder.flows -= 1;
        }
        self.orders.push(Order::Close(id));
    }

    /// Count datagrams that were admitted and that the carrier then had to drop.
    pub fn refuse_many(&mut self, refusal: Refusal, packets: u64) {
        self.counts.refuse_many(refusal, packets);
    }

    /// Take what must be done to sockets, oldest first.
    pub fn orders(&mut self) -> std::vec::Drain<'_, Order> {
        self.orders.drain(..)
    }

    /// Flows alive now.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    /// What has passed and what was refused since the birth of the table.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    fn campus(&self, public_key: &[u8; 32]) -> Option<Campus> {
        let mut all = self.campuses.iter().map(|admitter| admitter.campus);
        all.find(|campus| campus.public_key == *public_key)
    }

    fn called_by(&self, initiation: &[u8]) -> Result<Campus, Refusal> {
        let mut all = self.campuses.iter();
        let called = all.find(|admitter| admitter.mac1.fits(initiation));
        Ok(called.ok_or(Refusal::WrongMac)?.campus)
    }

    fn owner_of(&self, index: u32) -> Result<Campus, Refusal> {
        let owner = self.by_index.get(&index).ok_or(Refusal::Stranger)?;
        Ok(self.flows.get(*owner).ok_or(Refusal::Stranger)?.campus)
    }

    /// The source of a flow whose initiation is for the campus of the flow.
    fn check_call(&self, id: FlowId, initiation: &[u8]) -> Result<SocketAddr, Refusal> {
        let flow = self.flows.get(id).ok_or(Refusal::Stranger)?;
        if self.called_by(initiation)? == flow.campus { Ok(flow.source) } else { Err(Refusal::WrongMac) }
    }

    fn holder(&mut self, source: SocketAddr, now: Duration) -> &mut Holder {
        let fresh = || Holder { bucket: Bucket::new(now), flows: 0 };
        self.holders.entry(Source::of(&source)).or_insert_with(fresh)
    }

    fn take_token(&mut self, source: SocketAddr, now: Duration) -> Result<(), Refusal> {
        let granted = self.holder(source, now).bucket.take(now);
        granted.then_some(()).ok_or(Refusal::TooOften)
    }

    fn learn(&mut self, id: FlowId, index: u32) {
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        let forgotten = flow.learn(index);
        self.by_index.insert(index, id);
        if let Some(old) = forgotten
            && self.by_index.get(&old) == Some(&id)
        {
            self.by_index.remove(&old);
        }
    }

    /// Evict flows that never proved their address, at most once a second, when the table is full.
    ///
    /// Initiations with a forged source could fill the table; a student who talks is never evicted.
    fn make_room(&mut self, now: Duration) {
        let waited = |then| now.saturating_sub(then) >= Duration::from_secs(1);
        if self.flows.len() < self.limits.flows || !self.room_made_at.is_none_or(waited) {
            return;
        }
        self.room_made_at = Some(now);
        let doubtful = |flow: &Flow| !flow.proven && now.saturating_sub(flow.heard_at) >= UNPROVEN_IDLE;
        self.counts.evicted += self.close_where(doubtful);
    }

    fn close_where(&mut self, ends: impl Fn(&Flow) -> bool) -> u64 {
        let ended: Vec<FlowId> = self.flows.ids_where(ends).collect();
        for id in &ended {
            self.close(*id);
        }
        ended.len() as u64
    }
}
