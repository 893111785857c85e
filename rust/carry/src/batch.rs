//! Datagrams to the same place and of the same size leave in one system call (UDP GSO).

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use quinn_udp::{Transmit, UdpSocketState};

use crate::os::{self, Bell, For};
use crate::report::{Counters, Loss};

/// Most octets of one transmit.  Above 65,536 with all headers Linux splits the batch again before
/// the device sees it (`gso_max_size`, seen by profile as `skb_segment` below `validate_xmit_skb`).
const MOST_BYTES: usize = 65_400;

/// How long a full socket buffer may hold up a batch before it is dropped.
const PATIENCE: Duration = Duration::from_millis(20);

/// Gathers datagrams and sends them.  Call [`Sender::push`] any number of times, then [`Sender::flush`].
pub struct Sender<'a> {
    socket: &'a UdpSocket,
    state: &'a UdpSocketState,
    counters: &'a Counters,
    stop: &'a Bell,
    maps_v4: bool,
    to: Option<SocketAddr>,
    octets: Vec<u8>,
    segment: usize,
    count: usize,
    closed: bool,
}

impl<'a> Sender<'a> {
    /// A sender over a socket that other senders may share.
    pub fn new(
        socket: &'a UdpSocket,
        state: &'a UdpSocketState,
        counters: &'a Counters,
        stop: &'a Bell,
    ) -> Self {
        Self {
            socket,
            state,
            counters,
            stop,
            maps_v4: socket.local_addr().is_ok_and(|address| address.is_ipv6()),
            to: None,
            octets: Vec::with_capacity(MOST_BYTES),
            segment: 0,
            count: 0,
            closed: false,
        }
    }

    /// Add one datagram; sends what was gathered if this one cannot join it.
    pub fn push(&mut self, to: SocketAddr, octets: &[u8]) {
        let joins = self.to == Some(to)
            && !self.closed
            && octets.len() <= self.segment
            && self.count < self.state.max_gso_segments()
            && self.octets.len() + octets.len() <= MOST_BYTES;
        if !joins {
            self.flush();
            self.to = Some(to);
            self.segment = octets.len();
        }
        // Only the last datagram of a transmit may be shorter.
        self.closed = octets.len() < self.segment;
        self.octets.extend_from_slice(octets);
        self.count += 1;
    }

    /// Send what was gathered.
    pub fn flush(&mut self) {
        let Some(to) = self.to.take() else { return };
        let to = if self.maps_v4 { mapped(to) } else { to };
        let whole = self.transmit(to, &self.octets, self.segment);
        if whole.is_err() && self.count > 1 {
            // The kernel or the device refused the batch; one by one it may take them.
            for datagram in self.octets.chunks(self.segment) {
                if self.transmit(to, datagram, datagram.len()).is_err() {
                    self.counters.lose(Loss::Full);
                }
            }
        } else if whole.is_err() {
            self.counters.lose(Loss::Full);
        }
        self.counters.work(0, self.count as u64);
        self.octets.clear();
        self.count = 0;
        self.closed = false;
    }

    fn transmit(&self, to: SocketAddr, contents: &[u8], segment: usize) -> io::Result<()> {
        let transmit =
            Transmit { destination: to, ecn: None, contents, segment_size: Some(segment), src_ip: None };
        self.counters.work(1, 0);
        match self.state.try_send(self.socket.into(), &transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                os::wait(self.socket.as_raw_fd(), For::Write, self.stop, Some(PATIENCE));
                self.counters.work(2, 0);
                self.state.try_send(self.socket.into(), &transmit)
            }
            done => done,
        }
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddrV6::new(v4.to_ipv6_mapped(), address.port(), 0, 0).into(),
        IpAddr::V6(_) => address,
    }
}

/// The address as people write it: IPv4 is IPv4, also on a socket of both families.
pub fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        (bind(), bind())
    }

    #[test]
    fn a_batch_arrives_as_the_datagrams_it_was_made_of() {
        let (from, to) = pair();
        let state = UdpSocketState::new((&from).into()).unwrap();
        let (counters, stop) = (Counters::default(), Bell::new().unwrap());
        let mut sender = Sender::new(&from, &state, &counters, &stop);
        let sizes = [100, 100, 100, 40, 100, 200, 200];
        for size in sizes {
            sender.push(to.local_addr().unwrap(), &vec![size; usize::from(size)]);
        }
        sender.flush();
        let mut buffer = [0; 2048];
        for size in sizes {
            let length = to.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], &vec![size; usize::from(size)]);
        }
        let calls = counters.all().iter().find(|(name, _)| *name == "system-calls").unwrap().1;
        assert!(calls < sizes.len() as u64, "{calls} calls");
    }

    #[test]
    fn an_oversized_datagram_is_counted_and_the_next_one_goes() {
        let (from, to) = pair();
        let state = UdpSocketState::new((&from).into()).unwrap();
        let (counters, stop) = (Counters::default(), Bell::new().unwrap());
        let mut sender = Sender::new(&from, &state, &counters, &stop);
        sender.push(to.local_addr().unwrap(), &[1; 65_400]);
        sender.flush();
        sender.push(to.local_addr().unwrap(), &[0; 65_600]);
        sender.flush();
        sender.push(to.local_addr().unwrap(), b"next");
        sender.flush();
        let full = counters.all().iter().find(|(name, _)| *name == "full").unwrap().1;
        assert_eq!(full, 1);
        let mut buffer = vec![0; 70_000];
        assert_eq!(to.recv(&mut buffer).unwrap(), 65_400);
        assert_eq!(to.recv(&mut buffer).unwrap(), 4);
    }
}
