//! A UDP socket that takes and gives datagrams in batches, and the bundle that waits to leave.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use crate::os;

/// The longest thing a UDP socket gives at once: a whole GRO train.
const TRAIN_BYTES: usize = 65_535;
/// The longest GSO train that fits one IPv6 packet with room for options.
const BUNDLE_BYTES: usize = 65_000;
/// A train this long means that trains are coming.
const LONG_BYTES: usize = 8_192;
/// Of them few are taken at once: they leave again while they are still in the processor's cache.
const TRAINS_AT_ONCE: usize = 4;
/// Queue of a socket in each direction: 10 ms of 1 Gbit/s.  A longer one only lets its contents get
/// cold: the relay then forwards less, and later.
const QUEUE_BYTES: i32 = 1 << 20;

/// One UDP socket with its offload state.
pub struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Port {
    /// Listen on `address`; `[::]` takes IPv4 too, and IPv4 alone where there is no IPv6.
    ///
    /// # Errors
    /// The system's: port in use, no rights, no such address.
    pub fn listen(address: SocketAddr) -> io::Result<Self> {
        let opened = Self::open(address);
        let lacks_v6 = matches!(&opened, Err(e) if e.raw_os_error() == Some(libc::EAFNOSUPPORT));
        if lacks_v6 && address.ip().is_unspecified() {
            return Self::open(SocketAddr::from(([0, 0, 0, 0], address.port())));
        }
        opened
    }

    /// A socket on a port of its own that hears `endpoint` alone.
    ///
    /// # Errors
    /// The system's: descriptors or ports run out, no route.
    pub fn connect(endpoint: SocketAddr) -> io::Result<Self> {
        let any = match endpoint {
            SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
            SocketAddr::V6(_) => SocketAddr::from(([0_u16; 8], 0)),
        };
        let port = Self::open(any)?;
        port.socket.connect(endpoint)?;
        Ok(port)
    }

    /// Hear `endpoint` alone from now on.
    ///
    /// # Errors
    /// The system's: no route, another address family.
    pub fn aim(&self, endpoint: SocketAddr) -> io::Result<()> {
        self.socket.connect(endpoint)
    }

    fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM.nonblocking().cloexec(),
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        os::widen_queues(socket.as_fd(), QUEUE_BYTES);
        socket.bind(&address.into())?;
        let state = UdpSocketState::new((&socket).into())?;
        os::forgo_receive_times(socket.as_fd());
        Ok(Self { socket: socket.into(), state })
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system's; none is known.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Datagrams of one size that one call can send.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.state.try_send((&self.socket).into(), transmit)
    }
}

impl AsRawFd for Port {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Buffers for one batch of received trains; one set serves all sockets of a thread.
pub struct Batch {
    bytes: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    filled: usize,
    /// How many buffers the next fill offers.
    offered: usize,
}

/// Datagrams of one sender and one size, as the kernel joined them (the last may be shorter).
#[derive(Clone, Copy, Debug)]
pub struct Train<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Which of our addresses it was sent to.
    pub target: Option<IpAddr>,
    /// Congestion marks, the same on all.
    pub ecn: Option<EcnCodepoint>,
    /// Octets of each datagram but the last.
    pub size: usize,
    /// All datagrams, end to end.
    pub bytes: &'a [u8],
}

impl Batch {
    /// Empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: vec![0; BATCH_SIZE * TRAIN_BYTES],
            metas: [RecvMeta::default(); BATCH_SIZE],
            filled: 0,
            offered: BATCH_SIZE,
        }
    }

    /// Fill from `port`; return whether more may be waiting there.
    ///
    /// # Errors
    /// The system's.  `WouldBlock` is nothing new; others (an ICMP error of a connected
    /// socket) are over once returned.
    pub fn fill(&mut self, port: &Port) -> io::Result<bool> {
        self.filled = 0;
        let mut chunks = self.bytes.chunks_exact_mut(TRAIN_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let socket = (&port.socket).into();
        let slices = &mut slices[..self.offered];
        self.filled = port.state.recv(socket, slices, &mut self.metas)?;
        let full = self.filled == self.offered;
        let long = self.metas[..self.filled].iter().any(|meta| meta.len > LONG_BYTES);
        self.offered = if long { TRAINS_AT_ONCE } else { BATCH_SIZE };
        Ok(full)
    }

    /// What the last `fill` brought, in order of arrival.
    pub fn trains(&self) -> impl Iterator<Item = Train<'_>> {
        let buffers = self.bytes.chunks_exact(TRAIN_BYTES);
        let filled = self.metas[..self.filled].iter();
        filled.zip(buffers).map(|(meta, buffer)| Train {
            source: meta.addr,
            target: meta.dst_ip,
            ecn: meta.ecn,
            size: meta.stride.max(1),
            bytes: &buffer[..meta.len],
        })
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

/// Where datagrams go: to `destination` by one socket of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Slot of the socket among the flows' sockets; `None` is the listening socket.
    pub slot: Option<u32>,
    /// Who gets it.
    pub destination: SocketAddr,
    /// Which of our addresses it comes from, where we have several.
    pub origin: Option<IpAddr>,
    /// Congestion marks.
    pub ecn: Option<EcnCodepoint>,
}

/// Datagrams of one size and one way, gathered until they leave as one GSO train.
#[derive(Default)]
pub struct Bundle {
    way: Option<Way>,
    size: usize,
    bytes: Vec<u8>,
}

/// What became of a bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Calls to the system.
    pub calls: u64,
    /// Datagrams the system did not take.
    pub failed: u64,
}

impl Bundle {
    /// The way of what is gathered, if anything is.
    #[must_use]
    pub fn way(&self) -> Option<Way> {
        self.way
    }

    /// Whether `bytes` (datagrams of `size`, the last may be shorter) can join, given `segments` a train.
    #[must_use]
    pub fn takes(&self, way: &Way, size: usize, bytes: &[u8], segments: usize) -> bool {
        let length = self.bytes.len() + bytes.len();
        // GSO lets the last datagram, and only the last, be shorter.
        let last = bytes.len() <= size && size < self.size;
        self.way.as_ref() == Some(way)
            && (size == self.size || last)
            && self.bytes.len().is_multiple_of(self.size)
            && length <= BUNDLE_BYTES
            && length.div_ceil(self.size) <= segments
    }

    /// Gather; the caller has asked `takes`, or the bundle is empty.
    pub fn gather(&mut self, way: Way, size: usize, bytes: &[u8]) {
        if self.way.is_none() {
            (self.way, self.size) = (Some(way), size);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Send what is gathered by `port` and be empty.
    pub fn leave(&mut self, port: &Port) -> Sent {
        let Some(way) = self.way.take() else {
            return Sent::default();
        };
        let sent = send_train(port, &way, self.size, &self.bytes);
        self.bytes.clear();
        sent
    }
}

/// Send datagrams of one `size` (the last may be shorter) by `port`, in as few calls as it allows.
pub fn send_train(port: &Port, way: &Way, size: usize, bytes: &[u8]) -> Sent {
    let mut sent = Sent::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let segments = port.segments().min(BUNDLE_BYTES / size).max(1);
        let (now, later) = rest.split_at(rest.len().min(segments * size));
        let mut result = send_once(port, way, size, now, &mut sent);
        // A connected socket reports an earlier ICMP error in place of sending: it is over now.
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused) {
            result = send_once(port, way, size, now, &mut sent);
        }
        match result {
            Ok(()) => rest = later,
            // The way refuses GSO: `segments` is 1 from now on, take the same again.
            Err(_) if port.segments() < segments => {}
            Err(_) => {
                sent.failed += now.len().div_ceil(size) as u64;
                rest = later;
            }
        }
    }
    sent
}

fn send_once(port: &Port, way: &Way, size: usize, bytes: &[u8], sent: &mut Sent) -> io::Result<()> {
    sent.calls += 1;
    port.send(&Transmit {
        destination: way.destination,
        ecn: way.ecn,
        contents: bytes,
        segment_size: (bytes.len() > size).then_some(size),
        src_ip: way.origin,
    })
}
