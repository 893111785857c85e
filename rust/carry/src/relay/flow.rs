//! One client's flow through the relay, and the slots that flows live in.

use std::net::SocketAddr;
use std::time::Duration;

use super::counts::Refusal;
use super::datagram::Kind;
use super::table::Campus;

/// Sessions of one flow remembered for roaming: WireGuard keeps previous, current and next (s6.3).
const INDICES: usize = 4;

/// Names one flow; a slot used again gets a new generation, so that a late event finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId {
    /// Position among the slots, dense from zero.
    pub slot: u32,
    /// How often the slot was used before.
    pub generation: u32,
}

/// What the relay knows of one flow.
#[derive(Debug)]
pub struct Flow {
    /// Address of the client, as the listening socket saw it.
    pub source: SocketAddr,
    /// Where the flow goes.
    pub campus: Campus,
    /// When the client was last heard.
    pub heard_at: Duration,
    /// The client has shown that it hears us: it used an index that only the campus' answer told it.
    pub proven: bool,
    received_bytes: u64,
    sent_bytes: u64,
    /// Index under which a roaming student came; counts only once the campus sends data here.
    claimed: Option<u32>,
    /// Indices the campus chose on this flow, a ring.
    indices: [Option<u32>; INDICES],
    next: usize,
}

impl Flow {
    /// A flow opened by a datagram of `length` octets.
    #[must_use]
    pub fn new(
        source: SocketAddr,
        campus: Campus,
        claimed: Option<u32>,
        length: usize,
        now: Duration,
    ) -> Self {
        Self {
            source,
            campus,
            heard_at: now,
            proven: false,
            received_bytes: length as u64,
            sent_bytes: 0,
            claimed,
            indices: [None; INDICES],
            next: 0,
        }
    }

    /// Account one datagram from the client.
    #[inline]
    pub fn heard(&mut self, kind: Kind, length: usize, now: Duration) {
        self.heard_at = now;
        self.received_bytes += length as u64;
        if self.proven {
            return;
        }
        if let Kind::Data { receiver } | Kind::Response { receiver, .. } = kind {
            self.proven = self.indices.contains(&Some(receiver));
        }
    }

    /// Account one datagram to the client; return an index that was learned from it.
    ///
    /// # Errors
    /// `Unearned` when it would send a client of unproven address more than it sent us.
    #[inline]
    pub fn answer(&mut self, kind: Kind, length: usize) -> Result<Option<u32>, Refusal> {
        let sent_bytes = self.sent_bytes + length as u64;
        if !self.proven && sent_bytes > self.received_bytes {
            return Err(Refusal::Unearned);
        }
        self.sent_bytes = sent_bytes;
        Ok(match kind {
            Kind::Initiation { sender } | Kind::Response { sender, .. } => Some(sender),
            // The campus sends data only where it authenticated some: the claim was true.
            Kind::Data { .. } => self.claimed.take(),
            Kind::Cookie { .. } => None,
        })
    }

    /// Remember an index of the campus; return the one that is forgotten for it.
    pub fn learn(&mut self, index: u32) -> Option<u32> {
        if self.indices.contains(&Some(index)) {
            return None;
        }
        let forgotten = self.indices[self.next].replace(index);
        self.next = (self.next + 1) % INDICES;
        forgotten
    }

    /// The indices of the campus that are remembered.
    pub fn indices(&self) -> impl Iterator<Item = u32> {
        self.indices.into_iter().flatten()
    }
}

/// Flows in dense slots, so that the carrier can keep its sockets in a plain array beside them.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<(u32, Option<Flow>)>,
    free: Vec<u32>,
}

impl Slots {
    /// Flows alive.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Put a flow into a free slot.
    pub fn insert(&mut self, flow: Flow) -> FlowId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            (self.slots.len() - 1) as u32
        });
        let (generation, place) = &mut self.slots[slot as usize];
        *place = Some(flow);
        FlowId { slot, generation: *generation }
    }

    /// Take a flow out of its slot.
    pub fn remove(&mut self, id: FlowId) -> Option<Flow> {
        let (generation, place) = self.slots.get_mut(id.slot as usize)?;
        if *generation != id.generation {
            return None;
        }
        let flow = place.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(id.slot);
        Some(flow)
    }

    /// The flow of that name, if it lives.
    #[inline]
    #[must_use]
    pub fn get(&self, id: FlowId) -> Option<&Flow> {
        let (generation, place) = self.slots.get(id.slot as usize)?;
        place.as_ref().filter(|_| *generation == id.generation)
    }

    /// The flow of that name, if it lives.
    #[inline]
    pub fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow> {
        let (generation, place) = self.slots.get_mut(id.slot as usize)?;
        place.as_mut().filter(|_| *generation == id.generation)
    }

    /// Names of all living flows.
    pub fn ids(&self) -> impl Iterator<Item = FlowId> {
        self.ids_where(|_| true)
    }

    /// Names of the living flows that `wanted` picks.
    pub fn ids_where(&self, wanted: impl Fn(&Flow) -> bool) -> impl Iterator<Item = FlowId> {
        let numbered = self.slots.iter().enumerate();
        numbered.filter_map(move |(slot, (generation, place))| {
            let chosen = place.as_ref().is_some_and(&wanted);
            chosen.then_some(FlowId { slot: slot as u32, generation: *generation })
        })
    }
}
