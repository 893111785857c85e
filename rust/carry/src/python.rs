//! The whole Python boundary.  Plans come down, counts go up; packets never cross.

use std::net::SocketAddr;
use std::time::Duration;

use ip_network::IpNetwork;
use pyo3::prelude::*;

use crate::dealer::{Dealer, PlanError};
use crate::os::OpenError;
use crate::pump::{PeerConfig, Pump};
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

impl From<OpenError> for PyErr {
    fn from(error: OpenError) -> Self {
        let text = error.to_string();
        match error {
            OpenError::NoRights(_) => NoRightsError::new_err(text),
            OpenError::NoTun(_) => NoTunError::new_err(text),
            OpenError::Taken(_) => InterfaceTakenError::new_err(text),
            OpenError::PortInUse(_) => PortInUseError::new_err(text),
            OpenError::Misuse(_) => MisuseError::new_err(text),
            OpenError::Other(_) => WorldError::new_err(text),
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

fn seconds(duration: Option<Duration>) -> f64 {
    duration.map_or(f64::INFINITY, |duration| duration.as_secs_f64())
}

fn from_micros(micros: u32) -> f64 {
    f64::from(micros) / 1e6
}

/// One path of one peer, as it is now.
#[pyclass(frozen, get_all, module = "carnet._carry")]
struct PathCounts {
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

impl From<report::PathCounts> for PathCounts {
    fn from(path: report::PathCounts) -> Self {
        Self {
            path: path.path,
            remote: path.remote.to_string(),
            sent_packets: path.sent_packets,
            sent_bytes: path.sent_bytes,
            received_packets: path.received_packets,
            received_bytes: path.received_bytes,
            near_received: path.near.received,
            near_lost: path.near.lost,
            near_bursts: path.near.bursts,
            near_longest_burst: path.near.longest_burst,
            near_jitter_s: from_micros(path.near.jitter_us),
            near_queue_s: from_micros(path.near.queue_us),
            far_received: path.far.received,
            far_lost: path.far.lost,
            far_bursts: path.far.bursts,
            far_longest_burst: path.far.longest_burst,
            far_jitter_s: from_micros(path.far.jitter_us),
            far_queue_s: from_micros(path.far.queue_us),
            heard_age_s: seconds(path.heard_age),
            rtt_s: seconds(path.rtt),
            rtt_least_s: seconds(path.rtt_least),
            mtu_bytes: path.mtu_bytes,
        }
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
            handshake_age_s: seconds(peer.handshake_age),
            speaks_frames: peer.speaks_frames,
            paths: paths.collect::<PyResult<_>>()?,
        })
    }
}

/// One end of a tunnel.  Runs on its own threads until closed; safe to call from any Python thread.
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

    fn remove_peer(&self, py: Python<'_>, public_key: &[u8]) -> PyResult<bool> {
        let key = key(public_key)?;
        Ok(py.detach(|| self.pump.remove_peer(&key)))
    }

    /// Replace the plan of a peer; takes effect at the next packet.  About ten times a second.
    fn obey(&self, py: Python<'_>, public_key: &[u8], shares: Vec<(u8, f64)>, probe_s: f64) -> PyResult<bool> {
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
        let peers = py.detach(|| self.pump.report(every));
        peers.into_iter().map(|peer| PeerCounts::of(py, peer)).collect()
    }

    fn counters(&self) -> std::collections::HashMap<&'static str, u64> {
        self.pump.counters().into_iter().collect()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.pump.close());
    }
}

#[pymodule]
fn _carry(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PathCounts>()?;
    m.add_class::<PeerCounts>()?;
    m.add_class::<Tunnel>()
}
