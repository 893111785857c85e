//! The loop: TUN <-> frames <-> WireGuard <-> paths.  Owns the threads, the TUN and the socket.
//!
//! Three threads: TUN to network, network to TUN, and the clock.  They meet only in the registry and
//! in the lock of a peer.  Nothing is allocated for a packet here; the WireGuard core takes one
//! buffer for each packet it seals (docs/adr/0003).

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gotatun::noise::Tunn;
use gotatun::noise::index_table::IndexTable;
use gotatun::noise::rate_limiter::RateLimiter;
use gotatun::x25519::{PublicKey, StaticSecret};
use ip_network::IpNetwork;
use quinn_udp::UdpSocketState;
use tun_rs::SyncDevice;

use crate::batch::Sender;
use crate::dealer::Dealer;
use crate::os::{self, Bell, OpenError};
use crate::peer::{Local, Outbox, Peer};
use crate::registry::{Entry, Indices, Registry};
use crate::report::{Counters, PeerCounts};

mod inbound;
mod outbound;

/// Handshakes a second from one address before cookies are asked for.
const HANDSHAKES_PER_SECOND: u64 = 100;
/// Pause between purges of receiver indices nobody uses any more.
const PURGE_EVERY: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_millis(250);

/// Fixed facts about a peer, from its owner.
pub struct PeerConfig {
    /// WireGuard public key.
    pub key: [u8; 32],
    /// Inner networks that are the peer's.
    pub allowed: Vec<IpNetwork>,
    /// Ways to the peer; empty if they are to be learned.
    pub paths: Vec<(u8, SocketAddr)>,
    /// WireGuard's persistent keepalive.
    pub keepalive_s: Option<u16>,
    /// Whether this end starts the handshake and says hello first.
    pub initiates: bool,
}

pub(crate) struct Shared {
    tun: SyncDevice,
    socket: UdpSocket,
    udp: UdpSocketState,
    registry: RwLock<Registry>,
    indices: Indices,
    index_table: IndexTable,
    secret: StaticSecret,
    public: PublicKey,
    limiter: Arc<RateLimiter>,
    local: Local,
    counters: Counters,
    stop: Bell,
    stopping: Mutex<bool>,
    wake: Condvar,
}

impl Shared {
    fn registry(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry_mut(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn sender(&self) -> Sender<'_> {
        Sender::new(&self.socket, &self.udp, &self.counters, &self.stop)
    }
}

/// The outbox of one peer: the thread's sender and the shared indices.
struct Post<'a, 's> {
    entry: &'a Arc<Entry>,
    indices: &'a Indices,
    sender: &'a mut Sender<'s>,
}

impl Outbox for Post<'_, '_> {
    fn datagram(&mut self, to: SocketAddr, octets: &[u8]) {
        self.sender.push(to, octets);
    }

    fn index(&mut self, local: u32) {
        self.indices.add(local, self.entry);
    }
}

/// One running end of a tunnel.
pub struct Pump {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pump {
    /// Open the TUN and the port and start carrying.  Peers come later.
    pub fn start(private_key: [u8; 32], interface: &str, listen: &str) -> Result<Self, OpenError> {
        let secret = StaticSecret::from(private_key);
        let public = PublicKey::from(&secret);
        let socket = os::bind_udp(listen)?;
        let udp = UdpSocketState::new((&socket).into()).map_err(OpenError::Other)?;
        let tun = os::open_tun(interface)?;
        let index_table = IndexTable::from_os_rng();
        let instance = index_table.new_index().value();
        let shared = Arc::new(Shared {
            tun,
            socket,
            udp,
            registry: RwLock::default(),
            indices: Indices::default(),
            index_table,
            secret,
            limiter: Arc::new(RateLimiter::new(&public, HANDSHAKES_PER_SECOND)),
            public,
            local: Local { instance, epoch: Instant::now() },
            counters: Counters::default(),
            stop: Bell::new().map_err(OpenError::Other)?,
            stopping: Mutex::new(false),
            wake: Condvar::new(),
        });
        let pump = Self { shared, threads: Mutex::default() };
        for (name, run) in [
            ("carnet-out", outbound::run as fn(&Shared)),
            ("carnet-in", inbound::run),
            ("carnet-clock", run_clock),
        ] {
            let shared = Arc::clone(&pump.shared);
            let thread = std::thread::Builder::new().name(name.into()).spawn(move || run(&shared));
            pump.threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(thread.map_err(OpenError::Other)?);
        }
        Ok(pump)
    }

    /// The port that was bound.
    pub fn port(&self) -> u16 {
        self.shared.socket.local_addr().map_or(0, |address| address.port())
    }

    /// Name of the interface.
    pub fn interface(&self) -> String {
        self.shared.tun.name().unwrap_or_default()
    }

    /// Add a peer, or change the one with that key; its session and counters stay.
    pub fn set_peer(&self, config: &PeerConfig) {
        let shared = &self.shared;
        let entry = {
            let mut registry = shared.registry_mut();
            let entry = registry.entry(config.key, || self.make_peer(config));
            registry.allow(&entry, &config.allowed);
            entry
        };
        let mut peer = entry.lock();
        peer.set_paths(&config.paths);
        peer.set_keepalive(config.keepalive_s);
        drop(peer);
        shared.wake.notify_all();
    }

    fn make_peer(&self, config: &PeerConfig) -> Peer {
        let shared = &self.shared;
        let tunn = Tunn::new(
            shared.secret.clone(),
            PublicKey::from(config.key),
            None,
            config.keepalive_s,
            shared.index_table.clone(),
            Arc::clone(&shared.limiter),
        );
        Peer::new(shared.local, tunn, &config.paths, config.initiates, Instant::now())
    }

    /// Forget a peer and its keys; returns whether there was one.
    pub fn remove_peer(&self, key: &[u8; 32]) -> bool {
        let removed = self.shared.registry_mut().remove(key);
        let Some(removed) = removed else { return false };
        self.shared.indices.retain(|_, entry| !Arc::ptr_eq(entry, &removed));
        true
    }

    /// Give a peer its plan; returns whether there is such a peer.
    pub fn obey(&self, key: &[u8; 32], dealer: Dealer, probe_every: Duration) -> bool {
        let Some(entry) = self.shared.registry().by_key(key).cloned() else { return false };
        entry.lock().obey(dealer, probe_every, Instant::now());
        self.shared.wake.notify_all();
        true
    }

    /// Start a handshake with a peer now; returns whether there is such a peer.
    pub fn shake(&self, key: &[u8; 32]) -> bool {
        let Some(entry) = self.shared.registry().by_key(key).cloned() else { return false };
        let mut sender = self.shared.sender();
        let mut post = Post { entry: &entry, indices: &self.shared.indices, sender: &mut sender };
        entry.lock().shake(Instant::now(), &mut post);
        sender.flush();
        true
    }

    /// Counts of the peers something happened to since the last call, or of `every` peer.
    pub fn report(&self, every: bool) -> Vec<PeerCounts> {
        let now = Instant::now();
        let registry = self.shared.registry();
        let count = |entry: &Arc<Entry>| {
            let mut peer = entry.lock();
            (peer.take_news() || every).then(|| PeerCounts::of(entry.key, &peer, now))
        };
        registry.all().filter_map(count).collect()
    }

    /// Counters that belong to no peer.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.shared.counters.all()
    }

    /// Stop carrying; the interface goes with it.  May be called twice.
    pub fn close(&self) {
        *self.shared.stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.stop.ring();
        self.shared.wake.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has printed why; there is nothing left to join.
            let _ = thread.join();
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.close();
    }
}

fn run_clock(shared: &Shared) {
    let mut sender = shared.sender();
    let mut purge_at = Instant::now() + PURGE_EVERY;
    loop {
        let now = Instant::now();
        let mut next = now + IDLE;
        // Peers do this too, but strangers knock also where there is no peer yet.
        shared.limiter.try_reset_count();
        let entries: Vec<_> = shared.registry().all().cloned().collect();
        for entry in &entries {
            let mut post = Post { entry, indices: &shared.indices, sender: &mut sender };
            next = next.min(entry.lock().tick(now, &mut post));
        }
        sender.flush();
        if now >= purge_at {
            purge_at = now + PURGE_EVERY;
            shared.indices.retain(|index, _| shared.index_table.in_use(index));
        }
        let stopping = shared.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = next.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let waited = shared.wake.wait_timeout_while(stopping, pause, |stopping| !*stopping);
        let (stopping, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *stopping {
            return;
        }
    }
}
