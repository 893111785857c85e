//! What is particular to Linux: TUN, socket options, epoll, eventfd, limits, thread priority.
//!
//! Thin owners of descriptors; each call returns the system's own error.  A port to
//! another system replaces this file.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tun_rs::{DeviceBuilder, SyncDevice};

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn owned(result: libc::c_int) -> io::Result<OwnedFd> {
    let descriptor = checked(result)?;
    // SAFETY: the kernel has just given us this descriptor; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Waits for readable descriptors, each known by a token of the caller.
#[derive(Debug)]
pub struct Epoll {
    descriptor: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// An empty set that reports at most `most` descriptors at once.
    ///
    /// # Errors
    /// The system's, when descriptors run out.
    pub fn new(most: usize) -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let descriptor = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; most];
        Ok(Self { descriptor, events })
    }

    /// Watch `descriptor` until it is closed or removed; level-triggered.
    ///
    /// # Errors
    /// The system's, for instance when it is watched already.
    pub fn add(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        let epoll = self.descriptor.as_raw_fd();
        // SAFETY: `event` outlives the call.
        checked(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, descriptor, &raw mut event) })?;
        Ok(())
    }

    /// Stop watching `descriptor`.
    ///
    /// # Errors
    /// The system's, when it was not watched.
    pub fn remove(&self, descriptor: RawFd) -> io::Result<()> {
        let epoll = self.descriptor.as_raw_fd();
        let none = std::ptr::null_mut();
        // SAFETY: EPOLL_CTL_DEL ignores the event pointer (epoll_ctl(2), since Linux 2.6.9).
        checked(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, descriptor, none) })?;
        Ok(())
    }

    /// Wait up to `timeout` (forever if `None`); return the ready tokens.
    ///
    /// To the nanosecond as far as the kernel's timers go; before Linux 5.11 to the millisecond above.
    ///
    /// # Errors
    /// The system's; an interruption counts as nothing ready.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<impl Iterator<Item = u64>> {
        let mut waited = self.wait_finely(timeout);
        if matches!(&waited, Err(error) if error.raw_os_error() == Some(libc::ENOSYS)) {
            waited = self.wait_coarsely(timeout);
        }
        let ready = match waited {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            other => other?,
        };
        Ok(self.events[..ready].iter().map(|event| event.u64))
    }

    fn wait_finely(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let time = timeout.map(|time| libc::timespec {
            tv_sec: time.as_secs() as libc::time_t,
            tv_nsec: time.subsec_nanos() as libc::c_long,
        });
        let limit = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let mask: *const libc::sigset_t = std::ptr::null();
        let epoll = self.descriptor.as_raw_fd();
        let (events, most) = (self.events.as_mut_ptr(), self.events.len() as libc::c_int);
        // SAFETY: `events` points at `most` events of ours, `limit` at `time` or nowhere, both for the call.
        let ready =
            unsafe { libc::syscall(libc::SYS_epoll_pwait2, epoll, events, most, limit, mask, 0_usize) };
        if ready < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(ready as usize)
    }

    fn wait_coarsely(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let milliseconds = timeout.map_or(-1, |time| time.as_nanos().div_ceil(1_000_000) as i32);
        let epoll = self.descriptor.as_raw_fd();
        let (events, most) = (self.events.as_mut_ptr(), self.events.len() as i32);
        // SAFETY: `events` points at `most` events that we own and borrow for the call.
        let ready = checked(unsafe { libc::epoll_wait(epoll, events, most, milliseconds) })?;
        Ok(ready as usize)
    }
}

/// Wakes a thread that waits in `Epoll`.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// A silent bell.
    ///
    /// # Errors
    /// The system's, when descriptors run out.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let bell = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        Ok(Self(owned(bell)?))
    }

    /// Ring; many rings before `hush` are one.
    pub fn ring(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: `one` is 8 readable octets.  The only failure is an overflow: then it rings already.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Silence the bell.
    pub fn hush(&self) {
        let mut rings = [0_u8; 8];
        // SAFETY: `rings` is 8 writable octets.  The only failure is that it did not ring.
        unsafe { libc::read(self.0.as_raw_fd(), rings.as_mut_ptr().cast(), rings.len()) };
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Let this process open as many descriptors as the hard limit allows; return how many that is.
#[must_use]
pub fn raise_descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return 1024; // POSIX promises less, every Linux gives this much
    }
    let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
    // SAFETY: `raised` outlives the call.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0;
    let granted = if done { raised.rlim_cur } else { limit.rlim_cur };
    usize::try_from(granted).unwrap_or(usize::MAX)
}

/// Turn a socket option on or off.
///
/// # Errors
/// The system's, when it does not know the option.
pub fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    let (socket, pointer) = (socket.as_raw_fd(), (&raw const value).cast());
    // SAFETY: `value` outlives the call and `length` is its size.
    checked(unsafe { libc::setsockopt(socket, level, name, pointer, length) })?;
    Ok(())
}

/// Ask for no receive times where nobody reads them: each costs a control message per datagram.
pub fn forgo_receive_times(socket: BorrowedFd<'_>) {
    // A kernel that cannot switch them off costs us that, no more.
    let _ = set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 0);
}

/// Make the calling thread wake as promptly as this process may: real-time, else preferred.
///
/// What is not permitted is left as it was; the thread then is as prompt as any other.
pub fn be_prompt() {
    let parameter = libc::sched_param { sched_priority: 1 };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `parameter` outlives the call; 0 is the calling thread.
    let real_time = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) } == 0;
    if !real_time {
        be_preferred();
    }
    wake_exactly();
}

/// Have the calling thread run before ordinary ones, where this process may.
pub fn be_preferred() {
    // SAFETY: no pointers are passed; on Linux 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -10) };
}

/// Have the calling thread's timers end when they are due; the kernel would else add up to 50 us.
pub fn wake_exactly() {
    // SAFETY: no pointers are passed; a refusal leaves the slack as it was.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

/// Give a socket queues of `octets` each way, beyond the system's limits where we may.
pub fn widen_queues(socket: BorrowedFd<'_>, octets: i32) {
    let forced = [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)];
    for (beyond, within) in forced {
        if set_option(socket, libc::SOL_SOCKET, beyond, octets).is_err() {
            // The kernel caps this at rmem_max or wmem_max: a shorter queue is no failure.
            let _ = set_option(socket, libc::SOL_SOCKET, within, octets);
        }
    }
}

/// A second, non-blocking handle on what `descriptor` names, ours to close.
///
/// # Errors
/// The system's, when `descriptor` names nothing or descriptors run out.
pub fn adopt(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed; a descriptor that names nothing is an error.
    let copy = owned(unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) })?;
    let raw = copy.as_raw_fd();
    // SAFETY: `raw` is open, no pointers are passed.
    let flags = checked(unsafe { libc::fcntl(raw, libc::F_GETFL) })?;
    // SAFETY: as before.
    checked(unsafe { libc::fcntl(raw, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    Ok(copy)
}

/// Read one packet from a TUN into `buffer`; return its length.
///
/// # Errors
/// The system's; `WouldBlock` when none waits.
pub fn read(descriptor: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let (raw, start) = (descriptor.as_raw_fd(), buffer.as_mut_ptr().cast());
    // SAFETY: `buffer` is writable for its whole length during the call.
    let length = unsafe { libc::read(raw, start, buffer.len()) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// Write one packet to a TUN.
///
/// # Errors
/// The system's, for instance when the interface is down.
pub fn write(descriptor: BorrowedFd<'_>, packet: &[u8]) -> io::Result<()> {
    let (raw, start) = (descriptor.as_raw_fd(), packet.as_ptr().cast());
    // SAFETY: `packet` is readable for its whole length during the call.
    let length = unsafe { libc::write(raw, start, packet.len()) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    Ok(())
}

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
        DeviceBuilder::new()
            .name(name)
            .enable(false)
            .with(|b| {
                b.offload(offload);
            })
            .build_sync()
    };
    let device = build(true).or_else(|_| build(false)).map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            OpenError::NoRights("creating an interface needs CAP_NET_ADMIN; run as root".into())
        }
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ENOTTY) => {
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
    widen_queues(socket.as_fd(), BUFFER_BYTES);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Octets of socket buffer asked for: 50 ms of 1 Gbit/s, so that a pause of the process costs no packet.
const BUFFER_BYTES: i32 = 7 << 20;

/// What a wait is for.
#[derive(Debug, Clone, Copy)]
pub enum For {
    /// Something to read.
    Read,
    /// Room to write.
    Write,
}

/// Wait until `fd` is ready, `stop` rings or the time is over; returns whether `fd` is ready.
pub fn wait(fd: RawFd, what: For, stop: &Bell, timeout: Option<Duration>) -> bool {
    let events = match what {
        For::Read => libc::POLLIN,
        For::Write => libc::POLLOUT,
    };
    let mut fds = [
        libc::pollfd { fd, events, revents: 0 },
        libc::pollfd { fd: stop.as_raw_fd(), events: libc::POLLIN, revents: 0 },
    ];
    let milliseconds =
        timeout.map_or(-1, |t| libc::c_int::try_from(t.as_millis()).unwrap_or(libc::c_int::MAX));
    // SAFETY: an array of two pollfd that outlives the call, and its length.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), 2, milliseconds) };
    ready > 0 && fds[1].revents == 0 && fds[0].revents != 0
}
