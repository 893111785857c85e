//! Hosts, their addresses and the links between them: which packet meets which link.
//!
//! No descriptors and no clock; the engine in `run` moves the packets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::Error;
use super::model::{Bottleneck, Fate, LinkModel};
use super::settings::Settings;

/// What one direction has carried; never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets sent into the link.
    pub offered_packets: u64,
    /// Their octets, IP headers included.
    pub offered_bytes: u64,
    /// Packets that came out.
    pub delivered_packets: u64,
    /// Their octets.
    pub delivered_bytes: u64,
    /// Packets lost on the way.
    pub lost_packets: u64,
    /// Packets the full queue dropped.
    pub queue_drops: u64,
    /// Packets the policer dropped.
    pub policed_drops: u64,
    /// Packets longer than the MTU.
    pub oversized_drops: u64,
    /// Packets the target's interface did not take (it is down).
    pub undelivered_packets: u64,
}

struct Link {
    source: usize,
    target: usize,
    model: LinkModel,
    shared: usize,
    tally: Tally,
}

struct Host {
    name: String,
    addresses: Vec<IpAddr>,
    /// Link towards each host, by its number.
    links: Vec<Option<usize>>,
}

/// A packet that will arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Number of the link it travels.
    pub link: usize,
    /// Number of the host it travels to.
    pub target: usize,
    /// When it arrives.
    pub at: Duration,
}

/// All hosts and links.
///
/// Build it with `add_host` and `set_link`, at any time; then `admit` each packet that a host
/// sends, and tell what became of it with `delivered`, `undelivered` or `overflowed`.
pub struct Fabric {
    seed: u64,
    hosts: Vec<Host>,
    by_name: HashMap<String, usize>,
    by_address: HashMap<IpAddr, usize>,
    links: Vec<Link>,
    shared: Vec<Bottleneck>,
    groups: HashMap<String, usize>,
    unrouted: u64,
}

impl Fabric {
    /// Nothing yet; all luck will come from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            hosts: Vec::new(),
            by_name: HashMap::new(),
            by_address: HashMap::new(),
            links: Vec::new(),
            shared: Vec::new(),
            groups: HashMap::new(),
            unrouted: 0,
        }
    }

    /// Add a host that owns `addresses`; return its number, counted from zero.
    ///
    /// # Errors
    /// `HostTaken`, `Address` or `AddressTaken`; nothing changed.
    pub fn add_host(&mut self, name: &str, addresses: &[String]) -> Result<usize, Error> {
        if self.by_name.contains_key(name) {
            return Err(Error::HostTaken(name.to_owned()));
        }
        let host = self.hosts.len();
        let addresses = self.read_addresses(host, addresses)?;
        self.hosts.push(Host { name: name.to_owned(), addresses: Vec::new(), links: Vec::new() });
        self.by_name.insert(name.to_owned(), host);
        self.own(host, addresses);
        Ok(host)
    }

    /// Give a host other addresses, as when it roams; packets on the way still arrive.
    ///
    /// # Errors
    /// `Host`, `Address` or `AddressTaken`; nothing changed.
    pub fn set_addresses(&mut self, name: &str, addresses: &[String]) -> Result<(), Error> {
        let host = self.host(name)?;
        let addresses = self.read_addresses(host, addresses)?;
        self.own(host, addresses);
        Ok(())
    }

    /// Make or change the link from `source` to `target`.
    ///
    /// # Errors
    /// `Host` or `Setting`; nothing changed.
    pub fn set_link(
        &mut self,
        source: &str,
        target: &str,
        settings: Settings,
        now: Duration,
    ) -> Result<(), Error> {
        let (from, to) = (self.host(source)?, self.host(target)?);
        let settings = settings.checked()?;
        let name = format!("{source} to {target}");
        let shared = self.bottleneck(&settings.group, &name);
        self.shared[shared].follow(&settings, now);
        if self.hosts[from].links.len() <= to {
            self.hosts[from].links.resize(to + 1, None);
        }
        if let Some(link) = self.hosts[from].links[to] {
            self.links[link].model.set(settings);
            self.links[link].shared = shared;
            return Ok(());
        }
        self.hosts[from].links[to] = Some(self.links.len());
        self.links.push(Link {
            source: from,
            target: to,
            model: LinkModel::new(settings, self.seed, &name),
            shared,
            tally: Tally::default(),
        });
        Ok(())
    }

    /// Decide over an IP packet that host number `source` sends at `now`; `None`: it never arrives.
    pub fn admit(&mut self, source: usize, packet: &[u8], now: Duration) -> Option<Passage> {
        let target = destination(packet).and_then(|to| self.by_address.get(&to));
        let links = &self.hosts.get(source)?.links;
        let link = target.and_then(|&to| links.get(to).copied().flatten());
        let Some(number) = link else {
            self.unrouted += 1;
            return None;
        };
        let link = &mut self.links[number];
        let tally = &mut link.tally;
        tally.offered_packets += 1;
        tally.offered_bytes += packet.len() as u64;
        match link.model.admit(&mut self.shared[link.shared], now, packet.len()) {
            Fate::DeliverAt(at) => {
                return Some(Passage { link: number, target: link.target, at });
            }
            Fate::Lost => tally.lost_packets += 1,
            Fate::QueueDrop => tally.queue_drops += 1,
            Fate::Policed => tally.policed_drops += 1,
            Fate::TooBig => tally.oversized_drops += 1,
        }
        None
    }

    /// Count a packet of `length` octets that came out of a link.
    pub fn delivered(&mut self, link: usize, length: usize) {
        let tally = &mut self.links[link].tally;
        tally.delivered_packets += 1;
        tally.delivered_bytes += length as u64;
    }

    /// Count a packet that the target did not take.
    pub fn undelivered(&mut self, link: usize) {
        self.links[link].tally.undelivered_packets += 1;
    }

    /// Count a packet for which the engine had no room.
    pub fn overflowed(&mut self, link: usize) {
        self.links[link].tally.queue_drops += 1;
    }

    /// Source, target and tally of every link, in the order they were made.
    pub fn tallies(&self) -> impl Iterator<Item = (&str, &str, Tally)> {
        let name = |host: usize| self.hosts[host].name.as_str();
        let links = self.links.iter();
        links.map(move |link| (name(link.source), name(link.target), link.tally))
    }

    /// Packets for an address or over a link that does not exist.
    #[must_use]
    pub fn unrouted(&self) -> u64 {
        self.unrouted
    }

    fn host(&self, name: &str) -> Result<usize, Error> {
        let host = self.by_name.get(name).copied();
        host.ok_or_else(|| Error::Host(name.to_owned()))
    }

    fn read_addresses(&self, host: usize, texts: &[String]) -> Result<Vec<IpAddr>, Error> {
        let read = |text: &String| {
            let address: IpAddr = text.parse().map_err(|_| Error::Address(text.clone()))?;
            match self.by_address.get(&address) {
                Some(&owner) if owner != host => Err(Error::AddressTaken(text.clone())),
                _ => Ok(address),
            }
        };
        texts.iter().map(read).collect()
    }

    fn own(&mut self, host: usize, addresses: Vec<IpAddr>) {
        for old in &self.hosts[host].addresses {
            self.by_address.remove(old);
        }
        self.by_address.extend(addresses.iter().map(|&address| (address, host)));
        self.hosts[host].addresses = addresses;
    }

    /// Number of the bottleneck of a group, or of the one link called `name`.
    fn bottleneck(&mut self, group: &str, name: &str) -> usize {
        let key = if group.is_empty() { format!("link {name}") } else { format!("group {group}") };
        if let Some(&known) = self.groups.get(&key) {
            return known;
        }
        self.shared.push(Bottleneck::new(self.seed, &key));
        self.groups.insert(key, self.shared.len() - 1);
        self.shared.len() - 1
    }
}

/// Destination of an IP packet (RFC 791 s3.1, RFC 8200 s3); `None` if it is none.
#[must_use]
pub fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => {
            let octets: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            Some(IpAddr::V4(Ipv4Addr::from(octets)))
        }
        6 => {
            let octets: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}
