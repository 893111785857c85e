//! The whole Python boundary.  Plans come down, counts go up; packets never cross.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ip_network::IpNetwork;
use pyo3::prelude::*;

use crate::dealer::{Dealer, PlanError};
use crate::link;
use crate::link::settings::Settings;
use crate::os::OpenError;
use crate::pump::{PeerConfig, Pump};
use crate::relay;
use crate::report;

pyo3::import_exception!(carnet.errors, InterfaceTakenError);
pyo3::import_exception!(carnet.errors, MisuseError);
pyo3::import_exception!(carnet.errors, NoRightsError);
pyo3::import_exception!(carnet.errors, NoTunError);
pyo3::import_exception!(carnet.errors, PortInUseError);
pyo3::import_exception!(carnet.errors, WorldError);

impl From<PlanError> for PyErr {
    fn from(error: PlanError) -> Self {
        MisuseError::new_err(error.to_string())
    }
}

/// The world's faults by who can mend them.
fn world(kind: io::ErrorKind, message: String) -> PyErr {
    match kind {
        io::ErrorKind::AddrInUse => PortInUseError::new_err(message),
        io::ErrorKind::PermissionDenied => NoRightsError::new_err(message),
        _ => WorldError::new_err(message),
    }
}

impl From<OpenError> for PyErr {
    fn from(error: OpenError) -> Self {
        let text = error.to_string();
        match error {
            OpenError::NoRights(_) => NoRightsError::new_err(text),
            OpenError::NoTun(_) => NoTunError::new_err(text),
            OpenError::Taken(_) => InterfaceTakenError::new_err(text),
            OpenError::PortInUse(_) => PortInUseError::new_err(text),
            OpenError::Misuse(_) => MisuseError::new_err(text),
            OpenError::Other(cause) => world(cause.kind(), text),
        }
    }
}

fn key(octets: &[u8]) -> PyResult<[u8; 32]> {
    octets.try_into().map_err(|_| MisuseError::new_err(format!("a key has 32 octets, got {}", octets.len())))
}

fn remote(text: &str) -> PyResult<SocketAddr> {
    text.parse().map_err(|_| MisuseError::new_err(format!("{text:?} is not ADDRESS:PORT")))
}

fn network(text: &str) -> PyResult<IpNetwork> {
    text.parse().map_err(|_| MisuseError::new_err(format!("{text:?} is not a network in CIDR form")))
}

/// A class of the same fields as a struct of the core.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident of $source:ty { $($field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[pyclass(frozen, get_all, module = "carnet._carry")]
        struct $name { $($field: $kind),* }

        impl From<$source> for $name {
            fn from(source: $source) -> Self {
                Self { $($field: source.$field),* }
            }
        }
    };
}

mirror! {
    /// One path of one peer, as it is now.
    PathCounts of report::PathCounts {
        path: u8,
        remote: String,
        sent_packets: u64,
        sent_bytes: u64,
        received_packets: u64,
        received_bytes: u64,
        near_received: u32,
        near_lost: u32,
        near_bursts: u32,
        near_longest_burst: u16,
        near_jitter_s: f64,
        near_queue_s: f64,
        far_received: u32,
        far_lost: u32,
        far_bursts: u32,
        far_longest_burst: u16,
        far_jitter_s: f64,
        far_queue_s: f64,
        heard_age_s: f64,
        rtt_s: f64,
        rtt_least_s: f64,
        mtu_bytes: usize,
    }
}

/// One peer of a tunnel end, as it is now.
#[pyclass(frozen, get_all, module = "carnet._carry")]
struct PeerCounts {
    public_key: Vec<u8>,
    handshake_age_s: f64,
    speaks_frames: bool,
    paths: Vec<Py<PathCounts>>,
}

impl PeerCounts {
    fn of(py: Python<'_>, peer: report::PeerCounts) -> PyResult<Self> {
        let paths = peer.paths.into_iter().map(|path| Py::new(py, PathCounts::from(path)));
        Ok(Self {
            public_key: peer.key.to_vec(),
            handshake_age_s: peer.handshake_age_s,
            speaks_frames: peer.speaks_frames,
            paths: paths.collect::<PyResult<_>>()?,
        })
    }
}

/// One end of a tunnel, on its own threads until closed.
#[pyclass(frozen, module = "carnet._carry")]
struct Tunnel {
    pump: Pump,
}

#[pymethods]
impl Tunnel {
    #[new]
    fn new(private_key: &[u8], interface: &str, listen: &str) -> PyResult<Self> {
        Ok(Self { pump: Pump::start(key(private_key)?, interface, listen)? })
    }

    #[getter]
    fn interface(&self) -> String {
        self.pump.interface()
    }

    #[getter]
    fn port(&self) -> u16 {
        self.pump.port()
    }

    #[pyo3(signature = (public_key, allowed, paths = Vec::new(), keepalive_s = 0, initiates = false))]
    fn set_peer(
        &self,
        py: Python<'_>,
        public_key: &[u8],
        allowed: Vec<String>,
        paths: Vec<(u8, String)>,
        keepalive_s: u16,
        initiates: bool,
    ) -> PyResult<()> {
        let config = PeerConfig {
            key: key(public_key)?,
            allowed: allowed.iter().map(|text| network(text)).collect::<PyResult<_>>()?,
            paths: paths.iter().map(|(id, text)| Ok((*id, remote(text)?))).collect::<PyResult<_>>()?,
            keepalive_s: (keepalive_s > 0).then_some(keepalive_s),
            initiates,
        };
        py.detach(|| self.pump.set_peer(&config));
        Ok(())
    }

    fn remove_peer(&self, public_key: &[u8]) -> PyResult<bool> {
        Ok(self.pump.remove_peer(&key(public_key)?))
    }

    /// Replace the plan of a peer from the next packet on.  About ten times a second.
    fn obey(
        &self,
        py: Python<'_>,
        public_key: &[u8],
        shares: Vec<(u8, f64)>,
        probe_s: f64,
    ) -> PyResult<bool> {
        let key = key(public_key)?;
        let dealer = Dealer::new(&shares)?;
        let probe = Duration::try_from_secs_f64(probe_s)
            .ok()
            .filter(|probe| *probe >= Duration::from_millis(10))
            .ok_or_else(|| MisuseError::new_err(format!("probe_s must be at least 0.01, got {probe_s}")))?;
        Ok(py.detach(|| self.pump.obey(&key, dealer, probe)))
    }

    fn shake(&self, py: Python<'_>, public_key: &[u8]) -> PyResult<bool> {
        let key = key(public_key)?;
        Ok(py.detach(|| self.pump.shake(&key)))
    }

    #[pyo3(signature = (every = false))]
    fn report(&self, py: Python<'_>, every: bool) -> PyResult<Vec<PeerCounts>> {
        py.detach(|| self.pump.report(every)).into_iter().map(|peer| PeerCounts::of(py, peer)).collect()
    }

    fn counters(&self) -> HashMap<&'static str, u64> {
        self.pump.counters().into_iter().collect()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.pump.close());
    }
}

impl From<relay::Error> for PyErr {
    fn from(error: relay::Error) -> Self {
        let message = error.to_string();
        match error {
            relay::Error::Key(_) | relay::Error::Closed => MisuseError::new_err(message),
            relay::Error::Address(_) => WorldError::new_err(message),
            relay::Error::Listen(_, cause) | relay::Error::System(cause) => world(cause.kind(), message),
        }
    }
}

/// The blind forwarder: datagrams between students and the campuses it is configured for.
#[pyclass(frozen, module = "carnet._carry")]
struct Relay(relay::Relay);

#[pymethods]
impl Relay {
    /// Listen on `listen` for `campuses`, each a public key and where its datagrams go.
    #[new]
    fn new(py: Python<'_>, listen: &str, campuses: Vec<(Vec<u8>, String)>) -> PyResult<Self> {
        Ok(Self(py.detach(|| relay::Relay::start(listen, &campuses))?))
    }

    /// The UDP port it listens on.
    #[getter]
    fn port(&self) -> u16 {
        self.0.port()
    }

    /// Work for these campuses from now on; flows to others end.
    fn set_campuses(&self, py: Python<'_>, campuses: Vec<(Vec<u8>, String)>) -> PyResult<()> {
        Ok(py.detach(|| self.0.set_campuses(&campuses))?)
    }

    /// Every counter under its name; none of them tells of one student.
    fn counts(&self, py: Python<'_>) -> PyResult<HashMap<&'static str, u64>> {
        Ok(py.detach(|| self.0.counts())?.into_iter().collect())
    }

    /// End the relay and wait until its sockets are closed.  A second call does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

impl From<link::Error> for PyErr {
    fn from(error: link::Error) -> Self {
        let message = error.to_string();
        match error {
            link::Error::System(cause) => world(cause.kind(), message),
            _ => MisuseError::new_err(message),
        }
    }
}

/// One direction of one emulated link.
#[pyclass(frozen, get_all, module = "carnet._carry")]
struct LinkCounts {
    source: String,
    target: String,
    offered_packets: u64,
    offered_bytes: u64,
    delivered_packets: u64,
    delivered_bytes: u64,
    lost_packets: u64,
    queue_drops: u64,
    policed_drops: u64,
    oversized_drops: u64,
    undelivered_packets: u64,
}

/// Emulated links between hosts, each a TUN opened by the caller.
#[pyclass(frozen, module = "carnet._carry")]
struct Network(link::Network);

#[pymethods]
impl Network {
    /// A network without hosts; all its luck comes from `seed`.
    #[new]
    fn new(seed: u64) -> PyResult<Self> {
        Ok(Self(link::Network::new(seed)?))
    }

    /// Add a host; a copy of its TUN is kept until `close`.
    fn add_host(&self, py: Python<'_>, name: &str, tun_fd: i32, addresses: Vec<String>) -> PyResult<()> {
        Ok(py.detach(|| self.0.add_host(name, tun_fd, addresses))?)
    }

    /// Give a host other addresses, as when it roams.
    fn set_addresses(&self, py: Python<'_>, name: &str, addresses: Vec<String>) -> PyResult<()> {
        Ok(py.detach(|| self.0.set_addresses(name, addresses))?)
    }

    /// Make or change the link from `source` to `target`; packets on the way keep their fate.
    #[pyo3(signature = (
        source, target, *, delay_s, jitter_s = 0.0, rate_bps = 0.0, queue_s = 0.0,
        police_bps = 0.0, police_burst_bytes = 0, loss = 0.0, loss_enter = 0.0,
        loss_leave = 1.0, loss_in_burst = 0.0, outage_every_s = 0.0, outage_least_s = 0.0,
        outage_most_s = 0.0, mtu_bytes = 0, group = ""
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python, gathered at once")]
    fn set_link(
        &self,
        py: Python<'_>,
        source: &str,
        target: &str,
        delay_s: f64,
        jitter_s: f64,
        rate_bps: f64,
        queue_s: f64,
        police_bps: f64,
        police_burst_bytes: u32,
        loss: f64,
        loss_enter: f64,
        loss_leave: f64,
        loss_in_burst: f64,
        outage_every_s: f64,
        outage_least_s: f64,
        outage_most_s: f64,
        mtu_bytes: u32,
        group: &str,
    ) -> PyResult<()> {
        let settings = Settings {
            delay_s,
            jitter_s,
            rate_bps,
            queue_s,
            police_bps,
            police_burst_bytes,
            loss,
            loss_enter,
            loss_leave,
            loss_in_burst,
            outage_every_s,
            outage_least_s,
            outage_most_s,
            mtu_bytes,
            group: group.to_owned(),
        };
        Ok(py.detach(|| self.0.set_link(source, target, settings))?)
    }

    /// Move packets from now on.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.0.start())?)
    }

    /// What each link has carried, in the order they were made.
    fn counts(&self, py: Python<'_>) -> PyResult<Vec<LinkCounts>> {
        let tallies = py.detach(|| self.0.tallies())?;
        let counts = |(source, target, tally): (String, String, link::fabric::Tally)| LinkCounts {
            source,
            target,
            offered_packets: tally.offered_packets,
            offered_bytes: tally.offered_bytes,
            delivered_packets: tally.delivered_packets,
            delivered_bytes: tally.delivered_bytes,
            lost_packets: tally.lost_packets,
            queue_drops: tally.queue_drops,
            policed_drops: tally.policed_drops,
            oversized_drops: tally.oversized_drops,
            undelivered_packets: tally.undelivered_packets,
        };
        Ok(tallies.into_iter().map(counts).collect())
    }

    /// Packets for an address or over a link that does not exist.
    fn unrouted(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(py.detach(|| self.0.unrouted())?)
    }

    /// Stop and close the TUNs; packets on the way are gone.  A second call does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

#[pymodule]
fn _carry(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PathCounts>()?;
    m.add_class::<PeerCounts>()?;
    m.add_class::<Tunnel>()?;
    m.add_class::<Relay>()?;
    m.add_class::<LinkCounts>()?;
    m.add_class::<Network>()
}
