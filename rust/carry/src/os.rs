//! What is particular to one operating system: this file is Linux.
//!
//! Another system needs its own TUN, its own way to wake a waiting thread, its own socket options;
//! nothing else in the crate knows them.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tun_rs::{DeviceBuilder, SyncDevice};

/// Why a TUN or a port could not be had; each needs another remedy.
#[derive(Debug)]
pub enum OpenError {
    /// The process may not.
    NoRights(String),
    /// The machine has no TUN.
    NoTun(String),
    /// The name of the interface is taken.
    Taken(String),
    /// The port is in use.
    PortInUse(String),
    /// The arguments make no sense.
    Misuse(String),
    /// Anything else the system says.
    Other(io::Error),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRights(text)
            | Self::NoTun(text)
            | Self::Taken(text)
            | Self::PortInUse(text)
            | Self::Misuse(text) => f.write_str(text),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

/// Open a new TUN of that name, with offload where the kernel grants it.
pub fn open_tun(name: &str) -> Result<SyncDevice, OpenError> {
    if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains(['/', ' ', '\0']) {
        return Err(OpenError::Misuse(format!("{name:?} cannot be the name of an interface")));
    }
    if !std::path::Path::new("/dev/net/tun").exists() {
        return Err(OpenError::NoTun(
            "there is no /dev/net/tun; load the tun module, or give it to the container".into(),
        ));
    }
    if interface_exists(name) {
        return Err(OpenError::Taken(format!(
            "an interface named {name} exists; choose another with --interface, or remove it"
        )));
    }
    let build = |offload| {
        DeviceBuilder::new().name(name).enable(false).with(|b| { b.offload(offload); }).build_sync()
    };
    let device = build(true).or_else(|_| build(false)).map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            OpenError::NoRights("creating an interface needs CAP_NET_ADMIN; run as root".into())
        }
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => {
            OpenError::NoTun("/dev/net/tun does not answer; load the tun module".into())
        }
        Some(libc::EBUSY | libc::EEXIST) => OpenError::Taken(format!("an interface named {name} exists")),
        _ => OpenError::Other(error),
    })?;
    device.set_nonblocking(true).map_err(OpenError::Other)?;
    Ok(device)
}

fn interface_exists(name: &str) -> bool {
    std::ffi::CString::new(name).is_ok_and(|name| {
        // SAFETY: `name` is a NUL-terminated string that outlives the call.
        unsafe { libc::if_nametoindex(name.as_ptr()) != 0 }
    })
}

/// Bind a UDP socket; an IPv6 wildcard takes IPv4 as well.  Where there is no IPv6, `[::]` means `0.0.0.0`.
pub fn bind_udp(listen: &str) -> Result<UdpSocket, OpenError> {
    let address: SocketAddr =
        listen.parse().map_err(|_| OpenError::Misuse(format!("{listen:?} is not ADDRESS:PORT")))?;
    let bound = bind_to(address);
    let bound = match (address, bound) {
        (SocketAddr::V6(v6), Err(error))
            if v6.ip().is_unspecified()
                && matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) =>
        {
            bind_to(SocketAddr::from(([0, 0, 0, 0], v6.port())))
        }
        (_, bound) => bound,
    };
    bound.map_err(|error| match error.raw_os_error() {
        Some(libc::EADDRINUSE) => OpenError::PortInUse(format!("somebody else listens on {listen}")),
        Some(libc::EACCES | libc::EPERM) => {
            OpenError::NoRights(format!("listening on {listen} needs more rights; take a port above 1023"))
        }
        Some(libc::EADDRNOTAVAIL) => OpenError::Misuse(format!("{listen} is no address of this machine")),
        _ => OpenError::Other(error),
    })
}

fn bind_to(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    enlarge(&socket, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF);
    enlarge(&socket, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Octets of socket buffer asked for: 50 ms of 1 Gbit/s, so that a pause of the process costs no packet.
static BUFFER_BYTES: libc::c_int = 7 << 20;

fn enlarge(socket: &Socket, force: libc::c_int, ask: libc::c_int) {
    for option in [force, ask] {
        // SAFETY: the value is a c_int that outlives the call, and its size is stated.
        let refused = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const BUFFER_BYTES).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if refused == 0 {
            return;
        }
    }
}

/// Wakes threads that wait in [`wait`], once and for all.
#[derive(Debug)]
pub struct Stop(OwnedFd);

impl Stop {
    /// A stop that nobody has pulled.
    pub fn new() -> io::Result<Self> {
        // SAFETY: plain system call without pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Pull it: every [`wait`] returns from now on.
    pub fn pull(&self) {
        let one = 1_u64;
        // SAFETY: eight octets of a local variable, as eventfd(2) wants.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }
}

/// What a wait is for.
#[derive(Debug, Clone, Copy)]
pub enum For {
    /// Something to read.
    Read,
    /// Room to write.
    Write,
}

/// Wait until `fd` is ready, `stop` is pulled or the time is over; returns whether `fd` is ready.
pub fn wait(fd: RawFd, what: For, stop: &Stop, timeout: Option<Duration>) -> bool {
    let events = match what {
        For::Read => libc::POLLIN,
        For::Write => libc::POLLOUT,
    };
    let mut fds = [
        libc::pollfd { fd, events, revents: 0 },
        libc::pollfd { fd: stop.0.as_raw_fd(), events: libc::POLLIN, revents: 0 },
    ];
    let milliseconds = timeout.map_or(-1, |t| libc::c_int::try_from(t.as_millis()).unwrap_or(libc::c_int::MAX));
    // SAFETY: an array of two pollfd that outlives the call, and its length.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), 2, milliseconds) };
    ready > 0 && fds[1].revents == 0 && fds[0].revents != 0
}
