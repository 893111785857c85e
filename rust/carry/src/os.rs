//! What is particular to Linux: epoll, eventfd, timerfd, limits, thread priority.
//!
//! Thin owners of descriptors; each call returns the system's own error.  A port to
//! another system replaces this file.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

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
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        let epoll = self.descriptor.as_raw_fd();
        // SAFETY: `event` outlives the call.
        checked(unsafe {
            libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, descriptor, &raw mut event)
        })?;
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
        let ready = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                epoll,
                events,
                most,
                limit,
                mask,
                0_usize,
            )
        };
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
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return 1024; // POSIX promises less, every Linux gives this much
    }
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        ..limit
    };
    // SAFETY: `raised` outlives the call.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0;
    let granted = if done {
        raised.rlim_cur
    } else {
        limit.rlim_cur
    };
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
    let forced = [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ];
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
