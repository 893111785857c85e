//! The blind forwarder: datagrams between students and the campuses it works for.
//!
//! It holds public keys only, opens nothing, writes nothing, and answers nobody itself.
//! `table` decides (no sockets, no clock), `run` carries, `port` batches.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

mod bucket;
mod counts;
pub mod datagram;
mod flow;
mod pace;
mod port;
mod run;
pub mod table;

pub use counts::Refusal;
pub use flow::FlowId;
pub use table::Campus;

use crate::desk::{Closed, Desk};
use crate::os;
use port::Port;
use run::State;
use table::Limits;

/// Flows of one relay; each has a socket and the kernel a port range.
const FLOWS_MOST: usize = 65_536;
/// Flows of one source address.
const FLOWS_PER_SOURCE: u32 = 1_024;
/// Descriptors left to everything that is no flow.
const DESCRIPTORS_KEPT: usize = 64;

/// Why a relay could not be had.
#[derive(Debug)]
pub enum Error {
    /// A public key that is not 32 octets; its length.
    Key(usize),
    /// An address that does not read as `host:port` or does not resolve.
    Address(String),
    /// The address cannot be listened on.
    Listen(String, io::Error),
    /// The system refuses what every relay needs.
    System(io::Error),
    /// The relay was closed before.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(length) => {
                write!(formatter, "a public key has 32 octets, this one {length}")
            }
            Self::Address(text) => write!(formatter, "{text} is not a reachable HOST:PORT"),
            Self::Listen(text, error) => write!(formatter, "cannot listen on {text}: {error}"),
            Self::System(error) => write!(formatter, "cannot start a relay: {error}"),
            Self::Closed => formatter.write_str("the relay is closed"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Closed> for Error {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

/// A running relay.  Close or drop it to end it; every flow ends with it.
pub struct Relay {
    desk: Desk<State>,
    port: u16,
}

impl Relay {
    /// Listen on `listen` (`HOST:PORT`; `[::]` takes IPv4 too) for these campuses.
    ///
    /// # Errors
    /// See `Error`; nothing is left behind.
    pub fn start(listen: &str, campuses: &[(Vec<u8>, String)]) -> Result<Self, Error> {
        let campuses = read_campuses(campuses)?;
        let address = resolve(listen)?;
        let refused = |error| Error::Listen(listen.to_owned(), error);
        let socket = Port::listen(address).map_err(refused)?;
        let port = socket.local_address().map_err(refused)?.port();
        let descriptors = os::raise_descriptor_limit().saturating_sub(DESCRIPTORS_KEPT);
        let limits = Limits { flows: descriptors.min(FLOWS_MOST), flows_per_source: FLOWS_PER_SOURCE };
        let mut state = State::new(socket, limits).map_err(Error::System)?;
        state.set_campuses(&campuses);
        let work = |state: State, inbox| state.run(&inbox);
        let desk = Desk::open("relay", state, work).map_err(Error::System)?;
        Ok(Self { desk, port })
    }

    /// The UDP port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Work for these campuses from now on; flows to others end.
    ///
    /// # Errors
    /// `Key`, `Address` (nothing changed), or `Closed`.
    pub fn set_campuses(&self, campuses: &[(Vec<u8>, String)]) -> Result<(), Error> {
        let campuses = read_campuses(campuses)?;
        Ok(self.desk.ask(move |state| state.set_campuses(&campuses))?)
    }

    /// Every counter under its name.
    ///
    /// # Errors
    /// `Closed`.
    pub fn counts(&self) -> Result<Vec<(&'static str, u64)>, Error> {
        Ok(self.desk.ask(|state| state.counts())?)
    }

    /// End the relay and wait until its sockets are closed.
    pub fn close(&self) {
        self.desk.close();
    }
}

fn read_campuses(campuses: &[(Vec<u8>, String)]) -> Result<Vec<Campus>, Error> {
    let read = |(key, endpoint): &(Vec<u8>, String)| {
        let public_key = key.as_slice().try_into().map_err(|_| Error::Key(key.len()))?;
        let endpoint = resolve(endpoint)?;
        Ok(Campus { public_key, endpoint })
    };
    campuses.iter().map(read).collect()
}

fn resolve(text: &str) -> Result<SocketAddr, Error> {
    let unreadable = || Error::Address(text.to_owned());
    let mut found = text.to_socket_addrs().map_err(|_| unreadable())?;
    found.next().ok_or_else(unreadable)
}
