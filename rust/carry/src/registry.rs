//! Who is who: peers by key, by inner address, by receiver index.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ip_network::IpNetwork;
use ip_network_table::IpNetworkTable;

use crate::peer::Peer;

/// One peer with its key.
pub struct Entry {
    /// The peer's WireGuard public key.
    pub key: [u8; 32],
    peer: Mutex<Peer>,
}

impl Entry {
    /// The peer, alone.
    pub fn lock(&self) -> MutexGuard<'_, Peer> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Peers by key and by inner address.
pub struct Registry {
    by_key: HashMap<[u8; 32], Arc<Entry>>,
    by_address: IpNetworkTable<Arc<Entry>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self { by_key: HashMap::new(), by_address: IpNetworkTable::new() }
    }
}

impl Registry {
    /// Add a peer, or return the one that has the key.
    pub fn entry(&mut self, key: [u8; 32], make: impl FnOnce() -> Peer) -> Arc<Entry> {
        let new = || Arc::new(Entry { key, peer: Mutex::new(make()) });
        Arc::clone(self.by_key.entry(key).or_insert_with(new))
    }

    /// Give exactly these networks to a peer (AllowedIPs); takes them from whoever had them.
    pub fn allow(&mut self, entry: &Arc<Entry>, networks: &[IpNetwork]) {
        self.by_address.retain(|_, owner| !Arc::ptr_eq(owner, entry));
        for network in networks {
            self.by_address.insert(*network, Arc::clone(entry));
        }
    }

    /// Remove a peer; returns it if there was one.
    pub fn remove(&mut self, key: &[u8; 32]) -> Option<Arc<Entry>> {
        let entry = self.by_key.remove(key)?;
        self.by_address.retain(|_, owner| !Arc::ptr_eq(owner, &entry));
        Some(entry)
    }

    /// The peer of that key.
    pub fn by_key(&self, key: &[u8; 32]) -> Option<&Arc<Entry>> {
        self.by_key.get(key)
    }

    /// The peer that packets to (and from) this inner address belong to.
    pub fn by_address(&self, address: IpAddr) -> Option<&Arc<Entry>> {
        self.by_address.longest_match(address).map(|(_, entry)| entry)
    }

    /// All peers.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_key.values()
    }
}

/// Peers by the receiver index of their sessions and handshakes.
///
/// Apart from [`Registry`] because an index is added while the registry is being read.
#[derive(Default)]
pub struct Indices(RwLock<HashMap<u32, Arc<Entry>>>);

impl Indices {
    /// Messages to this index belong to `entry`.
    pub fn add(&self, index: u32, entry: &Arc<Entry>) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        map.insert(index, Arc::clone(entry));
    }

    /// Whose messages carry this index.
    pub fn get(&self, index: u32) -> Option<Arc<Entry>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&index).cloned()
    }

    /// Keep only what `keep` says.
    pub fn retain(&self, mut keep: impl FnMut(u32, &Arc<Entry>) -> bool) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        map.retain(|index, entry| keep(*index, entry));
    }
}
